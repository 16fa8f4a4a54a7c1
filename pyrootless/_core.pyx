# cython: language_level=3, embedsignature=True
"""_core: the only door from Python to the C core.

What it does: hands argv to the option table, templates to the merge, and a container through create, start, wait, finish.
What comes in: lists of str, descriptors. What goes out: plain tuples, dicts and the exceptions of pyrootless.errors.
Must never: policy, text parsing, defaults of its own; hold the GIL while the kernel works.
"""

from libc.stdint cimport uint64_t
from libc.stdlib cimport calloc, free

from pyrootless._prl cimport *

from pyrootless.errors import error_from_record

KINDS = ("flag", "text", "integer", "size", "duration", "signal", "path")
"""Names of enum prl_option_kind, in its order."""
VERBS = {"run": PRL_VERB_RUN, "exec": PRL_VERB_EXEC, "create": PRL_VERB_CREATE}
"""Names of the verbs whose options stand in the table."""
ENDED_BY = ("", "exit", "signal", "timeout", "killed", "oom")
"""Names of enum prl_ended_by, in its order."""


cdef object exception(prl_error *error):
    cdef const prl_remedy *row = prl_error_remedy(error)
    cdef tuple record = (prl_stage_name(error.stage).decode(), error.errnum, error.syscall.decode(errors="replace"),
              error.subject.decode(errors="replace"))
    if row == NULL:
        return error_from_record(record, "", "", "")
    return error_from_record(record, row.klass.decode(), row.check.decode(), row.text.decode())


def option_rows() -> list:
    """The option table as dicts: name, letter, kind, repeat, verbs, engine, field, metavar, group, help."""
    cdef list rows = []
    cdef size_t i = 0
    cdef const prl_option *row
    while prl_option_table[i].name != NULL:
        row = &prl_option_table[i]
        rows.append({
            "name": row.name.decode(), "letter": chr(row.letter) if row.letter else "",
            "kind": KINDS[row.kind], "repeat": bool(row.repeat), "verbs": row.verbs,
            "engine": row.door != 0, "field": row.field.decode(), "metavar": row.metavar.decode(),
            "group": row.group.decode(), "help": row.help.decode(),
        })
        i += 1
    return rows


def remedy_rows() -> list:
    """The table of remedies as dicts: stage (name), errnum (0: any), klass, check, text."""
    cdef list rows = []
    cdef size_t i = 0
    cdef const prl_remedy *row
    while prl_remedies[i].stage != 0:
        row = &prl_remedies[i]
        rows.append({"stage": prl_stage_name(row.stage).decode(), "errnum": row.errnum,
                     "klass": row.klass.decode(), "check": row.check.decode(), "text": row.text.decode()})
        i += 1
    return rows


def stage_names() -> list:
    """Names of the stages of a launch, in their order (csrc/prl.h, enum prl_stage)."""
    return [prl_stage_name(i).decode() for i in range(PRL_STAGE_COUNT)]


def capability_names() -> list:
    """Names of the kernel's capabilities; the index is the number (csrc/spec_caps.c)."""
    cdef list names = []
    while prl_spec_capability_name(<unsigned>len(names)) != NULL:
        names.append(prl_spec_capability_name(<unsigned>len(names)).decode())
    return names


def parse_options(str verb, list words) -> tuple:
    """argv by the option table: ([(name, value), …] in the order given, image or None, program and arguments).

    Raises:
        UsageError: words have no meaning.
    """
    cdef prl_error error
    cdef prl_options options
    cdef size_t i
    cdef list encoded = [word.encode(errors="surrogateescape") for word in words]
    cdef char **argv = <char **>calloc(len(words) + 1, sizeof(char *))
    if argv == NULL:
        raise MemoryError()
    for i in range(len(words)):
        argv[i] = <char *>(<bytes>encoded[i])
    try:
        if prl_options_parse(VERBS[verb], <int>len(words), argv, &options, &error) < 0:
            raise exception(&error)
        values = [(options.values[i].option.name.decode(), options.values[i].text.decode(errors="surrogateescape"))
                  for i in range(options.values_len)]
        image = None if options.image == NULL else options.image.decode(errors="surrogateescape")
        rest = []
        while options.args != NULL and options.args[len(rest)] != NULL:
            rest.append(options.args[len(rest)].decode(errors="surrogateescape"))
        prl_options_free(&options)
        return values, image, rest
    finally:
        free(argv)


cdef class Container:
    """One container, from its options to its end.

    Args:
        argv: The words after `run`: options, image, program and its arguments.
        root: The store's directory; None: as find_directories() finds it.
        launcher: The native launcher, which the fake root's supervisor is started from; None: there is none.

    Raises:
        UsageError: argv has no meaning.
        StoreError: The directories cannot be used.
    """

    cdef prl_dirs dirs
    cdef prl_options options
    cdef prl_template template
    cdef prl_container container
    cdef char **argv
    cdef list words
    cdef bytes launcher
    cdef bint created, running

    def __cinit__(self, list argv, root=None, launcher=None):
        cdef prl_error error
        cdef size_t i
        cdef bytes root_bytes = root.encode(errors="surrogateescape") if root is not None else None
        cdef const char *root_text = NULL if root_bytes is None else <const char *>root_bytes
        self.dirs.data_fd = self.dirs.runtime_fd = self.template.lock_fd = -1
        self.container = PRL_CONTAINER_NONE
        self.container.dirs = &self.dirs
        self.container.options = &self.options
        if launcher is not None:
            self.launcher = launcher.encode(errors="surrogateescape")
            self.container.launcher = self.launcher
        self.words = [word.encode(errors="surrogateescape") for word in argv]
        if any(b"\0" in word for word in self.words):
            raise ValueError("an argument contains a NUL byte")
        self.argv = <char **>calloc(len(argv) + 1, sizeof(char *))
        if self.argv == NULL:
            raise MemoryError()
        for i in range(len(argv)):
            self.argv[i] = <char *>(<bytes>self.words[i])
        if prl_options_parse(PRL_VERB_RUN, <int>len(argv), self.argv, &self.options, &error) < 0:
            raise exception(&error)
        if prl_dirs_open(root_text, &self.dirs, &error) < 0:
            raise exception(&error)

    def __dealloc__(self):
        cdef prl_error error
        with nogil:
            if self.created:
                prl_container_finish(&self.container, NULL, &error)
            prl_container_free(&self.container)
            prl_template_free(&self.template)
            prl_dirs_close(&self.dirs)
            prl_options_free(&self.options)
            free(self.argv)

    @property
    def needs_engine(self) -> bool:
        """An option was given that the core does not serve alone, or not yet."""
        return self.options.engine or prl_network_facts_missing(&self.options, self.dirs.data)

    @property
    def image(self) -> str | None:
        """The image as it was named; None with --spec."""
        return None if self.options.image == NULL else self.options.image.decode(errors="surrogateescape")

    @property
    def own_root(self) -> bool:
        """--rootfs was given: image is a directory."""
        return prl_options_flag(&self.options, "rootfs")

    @property
    def id(self) -> str:
        """64 hex digits; "" before create()."""
        return self.container.state.id.decode()

    @property
    def config(self) -> bytes:
        """The OCI config.json of this launch; b"" before create() or describe()."""
        return b"" if self.container.json == NULL else self.container.json[:self.container.json_len]

    @property
    def pid(self) -> int:
        """Process id of the container's pid 1, as this process sees it; -1 when it does not run."""
        return self.container.child.pid

    @property
    def pidfd(self) -> int:
        """Readable when the container has ended; owned by this object."""
        return self.container.child.pidfd

    @property
    def terminal_fd(self) -> int:
        """Master of the container's pty, or -1; owned by this object."""
        return self.container.child.terminal_fd

    @property
    def wall_limit_ns(self) -> int:
        """Wall-clock limit in nanoseconds from start_ns; 0: none."""
        return 0 if self.container.spec == NULL else self.container.spec.wall_limit_ns

    @property
    def stop_signal(self) -> int:
        """Number of the signal that asks the container to stop."""
        return 15 if self.container.spec == NULL else self.container.spec.stop_signal

    def load_template(self, str image) -> bool:
        """Find the launch template of an image; False: it is missing or stale."""
        cdef prl_error error
        cdef bytes name = image.encode(errors="surrogateescape")
        cdef int r = prl_template_load(&self.dirs, name, &self.template, &error)
        if r < 0:
            raise exception(&error)
        return r == 0

    def describe(self) -> bytes:
        """The config.json that create() would write, without making anything."""
        cdef prl_error error
        if prl_container_describe(&self.container, &self.template, &error) < 0:
            raise exception(&error)
        return self.config

    def create(self) -> None:
        """Make the container's directory and its config.json."""
        cdef prl_error error
        cdef int r
        with nogil:
            r = prl_container_create(&self.container, &self.template, &error)
        if r < 0:
            raise exception(&error)
        self.created = True

    def start(self, int stdin, int stdout, int stderr) -> None:
        """Launch. Descriptors become 0, 1, 2 inside; -1 is /dev/null. The calling thread must outlive the container."""
        cdef prl_error error
        cdef prl_stdio stdio
        cdef int r
        stdio.fds[0], stdio.fds[1], stdio.fds[2] = stdin, stdout, stderr
        with nogil:
            r = prl_container_start(&self.container, &stdio, &error)
        if r < 0:
            raise exception(&error)
        self.running = True

    def signal(self, int number) -> None:
        """Send a signal to pid 1; one that would end a plain process ends the container."""
        cdef prl_error error
        if self.running and prl_child_signal(&self.container.child, number, &error) < 0:
            raise exception(&error)

    def wait(self, uint64_t kill_after_ns=0) -> tuple:
        """Wait for the end; kill at kill_after_ns nanoseconds after the start (0: never).

        Returns:
            (ended_by, exit_code, signal, wall_ns, user_ns, system_ns, max_rss_bytes, why the directory could be neither
            recorded nor removed, or None, the usage: struct prl_usage as a dict).
        """
        cdef prl_error error
        cdef prl_status status
        cdef int r, f = 0
        with nogil:
            r = prl_child_wait(&self.container.child, kill_after_ns, &status, &error)
            if r >= 0:
                f = prl_container_finish(&self.container, &status, &error)
        self.running = False
        if r < 0:
            raise exception(&error)
        self.created = False
        self.release()
        return (ENDED_BY[status.ended_by], status.exit_code, status.signal, status.wall_ns,
                status.user_ns, status.system_ns, status.max_rss_bytes, exception(&error) if f < 0 else None, status.usage)

    def close(self) -> None:
        """Kill and remove if it still runs. Safe to call twice."""
        cdef prl_error error
        cdef int r = 0
        if self.created:
            with nogil:
                r = prl_container_finish(&self.container, NULL, &error)
        self.created = self.running = False
        self.release()
        if r < 0:
            raise exception(&error)

    cdef void release(self) noexcept:
        """Close what only a living container needs: an ended one holds no descriptor."""
        prl_template_free(&self.template)
        prl_dirs_close(&self.dirs)
