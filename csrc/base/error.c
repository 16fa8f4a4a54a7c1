/* error.c: the one error record, its text and its exit code.
 * In: stage, call, subject.  Out: a filled record and -errno.  Never: printing; prl_fail* never
 * allocate. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct prl_error) <= 512, "one atomic pipe write: POSIX PIPE_BUF is 512");

static const char stage_names[PRL_STAGE_COUNT][12] = {
    [PRL_STAGE_NONE] = "none",         [PRL_STAGE_OPTIONS] = "options",
    [PRL_STAGE_TEMPLATE] = "image",    [PRL_STAGE_CONFIG] = "config",
    [PRL_STAGE_STATE] = "state",       [PRL_STAGE_CLONE] = "clone",
    [PRL_STAGE_IDMAP] = "idmap",       [PRL_STAGE_ROOTFS] = "rootfs",
    [PRL_STAGE_MOUNTS] = "mounts",     [PRL_STAGE_DEVICES] = "devices",
    [PRL_STAGE_NETWORK] = "network",   [PRL_STAGE_SYSCTL] = "sysctl",
    [PRL_STAGE_TERMINAL] = "terminal", [PRL_STAGE_RLIMITS] = "rlimits",
    [PRL_STAGE_FAKEROOT] = "fakeroot", [PRL_STAGE_CAPS] = "caps",
    [PRL_STAGE_LANDLOCK] = "landlock", [PRL_STAGE_FDS] = "fds",
    [PRL_STAGE_SECCOMP] = "seccomp",   [PRL_STAGE_EXEC] = "exec",
    [PRL_STAGE_MONITOR] = "monitor",   [PRL_STAGE_HOST] = "host",
    [PRL_STAGE_LAYER] = "layer",       [PRL_STAGE_FUSE] = "fuse",
    [PRL_STAGE_LIMITS] = "limits",     [PRL_STAGE_BOX] = "box",
    [PRL_STAGE_VERIFY] = "verify",     [PRL_STAGE_WARM] = "warm",
    [PRL_STAGE_VOLUMES] = "volumes",
};

const char *prl_stage_name(unsigned stage)
{
    return stage < PRL_STAGE_COUNT ? stage_names[stage] : "unknown";
}

/* A text that does not fit ends in "...". */
static void PRL_CHILD_SAFE copy_text(char *to, size_t size, const char *from)
{
    size_t len = from ? strlen(from) : 0;
    if (len >= size) {
        memcpy(to, from, size - 4);
        memcpy(to + size - 4, "...", 4);
        return;
    }
    memcpy(to, from ? from : "", len + 1);
}

int PRL_CHILD_SAFE prl_fail_with(struct prl_error *reterr, enum prl_stage stage, int errnum,
                                 const char *syscall, const char *subject)
{
    if (errnum <= 0)
        errnum = EIO;
    reterr->errnum = errnum;
    reterr->stage = (uint16_t)stage;
    reterr->sentence = 0;
    copy_text(reterr->syscall, sizeof reterr->syscall, syscall);
    copy_text(reterr->subject, sizeof reterr->subject, subject);
    return -errnum;
}

int PRL_CHILD_SAFE prl_fail(struct prl_error *reterr, enum prl_stage stage, const char *syscall,
                            const char *subject)
{
    return prl_fail_with(reterr, stage, errno, syscall, subject);
}

int prl_failf(struct prl_error *reterr, enum prl_stage stage, int errnum, const char *syscall,
              const char *format, ...)
{
    char text[4096];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    int r = prl_fail_with(reterr, stage, errnum, syscall, text);
    reterr->sentence = strchr(text, ' ') != NULL;
    return r;
}

/* Stages whose subject is a whole sentence, so that strerror() adds nothing. */
static bool is_sentence(const struct prl_error *error)
{
    return error->stage == PRL_STAGE_OPTIONS || error->stage == PRL_STAGE_CONFIG ||
           error->stage == PRL_STAGE_TEMPLATE || error->sentence;
}

/* An option, or a word of the usage as IMAGE. */
static bool is_users_word(char first)
{
    return first == '-' || (first >= 'A' && first <= 'Z');
}

/* Names in an error may come from a hostile image: none of their bytes may control the
 * terminal. Control characters above 127 are two bytes in UTF-8, the first of them 0xC2. */
static char *make_printable(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        bool high = p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0;
        if ((*p < ' ' && *p != '\n' && *p != '\t') || *p == 0x7f || high)
            *p = '?';
        if (high)
            p[1] = '?';
    }
    return text;
}

char *prl_error_format(const struct prl_error *error, char *buf, size_t size)
{
    const struct prl_remedy *remedy = prl_error_remedy(error);
    int n;
    if (is_sentence(error) && is_users_word(error->syscall[0]))
        n = snprintf(buf, size, "%s: %s", error->syscall, error->subject);
    else if (is_sentence(error))
        n = snprintf(buf, size, "%s: %s", prl_stage_name(error->stage), error->subject);
    else
        n = snprintf(buf, size, "%s: %s(%s): %s", prl_stage_name(error->stage), error->syscall,
                     error->subject, strerror(error->errnum));
    if (!remedy || n < 0 || (size_t)n >= size)
        return make_printable(buf);
    n += snprintf(buf + n, size - (size_t)n, "\n  remedy: %s", remedy->text);
    if (remedy->check[0] && (size_t)n < size)
        snprintf(buf + n, size - (size_t)n, "\n  more: pyrootless doctor %s", remedy->check);
    return make_printable(buf);
}

int prl_error_exit_code(const struct prl_error *error)
{
    if (error->stage != PRL_STAGE_EXEC)
        return 125;
    return error->errnum == ENOENT || error->errnum == ENOTDIR ? 127 : 126;
}

int prl_status_exit_code(const struct prl_status *status)
{
    if (status->ended_by == PRL_ENDED_EXIT)
        return status->exit_code;
    return 128 + (status->signal ? status->signal : 9);
}
