"""A container from a config.json that the caller made. Part of _containers.pyx."""


cdef class Container  # defined in _containers.pyx


def take_config(Container container, bytes config) -> None:
    """Launch this config.json as it is, as `run --spec` does; call it before create()."""
    cdef char *copy = <char *>malloc(len(config) + 1)
    if copy == NULL:
        raise MemoryError()
    memcpy(copy, <const char *>config, len(config) + 1)
    free(container.container.json)
    container.container.json, container.container.json_len = copy, len(config)
