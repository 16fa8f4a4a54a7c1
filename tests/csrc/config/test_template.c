// sources: csrc/userns/*.c csrc/spec/**/*.c csrc/base/**/*.c csrc/config/mapped.c
// sources: csrc/config/template.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson
/* test_template.c: names of images, freshness, locks.
 * In: a store below a fresh directory in /tmp.  Out: the template's bytes, "stale", or an
 * error.
 */
#include "base/io.h"
#include "base/sys.h"
#include "check.h"
#include "config/template.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];
static struct prl_dirs dirs;

static void fresh(void)
{
    snprintf(root, sizeof root, "/tmp/prl-template-XXXXXX");
    if (!mkdtemp(root))
        exit(99);
    dirs = (struct prl_dirs){.data = root, .runtime_fd = -1};
    dirs.data_fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (mkdirat(dirs.data_fd, "refs", 0700) < 0 || mkdirat(dirs.data_fd, "images", 0700) < 0)
        exit(99);
}

static void done(void)
{
    close(dirs.data_fd);
    prl_io_remove_tree(AT_FDCWD, root);
}

static void put(const char *path, const char *text)
{
    unlinkat(dirs.data_fd, path, 0);
    if (prl_io_write_file(dirs.data_fd, path, text, strlen(text), O_CREAT | O_EXCL, 0600) < 0)
        exit(99);
}

/* What every template has. */
#define LEAST                                                                                  \
    "{\"ociVersion\":\"1.2.0\",\"root\":{\"path\":\"/r\"},\"process\":{\"user\":{\"uid\":0,"   \
    "\"gid\":0},\"args\":[],\"cwd\":\"/"                                                       \
    "\"},\"linux\":{\"namespaces\":[],\"seccomp\":{\"x\":1}}"

/* images/ID/config.json with these annotations, and refs/NAME on it. */
static void put_image(const char *name, const char *id, const char *version,
                      const char *sources)
{
    char path[PATH_MAX], json[8192];
    snprintf(path, sizeof path, "images/%s", id);
    mkdirat(dirs.data_fd, path, 0700);
    snprintf(path, sizeof path, "images/%s/config.json", id);
    snprintf(json, sizeof json,
             LEAST ",\"annotations\":{\"io.pyrootless.template.version\":\"%s\","
                   "\"io.pyrootless.template.sources\":\"%s\"}}",
             version, sources);
    put(path, json);
    char target[PATH_MAX];
    snprintf(target, sizeof target, "../images/%s", id);
    snprintf(path, sizeof path, "refs/%s", name);
    unlinkat(dirs.data_fd, path, 0);
    if (symlinkat(target, dirs.data_fd, path) < 0)
        exit(99);
}

static int load(const char *image)
{
    struct prl_template t = {.lock_fd = -1};
    struct prl_error error = {.errnum = 4711};
    int r = prl_template_load(&dirs, image, &t, &error);
    if (r >= 0 && error.errnum != 4711)
        return 1000; /* touched */
    if (r < 0 && error.errnum != -r)
        return 1001;
    prl_template_free(&t);
    return r;
}

TEST(fresh_template)
{
    fresh();
    struct prl_template t = {.lock_fd = -1};
    struct prl_error error;
    CHECK_INT(load("host"), 1);
    put_image("host", "host-1", PRL_TEMPLATE_VERSION, "");
    CHECK_INT(prl_template_load(&dirs, "host", &t, &error), 0);
    struct prl_spec *spec = NULL;
    CHECK_INT(prl_template_spec(&t, &spec, &error), 0);
    CHECK_STR(spec->oci_version, "1.2.0");
    CHECK_STR(spec->seccomp_json, "{\"x\":1}");
    prl_spec_free(spec);
    CHECK_INT(fcntl(t.lock_fd, F_GETFD), FD_CLOEXEC);
    prl_template_free(&t);
    prl_template_free(&t);
    CHECK_INT(t.lock_fd, -1);
    done();
}

TEST(names_are_encoded)
{
    fresh();
    put_image("a%2Fb%25c:1", "x", PRL_TEMPLATE_VERSION, "");
    CHECK_INT(load("a/b%c:1"), 0);
    CHECK_INT(load("a%2Fb%25c:1"), 1); /* encoded itself, and so another name */
    CHECK_INT(load("a/b"), 1);
    done();
}

static int refused(const char *image, const char *sentence)
{
    struct prl_template t;
    struct prl_error error;
    int r = prl_template_load(&dirs, image, &t, &error);
    return r == -EINVAL && error.stage == PRL_STAGE_TEMPLATE &&
           strcmp(error.subject, sentence) == 0;
}

TEST(names_that_are_none)
{
    fresh();
    char longest[512], encoded[512];
    CHECK(refused("", "\"\" is not the name of an image: it is empty"));
    CHECK(refused("..", "\"..\" is not the name of an image: it begins with \".\" or \"-\""));
    CHECK(refused("-x", "\"-x\" is not the name of an image: it begins with \".\" or \"-\""));
    CHECK(refused("a\nb", "\"\" is not the name of an image: it contains a control character"));
    CHECK(
        refused("a\177", "\"\" is not the name of an image: it contains a control character"));
    memset(longest, 'a', sizeof longest);
    longest[255] = '\0';
    CHECK_INT(load(longest), -EINVAL);
    longest[252] = '\0';
    CHECK_INT(load(longest), 1);
    memset(encoded, '/', sizeof encoded);
    encoded[0] = 'a';
    encoded[300] = '\0';
    CHECK_INT(load(encoded), -EINVAL);
    done();
}

TEST(other_forms_are_stale)
{
    fresh();
    put_image("host", "h", "0", "");
    CHECK_INT(load("host"), 1);
    put_image("host", "h", "11", "");
    CHECK_INT(load("host"), 1);
    put_image("host", "h", PRL_TEMPLATE_VERSION, "nonsense");
    CHECK_INT(load("host"), 1);
    put_image("host", "h", PRL_TEMPLATE_VERSION, "1 2");
    CHECK_INT(load("host"), 1);
    put_image("host", "h", PRL_TEMPLATE_VERSION, "0 0 relative");
    CHECK_INT(load("host"), 1);
    put_image("host", "h", PRL_TEMPLATE_VERSION, "\\n\\n");
    CHECK_INT(load("host"), 0);
    static const char *const broken[] = {
        "",     "{",      "[]",
        "null", "{}",     "{\"annotations\":[]}",
        "\"\"", "[[[[[[", "{\"annotations\":{\"io.pyrootless.template.version\":1}}"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        put("images/h/config.json", broken[i]);
        CHECK_INT(load("host"), 1);
    }
    done();
}

TEST(hostile_files_are_stale)
{
    fresh();
    put_image("host", "h", PRL_TEMPLATE_VERSION, "");
    CHECK_INT(unlinkat(dirs.data_fd, "images/h/config.json", 0), 0);
    CHECK_INT(mkfifoat(dirs.data_fd, "images/h/config.json", 0600), 0);
    CHECK_INT(load("host"), 1);
    CHECK_INT(unlinkat(dirs.data_fd, "images/h/config.json", 0), 0);
    CHECK_INT(mkdirat(dirs.data_fd, "images/h/config.json", 0700), 0);
    CHECK_INT(load("host"), 1);
    CHECK_INT(unlinkat(dirs.data_fd, "images/h/config.json", AT_REMOVEDIR), 0);
    put("images/h/config.json", "{}");
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/images/h/config.json", root);
    CHECK_INT(truncate(path, (4 << 20) + 1), 0);
    CHECK_INT(load("host"), 1);
    char *deep = malloc(1 << 20); /* deeper than any stack */
    memset(deep, '[', (1 << 20) - 1);
    deep[(1 << 20) - 1] = '\0';
    put("images/h/config.json", deep);
    free(deep);
    CHECK_INT(load("host"), 1);
    done();
}

TEST(links_that_lead_elsewhere_are_stale)
{
    fresh();
    static const char *const targets[] = {
        "../images/", "../images/..",      "../images/a/b",  "/etc",
        "images/h",   "../images/missing", "../images/link", "../images/file"};
    put_image("good", "h", PRL_TEMPLATE_VERSION, "");
    CHECK_INT(load("good"), 0);
    CHECK_INT(symlinkat("h", dirs.data_fd, "images/link"), 0);
    put("images/file", "");
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        unlinkat(dirs.data_fd, "refs/bad", 0);
        CHECK_INT(symlinkat(targets[i], dirs.data_fd, "refs/bad"), 0);
        CHECK_INT(load("bad"), 1);
    }
    put("refs/plain", "");
    CHECK_INT(load("plain"), 1);
    done();
}

TEST(an_alias_is_one_hop)
{
    fresh();
    put_image("docker.io%2Flibrary%2Fdebian:12", "h", PRL_TEMPLATE_VERSION, "");
    CHECK_INT(symlinkat("docker.io%2Flibrary%2Fdebian:12", dirs.data_fd, "refs/debian"), 0);
    CHECK_INT(load("debian"), 0);
    CHECK_INT(symlinkat("debian", dirs.data_fd, "refs/twice"), 0);
    CHECK_INT(load("twice"), 1);
    CHECK_INT(symlinkat("self", dirs.data_fd, "refs/self"), 0);
    CHECK_INT(load("self"), 1);
    CHECK_INT(symlinkat("nowhere", dirs.data_fd, "refs/lost"), 0);
    CHECK_INT(load("lost"), 1);
    CHECK_INT(symlinkat(".hidden", dirs.data_fd, "refs/dot"), 0);
    CHECK_INT(symlinkat("../images/h", dirs.data_fd, "refs/.hidden"), 0);
    CHECK_INT(load("dot"), 1);
    CHECK_INT(unlinkat(dirs.data_fd, "refs/docker.io%2Flibrary%2Fdebian:12", 0), 0);
    CHECK_INT(load("debian"), 1); /* the name is gone, and with it what stood for it */
    done();
}

TEST(an_image_by_its_digest)
{
    fresh();
    char hex[65], name[80];
    memset(hex, 'a', 64);
    hex[64] = '\0';
    snprintf(name, sizeof name, "sha256:%s", hex);
    CHECK_INT(load(name), 1);
    put_image("some", hex, PRL_TEMPLATE_VERSION, "");
    CHECK_INT(load(name), 0);
    CHECK_INT(symlinkat(name, dirs.data_fd, "refs/aaaa"), 0);
    CHECK_INT(load("aaaa"), 0);
    name[70] = 'A'; /* digests are lower case */
    CHECK_INT(load(name), 1);
    name[70] = '\0';
    CHECK_INT(load(name), 1);
    done();
}

/* One line of sources for a file as it is now. */
static void line_of(const char *path, char *ret, size_t size)
{
    struct stat st;
    if (stat(path, &st) < 0)
        exit(99);
    snprintf(ret, size, "%lld %llu %s",
             (long long)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
             (unsigned long long)st.st_ino, path);
}

TEST(sources_are_compared)
{
    fresh();
    char file[PATH_MAX], missing[PATH_MAX], line[2 * PATH_MAX], sources[4 * PATH_MAX];
    snprintf(file, sizeof file, "%s/a file", root);
    snprintf(missing, sizeof missing, "%s/missing", root);
    put("a file", "x");
    line_of(file, line, sizeof line);
    snprintf(sources, sizeof sources, "%s\\n0 0 %s", line, missing);
    put_image("host", "h", PRL_TEMPLATE_VERSION, sources);
    CHECK_INT(load("host"), 0);
    put("missing", "");
    CHECK_INT(load("host"), 1);
    CHECK_INT(unlinkat(dirs.data_fd, "missing", 0), 0);
    CHECK_INT(load("host"), 0);
    /* one nanosecond off */
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000, .tv_nsec = 500}};
    CHECK_INT(utimensat(dirs.data_fd, "a file", times, 0), 0);
    CHECK_INT(load("host"), 1);
    line_of(file, line, sizeof line);
    put_image("host", "h", PRL_TEMPLATE_VERSION, line);
    CHECK_INT(load("host"), 0);
    times[1].tv_nsec = 501;
    CHECK_INT(utimensat(dirs.data_fd, "a file", times, 0), 0);
    CHECK_INT(load("host"), 1);
    /* same time, another file */
    times[1].tv_nsec = 500;
    CHECK_INT(linkat(dirs.data_fd, "a file", dirs.data_fd, "keeps the inode", 0), 0);
    put("a file", "x");
    CHECK_INT(utimensat(dirs.data_fd, "a file", times, 0), 0);
    CHECK_INT(load("host"), 1);
    CHECK_INT(unlinkat(dirs.data_fd, "a file", 0), 0);
    CHECK_INT(load("host"), 1); /* gone */
    done();
}

TEST(links_of_sources_are_followed)
{
    fresh();
    char link[PATH_MAX], line[2 * PATH_MAX];
    snprintf(link, sizeof link, "%s/link", root);
    put("target", "x");
    CHECK_INT(symlinkat("target", dirs.data_fd, "link"), 0);
    line_of(link, line, sizeof line);
    put_image("host", "h", PRL_TEMPLATE_VERSION, line);
    CHECK_INT(load("host"), 0);
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 7}};
    CHECK_INT(utimensat(dirs.data_fd, "target", times, 0), 0);
    CHECK_INT(load("host"), 1);
    done();
}

TEST(lock_tells_that_it_is_used)
{
    fresh();
    struct prl_template t = {.lock_fd = -1}, second = {.lock_fd = -1};
    struct prl_error error;
    put_image("host", "h", PRL_TEMPLATE_VERSION, "");
    CHECK_INT(prl_template_load(&dirs, "host", &t, &error), 0);
    CHECK_INT(prl_template_load(&dirs, "host", &second, &error), 0); /* shared */
    prl_template_free(&second);
    int gc = openat(dirs.data_fd, "images/h", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(flock(gc, LOCK_EX | LOCK_NB), -1);
    CHECK_INT(errno, EWOULDBLOCK);
    prl_template_free(&t);
    CHECK_INT(flock(gc, LOCK_EX | LOCK_NB), 0);
    CHECK_INT(load("host"), 1); /* somebody is removing it */
    close(gc);
    CHECK_INT(load("host"), 0);
    done();
}
