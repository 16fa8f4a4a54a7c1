/* io.h: whole reads and whole writes.
 * In: descriptors and names below them.  Out: 0 or -errno (no error record: the caller knows
 * the stage). Never: following a name out of a FIFO, a device or an endless file: only regular
 * files up to a limit are read. */
#pragma once

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Read a regular file of at most max_bytes; *ret is malloc'd and NUL-terminated.  -EFBIG,
 * -EINVAL (not regular). */
int prl_io_read_file(int dir_fd, const char *path, size_t max_bytes, char **ret,
                     size_t *ret_len);
/* The same from an open descriptor. */
int prl_io_read_fd(int fd, size_t max_bytes, char **ret, size_t *ret_len);
/* Read a pipe or file to its end, at most max_bytes.  -EFBIG. */
int prl_io_read_stream(int fd, size_t max_bytes, char **ret, size_t *ret_len);
/* A small file of /proc or of a control group, by one read; -1 and errno: buf is "". */
ssize_t prl_io_read_text(int dir_fd, const char *path, char *buf, size_t size);
int prl_io_write_all(int fd, const void *data, size_t len);
/* open(O_WRONLY|O_CLOEXEC|O_NOFOLLOW|flags, mode) and write everything. */
int prl_io_write_file(int dir_fd, const char *path, const void *data, size_t len, int flags,
                      mode_t mode);
/* A directory to be listed; NULL and errno. */
DIR *prl_io_list(int dir_fd, const char *name);
/* Remove a tree below dir_fd by descriptors alone, whatever modes its directories have; never
 * crosses a mount point's or link's end.  -ENOENT is success. */
int prl_io_remove_tree(int dir_fd, const char *name);
/* The same in pieces: stops after about *budget names, counting *budget down.  0: all gone, 1:
 * some is left (call again). */
int prl_io_remove_tree_some(int dir_fd, const char *name, unsigned *budget);
/* The same for files of the caller's own and subordinate ids: what cannot be removed is removed
 * from inside a fresh user namespace with all these ids. -ERANGE: the machine did not grant
 * them. */
int prl_io_remove_tree_foreign(int dir_fd, const char *name, unsigned *budget);
/* printf(3) into memory of its own size, malloc'd; NULL: no memory. */
char *prl_io_format(const char *format, ...) __attribute__((format(printf, 1, 2)));
