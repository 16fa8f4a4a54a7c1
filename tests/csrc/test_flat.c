// sources: csrc/flat.c csrc/flat_make.c csrc/template.c csrc/spec.c csrc/spec_*.c csrc/base/*.c
// libs: -lyyjson
/* test_flat.c: a start that was made once gives the spec and the text of the next one.
 * In: texts with an id, a name and arguments.  Out: the spec and the text, word for word those
 * of a start made in full; or nothing, when anything is another. */
#include "base/arena.h"
#include "base/io.h"
#include "check.h"
#include "flat.h"
#include "flat_form.h"
#include "spec_documents.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_A "aaaa0123456789abaaaa0123456789abaaaa0123456789abaaaa0123456789ab"
#define ID_B "bbbb0123456789abbbbb0123456789abbbbb0123456789abbbbb0123456789ab"

static char root[64];
static struct prl_dirs dirs;
static struct prl_template template;
static const struct prl_span key = {"key", 3};

static void fresh(void)
{
    snprintf(root, sizeof root, "/tmp/prl-flat-XXXXXX");
    if (!mkdtemp(root))
        exit(99);
    dirs = (struct prl_dirs){.runtime_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)};
    template = (struct prl_template){.identity = {1, 2, 3, 4, 5}, .sources = strdup("")};
}

static void done(void)
{
    free(template.sources);
    close(dirs.runtime_fd);
    prl_io_remove_tree(AT_FDCWD, root);
}

/* config.json of a container: entrypoint "first", then the arguments; "%s" of its id. */
static char *text_of(const char *id, const char *args, const char *name)
{
    char *text = NULL;
    if (asprintf(
            &text,
            "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"/r\"},\"process\":{\"user\":"
            "{\"uid\":0,\"gid\":0},\"args\":[\"first\",%s],\"cwd\":\"/\",\"env\":[\"A=B\"]},"
            "\"hostname\":\"%.12s\",\"mounts\":[{\"destination\":\"/etc/hosts\","
            "\"type\":\"bind\",\"source\":\"/c/%s/hosts\",\"options\":[\"bind\",\"ro\"]}],"
            "\"linux\":{\"namespaces\":[{\"type\":\"user\"},{\"type\":\"mount\"},{\"type\":"
            "\"pid\"},{\"type\":\"uts\"}],\"uidMappings\":[{\"containerID\":0,\"hostID\":"
            "1000,\"size\":1}],\"gidMappings\":[{\"containerID\":0,\"hostID\":1000,\"size\":"
            "1}],\"maskedPaths\":[\"/proc/kcore\"]},\"annotations\":{\"io.pyrootless.id\":"
            "\"%s\",\"io.pyrootless.name\":\"%s\",\"org.example\":\"x\"}}",
            args, id, id, id, name) < 0)
        exit(99);
    return text;
}

static char *const one_arg[] = {(char *)"run", NULL};
static const struct prl_flat_words words_a = {ID_A, "web", one_arg, {"\"run\"", 5}};

static void keep_text(struct prl_span under, const char *json,
                      const struct prl_flat_words *words)
{
    struct prl_error error;
    struct prl_spec *spec = NULL;
    if (prl_spec_parse(json, strlen(json), &spec, &error) < 0)
        exit(99);
    const struct prl_flat_start start = {*words, &template,    json, strlen(json),
                                         json,   strlen(json), spec};
    prl_flat_keep(&dirs, under, &start);
    prl_spec_free(spec);
}

static void keep_under(struct prl_span under)
{
    char *json = text_of(ID_A, "\"run\"", "web");
    keep_text(under, json, &words_a);
    free(json);
}

static void keep(void)
{
    keep_under(key);
}

static bool find(struct prl_span with, const struct prl_template *t)
{
    struct prl_flat flat = {0};
    bool found = prl_flat_find(&dirs, with, t, &flat);
    prl_flat_close(&flat);
    return found;
}

static bool is_fresh(void)
{
    struct prl_flat flat = {0};
    bool is = prl_flat_find(&dirs, key, &template, &flat) && prl_flat_is_fresh(&flat);
    prl_flat_close(&flat);
    return is;
}

static char *joined(const struct prl_flat *flat, const struct prl_flat_words *words)
{
    struct iovec pieces[PRL_FLAT_PIECES];
    char *text = calloc(1, 65536);
    int count = prl_flat_text(flat, words, pieces);
    for (int i = 0; text && i < count; i++)
        strncat(text, pieces[i].iov_base, pieces[i].iov_len);
    return text;
}

/* Word by word: the same number, or pointers to the same place.  The arguments and the arena
 * are each spec's own. */
static bool is_same(const struct prl_spec *one, const struct prl_spec *other)
{
    size_t len, more;
    const char *a = prl_arena_piece(one->arena, &len),
               *b = prl_arena_piece(other->arena, &more);
    bool same = a && b && len <= more;
    for (size_t at = 0; same && at < len; at += sizeof(uintptr_t)) {
        uintptr_t x, y;
        memcpy(&x, a + at, sizeof x);
        memcpy(&y, b + at, sizeof y);
        if (at == offsetof(struct prl_spec, arena) ||
            at == offsetof(struct prl_spec, process.args))
            continue;
        same = x == y || x - (uintptr_t)a == y - (uintptr_t)b;
    }
    return same;
}

TEST(the_next_start_has_the_spec_and_the_text_of_one_made_in_full)
{
    char *const args[] = {(char *)"run", (char *)"a \"b\"", NULL};
    const struct prl_flat_words words = {
        ID_B, "other-name", args, {"\"run\",\"a \\\"b\\\"\"", 15}};
    struct prl_flat flat = {0};
    struct prl_spec *spec = NULL, *full = NULL;
    struct prl_error error;
    fresh();
    keep();
    CHECK(prl_flat_find(&dirs, key, &template, &flat));
    CHECK_INT(prl_flat_spec(&flat, &words, &spec, &error), 0);
    char *text = joined(&flat, &words);
    char *wanted = text_of(ID_B, "\"run\",\"a \\\"b\\\"\"", "other-name");
    CHECK_STR(text, wanted);
    CHECK_STR(spec->process.args[0], "first");
    CHECK_STR(spec->process.args[1], "run");
    CHECK_STR(spec->process.args[2], "a \"b\"");
    CHECK(!spec->process.args[3]);
    CHECK_STR(spec->hostname, "bbbb01234567");
    CHECK_STR(spec->mounts[0].source, "/c/" ID_B "/hosts");
    CHECK_STR(spec->mounts[0].type, "bind");
    free(wanted);
    prl_spec_free(spec);
    wanted = text_of(ID_B, "\"run\"", "web"); /* the same words: the same layout */
    CHECK_INT(prl_spec_parse(wanted, strlen(wanted), &full, &error), 0);
    const struct prl_flat_words same = {ID_B, "web", one_arg, words_a.args_json};
    CHECK_INT(prl_flat_spec(&flat, &same, &spec, &error), 0);
    CHECK(is_same(full, spec));
    prl_spec_free(spec);
    prl_spec_free(full);
    prl_flat_close(&flat);
    free(wanted);
    free(text);
    done();
}

/* Every field that a spec can have lies in its arena, and nothing of it in this program. */
TEST(a_spec_with_every_section_can_be_kept)
{
    static char *const none[] = {NULL};
    const struct prl_flat_words words = {.id = ID_A, .args = none};
    struct prl_flat flat = {0};
    struct prl_spec *spec = NULL, *full = NULL;
    struct prl_error error;
    fresh();
    keep_text(key, good, &words);
    CHECK(prl_flat_find(&dirs, key, &template, &flat));
    CHECK_INT(prl_flat_spec(&flat, &words, &spec, &error), 0);
    CHECK_INT(prl_spec_parse(good, strlen(good), &full, &error), 0);
    CHECK(is_same(full, spec));
    CHECK_STR(spec->process.args[1], "-c"); /* none of the caller's: those of the text */
    char *text = joined(&flat, &words);
    CHECK_STR(text, good);
    free(text);
    prl_spec_free(spec);
    prl_spec_free(full);
    prl_flat_close(&flat);
    done();
}

TEST(another_key_or_template_finds_nothing_and_another_source_is_stale)
{
    struct prl_template other;
    fresh();
    keep();
    CHECK(find(key, &template));
    CHECK(!find((struct prl_span){"kez", 3}, &template));
    CHECK(!find((struct prl_span){"key2", 4}, &template));
    other = template;
    other.identity.ctime_ns++;
    CHECK(!find(key, &other));
    done();
    fresh();
    free(template.sources);
    template.sources = strdup("0 0 /nowhere/at/all");
    keep();
    CHECK(is_fresh());
    done();
    fresh();
    free(template.sources);
    template.sources = strdup("0 0 /"); /* must not exist */
    keep();
    CHECK(find(key, &template) && !is_fresh());
    done();
}

/* The compiled filter is kept where its change makes the template stale, and nowhere else. */
TEST(a_filter_is_kept_when_it_is_a_source)
{
    static const char bytes[] = "sixteen bytes..";
    char path[96], sources[256];
    struct stat st;
    fresh();
    snprintf(path, sizeof path, "%s/x.bpf", root);
    CHECK_INT(prl_io_write_file(AT_FDCWD, path, bytes, 16, O_CREAT | O_EXCL, 0600), 0);
    CHECK_INT(stat(path, &st), 0);
    for (int is_source = 0; is_source < 2; is_source++) {
        struct prl_flat flat = {0};
        struct prl_spec *spec = NULL;
        struct prl_error error;
        free(template.sources);
        snprintf(sources, sizeof sources, "0 0 %s.no\n%lld%09ld %llu %s", path,
                 (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
                 (unsigned long long)st.st_ino, path);
        if (!is_source)
            *strchr(sources, '\n') = '\0';
        template.sources = strdup(sources);
        char *plain = text_of(ID_A, "\"run\"", "web"), member[160];
        snprintf(member, sizeof member, "\"io.pyrootless.seccomp.program\":\"%s\"", path);
        char *json = with(plain, "\"org.example\":\"x\"", member);
        keep_text(key, json, &words_a);
        CHECK(prl_flat_find(&dirs, key, &template, &flat));
        CHECK_INT(prl_flat_spec(&flat, &words_a, &spec, &error), 0);
        CHECK_STR(spec->seccomp_program, path);
        CHECK_INT(spec->seccomp_bytes_len, is_source ? 16 : 0);
        CHECK(is_source ? memcmp(spec->seccomp_bytes, bytes, 16) == 0 : !spec->seccomp_bytes);
        prl_spec_free(spec);
        prl_flat_close(&flat);
        free(plain);
        free(json);
    }
    done();
}

static int change(const char *path, off_t at)
{
    unsigned char byte;
    int fd = openat(dirs.runtime_fd, path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || pread(fd, &byte, 1, at) != 1)
        return -1;
    byte ^= 1;
    int r = pwrite(fd, &byte, 1, at) == 1 ? 0 : -1;
    close(fd);
    return r;
}

/* Every eighth byte in turn, and every length. */
TEST(a_damaged_file_is_not_there)
{
    char path[16];
    struct stat st;
    fresh();
    keep();
    prl_flat_slot(key, 0, path);
    CHECK_INT(fstatat(dirs.runtime_fd, path, &st, 0), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    for (off_t at = 0; at < st.st_size; at += 7) {
        CHECK_INT(change(path, at), 0);
        CHECK(!find(key, &template));
        CHECK_INT(change(path, at), 0);
    }
    CHECK(find(key, &template));
    int fd = openat(dirs.runtime_fd, path, O_RDWR | O_CLOEXEC);
    for (off_t len = st.st_size - 1; len >= 0; len--) {
        CHECK_INT(ftruncate(fd, len), 0);
        CHECK(!find(key, &template));
    }
    close(fd);
    done();
}

/* Another key with the same slots, the nth. */
static struct prl_span neighbour_of_key(unsigned nth, char text[16])
{
    char mine[16], its[16];
    prl_flat_slot(key, 0, mine);
    for (unsigned n = 0, found = 0; found <= nth; n++) {
        snprintf(text, 16, "n%u", n);
        prl_flat_slot((struct prl_span){text, strlen(text)}, 0, its);
        found += strcmp(mine, its) == 0;
    }
    return (struct prl_span){text, strlen(text)};
}

TEST(two_keys_of_one_slot_have_a_place_each)
{
    char text[16], first[16], second[16];
    const struct prl_span other = neighbour_of_key(0, text);
    fresh();
    keep();
    keep_under(other);
    CHECK(find(key, &template) && find(other, &template));
    keep_under(other);
    keep();
    CHECK(find(key, &template) && find(other, &template));
    prl_flat_slot(key, 0, first);
    prl_flat_slot(other, 1, second);
    CHECK_INT(faccessat(dirs.runtime_fd, first, F_OK, 0), 0);
    CHECK_INT(faccessat(dirs.runtime_fd, second, F_OK, 0), 0);
    CHECK(strcmp(first, second) != 0);
    done();
}

/* Otherwise options that are never twice the same would write a file at each start. */
TEST(a_young_file_is_left_to_another_key)
{
    char path[16], text[16], third[16];
    const struct prl_span other = neighbour_of_key(1, third),
                          between = neighbour_of_key(0, text);
    const struct timespec old[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000}};
    fresh();
    keep();
    keep_under(between);
    keep_under(other);
    CHECK(find(key, &template) && find(between, &template) && !find(other, &template));
    prl_flat_slot(key, 0, path);
    CHECK_INT(utimensat(dirs.runtime_fd, path, old, 0), 0);
    keep_under(other);
    CHECK(!find(key, &template) && find(other, &template));
    done();
}

TEST(a_stale_file_of_the_same_key_is_replaced)
{
    fresh();
    keep();
    template.identity.inode++;
    CHECK(!find(key, &template));
    keep();
    CHECK(find(key, &template));
    done();
}

TEST(arguments_that_do_not_stand_where_they_should_are_not_kept)
{
    static char *const others[] = {(char *)"walk", NULL};
    const struct prl_flat_words words = {ID_A, "web", others, {"\"walk\"", 6}};
    fresh();
    char *json = text_of(ID_A, "\"run\"", "web");
    keep_text(key, json, &words);
    CHECK(!find(key, &template));
    free(json);
    done();
}
