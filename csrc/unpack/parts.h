/* parts.h: what the files of the room "unpack" share; nobody else includes it. */
#pragma once

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

/* --- path.c: names of an archive → paths below the layer's root --- */

enum { PRL_UNPACK_SHOWN = 160 };

/* Without ".", "..", "//" and "/" at either end; "" is the root.  Returns the length,
 * -EBADMSG when ".." leads out, -ENAMETOOLONG. */
int prl_unpack_path_clean(const char *raw, char ret[PATH_MAX]);
/* dir "/" name into ret; -ENAMETOOLONG. */
int prl_unpack_path_join(const char *dir, const char *name, char ret[PATH_MAX]);
/* "%" and control bytes as %XX; returns the length of what is in ret. */
size_t prl_unpack_path_encode(const char *path, char ret[3 * PATH_MAX]);
/* What fits a message: control bytes as "?", a long beginning as "..."; returns buf. */
const char *prl_unpack_path_show(const char *path, char buf[PRL_UNPACK_SHOWN]);

/* --- pax.c: extended headers: what the fixed header has no room for --- */

struct prl_unpack_record {
    size_t key_at, value_at, value_len; /* in text; both end with NUL */
};

/* Records in the order they came: the last of a key counts. */
struct prl_unpack_pax {
    char *text;
    size_t text_len;
    struct prl_unpack_record *records;
    size_t records_len, records_room;
};

int prl_unpack_pax_add(struct prl_unpack_pax *pax, const char *body, size_t len,
                       struct prl_error *reterr);
void prl_unpack_pax_clear(struct prl_unpack_pax *pax);
void prl_unpack_pax_free(struct prl_unpack_pax *pax);

/* Both places a value can stand: the member's own records, then those of all members. */
struct prl_unpack_extended {
    struct prl_unpack_pax own, global;
};
/* The value of a key; NULL when nobody gives it, or when the member takes it away (an empty
 * value). */
const char *prl_unpack_pax_find(const struct prl_unpack_extended *extended, const char *key,
                                size_t *ret_len);
/* 1: found, without a NUL in it; 0: not there; -EBADMSG. */
int prl_unpack_pax_text(const struct prl_unpack_extended *extended, const char *key,
                        const char **ret, struct prl_error *reterr);
/* A whole number of at most max.  1, 0, -EBADMSG. */
int prl_unpack_pax_number(const struct prl_unpack_extended *extended, const char *key,
                          uint64_t max, uint64_t *ret, struct prl_error *reterr);
/* Seconds with a fraction, "-1.25".  1, 0, -EBADMSG. */
int prl_unpack_pax_time(const struct prl_unpack_extended *extended, const char *key,
                        struct timespec *ret, struct prl_error *reterr);
/* Digits at *p, which is moved behind them; false: none, or more than 2^63-1. */
bool prl_unpack_digits(const char **p, uint64_t *ret);

/* --- what one member of the archive says, whatever form said it --- */

enum prl_unpack_kind {
    PRL_UNPACK_FILE,
    PRL_UNPACK_HARDLINK,
    PRL_UNPACK_SYMLINK,
    PRL_UNPACK_CHAR,
    PRL_UNPACK_BLOCK_DEVICE,
    PRL_UNPACK_DIRECTORY,
    PRL_UNPACK_FIFO,
    PRL_UNPACK_NOTHING, /* a label or the like: read over */
};

struct prl_unpack_entry {
    enum prl_unpack_kind kind;
    char path[PATH_MAX];   /* below the root; "": the root itself */
    char target[PATH_MAX]; /* symlink: as it stands; hard link: cleaned, below the root */
    mode_t mode;           /* 07777 */
    uint32_t uid, gid, major, minor;
    struct timespec mtime;
    uint64_t size_bytes; /* as the file will have; the body may be shorter: holes */
    const struct prl_unpack_extended *extended;
};

/* --- header.c: one header block of 512 bytes → its fields --- */

enum { PRL_UNPACK_BLOCK = 512 };

struct prl_unpack_header {
    char name[256 + 1]; /* prefix "/" name */
    char link[100 + 1];
    char type; /* '\0' of v7 is given as '0' */
    uint32_t mode, uid, gid, major, minor;
    uint64_t size_bytes; /* of the body that follows */
    int64_t mtime_s;
};

/* 0: a header; 1: a block of zeros, the end of the archive. */
int prl_unpack_header_parse(const unsigned char block[PRL_UNPACK_BLOCK],
                            struct prl_unpack_header *ret, struct prl_error *reterr);
/* A number field of len bytes: octal text, or base 256 when its first bit is set. */
int prl_unpack_number(const unsigned char *field, size_t len, int64_t *ret);

/* --- sparse.c: where the bytes of a file with holes belong --- */

enum { PRL_UNPACK_SEGMENTS_MAX = 1 << 20 };

struct prl_unpack_segment {
    uint64_t at, len;
};

/* The map of one file, and how far its bytes have come. */
struct prl_unpack_sparse {
    struct prl_unpack_segment *segments;
    size_t len, room;
    uint64_t size_bytes; /* of the file, holes included */
    size_t now;          /* segment that takes the next byte */
    uint64_t done;       /* bytes of it that are there */
    uint64_t numbers;    /* of a map as text: numbers still to come */
    uint64_t number, at; /* the number that is being read; the segment's offset */
    bool digits;         /* one digit of it was read */
    bool counted;        /* the count, which comes first, was read */
};

/* Which form a member's map has. */
enum prl_unpack_map {
    PRL_UNPACK_MAP_NONE,
    PRL_UNPACK_MAP_HEADER, /* old GNU: in the header and blocks that follow it */
    PRL_UNPACK_MAP_PAX,    /* 0.0 and 0.1: in the extended header */
    PRL_UNPACK_MAP_BODY,   /* 1.0: as text before the file's bytes */
};

void prl_unpack_sparse_begin(struct prl_unpack_sparse *sparse, uint64_t size_bytes);
/* The whole file is one segment. */
int prl_unpack_sparse_plain(struct prl_unpack_sparse *sparse, uint64_t size_bytes);
/* Up to n pairs of 12 bytes each; an empty one ends them. */
int prl_unpack_sparse_pairs(struct prl_unpack_sparse *sparse, const unsigned char *pairs,
                            unsigned n);
/* GNU.sparse.map, or GNU.sparse.offset and .numbytes in turns. */
int prl_unpack_sparse_pax(struct prl_unpack_sparse *sparse,
                          const struct prl_unpack_extended *extended);
/* One block of a map as text.  1: the map is complete. */
int prl_unpack_sparse_text(struct prl_unpack_sparse *sparse, const unsigned char *block);
/* The bytes of all segments. */
uint64_t prl_unpack_sparse_total(const struct prl_unpack_sparse *sparse);
/* Where the next bytes go and how many of them, at most len. */
uint64_t prl_unpack_sparse_next(const struct prl_unpack_sparse *sparse, size_t len,
                                size_t *ret_len);
void prl_unpack_sparse_advance(struct prl_unpack_sparse *sparse, size_t len);

/* --- member.c: header, extended header and long names of one member → its entry --- */

struct prl_unpack_member {
    struct prl_unpack_header header;
    struct prl_unpack_extended extended;
    char *long_name, *long_link; /* GNU's 'L' and 'K'; NULL: none */
    uint64_t body_bytes;         /* that follow the headers */
    enum prl_unpack_map map;
};

/* Fills *ret and the member's body_bytes and map. */
int prl_unpack_member_read(struct prl_unpack_member *member, struct prl_unpack_entry *ret,
                           struct prl_error *reterr);
/* Forget what belonged to one member; global headers stay. */
void prl_unpack_member_next(struct prl_unpack_member *member);
void prl_unpack_member_free(struct prl_unpack_member *member);

/* --- dirs.c: modes and times of directories, kept until nothing more is put into them --- */

/* Text of all directories' paths that is kept; more is no image. */
enum { PRL_UNPACK_DIRS_BYTES = 256 << 20 };

struct prl_unpack_dir {
    size_t path_at, path_len;
    mode_t mode;
    bool has_time;
    struct timespec mtime;
};

struct prl_unpack_dirs {
    char *text;
    size_t text_len, text_room;
    struct prl_unpack_dir *rows;
    size_t rows_len, rows_room;
};

/* A later note of the same path counts.  mtime NULL: leave the time.  -EBADMSG: too many. */
int prl_unpack_dirs_note(struct prl_unpack_dirs *dirs, const char *path, mode_t mode,
                         const struct timespec *mtime);
/* The deepest first.  What is no directory any more is passed over. */
int prl_unpack_dirs_apply(struct prl_unpack_dirs *dirs, int root_fd, struct prl_error *reterr);
void prl_unpack_dirs_free(struct prl_unpack_dirs *dirs);

/* --- list.c: the layer's lists: one line about one path --- */

/* Text of one list on disk: twenty times what real layers have. A link can make a short name of
 * the archive a long path here. */
enum { PRL_UNPACK_LIST_ROOM = 32768, PRL_UNPACK_LIST_BYTES = 256 << 20 };

struct prl_unpack_list {
    const char *name; /* of the file */
    int layer_fd;     /* borrowed */
    int fd;           /* -1: nothing was written yet */
    uint64_t lines, written_bytes;
    size_t len;
    char buf[PRL_UNPACK_LIST_ROOM];
};

/* HEAD, a space, the path encoded, a newline.  The root is ".". */
int prl_unpack_list_add(struct prl_unpack_list *list, const char *head, const char *path,
                        struct prl_error *reterr);
/* Write what is left and close. */
int prl_unpack_list_finish(struct prl_unpack_list *list, struct prl_error *reterr);

/* --- devices.c: the device nodes that a layer lists; none of them is in its tree --- */

/* Text of all devices together; a layer has a few kilobytes, or none. */
enum { PRL_UNPACK_DEVICES_BYTES = 4 << 20 };

struct prl_unpack_devices {
    char *text; /* head NUL path NUL … */
    size_t len, room;
};

/* A later device of the same path counts.  -EBADMSG: too many; -ENOMEM. */
int prl_unpack_devices_add(struct prl_unpack_devices *devices, const char *head,
                           const char *path);
/* NULL: no device has that path.  Good until the next is added. */
const char *prl_unpack_devices_find(const struct prl_unpack_devices *devices, const char *path);

/* --- tree.c: the layer's tree as it grows: where a path's directory is, and what lies there.
 * --- */

enum { PRL_UNPACK_CACHED = 24 };

/* The work that an archive may cause beside its own bytes, in steps of about one system call: a
 * name on the way over a link, a directory that must be made, an attribute. A few steps are
 * free, and each member brings some: so the work grows with the archive, whatever its links
 * are. */
enum { PRL_UNPACK_WORK_FREE = 1 << 18, PRL_UNPACK_WORK_A_MEMBER = 64 };
#define PRL_UNPACK_TOO_MUCH_WORK "asks for more work than an archive of its size may"

struct prl_unpack_slot {
    char *key;  /* the directory's path as the archive spells it */
    char *real; /* the same without links */
    int fd;     /* O_PATH */
    uint64_t used;
};

struct prl_unpack_tree {
    int root_fd;
    struct prl_unpack_dirs dirs;
    struct prl_unpack_slot slots[PRL_UNPACK_CACHED];
    uint64_t clock;
    uint64_t replaced;       /* what was removed to make way */
    uint64_t work_left;      /* steps; 0: too many were asked for */
    bool stale;              /* the slots may be wrong: something was removed */
    bool no_mknod;           /* whiteouts must be files with an attribute */
    bool no_xattrs;          /* the file system takes none of the user's */
    struct prl_error *error; /* of the call that is under way */
};

/* A name in a directory.  Valid until something is looked up after the next lookup. */
struct prl_unpack_place {
    int dir_fd;
    const char *dir; /* the directory's path without links; "": the root */
    const char *name;
};

/* Where path (not the root) lies; missing directories are made when `make` says so.  Links on
 * the way lead within the tree.  0, or -ENOENT without `make`, else an error that is recorded.
 */
int prl_unpack_tree_find(struct prl_unpack_tree *tree, const char *path, bool make,
                         struct prl_unpack_place *ret);
/* Remove what has the name.  1: it was a whiteout; 0. */
int prl_unpack_tree_clear(struct prl_unpack_tree *tree, const struct prl_unpack_place *place);
/* Record errno, or that the archive is to blame; returns the negative number. */
int prl_unpack_tree_fail(struct prl_unpack_tree *tree, const char *call, const char *path);
int prl_unpack_tree_refuse(struct prl_unpack_tree *tree, const char *path, const char *why);
void prl_unpack_tree_allow_member(struct prl_unpack_tree *tree);
/* 0, or -EBADMSG (not recorded) when no work is left, now and for good. */
int prl_unpack_tree_spend(struct prl_unpack_tree *tree, uint64_t work);
void prl_unpack_tree_free(struct prl_unpack_tree *tree);

/* --- whiteout.c: what a layer takes away from those below it --- */

/* The name is a whiteout, of either form. */
bool prl_unpack_whiteout_is(const struct prl_unpack_place *place);
/* Hide the name in lower layers. If this layer has a directory of that name, the directory
 * becomes opaque; anything else of that name hides it already. */
int prl_unpack_whiteout_make(struct prl_unpack_tree *tree,
                             const struct prl_unpack_place *place);
/* The directory open at fd shows nothing of lower layers. */
int prl_unpack_whiteout_opaque(int fd);
/* mkdir 0700; over a whiteout the directory is opaque.  0: made; 1: it was there; -errno. */
int prl_unpack_whiteout_mkdir(const struct prl_unpack_place *place);

/* --- xattr.c: extended attributes of a member, and the one that remembers its owner --- */

/* A POSIX access list as the archive has it: the kernel's form, or text ("user:33:r--", …). */
struct prl_unpack_acl {
    const unsigned char *value; /* NULL: the entry has none */
    size_t len;
    bool text;
};

struct prl_unpack_xattrs {
    uint64_t skipped;                     /* counted up */
    const unsigned char *file_capability; /* security.capability of this entry, or NULL */
    size_t file_capability_len;
    struct prl_unpack_acl access,
        inherited; /* its own; of a directory, for what is made in it */
};

/* Set what an ordinary user may set.  0, or an error that is recorded. */
int prl_unpack_xattr_apply(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           int fd, struct prl_unpack_xattrs *ret);
/* Remember the owner; `known`: there may be an older one to forget. */
int prl_unpack_xattr_owner(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           int fd, bool known);

/* --- place.c: one member of the archive → what it is on disk --- */

struct prl_unpack_lists {
    struct prl_unpack_list owners, devices, capabilities, acls;
    struct prl_unpack_devices known; /* devices by path: a hard link may be to one */
    uint64_t xattrs_skipped;
};

/* Everything but the content of a file: that one is made empty, and *ret_fd is its descriptor
 * (-1 for all others). */
int prl_unpack_place_entry(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           struct prl_unpack_lists *lists, int *ret_fd);
/* The content of a file is complete: mode and time, and the descriptor is closed. */
int prl_unpack_place_close(struct prl_unpack_tree *tree, const struct prl_unpack_entry *entry,
                           int *fd);
