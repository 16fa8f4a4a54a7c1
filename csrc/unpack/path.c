/* path.c: names of an archive → paths below the layer's root.
 * In: any text.  Out: the cleaned path or an error number.
 * Never: a question to the kernel: what a link does to a path is tree.c's matter. */
#include "unpack/parts.h"

#include <errno.h>
#include <string.h>

int prl_unpack_path_clean(const char *raw, char ret[PATH_MAX])
{
    size_t len = 0;
    for (const char *p = raw; *p;) {
        size_t step = strcspn(p, "/");
        if (step == 2 && p[0] == '.' && p[1] == '.') {
            if (len == 0)
                return -EBADMSG;
            while (len > 0 && ret[--len] != '/')
                ;
        } else if (step > 0 && !(step == 1 && p[0] == '.')) {
            if (step > NAME_MAX || len + 1 + step >= PATH_MAX)
                return -ENAMETOOLONG;
            if (len > 0)
                ret[len++] = '/';
            memcpy(ret + len, p, step);
            len += step;
        }
        p += step;
        p += strspn(p, "/");
    }
    ret[len] = '\0';
    return (int)len;
}

int prl_unpack_path_join(const char *dir, const char *name, char ret[PATH_MAX])
{
    size_t dir_len = strlen(dir), name_len = strlen(name), at = dir_len ? dir_len + 1 : 0;
    if (at + name_len >= PATH_MAX)
        return -ENAMETOOLONG;
    memmove(ret, dir, dir_len);
    if (dir_len)
        ret[dir_len] = '/';
    memcpy(ret + at, name, name_len + 1);
    return 0;
}

static bool is_control(unsigned char byte)
{
    return byte < 0x20 || byte == 0x7F;
}

size_t prl_unpack_path_encode(const char *path, char ret[3 * PATH_MAX])
{
    static const char hex[] = "0123456789ABCDEF";
    size_t len = 0;
    for (const unsigned char *p = (const unsigned char *)path; *p; p++) {
        if (*p != '%' && !is_control(*p)) {
            ret[len++] = (char)*p;
            continue;
        }
        ret[len++] = '%';
        ret[len++] = hex[*p >> 4];
        ret[len++] = hex[*p & 15];
    }
    return len;
}

const char *prl_unpack_path_show(const char *path, char buf[PRL_UNPACK_SHOWN])
{
    size_t len = strlen(path), skip = 0, at = 0;
    if (len >= PRL_UNPACK_SHOWN) {
        skip = len - (PRL_UNPACK_SHOWN - 4);
        memcpy(buf, "...", at = 3);
    }
    for (const char *p = path + skip; *p; p++)
        buf[at++] = is_control((unsigned char)*p) ? '?' : *p;
    buf[at] = '\0';
    return path[0] ? buf : "the root directory";
}
