# cython: language_level=3, embedsignature=True
"""The only door from Python to the C core.

What it does: hands argv to the option table, templates to the merge, and a container through create, start, wait, finish.
What comes in: lists of str, descriptors. What goes out: plain tuples, dicts and the exceptions of pyrootless.errors.
Must never: policy, text parsing, defaults of its own; hold the GIL while the kernel works.
"""

from libc.stdint cimport int64_t, uint64_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy, memset

from pyrootless.core.prl cimport *

include "error.pxi"
include "tables.pxi"
include "state.pxi"
include "volumes.pxi"

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
    cdef prl_request request
    cdef prl_template template
    cdef prl_container container
    cdef char **argv
    cdef list words
    cdef bytes launcher
    cdef bytes defaults
    cdef bint running
    cdef int owner  # the process that created it; 0: it was not

    def __cinit__(self, list argv, root=None, launcher=None, bytes defaults=b""):
        cdef prl_error error
        cdef bytes root_bytes = root.encode(errors="surrogateescape") if root is not None else None
        cdef const char *root_text = NULL if root_bytes is None else <const char *>root_bytes
        self.dirs.data_fd = self.dirs.runtime_fd = self.template.lock_fd = -1
        prl_container_begin(&self.container, &self.dirs, &self.request)
        if launcher is not None:
            self.launcher = launcher.encode(errors="surrogateescape")
            self.container.launcher = self.launcher
        self.words = encode(argv)
        self.argv = <char **>calloc(len(argv) + 1, sizeof(char *))
        if self.argv == NULL:
            raise MemoryError()
        fill(<const char **>self.argv, self.words)
        if prl_options_parse(PRL_VERB_RUN, <int>len(argv), self.argv, &self.options, &error) < 0:
            raise exception(&error)
        self.defaults = defaults  # the options point into it
        if prl_options_default(&self.options, <const char *>self.defaults, len(defaults), &error) < 0:
            raise exception(&error)
        prl_request_read(&self.options, &self.request)
        if prl_dirs_open(root_text, &self.dirs, &error) < 0:
            raise exception(&error)

    def __dealloc__(self):
        cdef prl_error error
        with nogil:
            if self.owner == getpid():  # in a forked copy it is its parent's
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
    def data(self) -> str:
        """The engine's directory that this container belongs to; "" after its end."""
        return "" if self.dirs.data == NULL else self.dirs.data.decode(errors="surrogateescape")

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
    def args(self) -> tuple[str, ...]:
        """The program and its arguments; () before create()."""
        return () if self.container.spec == NULL else decode(self.container.spec.process.args)

    @property
    def is_limited(self) -> bool:
        """Memory, processor, processes or their kin were limited."""
        return self.container.spec != NULL and self.container.spec.resources.asked != 0

    @property
    def is_verified(self) -> bool:
        """What was asked for is read back before the program begins."""
        return self.container.spec != NULL and self.container.spec.verify

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

    @property
    def template_fd(self) -> int:
        """The image's directory under a shared lock; owned by this object. -1: none was loaded."""
        return self.template.lock_fd

    def describe(self) -> bytes:
        """The config.json that create() would write, without making anything."""
        cdef prl_error error
        if prl_container_describe(&self.container, NULL if self.template.lock_fd < 0 else &self.template, &error) < 0:
            raise exception(&error)
        return self.config

    def create(self) -> None:
        """Make the container's directory and its config.json."""
        cdef prl_error error
        cdef int r
        with nogil:
            r = prl_container_create(&self.container, NULL if self.template.lock_fd < 0 else &self.template, &error)
        if r < 0:
            raise exception(&error)
        self.owner = getpid()

    cdef void begin(self, tuple lent, bint held) except *:
        cdef prl_error error
        cdef prl_stdio stdio
        cdef int r
        stdio.fds[0], stdio.fds[1], stdio.fds[2] = lent
        with nogil:
            if held:
                r = prl_container_hold(&self.container, &stdio, &error)
            else:
                r = prl_container_start(&self.container, &stdio, &error)
        if r < 0:
            raise exception(&error)
        self.running = True

    def start(self, int stdin, int stdout, int stderr) -> None:
        """Launch. Descriptors become 0, 1, 2 inside; -1 is /dev/null. The calling thread must outlive the container."""
        self.begin((stdin, stdout, stderr), False)

    def hold(self, int stdin, int stdout, int stderr) -> None:
        """As start(), but it stops before the program and waits for go()."""
        self.begin((stdin, stdout, stderr), True)

    def go(self, list args, list env, cwd, tuple lent) -> None:
        """Execute in a held container. env, cwd: None: as it was described; lent: -1: as it was held with."""
        cdef prl_error error
        cdef prl_wish wish
        cdef int r
        cdef list words = encode(args), lines = encode(env or [])
        cdef bytes path = encode([cwd])[0] if cwd is not None else None
        cdef const char **rows = <const char **>calloc(len(words) + len(lines) + 2, sizeof(char *))
        if rows == NULL:
            raise MemoryError()
        fill(rows, words)
        fill(rows + len(words) + 1, lines)
        wish.args = rows
        wish.env = NULL if env is None else rows + len(words) + 1
        wish.cwd = NULL if path is None else <const char *>path
        wish.fds[0], wish.fds[1], wish.fds[2] = lent
        with nogil:
            r = prl_child_go(&self.container.child, self.container.spec, &wish, &error)
        free(rows)
        if r < 0:
            raise exception(&error)

    def collect(self, uint64_t kill_after_ns, tuple feed, int stdout, int stderr) -> tuple:
        """Wait as wait() does, carry feed[0] to feed[1], and keep what comes from stdout and stderr.

        Takes feed[1], stdout and stderr over and closes them; -1: there is none. The directory stays until close().

        Returns:
            (as wait()'s first seven, the usage, bytes of stdout, of stderr).
        """
        cdef prl_error error
        cdef prl_status status
        cdef prl_capture kept[2]
        cdef prl_monitor_options options
        cdef int r
        memset(kept, 0, sizeof(kept))
        memset(&options, 0, sizeof(options))
        options.wall_limit_ns = kill_after_ns
        options.relays[0].from_, options.relays[0].to = feed
        options.relays[1].from_, options.relays[1].to, options.relays[1].into = stdout, -1, &kept[0]
        options.relays[2].from_, options.relays[2].to, options.relays[2].into = stderr, -1, &kept[1]
        try:
            with nogil:
                r = prl_monitor_run(&self.container.child, &options, &status, &error)
            if r < 0:
                raise exception(&error)
            self.running = False
            if kept[0].lost or kept[1].lost:
                raise MemoryError("output")
            return (ending(&status), status.usage, b"" if kept[0].bytes == NULL else kept[0].bytes[:kept[0].len],
                    b"" if kept[1].bytes == NULL else kept[1].bytes[:kept[1].len])
        finally:
            free(kept[0].bytes)
            free(kept[1].bytes)

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
        self.owner = 0
        self.release()
        return (*ending(&status), exception(&error) if f < 0 else None, status.usage)

    def close(self) -> None:
        """Kill and remove if it still runs. Safe to call twice."""
        cdef prl_error error
        cdef int r = 0
        if self.owner:
            with nogil:
                r = prl_container_finish(&self.container, NULL, &error)
        self.owner, self.running = 0, False
        self.release()
        if r < 0:
            raise exception(&error)

    cdef void release(self) noexcept:
        """Close what only a living container needs: an ended one holds no descriptor."""
        prl_template_free(&self.template)
        prl_dirs_close(&self.dirs)
