/* parts.h: what the files of this folder share; nobody else includes it.
 * In: descriptors of DATA and of a volume.  Out: as store.h.  Never: an error record, where
 * nothing is said of one: -errno. */
#pragma once

#include "container/state/entry.h"
#include "container/state/volumes/store.h"

#include <limits.h>

/* record.c: volume.json of the directory.  `wait`: until it is on the disk. */
int prl_volume_record_write(int dir_fd, const struct prl_volume_want *want, bool wait);
/* *ret_json: the text, malloc'd; *ret_device: its option "device", malloc'd, NULL: none. Either
 * may be NULL.  -EBADMSG: damaged, or no record. */
int prl_volume_record_read(int dir_fd, char **ret_json, char **ret_device);
/* The options can be had; fails with PRL_STAGE_VOLUMES. */
int prl_volume_check_options(const struct prl_volume_want *want, struct prl_error *reterr);

/* make.c: "HEX", fresh, behind a prefix. */
int prl_volume_token(const char *prefix, char *buf, size_t size);

/* open.c: DATA/volumes/NAME, and its name still leads there.  exclusive: -EBUSY when a running
 * container has it; else waits while it is removed.  -ENOENT; -EBADMSG: no directory. */
int prl_volume_open(int store_fd, const char *name, bool exclusive);

/* users.c: ids of the containers that have it, malloc'd; `tidy`: links that lead nowhere go. */
int prl_volume_users(int dir_fd, bool tidy, char (**ret)[PRL_ID_LEN + 1], size_t *ret_len);
/* users/ID → the container's directory. */
int prl_volume_join(int dir_fd, const struct prl_state *state);

/* remove.c: 1: a container has it. */
int prl_volume_take_away(int store_fd, const char *name);
