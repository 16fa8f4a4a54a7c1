/* parse.c: config.json → struct prl_spec, checked.
 * In: bytes, perhaps from a stranger.  Out: a spec whose every pointer lives in its own arena,
 * or a sentence with the JSON path.  Never: opening a file, a default that neither the
 * specification nor docs/reference/annotations.md names, a field that is understood and then
 * dropped.
 * Source: OCI runtime-spec 1.3; docs/spec-conformance.md lists what is taken and what is not.
 */
#include "spec/parse.h"

#include "base/own.h"
#include "spec/fields.h"
#include "spec/notes.h"

#include <stdlib.h>
#include <string.h>

/* A spec lies in one piece, which is what config/mapped.c takes: more than it is ever of the
 * text (an empty text in an array is 3 bytes there and 48 here, and as much once more when the
 * array has grown).  What is not used is never touched. */
enum { SPEC_OF_TEXT = 32, SPEC_BYTES = 64 * 1024 };

static void free_doc_p(yyjson_doc **doc)
{
    yyjson_doc_free(*doc);
}

static void free_arena_p(struct prl_arena **arena)
{
    prl_arena_free(*arena);
}

#define _cleanup_doc_   __attribute__((cleanup(free_doc_p)))
#define _cleanup_arena_ __attribute__((cleanup(free_arena_p)))

/* SemVer: 1.MINOR.PATCH, perhaps -PRERELEASE or +BUILD. */
static int check_version(const struct prl_spec_reader *reader, yyjson_val *root)
{
    static const char digits[] = "0123456789";
    const char *text = yyjson_get_str(yyjson_obj_get(root, "ociVersion"));
    bool good = strncmp(text, "1.", 2) == 0;
    if (good) {
        size_t minor = strspn(text + 2, digits);
        const char *rest = text + 2 + minor;
        size_t patch = *rest == '.' ? strspn(rest + 1, digits) : 0;
        good = minor > 0 && patch > 0 &&
               (rest[1 + patch] == '\0' || strchr("-+", rest[1 + patch]));
    }
    return good ? 0
                : prl_spec_fail(reader, "/ociVersion is \"%s\", expected 1.x.y",
                                prl_spec_show(text).text);
}

static int read_root(const struct prl_spec_reader *reader, yyjson_val *root,
                     struct prl_rootfs *ret)
{
    ret->readonly = yyjson_get_bool(yyjson_obj_get(root, "readonly"));
    int r = prl_spec_copy_text(reader, yyjson_obj_get(root, "path"), &ret->path);
    if (r < 0)
        return r;
    if (ret->path[0] != '/')
        return prl_spec_fail(
            reader,
            "/root/path is \"%s\", expected an absolute path: put the bundle's "
            "directory in front",
            prl_spec_show(ret->path).text);
    return 0;
}

/* An empty name asks for nothing. */
static int read_name(const struct prl_spec_reader *reader, yyjson_val *name, const char **ret)
{
    return yyjson_get_len(name) == 0 ? 0 : prl_spec_copy_text(reader, name, ret);
}

static int read_sections(const struct prl_spec_reader *reader, yyjson_val *root,
                         struct prl_spec *spec)
{
    int r = prl_spec_check_fields(reader, root);
    if (r == 0)
        r = check_version(reader, root);
    if (r == 0)
        r = prl_spec_copy_text(reader, yyjson_obj_get(root, "ociVersion"), &spec->oci_version);
    if (r == 0)
        r = read_root(reader, yyjson_obj_get(root, "root"), &spec->rootfs);
    if (r == 0)
        r = prl_spec_read_process(reader, yyjson_obj_get(root, "process"), &spec->process);
    if (r == 0)
        r = prl_spec_read_linux(reader, yyjson_obj_get(root, "linux"), spec);
    if (r == 0)
        r = prl_spec_read_mounts(reader, yyjson_obj_get(root, "mounts"), spec);
    if (r == 0)
        r = read_name(reader, yyjson_obj_get(root, "hostname"), &spec->hostname);
    if (r == 0)
        r = read_name(reader, yyjson_obj_get(root, "domainname"), &spec->domainname);
    if (r == 0)
        r = prl_spec_read_notes(reader, yyjson_obj_get(root, "annotations"), spec);
    if (r == 0)
        r = prl_spec_read_resources(reader, root, spec);
    if (r == 0 && reader->keep) {
        /* Nothing of it is looked at; its text is kept for who writes it again. */
        yyjson_val *section = yyjson_obj_get(yyjson_obj_get(root, "linux"), "seccomp");
        size_t len;
        char *json = section ? yyjson_val_write_opts(section, 0, NULL, &len, NULL) : NULL;
        if (section)
            spec->seccomp_json = json ? prl_arena_strndup(reader->arena, json, len) : NULL;
        free(json);
        r = !section || spec->seccomp_json ? 0 : prl_spec_no_memory(reader);
    }
    return r;
}

static int read_all(const char *json, size_t len, bool launch, struct prl_spec **ret,
                    struct prl_error *reterr)
{
    _cleanup_arena_ struct prl_arena *arena = prl_arena_new();
    _cleanup_doc_ yyjson_doc *doc = NULL;
    struct prl_spec_reader reader = {.arena = arena, .reterr = reterr};
    bool room = arena && (launch || prl_arena_reserve(arena, len * SPEC_OF_TEXT + SPEC_BYTES));
    struct prl_spec *spec = room ? prl_arena_alloc(arena, sizeof *spec) : NULL;
    if (!spec)
        return prl_spec_no_memory(&reader);
    reader.keep = launch ? NULL : spec;
    int r = prl_spec_read_json(&reader, json, len, &doc);
    if (r == 0)
        r = read_sections(&reader, yyjson_doc_get_root(doc), spec);
    if (r == 0 && launch)
        r = prl_spec_complete(&reader, spec);
    if (r < 0)
        return r;
    spec->arena = steal_ptr(&arena);
    *ret = spec;
    return 0;
}

int prl_spec_parse(const char *json, size_t len, struct prl_spec **ret,
                   struct prl_error *reterr)
{
    return read_all(json, len, true, ret, reterr);
}

int prl_spec_read(const char *json, size_t len, struct prl_spec **ret, struct prl_error *reterr)
{
    return read_all(json, len, false, ret, reterr);
}

int prl_spec_check(struct prl_spec *spec, struct prl_error *reterr)
{
    const struct prl_spec_reader reader = {.arena = spec->arena, .reterr = reterr};
    return prl_spec_complete(&reader, spec);
}

void prl_spec_take_program(struct prl_spec *spec, const char *const *args)
{
    spec->process.args = args;
    spec->process.terminal = false;
    spec->process.console_rows = spec->process.console_columns = 0;
    spec->verify = false; /* it reads a launch back */
    spec->wall_limit_ns = 0;
}

void prl_spec_free(struct prl_spec *spec)
{
    if (spec)
        prl_arena_free(spec->arena);
}
