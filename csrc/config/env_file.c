/* env_file.c: --env-file and --label-file, with docker's rules.
 * In: a file the user named.  Out: environment, labels.
 * Never: more than 4 MiB; quotes or "export" (docker knows none); a value of the caller that
 * the file does not name.
 *
 * A line is NAME=VALUE, or NAME alone (env: the caller's value if there is one; label:
 * skipped). White space before NAME goes, everything after "=" stays; "#" and empty lines are
 * skipped. */
#include "config/parts.h"

#include "base/io.h"
#include "base/own.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_BYTES = 4 << 20 };

static int read_lines(struct prl_merge *m, const char *option, const char *path, char **ret)
{
    struct stat st;
    size_t len = 0;
    _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0 || fstat(fd, &st) < 0)
        return prl_config_bad(m, errno, option, "%.150s cannot be opened", path);
    if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
        return prl_config_bad(m, EINVAL, option, "%.150s is not a file of text lines", path);
    int r = prl_io_read_stream(fd, MAX_BYTES, ret, &len);
    if (r == -EFBIG)
        return prl_config_bad(m, EFBIG, option,
                              "%.120s has more than 4 MiB: is it the right file?", path);
    if (r < 0)
        return prl_config_bad(m, -r, option, "%.150s cannot be read", path);
    if (strlen(*ret) != len) {
        free(steal_ptr(ret));
        return prl_config_bad(m, EINVAL, option,
                              "%.120s has a zero byte in it: is it the right file?", path);
    }
    return 0;
}

/* One line's NAME must be there and free of white space. */
static int check_name(struct prl_merge *m, const char *option, const char *path,
                      const char *line)
{
    size_t len = strcspn(line, "=");

    if (len == 0)
        return prl_config_bad(m, EINVAL, option,
                              "%.100s: the line \"%.60s\" has no name before "
                              "the \"=\"",
                              path, line);
    if (strcspn(line, " \t") < len)
        return prl_config_bad(m, EINVAL, option,
                              "%.100s: the name in the line \"%.60s\" has white space in it: "
                              "write NAME=VALUE",
                              path, line);
    return 0;
}

static int each_line(struct prl_merge *m, const char *option, const char *path,
                     prl_config_apply apply)
{
    _cleanup_free_ char *text = NULL;
    int r = read_lines(m, option, path, &text);

    if (r < 0)
        return r;
    char *line = strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
    while (*line) {
        size_t len = strcspn(line, "\n");
        char *next = line + len + (line[len] != '\0');
        line[len] = '\0';
        if (len > 0 && line[len - 1] == '\r')
            line[len - 1] = '\0';
        line += strspn(line, " \t\v\f");
        if (*line && *line != '#') {
            r = check_name(m, option, path, line);
            r = r < 0 ? r : apply(m, line);
        }
        if (r < 0)
            return r;
        line = next;
    }
    return 0;
}

static int apply_env(struct prl_merge *m, const char *line)
{
    size_t len = strcspn(line, "=");

    m->home_from_file |= len == 4 && strncmp(line, "HOME", 4) == 0;
    if (!line[len] && !getenv(line))
        return 0;
    return prl_config_env(m, line);
}

int prl_config_env_file(struct prl_merge *m, const char *text)
{
    return each_line(m, "--env-file", text, apply_env);
}

static int apply_label(struct prl_merge *m, const char *line)
{
    return strchr(line, '=') ? prl_config_label(m, line) : 0;
}

int prl_config_label_file(struct prl_merge *m, const char *text)
{
    return each_line(m, "--label-file", text, apply_label);
}
