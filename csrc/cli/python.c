/* python.c: find the interpreter and the package, execute them.
 * In: where this executable lies, the environment.  Out: Python in its place.
 * Never: a guess across installations: the package comes from the prefix this launcher is in.
 *
 * 1. PYROOTLESS_PYTHON=/path: that interpreter.
 *
 * 2. BIN/python3 beside BIN/../pyvenv.cfg: a virtual environment (pipx too), which finds the
 *    package itself.
 *
 * 3. PREFIX/lib/pythonX.Y/site-packages or dist-packages (system, /usr/local, --user):
 * pythonX.Y of PREFIX/bin, /usr/bin, /usr/local/bin or PATH.  The directory is handed over,
 * because -I hides the user's own. */
#include "cli/python.h"
#include "base/error.h"
#include "base/own.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* The directory goes before the other *-packages, so that this installation's package wins over
 * an older one, and behind the standard library, so that nothing in it can stand in for a
 * standard module.  addsitedir also reads .pth files, which editable installations consist of.
 */
static const char bootstrap[] =
    "import sys, site\n"
    "old = sys.path[:]\n"
    "site.addsitedir(sys.argv.pop(1))\n"
    "new = [p for p in sys.path if p not in old]\n"
    "at = next((i for i, p in enumerate(old) if p.endswith('-packages')), len(old))\n"
    "sys.path[:] = old[:at] + new + old[at:]\n"
    "import runpy\n"
    "runpy.run_module('pyrootless', run_name='__main__', alter_sys=True)\n";

struct place {
    char launcher[PATH_MAX]; /* this executable */
    char bin[PATH_MAX];      /* its directory */
    char prefix[PATH_MAX];   /* the directory above */
    char site[PATH_MAX];     /* *-packages that holds pyrootless; "": none */
    char python[PATH_MAX];   /* the interpreter; "": none */
    int minor;               /* of the version `site` belongs to; -1: python3 without one */
    char orphan[PATH_MAX];   /* a directory that holds the package, but no interpreter fits */
};

static bool join(char *buf, const char *directory, const char *name)
{
    int n = snprintf(buf, PATH_MAX, "%s/%s", directory, name);
    return n > 0 && n < PATH_MAX;
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* "/a/b" → "/a", "/a" → "/" */
static void parent(char *buf, const char *path)
{
    snprintf(buf, PATH_MAX, "%s", path);
    char *slash = strrchr(buf, '/');
    if (slash)
        slash[slash == buf ? 1 : 0] = '\0';
}

static bool is_venv(struct place *place)
{
    char config[PATH_MAX];
    return join(config, place->prefix, "pyvenv.cfg") && access(config, F_OK) == 0 &&
           join(place->python, place->bin, "python3") && is_program(place->python);
}

/* The package itself, or what an editable installation leaves in its place. */
static bool holds_package(const char *site)
{
    char path[PATH_MAX];
    if (join(path, site, "pyrootless/__init__.py") && access(path, F_OK) == 0)
        return true;
    _cleanup_closedir_ DIR *dir = opendir(site);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        const char *dot = strrchr(entry->d_name, '.');
        if (strncmp(entry->d_name, "pyrootless-", 11) == 0 && dot &&
            strcmp(dot, ".dist-info") == 0)
            return true;
    }
    return false;
}

/* Find `pythonX.Y`, or `python3`, for a site directory. */
static bool find_interpreter(const struct place *place, const char *name, char *ret)
{
    const char *const fixed[] = {place->bin, "/usr/bin", "/usr/local/bin"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (join(ret, fixed[i], name) && is_program(ret))
            return true;
    const char *path = getenv("PATH");
    for (const char *p = path ? path : ""; *p;) {
        size_t len = strcspn(p, ":");
        char directory[PATH_MAX];
        if (p[0] == '/' && len < sizeof directory) { /* never one that moves with the cwd */
            memcpy(directory, p, len);
            directory[len] = '\0';
            if (join(ret, directory, name) && is_program(ret))
                return true;
        }
        p += len + (p[len] == ':');
    }
    return false;
}

/* pythonX.Y below one lib directory; keeps the newest version that has package and interpreter.
 */
static void try_version(struct place *place, const char *lib, const char *name)
{
    static const char kinds[][16] = {"site-packages", "dist-packages"};
    int minor = -1, end = 0;
    if (strcmp(name, "python3") != 0 &&
        (sscanf(name, "python3.%d%n", &minor, &end) != 1 || name[end] != '\0'))
        return;
    if (place->site[0] && minor <= place->minor)
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        char site[PATH_MAX], python[PATH_MAX];
        int n = snprintf(site, sizeof site, "%s/%s/%s", lib, name, kinds[i]);
        if (n <= 0 || n >= PATH_MAX || !holds_package(site))
            continue;
        if (!find_interpreter(place, name, python)) {
            memcpy(place->orphan, site, PATH_MAX);
            continue;
        }
        memcpy(place->site, site, PATH_MAX);
        memcpy(place->python, python, PATH_MAX);
        place->minor = minor;
        return;
    }
}

static int find_python(struct place *place, struct prl_error *reterr)
{
    const char *given = getenv("PYROOTLESS_PYTHON");
    bool venv = is_venv(place);
    if (!venv || (given && given[0])) {
        static const char libs[][8] = {"lib", "lib64"};
        for (size_t i = 0; i < sizeof libs / sizeof libs[0]; i++) {
            char lib[PATH_MAX];
            _cleanup_closedir_ DIR *dir =
                join(lib, place->prefix, libs[i]) ? opendir(lib) : NULL;
            const struct dirent *entry;
            while (dir && (entry = readdir(dir)))
                if (strncmp(entry->d_name, "python3", 7) == 0)
                    try_version(place, lib, entry->d_name);
        }
    }
    if (given && given[0]) {
        if (given[0] != '/' || strlen(given) >= PATH_MAX || !is_program(given))
            return prl_failf(reterr, PRL_STAGE_HOST, ENOENT, "python",
                             "PYROOTLESS_PYTHON=%s is not the absolute path of a program",
                             given);
        memcpy(place->python, given, strlen(given) + 1);
        if (!place->site[0])
            memcpy(place->site, place->orphan, PATH_MAX);
        return 0;
    }
    if (venv || place->site[0])
        return 0;
    if (place->orphan[0])
        return prl_failf(
            reterr, PRL_STAGE_HOST, ENOENT, "python",
            "no interpreter fits %s (looked in %s, /usr/bin, /usr/local/bin, PATH): "
            "pip install pyrootless with the Python you have",
            place->orphan, place->bin);
    return prl_failf(reterr, PRL_STAGE_HOST, ENOENT, "python",
                     "no Python package for %s (looked in %s/lib/python3*/{site,dist}-packages "
                     "and for %s/pyvenv.cfg): pip install pyrootless",
                     place->launcher, place->prefix, place->prefix);
}

int prl_python_exec(int argc, char **argv, struct prl_error *reterr)
{
    struct place place = {.minor = -1};
    ssize_t len = readlink("/proc/self/exe", place.launcher, PATH_MAX - 1);
    if (len < 0)
        return prl_fail(reterr, PRL_STAGE_HOST, "readlink", "/proc/self/exe");
    place.launcher[len] = '\0';
    parent(place.bin, place.launcher);
    parent(place.prefix, place.bin);
    int r = find_python(&place, reterr);
    if (r < 0)
        return r;
    /* PYTHON -I -m pyrootless ARGS, or PYTHON -I -c bootstrap SITE ARGS */
    bool direct = !place.site[0];
    _cleanup_free_ const char **args = calloc((size_t)argc + 6, sizeof *args);
    if (!args)
        return prl_fail_with(reterr, PRL_STAGE_HOST, ENOMEM, "malloc", "arguments of Python");
    size_t n = 0;
    args[n++] = place.python;
    args[n++] = "-I";
    args[n++] = direct ? "-m" : "-c";
    args[n++] = direct ? "pyrootless" : bootstrap;
    if (!direct)
        args[n++] = place.site;
    for (int i = 1; i < argc; i++)
        args[n++] = argv[i];
    if (setenv("PYROOTLESS_LAUNCHER", place.launcher, 1) < 0)
        return prl_fail(reterr, PRL_STAGE_HOST, "setenv", "PYROOTLESS_LAUNCHER");
    execv(place.python, (char *const *)args);
    return prl_fail(reterr, PRL_STAGE_HOST, "execve", place.python);
}
