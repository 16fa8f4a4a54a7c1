"""The log of a container, read and followed; the journal of events. Part of _containers.pyx."""

from cpython.exc cimport PyErr_CheckSignals
from libc.errno cimport EINTR


cdef class Log:
    """What a container has written, and goes on to write.

    Raises:
        ContainerStateError: There is no such container, or it has no log.
        StoreError: As of list_states().
    """

    cdef prl_dirs dirs
    cdef bint looked
    cdef prl_log_follow *follow

    def __cinit__(self, str data, str runtime, tuple found, bint follow, dict query):
        """Args:
            data, runtime: As list_states() has them.
            found: The container's id, name, directory, and whether it runs.
            follow: Go on until it has ended.
            query: since_ns, until_ns (since 1970, both included), tail (-1: all), timestamps, details, out, err.
        """
        cdef prl_error error
        cdef prl_log_query asked
        cdef prl_listed *row
        cdef list words = encode(list(found[:3]))
        cdef bytes directory = words[2]
        cdef int r
        asked.since_ns, asked.until_ns, asked.tail = query["since_ns"], query["until_ns"], query["tail"]
        asked.timestamps, asked.details = query["timestamps"], query["details"]
        asked.out, asked.err, asked.follow = query["out"], query["err"], follow
        look(data, runtime, &self.dirs)
        self.looked = True
        row = <prl_listed *>calloc(1, sizeof(prl_listed))
        if row == NULL:
            raise MemoryError()
        memcpy(row.id, <const char *>(<bytes>words[0]), min(len(words[0]), 64))
        memcpy(row.name, <const char *>(<bytes>words[1]), min(len(words[1]), 128))
        row.directory, row.running = directory, found[3]
        with nogil:
            r = prl_log_follow_open(&self.dirs, row, &asked, &self.follow, &error)
        free(row)
        if r < 0:
            raise exception(&error)

    def next(self):
        """(stream, bytes) of what comes next, waiting for it while the container is followed; None: that was all."""
        cdef prl_log_text text
        cdef int r = -EINTR
        while r == -EINTR:
            if self.follow == NULL:
                return None
            with nogil:
                r = prl_log_follow_next(self.follow, &text)
            PyErr_CheckSignals()
        if r < 0:
            raise OSError(-r, strerror(-r).decode(), "log")
        return (text.stream, text.bytes[:text.len]) if r > 0 else None

    def close(self):
        """Let go of it; once is enough."""
        if self.follow != NULL:
            prl_log_follow_close(self.follow)
            self.follow = NULL
        if self.looked:
            prl_dirs_close(&self.dirs)
            self.looked = False

    def __dealloc__(self):
        self.close()


def read_moment(str option, str text) -> int:
    """Nanoseconds since 1970 of a time as people write it: a date, seconds since 1970, or how long ago.

    Raises:
        UsageError: It is none.
    """
    cdef prl_error error
    cdef int64_t moment_ns = 0
    cdef list words = encode([option, text])
    if prl_value_moment(<bytes>words[0], <bytes>words[1], &moment_ns, &error) < 0:
        raise exception(&error)
    return moment_ns


def log_lost(str directory) -> int:
    """Bytes of a container's output that found no room in its log."""
    cdef bytes place = encode([directory])[0]
    return prl_log_lost(place)


def add_event(str data, str runtime, str kind, str action, str id, str attributes) -> None:
    """Write down what happened to a container, image or volume.

    Args:
        data, runtime: As list_states() has them.
        kind: "container", "image", "volume".
        action: Docker's word for it.
        id: Of what it happened to.
        attributes: Members of a JSON object, without its braces.
    """
    cdef prl_dirs dirs
    cdef prl_event event
    cdef list words = encode([kind, action, id, attributes])
    memset(&event, 0, sizeof(event))
    event.type, event.action, event.id = <bytes>words[0], <bytes>words[1], <bytes>words[2]
    event.attributes = <bytes>words[3]
    look(data, runtime, &dirs)
    with nogil:
        prl_journal_add(&dirs, &event)
        prl_dirs_close(&dirs)


def watch_directory(str directory) -> int:
    """A descriptor that is readable when a file in it was written or made; -1: there can be none. The caller closes it."""
    cdef bytes place = encode([directory])[0]
    cdef int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK)
    if fd >= 0 and inotify_add_watch(fd, place, IN_MODIFY | IN_CREATE | IN_MOVED_TO) < 0:
        close(fd)
        return -1
    return fd
