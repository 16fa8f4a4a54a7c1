/* prepared.c: tell a held container which program to execute.
 * In: a child of prl_launch_held, a program.  Out: the program running, or why not.
 * Never: a second request; a question to the start barrier: it gets one message, and its exec
 * or its record is the answer. */
#include "prl.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/own.h"
#include "base/process/pass.h"
#include "base/report.h"
#include "base/sys.h"
#include "init/wish.h"
#include "launch/prepare/setup.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { STREAMS = 3, ALIGN = 8 };

/* The flat block while it is written: its arrays first, then its strings. */
struct block {
    char *bytes;
    uint32_t array_at, string_at;
};

struct message {
    struct prl_wish_head head;
    char *block;
};

struct texts {
    const char *const *rows;
    size_t len, bytes;
};

static struct texts measure(const char *const *rows)
{
    struct texts texts = {.rows = rows};
    for (; rows[texts.len]; texts.len++)
        texts.bytes += strlen(rows[texts.len]) + 1;
    return texts;
}

static uint32_t put_text(struct block *block, const char *text)
{
    uint32_t at = block->string_at;
    size_t size = strlen(text) + 1;
    memcpy(block->bytes + at, text, size);
    block->string_at += (uint32_t)size;
    return at;
}

static uint32_t put_array(struct block *block, const struct texts *texts)
{
    uint32_t at = block->array_at;
    uint64_t *numbers = (uint64_t *)(void *)(block->bytes + at);
    for (size_t i = 0; i < texts->len; i++)
        numbers[i] = put_text(block, texts->rows[i]);
    block->array_at += (uint32_t)((texts->len + 1) * sizeof *numbers);
    return at;
}

static int write_block(const struct prl_process *p, const char *const *programs, bool moved,
                       struct prl_arena *arena, struct message *ret)
{
    const struct texts all[3] = {measure(p->args), measure(p->env), measure(programs)};
    size_t numbers = PRL_WISH_SPARE + 3, bytes = moved ? strlen(p->cwd) + 1 : 0;
    for (size_t i = 0; i < 3; i++) {
        numbers += all[i].len;
        bytes += all[i].bytes;
    }
    size_t size = numbers * ALIGN + bytes;
    struct block block = {.array_at = PRL_WISH_SPARE * ALIGN,
                          .string_at = (uint32_t)(numbers * ALIGN)};
    block.bytes = size > UINT32_MAX ? NULL : prl_arena_alloc(arena, size);
    if (!block.bytes)
        return -ENOMEM;
    ret->head.size = (uint32_t)size;
    ret->head.args_at = put_array(&block, &all[0]);
    ret->head.env_at = put_array(&block, &all[1]);
    ret->head.programs_at = put_array(&block, &all[2]);
    ret->head.cwd_at = moved ? put_text(&block, p->cwd) : 0;
    ret->head.typed = strchr(p->args[0], '/') != NULL;
    ret->block = block.bytes;
    return 0;
}

static int send_wish(int fd, struct message *wish, const int fds[STREAMS])
{
    const struct iovec parts[2] = {{&wish->head, sizeof wish->head},
                                   {wish->block, wish->head.size}};
    for (int i = 0; i < STREAMS; i++)
        wish->head.streams |= fds[i] < 0 ? 0 : 1u << i;
    ssize_t sent = prl_pass_send(fd, parts, 2, fds, STREAMS);
    if (sent < (ssize_t)sizeof wish->head)
        return -1;
    size_t done = (size_t)sent - sizeof wish->head;
    /* The rest of what did not fit into the socket at once. */
    const char *bytes = wish->block + done;
    size_t len = wish->head.size - done;
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return -1;
        bytes += n < 0 ? 0 : n;
        len -= n < 0 ? 0 : (size_t)n;
    }
    return 0;
}

static int go(struct prl_child *child, const struct prl_process *p, const struct prl_wish *wish,
              struct prl_arena *arena, struct prl_error *reterr)
{
    struct message message = {0};
    const char **programs;
    int r = prl_prepare_programs(p, arena, &programs, reterr);
    if (r < 0)
        return r;
    if (write_block(p, programs, wish->cwd != NULL, arena, &message) < 0)
        return prl_fail_with(reterr, PRL_STAGE_EXEC, E2BIG, "execve", p->args[0]);
    child->start_ns = prl_sys_now_ns();
    if (send_wish(child->barrier_fd, &message, wish->fds) < 0)
        return prl_fail(reterr, PRL_STAGE_CLONE, "sendmsg", "the prepared container is gone");
    return prl_report_read(child->barrier_fd, reterr);
}

int prl_child_go(struct prl_child *child, const struct prl_spec *spec,
                 const struct prl_wish *wish, struct prl_error *reterr)
{
    struct prl_process process = spec->process;
    if (!child->held || child->barrier_fd < 0 || child->pid <= 0)
        return prl_fail_with(reterr, PRL_STAGE_CLONE, EALREADY, "sendmsg",
                             "the container was not prepared, or is used already");
    process.args = wish->args;
    process.env = wish->env ? wish->env : process.env;
    process.cwd = wish->cwd ? wish->cwd : process.cwd;
    struct prl_arena *arena = prl_arena_new();
    if (!arena)
        return prl_fail_with(reterr, PRL_STAGE_CLONE, ENOMEM, "malloc", "arguments");
    int r = go(child, &process, wish, arena, reterr);
    prl_arena_free(arena);
    prl_close_p(&child->barrier_fd);
    return r;
}
