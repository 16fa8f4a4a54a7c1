/* path.c: the paths of config.json.
 * In: text.  Out: absolute paths in one spelling.  Never: looking at a file system. */
#include "spec/parts.h"

#include <string.h>

enum { PATH_MAX_BYTES = 4096 }; /* PATH_MAX of the kernel, with its NUL */

int prl_spec_need_absolute(const struct prl_spec_reader *reader,
                           const struct prl_spec_place *place, const char *path)
{
    if (path[0] != '/')
        return prl_spec_fail_at(reader, place, "is \"%s\", expected an absolute path",
                                prl_spec_show(path).text);
    if (strlen(path) >= PATH_MAX_BYTES)
        return prl_spec_fail_at(reader, place, "is a path of %zu bytes, at most %d are allowed",
                                strlen(path), PATH_MAX_BYTES - 1);
    return 0;
}

int prl_spec_normalise(const struct prl_spec_reader *reader, const struct prl_spec_place *place,
                       const char *path, const char **ret)
{
    int r = prl_spec_need_absolute(reader, place, path);
    if (r < 0)
        return r;
    char *clean = prl_arena_alloc(reader->arena, strlen(path) + 1), *end = clean;
    if (!clean)
        return prl_spec_no_memory(reader);
    for (const char *p = path; *p;) {
        p += strspn(p, "/");
        size_t len = strcspn(p, "/");
        if (len == 2 && memcmp(p, "..", 2) == 0)
            return prl_spec_fail_at(reader, place, "is \"%s\": \"..\" is not allowed",
                                    prl_spec_show(path).text);
        if (len > 0 && !(len == 1 && *p == '.')) {
            *end++ = '/';
            memcpy(end, p, len);
            end += len;
        }
        p += len;
    }
    if (end == clean)
        *end++ = '/';
    *end = '\0';
    *ret = clean;
    return 0;
}
