# cython: language_level=3, embedsignature=True
"""The door from Python to the unpacker of layers.

What it does: pushes the bytes of a plain tar into csrc/unpack, which writes the tree.
What comes in: a descriptor of a layer's directory, then bytes. What goes out: tree/ and lists in it, and a Summary.
Must never: decompress, hash, decide what a layer may hold; hold the GIL while files are written.
"""

import os
from collections import namedtuple

from libc.stdint cimport uint64_t

cdef extern from "unpack/stream.h" nogil:
    struct prl_error:
        int errnum
        unsigned short stage, sentence
        char *syscall
        char *subject

    struct prl_remedy:
        const char *klass
        const char *check
        const char *text

    struct prl_unpack:
        pass

    struct prl_unpack_limits:
        uint64_t entries
        uint64_t size_bytes

    struct prl_unpack_summary:
        uint64_t entries
        uint64_t size_bytes
        uint64_t owners
        uint64_t devices
        uint64_t capabilities
        uint64_t xattrs_skipped
        uint64_t replaced

    const prl_remedy *prl_error_remedy(const prl_error *error)
    const char *prl_stage_name(unsigned stage)
    int prl_unpack_new(int layer_fd, const prl_unpack_limits *limits, prl_unpack **ret, prl_error *err)
    int prl_unpack_feed(prl_unpack *u, const void *data, size_t len, prl_error *err)
    int prl_unpack_end(prl_unpack *u, prl_unpack_summary *ret, prl_error *err)
    int prl_unpack_seal(prl_unpack *u, prl_error *err)
    void prl_unpack_free(prl_unpack *u)

cdef extern from "<fcntl.h>" nogil:
    int AT_FDCWD

cdef extern from "base/usage.h" nogil:
    int prl_usage_tree(int dir_fd, const char *name, uint64_t *ret_bytes)

Summary = namedtuple("Summary", ("entries", "size_bytes", "owners", "devices", "capabilities", "xattrs_skipped",
                                 "replaced"))
"""What an archive held: members, bytes of all files, lines of the three lists, attributes that only root could set,
members that took the place of an earlier one."""

include "error.pxi"


def tree_bytes(directory) -> int:
    """What a tree takes of the disk: allocated blocks, no holes, a file with two names once.

    What cannot be read counts as nothing, and so does what lies deeper than 256 directories.

    Args:
        directory: Path of the tree's top, or of a single file; a link is not followed.

    Raises:
        MemoryError: There is no memory for the files with several names.
    """
    cdef bytes path = os.fsencode(directory)
    cdef const char *name = path
    cdef uint64_t size = 0
    cdef int r
    with nogil:
        r = prl_usage_tree(AT_FDCWD, name, &size)
    if r < 0:
        raise MemoryError
    return size


cdef class Unpacker:
    """One layer being unpacked.

    Args:
        directory_fd: The layer's directory; tree/, owners, devices and capabilities come into it. Stays the caller's,
            who keeps it open as long as this object lives.
        max_entries: Members the archive may hold.
        max_bytes: Bytes that all its files may have together, holes included.

    Raises (all methods):
        IntegrityError: The archive is malformed, hostile, truncated or beyond a limit.
        StoreError: The disk does not take it.
    """

    cdef prl_unpack *unpack

    def __cinit__(self, int directory_fd, *, uint64_t max_entries, uint64_t max_bytes):
        cdef prl_error error
        cdef prl_unpack_limits limits
        limits.entries, limits.size_bytes = max_entries, max_bytes
        if prl_unpack_new(directory_fd, &limits, &self.unpack, &error) < 0:
            raise exception(&error)

    def __dealloc__(self):
        with nogil:
            prl_unpack_free(self.unpack)

    def feed(self, const unsigned char[::1] data not None) -> None:
        """The next bytes of the plain tar, however many."""
        cdef prl_error error
        cdef size_t len = data.shape[0]
        cdef int r
        if len == 0:
            return
        with nogil:
            r = prl_unpack_feed(self.unpack, &data[0], len, &error)
        if r < 0:
            raise exception(&error)

    def end(self) -> Summary:
        """The archive has ended: lists are complete, and all directories can still be looked into."""
        cdef prl_error error
        cdef prl_unpack_summary summary
        cdef int r
        with nogil:
            r = prl_unpack_end(self.unpack, &summary, &error)
        if r < 0:
            raise exception(&error)
        return Summary(summary.entries, summary.size_bytes, summary.owners, summary.devices, summary.capabilities,
                       summary.xattrs_skipped, summary.replaced)

    def seal(self) -> None:
        """After `end`: directories get their modes and times."""
        cdef prl_error error
        cdef int r
        with nogil:
            r = prl_unpack_seal(self.unpack, &error)
        if r < 0:
            raise exception(&error)

    def finish(self) -> Summary:
        """`end` and `seal`."""
        summary = self.end()
        self.seal()
        return summary
