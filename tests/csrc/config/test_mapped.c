// sources: csrc/userns/*.c csrc/spec/**/*.c csrc/base/**/*.c csrc/config/mapped.c
// sources: csrc/config/template.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson
/* test_template_flat.c: the flat form of a template gives the spec that reading it gives.
 * In: documents.  Out: the same config.json from both specs; or nothing, when anything is
 * another or damaged. */
#include "base/io.h"
#include "check.h"
#include "config/template.h"
#include "spec/spec_documents.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct prl_template_identity identity = {1, 2, 3, 4, 5};
static char root[64];
static struct prl_dirs dirs;
static struct prl_error error;

static void fresh(void)
{
    snprintf(root, sizeof root, "/tmp/prl-flat-XXXXXX");
    if (!mkdtemp(root))
        exit(99);
    dirs = (struct prl_dirs){.runtime_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC)};
}

static void done(void)
{
    close(dirs.runtime_fd);
    prl_io_remove_tree(AT_FDCWD, root);
}

static void keep(const char *json)
{
    struct prl_flat flat = {0};
    if (prl_flat_make(json, strlen(json), &identity, &flat) < 0)
        exit(99);
    prl_flat_keep(&dirs, &flat);
    prl_flat_close(&flat);
}

static bool is_there(const struct prl_template_identity *wanted)
{
    struct prl_flat flat = {0};
    bool found = prl_flat_find(&dirs, wanted, &flat);
    prl_flat_close(&flat);
    return found;
}

static char *text_of(const struct prl_spec *spec)
{
    char *json = NULL;
    size_t len;
    return prl_spec_write(spec, &json, &len, &error) < 0 ? NULL : json;
}

/* Is what lies there the same as what is read? */
static bool is_alike(const char *json)
{
    struct prl_flat flat = {0};
    struct prl_spec *read = NULL, *copy = NULL, *second = NULL;
    if (!prl_flat_find(&dirs, &identity, &flat) || prl_flat_spec(&flat, &copy) < 0 ||
        prl_flat_spec(&flat, &second) < 0 ||
        prl_spec_read(json, strlen(json), &read, &error) < 0)
        exit(99);
    char *one = text_of(read), *two = text_of(copy);
    copy->process.uid++; /* a copy of its own */
    bool alike =
        one && two && strcmp(one, two) == 0 && second->process.uid != copy->process.uid;
    free(one);
    free(two);
    prl_spec_free(read);
    prl_spec_free(copy);
    prl_spec_free(second);
    prl_flat_close(&flat);
    return alike;
}

TEST(a_template_is_what_it_was)
{
    fresh();
    keep(good);
    CHECK(is_alike(good));
    keep(least); /* in its place */
    CHECK(is_alike(least));
    done();
}

/* The memory it is read into is one piece, whatever the text is made of. */
TEST(long_lists_have_a_flat_form)
{
    enum { COUNT = 10000 };
    static const struct {
        const char *before, *each, *last;
    } rows[] = {
        {"\"linux\":{\"maskedPaths\":[", "\"/\",", "\"/x\"],\"names"},
        {"\"annotations\":{\"z\":\"\"", ",\"%x\":\"\"", "},\"linux\":{\"names"},
        {"\"z\":1", ",\"%x\":0", ",\"linux\":{\"names"},
        {"\"linux\":{\"later\":[", "1,", "1],\"names"},
    };
    char *text = malloc(COUNT * 16 + 256);
    fresh();
    for (size_t i = 1; i < sizeof rows / sizeof *rows; i++) {
        char *end = text + sprintf(text, "%s", rows[i].before);
        for (unsigned n = 0; n < COUNT; n++)
            end += sprintf(end, rows[i].each, n);
        sprintf(end, "%s", rows[i].last);
        char *json = with(least, "\"linux\":{\"names", text);
        struct prl_flat flat = {0};
        CHECK_INT(prl_flat_make(json, strlen(json), &identity, &flat), 0);
        prl_flat_close(&flat);
        free(json);
    }
    free(text);
    done();
}

TEST(another_template_finds_nothing)
{
    struct prl_template_identity other = identity;
    fresh();
    keep(good);
    CHECK(is_there(&identity));
    other.ctime_ns++;
    CHECK(!is_there(&other));
    CHECK_INT(prl_flat_make("{", 1, &identity, &(struct prl_flat){0}), -EINVAL);
    done();
}

/* The compiled filter is kept where its change makes the template stale, and nowhere else. */
TEST(a_filter_is_kept_when_it_is_a_source)
{
    static const char bytes[] = "sixteen bytes..";
    char path[96], notes[512];
    fresh();
    snprintf(path, sizeof path, "%s/x.bpf", root);
    CHECK_INT(prl_io_write_file(AT_FDCWD, path, bytes, 16, O_CREAT | O_EXCL, 0600), 0);
    for (int is_source = 0; is_source < 2; is_source++) {
        struct prl_flat flat = {0};
        struct prl_spec *spec = NULL;
        snprintf(notes, sizeof notes,
                 "\"annotations\":{\"io.pyrootless.template.version\":\"%s\","
                 "\"io.pyrootless.template.sources\":\"0 0 %s.no%s%s\","
                 "\"io.pyrootless.seccomp.program\":\"%s\"},\"linux\":{",
                 PRL_TEMPLATE_VERSION, path, is_source ? "\\n1 2 " : "", is_source ? path : "",
                 path);
        char *json = with(least, "\"linux\":{", notes);
        keep(json);
        CHECK(prl_flat_find(&dirs, &identity, &flat));
        CHECK_INT(prl_flat_spec(&flat, &spec), 0);
        CHECK_STR(spec->seccomp_program, path);
        CHECK_INT(spec->seccomp_bytes_len, is_source ? 16 : 0);
        CHECK(is_source ? memcmp(spec->seccomp_bytes, bytes, 16) == 0 : !spec->seccomp_bytes);
        prl_spec_free(spec);
        prl_flat_close(&flat);
        free(json);
    }
    done();
}

static int change(int fd, off_t at)
{
    unsigned char byte;
    if (pread(fd, &byte, 1, at) != 1)
        return -1;
    byte ^= 1;
    return pwrite(fd, &byte, 1, at) == 1 ? 0 : -1;
}

/* Every seventh byte in turn, and every length. */
TEST(a_damaged_file_is_not_there)
{
    struct stat st;
    char path[32];
    int fd = -1;
    fresh();
    keep(least);
    for (unsigned slot = 0; slot < 64 && fd < 0; slot++) {
        snprintf(path, sizeof path, "flat/%02x", slot);
        fd = openat(dirs.runtime_fd, path, O_RDWR | O_CLOEXEC);
    }
    CHECK_INT(fstat(fd, &st), 0);
    CHECK_INT(st.st_mode & 0777, 0600);
    for (off_t at = 0; at < st.st_size; at += 7) {
        CHECK_INT(change(fd, at), 0);
        CHECK(!is_there(&identity));
        CHECK_INT(change(fd, at), 0);
    }
    CHECK(is_there(&identity));
    for (off_t len = st.st_size - 1; len >= 0; len--) {
        CHECK_INT(ftruncate(fd, len), 0);
        CHECK(!is_there(&identity));
    }
    close(fd);
    done();
}
