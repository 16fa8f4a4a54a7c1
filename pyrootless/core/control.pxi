"""The monitor of a container that another process started: asked and waited for. Part of _containers.pyx."""


def wait_state(str data, str runtime, str wanted) -> tuple:
    """Block until a container has ended and is recorded.

    Args:
        data, runtime: As list_states() has them.
        wanted: Its name, id, or the begin of its id.

    Returns:
        (ended_by, exit_code, signal): exit_code is -1 when a signal ended it.

    Raises:
        ContainerStateError: There is none, or it was to be removed and nobody can tell any more.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef prl_status status
    cdef bytes text = encode([wanted])[0]
    cdef const char *word = text
    cdef int r
    look(data, runtime, &dirs)
    with nogil:
        r = prl_container_wait(&dirs, word, &status, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)
    return ending(&status)[:3]


def stop_state(str data, str runtime, str wanted, int number, int seconds) -> None:
    """Ask a container to end, kill it when it does not, and wait until it is recorded; one that does not run is fine.

    Args:
        data, runtime: As list_states() has them.
        wanted: Its name, id, or the begin of its id.
        number: The signal that asks; 0: the container's own.
        seconds: Until it is killed; -1: never; -2: the container's own.

    Raises:
        ContainerStateError: There is none, or it does not end on SIGKILL.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef prl_stop how
    cdef bytes text = encode([wanted])[0]
    cdef const char *word = text
    cdef int r
    how.signal, how.seconds = number, seconds
    look(data, runtime, &dirs)
    with nogil:
        r = prl_container_stop(&dirs, word, &how, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)


def kill_state(str data, str runtime, str wanted, int number) -> None:
    """A signal to the first process of a container. Raises ContainerStateError: it does not run."""
    cdef prl_error error
    cdef prl_dirs dirs
    cdef bytes text = encode([wanted])[0]
    cdef const char *word = text
    cdef int r
    look(data, runtime, &dirs)
    with nogil:
        r = prl_container_kill(&dirs, word, number, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)


def rename_state(str data, str runtime, str wanted, str name) -> None:
    """Another name for a container. Raises UsageError: it is no name; ContainerStateError: there is none, or it is taken.

    Args:
        data, runtime: As list_states() has them.
        wanted: Its name, id, or the begin of its id.
        name: The new name.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef list texts = encode([wanted, name])
    cdef const char *word = <bytes>texts[0]
    cdef const char *other = <bytes>texts[1]
    cdef int r
    look(data, runtime, &dirs)
    with nogil:
        r = prl_state_rename(&dirs, word, other, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)


def pause_state(str data, str runtime, str wanted, bint still) -> None:
    """Let a container stand still, or go on. Raises ContainerStateError: there is none, or not in that state.

    Args:
        data, runtime, wanted: As of rename_state().
        still: False: it goes on.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef bytes text = encode([wanted])[0]
    cdef const char *word = text
    cdef int r
    look(data, runtime, &dirs)
    with nogil:
        r = prl_container_pause(&dirs, word, &error) if still else prl_container_unpause(&dirs, word, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)


def connect_control(str data, str runtime, str id) -> int:
    """A connection to a running container's monitor (docs/reference/control.md), which the caller closes.

    Returns:
        A descriptor, or -errno: ENOENT or ECONNREFUSED when its monitor listens to nobody.
    """
    cdef prl_dirs dirs
    cdef bytes text = encode([id])[0]
    look(data, runtime, &dirs)
    cdef int fd = prl_control_connect(&dirs, text)
    prl_dirs_close(&dirs)
    return fd


def send_record(int fd, int kind, int value, bytes payload) -> None:
    """One record to a monitor. Raises OSError."""
    cdef prl_record_head head
    cdef const char *data = payload
    cdef int r
    head.kind, head.value, head.len = kind, value, <unsigned int>len(payload)
    with nogil:
        r = prl_record_send(fd, &head, data)
    if r < 0:
        raise OSError(-r, strerror(-r).decode(), "control socket")


def send_stream(int fd, int kind, int value, int passed) -> None:
    """One record without a payload; a copy of the descriptor `passed` goes along. Raises OSError."""
    cdef prl_record_head head
    cdef int r
    head.kind, head.value, head.len = kind, value, 0
    with nogil:
        r = prl_record_send_fd(fd, &head, passed)
    if r < 0:
        raise OSError(-r, strerror(-r).decode(), "control socket")


def receive_record(int fd) -> tuple | None:
    """(kind, value, payload) of the next record, waiting for it; None: the monitor hung up. Raises OSError.

    The payload of ENDED is (ended_by, exit_code, signal), or None when that is not known.
    """
    cdef prl_status status
    cdef int passed = -1, r
    cdef prl_record *record = <prl_record *>calloc(1, sizeof(prl_record))
    if record == NULL:
        raise MemoryError()
    try:
        with nogil:
            r = prl_record_receive(fd, record, &passed)
        if passed >= 0:
            close(passed)
        if r < 0:
            raise OSError(-r, strerror(-r).decode(), "control socket")
        if r == 0:
            return None
        if record.head.kind != PRL_RECORD_ENDED:
            return record.head.kind, record.head.value, record.bytes[:record.head.len]
        if record.head.len == 0:
            return record.head.kind, record.head.value, None
        memcpy(&status, record.bytes, sizeof(status))
        return record.head.kind, record.head.value, ending(&status)[:3]
    finally:
        free(record)
