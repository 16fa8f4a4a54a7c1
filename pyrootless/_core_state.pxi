"""_core, containers as they lie on disk: listed, held, removed. Included by _core.pyx."""

from posix.unistd cimport close


cdef int look(str data, str runtime, prl_dirs *dirs) except -1:
    cdef prl_error error
    cdef list places = encode([data, runtime])
    if prl_dirs_look(<bytes>places[0], <bytes>places[1], dirs, &error) < 0:
        raise exception(&error)
    return 0


def list_states(str data, str runtime) -> list:
    """Containers that run, whatever their store, and those kept in this one.

    Args:
        data: The store's directory; it need not exist.
        runtime: The directory of what runs now; it need not exist.

    Returns:
        [(id, directory, pid, start_ticks, running), …]; pid and start_ticks (proc_pid_stat(5), field 22) are 0 where
        nothing runs.

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
        r = prl_state_list(&dirs, &rows, &count, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)
    found = [(rows[i].id.decode(), rows[i].directory.decode(errors="surrogateescape"), rows[i].pid,
              rows[i].start_ticks, bool(rows[i].running)) for i in range(count)]
    prl_listed_free(rows, count)
    return found


def hold_process(int pid, uint64_t start_ticks) -> int:
    """A pidfd of a container's first process; -1: it has ended, or is no container of this user's.

    The kernel is asked for the time of its birth and for the owner of its user namespace.
    """
    cdef prl_joinable process
    if prl_process_hold(pid, start_ticks, &process) < 0:
        return -1
    close(process.proc_fd)
    return process.pidfd


def remove_state(str data, str runtime, str key, bint force) -> None:
    """Take a container away: processes, control groups, names, files.

    Args:
        data, runtime: As list_states() has them.
        key: The container's id.
        force: End it when it runs.

    Raises:
        ContainerStateError: It runs and force is False, or it does not end.
        StoreError: Something of it cannot be removed.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef bytes text = encode([key])[0]
    cdef const char *id = text
    cdef int r
    look(data, runtime, &dirs)
    with nogil:
        r = prl_state_remove(&dirs, id, force, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)
