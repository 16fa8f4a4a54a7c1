// sources: csrc/userns/*.c csrc/base/**/*.c csrc/cli/python.c
/* test_python.c: finding and executing the Python side.
 * In: fake prefixes: a copy of this program as bin/pyrootless, shell scripts as interpreters
 * that print how they were called, and once the real one.  Out: what they print. */
#include "base/io.h"
#include "check.h"
#include "cli/python.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char prefix[64];
static char output[16384];

static void put(const char *path, const char *text, mode_t mode)
{
    char full[PATH_MAX];
    snprintf(full, sizeof full, "%s/%s", prefix, path);
    for (char *slash = strchr(full + strlen(prefix) + 1, '/'); slash;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0755);
        *slash = '/';
    }
    int fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0 || prl_io_write_all(fd, text, strlen(text)) < 0)
        exit(99);
    close(fd);
}

/* A fake interpreter: prints its own name, the launcher it is told of, and every argument. */
static void put_python(const char *path)
{
    put(path,
        "#!/bin/sh\necho \"exe=$0\"\necho \"launcher=$PYROOTLESS_LAUNCHER\"\n"
        "for a in \"$@\"; do case $a in *runpy*) a=BOOTSTRAP;; esac; echo \"arg=$a\"; done\n",
        0755);
}

static void fresh(void)
{
    snprintf(prefix, sizeof prefix, "/tmp/prl-python-XXXXXX");
    if (!mkdtemp(prefix))
        exit(99);
    put("bin/x", "", 0644);
    char self[PATH_MAX];
    char *text = NULL;
    size_t len;
    snprintf(self, sizeof self, "%s/bin/pyrootless", prefix);
    if (prl_io_read_file(AT_FDCWD, "/proc/self/exe", 1 << 28, &text, &len) < 0 ||
        prl_io_write_file(AT_FDCWD, self, text, len, O_CREAT | O_EXCL, 0755) < 0)
        exit(99);
    free(text);
}

static void done(void)
{
    prl_io_remove_tree(AT_FDCWD, prefix);
}

/* The other side of run(): this program, copied to PREFIX/bin/pyrootless. */
TEST(launcher)
{
    if (!getenv("PRL_TEST_LAUNCHER"))
        return;
    char *args[] = {"pyrootless", "ps", "-a", "two words", "", NULL};
    struct prl_error error;
    int r = prl_python_exec(5, args, &error);
    printf("r=%d stage=%s syscall=%s\n%s\n", r, prl_stage_name(error.stage), error.syscall,
           error.subject);
    _exit(0);
}

/* Run PREFIX/bin/pyrootless with one more variable; its output stands in `output`, with PREFIX
 * for the prefix. */
static void run(const char *name, const char *value)
{
    char self[PATH_MAX];
    int out[2];
    snprintf(self, sizeof self, "%s/bin/pyrootless", prefix);
    if (pipe(out) < 0)
        exit(99);
    pid_t pid = fork();
    if (pid == 0) {
        unsetenv("PYROOTLESS_PYTHON");
        setenv("PATH", "relative:/nonexistent", 1);
        setenv("PRL_TEST_LAUNCHER", "1", 1);
        setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
        if (name)
            setenv(name, value, 1);
        dup2(out[1], 1);
        close(out[0]);
        execl(self, "pyrootless", "launcher", (char *)NULL);
        _exit(127);
    }
    close(out[1]);
    size_t n = 0;
    for (ssize_t got; (got = read(out[0], output + n, sizeof output - 1 - n)) > 0;)
        n += (size_t)got;
    output[n] = '\0';
    close(out[0]);
    waitpid(pid, NULL, 0);
    for (char *at; (at = strstr(output, prefix));) {
        memcpy(at, "PREFIX", 6);
        memmove(at + 6, at + strlen(prefix), strlen(at + strlen(prefix)) + 1);
    }
}

#define TAIL     "arg=ps\narg=-a\narg=two words\narg=\n"
#define LAUNCHER "launcher=PREFIX/bin/pyrootless\n"

TEST(virtual_environment)
{
    fresh();
    put("pyvenv.cfg", "", 0644);
    put_python("real/python3.99");
    char link[PATH_MAX];
    snprintf(link, sizeof link, "%s/bin/python3", prefix);
    CHECK_INT(symlink("../real/python3.99", link), 0);
    run(NULL, NULL);
    CHECK_STR(output,
              "exe=PREFIX/bin/python3\n" LAUNCHER "arg=-I\narg=-m\narg=pyrootless\n" TAIL);
    done();
}

TEST(newest_version_with_an_interpreter)
{
    fresh();
    put("lib/python3.97/site-packages/pyrootless/__init__.py", "", 0644);
    put("lib/python3.98/dist-packages/pyrootless/__init__.py", "", 0644);
    put("lib/python3.99/site-packages/pyrootless/__init__.py", "", 0644); /* no interpreter */
    put("lib/python3.981/site-packages/other/__init__.py", "", 0644);     /* no package */
    put("lib/python3.98x/site-packages/pyrootless/__init__.py", "", 0644);
    put_python("bin/python3.97");
    put_python("bin/python3.98");
    put_python("bin/python3.981");
    put_python("bin/python3.98x");
    run(NULL, NULL);
    CHECK_STR(output, "exe=PREFIX/bin/python3.98\n" LAUNCHER "arg=-I\narg=-c\narg=BOOTSTRAP\n"
                      "arg=PREFIX/lib/python3.98/dist-packages\n" TAIL);
    done();
}

TEST(lib64_and_interpreter_on_path)
{
    fresh();
    char path[PATH_MAX];
    put("lib64/python3.99/site-packages/pyrootless/__init__.py", "", 0644);
    put_python("elsewhere/python3.99");
    snprintf(path, sizeof path, "nowhere::/nonexistent:%s/elsewhere", prefix);
    run("PATH", path);
    CHECK_STR(output,
              "exe=PREFIX/elsewhere/python3.99\n" LAUNCHER "arg=-I\narg=-c\narg=BOOTSTRAP\n"
              "arg=PREFIX/lib64/python3.99/site-packages\n" TAIL);
    done();
}

TEST(editable_installation)
{
    fresh();
    put("lib/python3.99/site-packages/pyrootless-0.1.dist-info/METADATA", "", 0644);
    put_python("bin/python3.99");
    run(NULL, NULL);
    CHECK_STR(output, "exe=PREFIX/bin/python3.99\n" LAUNCHER "arg=-I\narg=-c\narg=BOOTSTRAP\n"
                      "arg=PREFIX/lib/python3.99/site-packages\n" TAIL);
    done();
}

TEST(given_interpreter)
{
    fresh();
    char path[PATH_MAX];
    put_python("mine/py");
    snprintf(path, sizeof path, "%s/mine/py", prefix);
    run("PYROOTLESS_PYTHON", path);
    CHECK_STR(output, "exe=PREFIX/mine/py\n" LAUNCHER "arg=-I\narg=-m\narg=pyrootless\n" TAIL);
    put("lib/python3.99/site-packages/pyrootless/__init__.py", "", 0644);
    run("PYROOTLESS_PYTHON", path);
    CHECK_STR(output, "exe=PREFIX/mine/py\n" LAUNCHER "arg=-I\narg=-c\narg=BOOTSTRAP\n"
                      "arg=PREFIX/lib/python3.99/site-packages\n" TAIL);
    run("PYROOTLESS_PYTHON", "python3");
    CHECK_STR(output, "r=-2 stage=host syscall=python\n"
                      "PYROOTLESS_PYTHON=python3 is not the absolute path of a program\n");
    done();
}

TEST(nothing_found)
{
    fresh();
    run(NULL, NULL);
    CHECK_STR(
        output,
        "r=-2 stage=host syscall=python\nno Python package for PREFIX/bin/pyrootless (looked "
        "in PREFIX/lib/python3*/{site,dist}-packages and for PREFIX/pyvenv.cfg): "
        "pip install pyrootless\n");
    put("lib/python3.99/site-packages/pyrootless/__init__.py", "", 0644);
    run(NULL, NULL);
    CHECK_STR(output,
              "r=-2 stage=host syscall=python\nno interpreter fits "
              "PREFIX/lib/python3.99/site-packages (looked in PREFIX/bin, /usr/bin, "
              "/usr/local/bin, PATH): pip install pyrootless with the Python you have\n");
    done();
}

/* The real thing: the package is found behind the standard library, and sees argv as it was
 * typed. */
TEST(bootstrap)
{
    if (access("/usr/bin/python3", X_OK) < 0) {
        printf("  no /usr/bin/python3: skipped\n");
        return;
    }
    fresh();
    put("lib/python3.99/site-packages/json/__init__.py", "raise SystemExit('shadowed')\n",
        0644);
    put("lib/python3.99/site-packages/pyrootless/__init__.py", "", 0644);
    put("lib/python3.99/site-packages/pyrootless/__main__.py",
        "import sys, json\n"
        "print(sys.argv[0])\n"
        "print(json.dumps(sys.argv[1:]), sys.flags.isolated, __name__)\n",
        0644);
    run("PYROOTLESS_PYTHON", "/usr/bin/python3");
    CHECK_STR(output, "PREFIX/lib/python3.99/site-packages/pyrootless/__main__.py\n"
                      "[\"ps\", \"-a\", \"two words\", \"\"] 1 __main__\n");
    done();
}
