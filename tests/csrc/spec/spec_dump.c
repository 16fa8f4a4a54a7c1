// sources: csrc/spec/**/*.c csrc/base/**/*.c csrc/limits/names.c csrc/network/*.c
// libs: -lyyjson

/* spec_dump.c: show what prl_spec_parse makes of a config.json.
 * In: config.json on standard input; or the argument --fields.  Out: one field a line,
 * NAME=VALUE, control characters and backslashes as \xHH; exit 125 and the formatted error when
 * it is refused. With --fields: the table of known fields, "PATH FATE" a line.  Never: a file
 * opened. */
#include "spec/fields.h"
#include "spec/parse.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_text(const char *name, const char *text)
{
    printf("%s=", name);
    for (const unsigned char *p = (const unsigned char *)text; p && *p; p++)
        if (*p < 0x20 || *p == 0x7F || *p == '\\')
            printf("\\x%02x", *p);
        else
            putchar(*p);
    puts(text ? "" : "(null)");
}

static void put_number(const char *name, uint64_t number)
{
    printf("%s=%" PRIu64 "\n", name, number);
}

static void put_texts(const char *name, const char *const *texts)
{
    char element[64];
    for (size_t i = 0; texts && texts[i]; i++) {
        snprintf(element, sizeof element, "%s[%zu]", name, i);
        put_text(element, texts[i]);
    }
}

static void put_process(const struct prl_process *p)
{
    static const char *const sets[PRL_CAP_SETS] = {
        [PRL_CAP_BOUNDING] = "bounding",   [PRL_CAP_EFFECTIVE] = "effective",
        [PRL_CAP_PERMITTED] = "permitted", [PRL_CAP_INHERITABLE] = "inheritable",
        [PRL_CAP_AMBIENT] = "ambient",
    };
    put_texts("process.args", p->args);
    put_texts("process.env", p->env);
    put_text("process.cwd", p->cwd);
    put_number("process.uid", p->uid);
    put_number("process.gid", p->gid);
    for (size_t i = 0; i < p->additional_gids_len; i++)
        printf("process.additional_gids[%zu]=%" PRIu32 "\n", i, p->additional_gids[i]);
    printf("process.umask=%d\n", p->umask);
    for (int set = 0; set < PRL_CAP_SETS; set++)
        printf("process.caps.%s=%#" PRIx64 "\n", sets[set], p->caps[set]);
    put_number("process.no_new_privileges", p->no_new_privileges);
    for (size_t i = 0; i < p->rlimits_len; i++)
        printf("process.rlimits[%zu]=%d %" PRIu64 " %" PRIu64 "\n", i, p->rlimits[i].resource,
               p->rlimits[i].soft, p->rlimits[i].hard);
    if (p->has_oom_score_adj)
        printf("process.oom_score_adj=%d\n", p->oom_score_adj);
    put_number("process.terminal", p->terminal);
    put_number("process.console_rows", p->console_rows);
    put_number("process.console_columns", p->console_columns);
}

static void put_rootfs(const struct prl_rootfs *root)
{
    put_text("rootfs.path", root->path);
    put_number("rootfs.readonly", root->readonly);
    put_texts("rootfs.lowers", root->lowers);
    put_number("rootfs.upper", root->upper);
    put_text("rootfs.upper_path", root->upper_path);
    put_text("rootfs.work_path", root->work_path);
    put_number("rootfs.upper_volatile", root->upper_volatile);
    put_number("rootfs.upper_size_bytes", root->upper_size_bytes);
    put_number("rootfs.upper_inodes", root->upper_inodes);
}

static void put_mount(const struct prl_mount *m, size_t index)
{
    char name[64];
    snprintf(name, sizeof name, "mounts[%zu].source", index);
    put_text(name, m->source);
    snprintf(name, sizeof name, "mounts[%zu].destination", index);
    put_text(name, m->destination);
    snprintf(name, sizeof name, "mounts[%zu].type", index);
    put_text(name, m->type);
    snprintf(name, sizeof name, "mounts[%zu].data", index);
    put_text(name, m->data);
    printf("mounts[%zu].attr_set=%#" PRIx64 "\n", index, m->attr_set);
    printf("mounts[%zu].attr_clear=%#" PRIx64 "\n", index, m->attr_clear);
    printf("mounts[%zu].attr_set_recursive=%#" PRIx64 "\n", index, m->attr_set_recursive);
    printf("mounts[%zu].propagation=%#x\n", index, m->propagation);
    printf("mounts[%zu].bind=%d\n", index, m->bind);
    printf("mounts[%zu].recursive=%d\n", index, m->recursive);
}

static void put_idmaps(const char *name, const struct prl_idmap *maps, size_t len)
{
    for (size_t i = 0; i < len; i++)
        printf("%s[%zu]=%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", name, i, maps[i].container_id,
               maps[i].host_id, maps[i].size);
}

static void put_lists(const struct prl_spec *spec)
{
    char name[64];
    put_idmaps("uid_maps", spec->uid_maps, spec->uid_maps_len);
    put_idmaps("gid_maps", spec->gid_maps, spec->gid_maps_len);
    for (size_t i = 0; i < spec->mounts_len; i++)
        put_mount(&spec->mounts[i], i);
    for (size_t i = 0; i < spec->devices_len; i++) {
        const struct prl_device *d = &spec->devices[i];
        printf("devices[%zu].node=%c %" PRIu32 ":%" PRIu32 " %#o\n", i, d->type, d->major,
               d->minor, d->mode);
        snprintf(name, sizeof name, "devices[%zu].path", i);
        put_text(name, d->path);
    }
    for (size_t i = 0; i < spec->sysctls_len; i++) {
        snprintf(name, sizeof name, "sysctls[%zu].path", i);
        put_text(name, spec->sysctls[i].path);
        snprintf(name, sizeof name, "sysctls[%zu].value", i);
        put_text(name, spec->sysctls[i].value);
    }
    put_texts("masked_paths", spec->masked_paths);
    put_texts("readonly_paths", spec->readonly_paths);
}

static void put_spec(const struct prl_spec *spec)
{
    put_rootfs(&spec->rootfs);
    put_process(&spec->process);
    put_text("hostname", spec->hostname);
    put_text("domainname", spec->domainname);
    printf("namespaces=%#" PRIx64 "\n", spec->namespaces);
    put_lists(spec);
    printf("rootfs_propagation=%#x\n", spec->rootfs_propagation);
    put_number("has_seccomp", spec->has_seccomp);
    put_text("seccomp_program", spec->seccomp_program);
    put_text("seccomp_digest", spec->seccomp_digest);
    put_number("landlock", spec->landlock);
    put_number("new_keyring", spec->new_keyring);
    put_number("init", spec->init);
    printf("stop_signal=%d\n", spec->stop_signal);
    put_number("wall_limit_ns", spec->wall_limit_ns);
}

static void put_fields(const struct prl_spec_field *fields, const char *path)
{
    static const char *const fates[] = {
        [PRL_SPEC_OPTIONAL] = "supported",
        [PRL_SPEC_REQUIRED] = "supported",
        [PRL_SPEC_REFUSED] = "refused",
        [PRL_SPEC_IGNORED] = "ignored",
    };
    for (const struct prl_spec_field *f = fields; f && *f->key; f++) {
        char inner[256];
        snprintf(inner, sizeof inner, "%s%s%s", path, path[0] ? "." : "", f->key);
        printf("%s %s\n", inner, fates[f->fate]);
        if (f->type == PRL_SPEC_OBJECTS && prl_spec_inner_fields(f))
            strncat(inner, "[]", sizeof inner - strlen(inner) - 1);
        put_fields(prl_spec_inner_fields(f), inner);
    }
}

int main(int argc, char **argv)
{
    struct prl_error error = {0};
    struct prl_spec *spec;
    char text[1024];
    if (argc > 1 && strcmp(argv[1], "--fields") == 0) {
        put_fields(prl_spec_root_fields, "");
        return 0;
    }
    size_t size = (size_t)PRL_SPEC_MAX_BYTES + 1;
    char *json = malloc(size);
    if (!json)
        return 1;
    size_t len = fread(json, 1, size, stdin);
    int r = prl_spec_parse(json, len, &spec, &error);
    free(json);
    if (r < 0) {
        fprintf(stderr, "spec_dump: %s\n", prl_error_format(&error, text, sizeof text));
        return prl_error_exit_code(&error);
    }
    put_spec(spec);
    prl_spec_free(spec);
    return 0;
}
