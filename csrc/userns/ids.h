/* ids.h: which ids a user may map, and the maps that are made of them.
 * In: ranges as text, /etc/subuid, /etc/subgid, the namespace we are in.  Out: ranges without
 * overlap, rows of a map.  Never: writing a map (mapping.h); an id twice; an error for a line
 * of somebody else.
 *
 * Source: subuid(5), subgid(5), getsubids(1), user_namespaces(7). */
#pragma once

#include "prl.h"

enum {
    PRL_IDMAP_ROWS = 340,               /* lines of a map, user_namespaces(7) */
    PRL_ID_RANGES = PRL_IDMAP_ROWS - 2, /* less the own id, and a range that it splits */
};

struct prl_id_range {
    uint32_t first, count;
};

/* In the order in which they are mapped. */
struct prl_ids {
    struct prl_id_range ranges[PRL_ID_RANGES];
    size_t len;
};

/* Append what of first … first + count - 1 is not there yet.  -ERANGE: beyond the last id;
 * -E2BIG: too many ranges. */
int prl_ids_add(struct prl_ids *ids, uint64_t first, uint64_t count);
/* "FIRST COUNT[,FIRST COUNT…]", as the launch template has it, without the id `own`.  -EINVAL,
 * and as above. */
int prl_ids_parse(const char *text, uint32_t own, struct prl_ids *ret);
uint64_t prl_ids_count(const struct prl_ids *ids);

enum prl_ids_map {
    PRL_IDS_MAP_RANGE, /* 0 is `own`, 1 … the ranges */
    PRL_IDS_MAP_KEEP,  /* `own` is itself, the ranges are the ids around it */
    PRL_IDS_MAP_NONE,  /* 0 … the ranges, `own` is nobody */
};
/* Rows of a map; returns how many. */
size_t prl_ids_map(enum prl_ids_map how, uint32_t own, const struct prl_ids *ids,
                   struct prl_idmap ret[PRL_IDMAP_ROWS]);

/* subids.c: what one file grants one user. */
struct prl_ids_source {
    const char *file, *map; /* /etc/subuid, /proc/self/uid_map */
    const char *option;     /* of getsubids(1): "-g", or NULL */
    const char *login;      /* "": none, and getsubids is not asked */
    uint32_t user, own;     /* uid; the id that is mapped anyhow (uid or gid) */
};
int prl_ids_read(const struct prl_ids_source *source, struct prl_ids *ret);
/* The ids the caller may map now, by name and number, several lines in their order;
 * root of another container has what its namespace has.  Lengths are 0 where there are none.
 * -errno: a file cannot be read. */
int prl_ids_granted(struct prl_ids *ret_uids, struct prl_ids *ret_gids);
