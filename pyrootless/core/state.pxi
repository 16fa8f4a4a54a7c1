"""Containers as they lie on disk: listed, found, read, held, removed. Part of _containers.pyx."""

from libc.string cimport strerror
from posix.unistd cimport close, getpid


cdef int look(str data, str runtime, prl_dirs *dirs) except -1:
    cdef prl_error error
    cdef list places = encode([data, runtime])
    if prl_dirs_look(<bytes>places[0], <bytes>places[1], dirs, &error) < 0:
        raise exception(&error)
    return 0


cdef tuple row_of(prl_listed *row):
    return (row.id.decode(), row.name.decode(errors="surrogateescape"), row.directory.decode(errors="surrogateescape"),
            row.created_ns, row.pid, row.start_ticks, bool(row.running), LIVES[row.life], row.started_ns, row.restarts)


def list_states(str data, str runtime, bint kept) -> list:
    """Containers that run, whatever their store, and those kept in this one. What a dead monitor left is swept first.

    Args:
        data: The store's directory; it need not exist.
        runtime: The directory of what runs now; it need not exist.
        kept: Those too that do not run.

    Returns:
        [(id, name, directory, created_ns, pid, start_ticks, running, life, started_ns, restarts), …]; created_ns (since
        1970) is 0 where nothing says it; pid and start_ticks (proc_pid_stat(5), field 22), started_ns and restarts are
        0 where nothing runs; life is one of LIVES.

    Raises:
        StoreError: The runtime directory is another user's, or others may write to it.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef prl_listed *rows = NULL
    cdef size_t i, count = 0
    cdef int r
    look(data, runtime, &dirs)
    with nogil:
        r = prl_state_list(&dirs, kept, &rows, &count, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)
    found = [row_of(&rows[i]) for i in range(count)]
    prl_listed_free(rows, count)
    return found


def look_up_state(str data, str runtime, str text) -> tuple:
    """The row of list_states() for a name, an id, or the begin of an id.

    Raises:
        ContainerStateError: There is none, or more than one.
        StoreError: As of list_states().
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef prl_listed *row
    cdef bytes wanted = encode([text])[0]
    cdef const char *word = wanted
    cdef int r
    look(data, runtime, &dirs)
    row = <prl_listed *>calloc(1, sizeof(prl_listed))
    if row == NULL:
        prl_dirs_close(&dirs)
        raise MemoryError()
    with nogil:
        r = prl_state_look_up(&dirs, word, row, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        free(row)
        raise exception(&error)
    found = row_of(row)
    prl_listed_free(row, 1)
    return found


cdef bytes text_of(str directory, prl_state_file kind):
    cdef bytes place = encode([directory])[0]
    cdef const char *path = place
    cdef char *text = NULL
    cdef size_t size = 0
    cdef int r
    with nogil:
        r = prl_state_read(path, kind, &text, &size)
    if r < 0:
        raise OSError(-r, strerror(-r).decode(), directory)
    found = text[:size]
    free(text)
    return found


def read_state(str directory, bint status) -> bytes:
    """The text of a container's config.json, or status.json.

    Args:
        directory: Of the container.
        status: How it ended; False: its configuration.

    Raises:
        OSError: There is none (ENOENT, ENOTDIR), or it cannot be read.
    """
    return text_of(directory, PRL_STATE_STATUS if status else PRL_STATE_CONFIG)


def read_health(str directory) -> bytes:
    """The text of a container's health.json: the last checks, in docker's form.

    Raises:
        OSError: There is none (ENOENT, ENOTDIR), or it cannot be read.
    """
    return text_of(directory, PRL_STATE_HEALTH)


def hold_process(int pid, uint64_t start_ticks) -> int:
    """A pidfd of a container's first process; -1: it has ended, or is no container of this user's.

    The kernel is asked for the time of its birth and for the owner of its user namespace.
    """
    cdef prl_joinable process
    if prl_process_hold(pid, start_ticks, &process) < 0:
        return -1
    close(process.proc_fd)
    return process.pidfd


def remove_state(str data, str runtime, str wanted, bint force, bint volumes=False) -> None:
    """Take a container away: processes, control groups, names, files.

    Args:
        data, runtime: As list_states() has them.
        wanted: The container's name, id, or the begin of its id.
        force: End it when it runs.
        volumes: The volumes that nobody named and no other container has, too.

    Raises:
        ContainerStateError: It runs and force is False, or it does not end, or there is none.
        StoreError: Something of it cannot be removed.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef bytes text = encode([wanted])[0]
    cdef const char *word = text
    cdef int r
    look(data, runtime, &dirs)
    with nogil:
        r = prl_state_remove(&dirs, word, force, volumes, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)


include "control.pxi"
include "log.pxi"
include "config.pxi"
