/* options.c: the options of a mount.
 * In: one word of /mounts/N/options.  Out: what it means, in struct prl_mount.  Never: a word
 * that is understood and then dropped.
 * Source: OCI runtime-spec config.md, "Linux mount options"; mount(8); mount_setattr(2). */
#include "base/sys.h"
#include "spec/parts.h"

#include <string.h>

enum option_kind {
    OPTION_ATTRIBUTE, /* a flag of the mount; "r" in front: of the whole tree */
    OPTION_BIND,
    OPTION_NOTHING, /* names what is so anyway */
    OPTION_REFUSED,
};

struct mount_option {
    char name[16];
    enum option_kind kind;
    uint64_t set, clear;
    char reason[68]; /* of OPTION_REFUSED */
};

#define WHOLE_FS "it would change the file system for everybody who has it mounted"

static const struct mount_option mount_options[] = {
    {"nosuid", OPTION_ATTRIBUTE, MOUNT_ATTR_NOSUID, 0, ""},
    {"suid", OPTION_ATTRIBUTE, 0, MOUNT_ATTR_NOSUID, ""},
    {"nodev", OPTION_ATTRIBUTE, MOUNT_ATTR_NODEV, 0, ""},
    {"dev", OPTION_ATTRIBUTE, 0, MOUNT_ATTR_NODEV, ""},
    {"noexec", OPTION_ATTRIBUTE, MOUNT_ATTR_NOEXEC, 0, ""},
    {"exec", OPTION_ATTRIBUTE, 0, MOUNT_ATTR_NOEXEC, ""},
    {"noatime", OPTION_ATTRIBUTE, MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, ""},
    {"atime", OPTION_ATTRIBUTE, 0, MOUNT_ATTR__ATIME, ""},
    {"relatime", OPTION_ATTRIBUTE, 0, MOUNT_ATTR__ATIME, ""},
    {"strictatime", OPTION_ATTRIBUTE, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, ""},
    {"norelatime", OPTION_NOTHING, 0, 0,
     ""}, /* the kernel's default is relatime since 2.6.30 */
    {"nostrictatime", OPTION_ATTRIBUTE, 0, MOUNT_ATTR_STRICTATIME, ""},
    {"nodiratime", OPTION_ATTRIBUTE, MOUNT_ATTR_NODIRATIME, 0, ""},
    {"diratime", OPTION_ATTRIBUTE, 0, MOUNT_ATTR_NODIRATIME, ""},
    {"nosymfollow", OPTION_ATTRIBUTE, MOUNT_ATTR_NOSYMFOLLOW, 0, ""},
    {"symfollow", OPTION_ATTRIBUTE, 0, MOUNT_ATTR_NOSYMFOLLOW, ""},
    {"ro", OPTION_ATTRIBUTE, MOUNT_ATTR_RDONLY, 0, ""},
    {"rw", OPTION_ATTRIBUTE, 0, MOUNT_ATTR_RDONLY, ""},
    {"bind", OPTION_BIND, 0, 0, ""},
    {"rbind", OPTION_BIND, MS_REC, 0, ""},
    {"defaults", OPTION_NOTHING, 0, 0, ""},
    {"async", OPTION_NOTHING, 0, 0, ""},
    {"loud", OPTION_NOTHING, 0, 0, ""},
    {"silent", OPTION_NOTHING, 0, 0, ""}, /* about the kernel's log only */
    {"noiversion", OPTION_NOTHING, 0, 0, ""},
    {"nolazytime", OPTION_NOTHING, 0, 0, ""},
    {"nomand", OPTION_NOTHING, 0, 0, ""},
    {"sync", OPTION_REFUSED, 0, 0, WHOLE_FS},
    {"dirsync", OPTION_REFUSED, 0, 0, WHOLE_FS},
    {"iversion", OPTION_REFUSED, 0, 0, WHOLE_FS},
    {"lazytime", OPTION_REFUSED, 0, 0, WHOLE_FS},
    {"mand", OPTION_REFUSED, 0, 0, "the kernel has no mandatory locks since Linux 5.15"},
    {"remount", OPTION_REFUSED, 0, 0, "each entry makes one mount"},
    {"tmpcopyup", OPTION_REFUSED, 0, 0, "nothing is copied into a fresh tmpfs"},
    {"idmap", OPTION_REFUSED, 0, 0, "the ids of a single mount cannot be mapped"},
    {"ridmap", OPTION_REFUSED, 0, 0, "the ids of a single mount cannot be mapped"},
};

static const struct {
    char word[12];
    unsigned flags;
} propagations[] = {
    {"private", MS_PRIVATE},       {"rprivate", MS_PRIVATE | MS_REC},
    {"shared", MS_SHARED},         {"rshared", MS_SHARED | MS_REC},
    {"slave", MS_SLAVE},           {"rslave", MS_SLAVE | MS_REC},
    {"unbindable", MS_UNBINDABLE}, {"runbindable", MS_UNBINDABLE | MS_REC},
};

unsigned prl_spec_propagation(const char *word)
{
    for (size_t i = 0; i < sizeof propagations / sizeof *propagations; i++)
        if (strcmp(propagations[i].word, word) == 0)
            return propagations[i].flags;
    return 0;
}

const char *prl_spec_propagation_word(unsigned flags)
{
    for (size_t i = 0; i < sizeof propagations / sizeof *propagations; i++)
        if (propagations[i].flags == flags)
            return propagations[i].word;
    return NULL;
}

static const struct mount_option *find_option(const char *name)
{
    for (size_t i = 0; i < sizeof mount_options / sizeof *mount_options; i++)
        if (strcmp(mount_options[i].name, name) == 0)
            return &mount_options[i];
    return NULL;
}

static int refuse_option(const struct prl_spec_reader *reader,
                         const struct prl_spec_place *place, const char *option,
                         const char *reason)
{
    return prl_spec_fail_at(reader, place, "is \"%s\", which is not supported: %s", option,
                            reason);
}

static int apply_option(const struct prl_spec_reader *reader,
                        const struct prl_spec_place *place, const struct mount_option *option,
                        struct prl_mount *mount)
{
    switch (option->kind) {
    case OPTION_ATTRIBUTE:
        /* A later option overrides an earlier one. */
        mount->attr_set = (mount->attr_set & ~option->clear) | option->set;
        mount->attr_clear = (mount->attr_clear & ~option->set) | option->clear;
        /* mount_setattr(2): the access-time modes are one field, cleared as a whole or not at
         * all. */
        if (mount->attr_clear & MOUNT_ATTR__ATIME)
            mount->attr_clear |= MOUNT_ATTR__ATIME;
        return 0;
    case OPTION_BIND:
        mount->bind = true;
        mount->recursive = mount->recursive || option->set == MS_REC;
        return 0;
    case OPTION_NOTHING:
        return 0;
    case OPTION_REFUSED:
        break;
    }
    return refuse_option(reader, place, option->name, option->reason);
}

/* "rro": the flag for the mount and everything below it.  Taking a flag away down there is
 * refused: the kernel locks the flags of mounts that come from outside the user namespace. */
static int apply_recursive(const struct prl_spec_reader *reader,
                           const struct prl_spec_place *place, const char *name,
                           struct prl_mount *mount)
{
    const struct mount_option *option = find_option(name + 1);
    if (!option || (option->kind != OPTION_ATTRIBUTE && option->kind != OPTION_NOTHING))
        return 1;
    if (option->kind == OPTION_NOTHING)
        return strstr(name, "atime") ? 0 : 1; /* rnorelatime, but no rdefaults */
    if (option->clear)
        return refuse_option(reader, place, name,
                             "flags of mounts below it can be added, not taken away");
    mount->attr_set_recursive |= option->set;
    return 0;
}

/* Does an option stand in the mount?  Of three words for one thing one is enough. */
static bool stands(const struct mount_option *option, const struct prl_mount *mount)
{
    if (option->kind != OPTION_ATTRIBUTE)
        return false;
    if (option->set)
        return mount->attr_set & option->set;
    if (option->clear == MOUNT_ATTR__ATIME && strcmp(option->name, "relatime") != 0)
        return false;
    return (mount->attr_clear & option->clear) == option->clear &&
           !(mount->attr_set & option->clear) && strcmp(option->name, "nostrictatime") != 0;
}

int prl_spec_mount_word(const struct prl_mount *mount, unsigned index, char ret[16])
{
    enum { FIRST = 2, OPTIONS = sizeof mount_options / sizeof *mount_options };
    const char *word = NULL;
    if (index >= FIRST + 2 * OPTIONS)
        return -1;
    if (index == 0)
        word = mount->recursive ? "rbind" : mount->bind ? "bind" : NULL;
    else if (index == 1)
        word = mount->propagation ? prl_spec_propagation_word(mount->propagation) : NULL;
    else if (index < FIRST + OPTIONS && stands(&mount_options[index - FIRST], mount))
        word = mount_options[index - FIRST].name;
    else if (index >= FIRST + OPTIONS &&
             (mount->attr_set_recursive & mount_options[index - FIRST - OPTIONS].set) &&
             mount_options[index - FIRST - OPTIONS].kind == OPTION_ATTRIBUTE) {
        *ret++ = 'r';
        word = mount_options[index - FIRST - OPTIONS].name;
    }
    if (word)
        memcpy(ret, word, strlen(word) + 1);
    return word != NULL;
}

int prl_spec_mount_option(const struct prl_spec_reader *reader,
                          const struct prl_spec_place *place, const char *option,
                          struct prl_mount *mount)
{
    const struct mount_option *known = find_option(option);
    if (known)
        return apply_option(reader, place, known, mount);
    unsigned propagation = prl_spec_propagation(option);
    if (propagation) {
        mount->propagation = propagation;
        return 0;
    }
    return option[0] == 'r' ? apply_recursive(reader, place, option, mount) : 1;
}
