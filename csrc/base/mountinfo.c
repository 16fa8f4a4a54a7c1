/* mountinfo.c: see mountinfo.h. */
#include "base/mountinfo.h"

#include "base/io.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 6 };

/* Spaces, line ends and backslashes stand as "\040". */
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        bool octal = from[0] == '\\' && strspn(from + 1, "01234567") >= 3;
        *to =
            octal ? (char)((from[1] - '0') * 64 + (from[2] - '0') * 8 + from[3] - '0') : *from;
        from += octal ? 4 : 1;
    }
    *to = '\0';
}

static bool parse_row(char *line, struct prl_mount_row *ret)
{
    char *save = NULL, *fields[FIELDS];
    for (int i = 0; i < FIELDS; i++)
        if (!(fields[i] = strtok_r(i ? NULL : line, " ", &save)))
            return false;
    unescape(fields[3]);
    unescape(fields[4]);
    *ret = (struct prl_mount_row){.root = fields[3], .point = fields[4], .flags = fields[5]};
    return sscanf(fields[0], "%u", &ret->id) == 1 &&
           sscanf(fields[2], "%u:%u", &ret->major, &ret->minor) == 2;
}

struct prl_mount_row *prl_mountinfo_parse(char *text, size_t *ret_len)
{
    size_t room = 1;
    char *save = NULL;
    for (const char *p = text; *p; p++)
        room += *p == '\n';
    struct prl_mount_row *rows = calloc(room, sizeof *rows);
    *ret_len = 0;
    for (char *line = strtok_r(text, "\n", &save); rows && line;
         line = strtok_r(NULL, "\n", &save))
        *ret_len += parse_row(line, &rows[*ret_len]);
    return rows;
}

bool prl_mountinfo_id(int fd, unsigned *ret)
{
    char path[48], text[256];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    (void)prl_io_read_text(AT_FDCWD, path, text, sizeof text);
    const char *line = strstr(text, "mnt_id:");
    return line && sscanf(line, "mnt_id: %u", ret) == 1;
}

const char *prl_mountinfo_below(const char *path, const char *dir)
{
    size_t len = strcmp(dir, "/") == 0 ? 0 : strlen(dir);
    if (strncmp(path, dir, len) != 0 || (path[len] != '/' && path[len] != '\0'))
        return NULL;
    return strcmp(path + len, "/") == 0 ? "" : path + len;
}
