"""Volumes of the store: made, listed, removed (csrc/container/state/volumes/store.h). Part of _containers.pyx."""


cdef tuple volume_of(prl_volume_row *row):
    cdef size_t i
    record = None if row.record == NULL else (<bytes>row.record)
    users = [row.users[i].decode() for i in range(row.users_len)]
    return row.name.decode(errors="surrogateescape"), record, users


def list_volumes(str data, str runtime) -> list:
    """All that lies in DATA/volumes, in no order.

    Returns:
        [(name, record, users), …]: the text of volume.json, None for what is no volume or is damaged; the ids of the
        containers that have it.

    Raises:
        StoreError: The directory cannot be read.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef prl_volume_row *rows = NULL
    cdef size_t i, count = 0
    cdef int r
    look(data, runtime, &dirs)
    with nogil:
        r = prl_volume_list(&dirs, &rows, &count, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)
    found = [volume_of(&rows[i]) for i in range(count)]
    prl_volume_rows_free(rows, count)
    return found


def look_up_volume(str data, str runtime, str name) -> tuple:
    """The row of list_volumes() with this name.

    Raises:
        ContainerStateError: There is none.
        StoreError: As of list_volumes().
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef prl_volume_row *row
    cdef bytes text = encode([name])[0]
    cdef const char *word = text
    cdef int r
    look(data, runtime, &dirs)
    row = <prl_volume_row *>calloc(1, sizeof(prl_volume_row))
    if row == NULL:
        prl_dirs_close(&dirs)
        raise MemoryError()
    with nogil:
        r = prl_volume_look(&dirs, word, row, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        free(row)
        raise exception(&error)
    found = volume_of(row)
    prl_volume_rows_free(row, 1)
    return found


cdef const char **pointers(list texts) except NULL:
    """A NULL-terminated array; the texts must outlive it. To be freed."""
    cdef const char **array = <const char **>calloc(len(texts) + 1, sizeof(char *))
    cdef size_t i
    if array == NULL:
        raise MemoryError()
    for i in range(<size_t>len(texts)):
        array[i] = <bytes>texts[i]
    return array


def make_volume(str data, str name, list labels, list options) -> bool:
    """Make a volume.

    Args:
        data: The store's directory; it is made when missing.
        name: Of the volume.
        labels: "KEY=VALUE" each.
        options: Of the driver "local", likewise.

    Returns:
        False: there is one of this name already, which is left as it is.

    Raises:
        UsageError: It is no name, or an option has no meaning or needs root.
        StoreError: It cannot be made, or something that is no volume has the name.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef prl_volume_want want
    cdef bytes place = encode([data])[0], text = encode([name])[0]
    cdef const char *root = place
    cdef list kept = [encode(labels), encode(options)]
    cdef int r
    want.name = text
    want.anonymous = False
    if prl_dirs_open(root, &dirs, &error) < 0:
        raise exception(&error)
    want.labels = want.options = NULL
    try:
        want.labels = pointers(kept[0])
        want.options = pointers(kept[1])
        with nogil:
            r = prl_volume_make(&dirs, &want, &error)
    finally:
        free(<void *>want.labels)
        free(<void *>want.options)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)
    return r == 0


def remove_volume(str data, str runtime, str name) -> None:
    """Take a volume away.

    Raises:
        ContainerStateError: There is none, or a container has it.
        StoreError: It cannot be removed, or is no volume.
    """
    cdef prl_error error
    cdef prl_dirs dirs
    cdef bytes text = encode([name])[0]
    cdef const char *word = text
    cdef int r
    look(data, runtime, &dirs)
    with nogil:
        r = prl_volume_remove(&dirs, word, &error)
        prl_dirs_close(&dirs)
    if r < 0:
        raise exception(&error)
