# cython: language_level=3, embedsignature=True
"""The door from Python to the sandbox's monitor (csrc/sandbox/run.h).

What it does: one run of one box, from config.json to its report, at once or in two halves; the GIL is released for it.
What comes in: bytes of a config.json with an init, files, limits as whole numbers. What goes out: a dict of facts.
Must never: a verdict, a default, a word of the program's output looked at.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int32_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

cdef extern from "sandbox/run.h" nogil:
    struct prl_error:
        int errnum
        unsigned short stage, sentence
        char *syscall
        char *subject

    struct prl_remedy:
        const char *klass
        const char *check
        const char *text

    struct prl_spec:
        pass

    struct prl_usage:
        uint32_t oom_kills
        uint32_t pids_refused
        uint64_t throttled_ns

    struct prl_status:
        unsigned char *held_by
        uint64_t max_rss_bytes
        prl_usage usage

    struct prl_box_file:
        const char *path
        const void *data
        size_t len
        int fd
        uint32_t mode
        bint directory

    struct prl_sandbox_limits:
        uint64_t cpu_ns, wall_ns, idle_ns
        uint64_t stream_bytes[2]
        unsigned processors

    struct prl_sandbox_stream:
        char *data
        size_t len

    struct prl_sandbox_noise:
        uint64_t cpu_stall_ns, memory_stall_ns, io_stall_ns, steal_ns

    struct prl_sandbox_report:
        int32_t wait_status
        uint32_t touched, killed_for, clock
        bint clock_exact
        uint64_t cpu_ns, user_ns, system_ns, wall_ns, memory_peak_bytes, yields, preemptions
        uint32_t processes_peak
        bint processes_exact, running
        prl_sandbox_stream streams[2]
        prl_sandbox_noise noise
        prl_status status
        char unfit[1]
        int scratch_fd

    struct prl_zygote:
        pass

    struct prl_sandbox_pair:
        pass

    struct prl_sandbox:
        const prl_spec *spec
        int stdio[3]
        prl_box_file *files
        size_t files_len
        prl_sandbox_limits limits
        bint clock, left
        prl_zygote *zygote
        prl_sandbox_pair *pair
        unsigned side

    struct prl_wish:
        const char **args
        const char **env
        const char *cwd
        int fds[3]

    struct prl_sandbox_go:
        prl_wish program
        const prl_box_file *files
        size_t files_len
        prl_sandbox_limits limits

    struct prl_sandbox_held:
        pass

    enum:
        PRL_LIMIT_MEMORY
        PRL_LIMIT_PIDS

    const prl_remedy *prl_error_remedy(const prl_error *error)
    const char *prl_stage_name(unsigned stage)
    int prl_spec_parse(const char *json, size_t len, prl_spec **ret, prl_error *err)
    void prl_spec_free(prl_spec *spec)
    int prl_sandbox_run(const prl_sandbox *want, prl_sandbox_report *ret, prl_error *err)
    void prl_sandbox_report_free(prl_sandbox_report *report)
    int prl_sandbox_hold(const prl_sandbox *want, prl_sandbox_held **ret, prl_error *err)
    int prl_sandbox_release(prl_sandbox_held *held, const prl_sandbox_go *go, prl_sandbox_report *ret, prl_error *err)
    int prl_sandbox_held_pidfd(const prl_sandbox_held *held)
    void prl_sandbox_held_free(prl_sandbox_held *held)

cdef extern from "limits/groups.h" nogil:
    struct prl_cgroup_host:
        size_t len

    int prl_cgroup_look(const char *proc, prl_cgroup_host *ret, prl_error *err)
    void prl_cgroup_host_free(prl_cgroup_host *host)
    struct prl_sandbox_host:
        const prl_cgroup_host *groups
        bint clock

    int prl_sandbox_plan(prl_spec *spec, const prl_sandbox_host *host, prl_error *err)
    void prl_sandbox_sweep(const prl_cgroup_host *host)

cdef extern from "base/error.h" nogil:
    pass

cdef extern from "limits/names.h" nogil:
    const char *prl_enforcement_name(unsigned enforcement)

cdef extern from "sandbox/zygote.h" nogil:
    int prl_zygote_start(const prl_sandbox *want, int wait_ms, prl_zygote **ret, prl_error *err)
    int prl_zygote_pidfd(const prl_zygote *zygote)
    void prl_zygote_free(prl_zygote *zygote)

cdef extern from "sandbox/deadlock/pair.h" nogil:
    prl_sandbox_pair *prl_sandbox_pair_new()
    void prl_sandbox_pair_free(prl_sandbox_pair *pair)
    bint prl_sandbox_pair_ask(prl_sandbox_pair *pair)
    void prl_sandbox_pair_leave(prl_sandbox_pair *pair, unsigned side)

cdef extern from "prl_zygote_blob.h":
    const unsigned char *prl_zygote_blob
    unsigned prl_zygote_blob_len

ZYGOTE_MODULE = <bytes>(<const char *>prl_zygote_blob)[:prl_zygote_blob_len]
"""csrc/sandbox/zygote/module.c as a shared object: the module _zygote of any interpreter."""
CLOCKS = ("none", "cgroup2", "cgroup1", "perf", "proc")
"""Names of enum prl_sandbox_clock, in its order."""

include "error.pxi"


cdef class Host:
    """What this machine offers to hold limits with, looked at once; what killed callers left there is removed.

    Args:
        groups: False: as if no control group were delegated.
        clock: False: as if the kernel had no clock of perf's for this user.
    """

    cdef prl_cgroup_host groups
    cdef prl_sandbox_host host

    def __cinit__(self, bint groups=True, bint clock=True):
        cdef prl_error error
        cdef int r
        self.host.groups, self.host.clock = &self.groups, clock
        if not groups:
            return
        with nogil:
            r = prl_cgroup_look("/proc", &self.groups, &error)
            if r >= 0:
                prl_sandbox_sweep(&self.groups)
        if r < 0:
            raise exception(&error)

    def __dealloc__(self):
        prl_cgroup_host_free(&self.groups)


cdef class Files:
    """Files for a box, in a form that C reads without the GIL.

    Args:
        rows: (path, bytes or an OpenFile or None for a directory, mode); parents first.
    """

    cdef prl_box_file *rows
    cdef size_t len
    cdef list kept

    def __cinit__(self, list rows):
        cdef size_t i
        cdef bytes path
        self.kept = []
        self.rows = <prl_box_file *>calloc(len(rows) + 1, sizeof(prl_box_file))
        if self.rows == NULL:
            raise MemoryError()
        self.len = len(rows)
        for i in range(self.len):
            name, content, mode = rows[i]
            path = name.encode(errors="surrogateescape")
            if b"\0" in path:
                raise ValueError("a file's name contains a NUL byte")
            self.kept.append(path)
            self.rows[i].path = path
            self.rows[i].fd = -1
            if isinstance(content, bytes):
                self.rows[i].data = <const char *><bytes>content
                self.rows[i].len = <size_t>len(content)
            elif content is not None:
                self.rows[i].fd, self.rows[i].len = content.fd, content.size
            self.kept.append(content)
            self.rows[i].mode = mode
            self.rows[i].directory = content is None

    def __dealloc__(self):
        free(self.rows)


cdef dict facts(prl_sandbox_report *r):
    return {
        "wait_status": r.wait_status, "touched": r.touched, "killed_for": r.killed_for,
        "clock": CLOCKS[r.clock], "clock_exact": bool(r.clock_exact), "cpu_ns": r.cpu_ns, "user_ns": r.user_ns, "system_ns": r.system_ns,
        "wall_ns": r.wall_ns, "memory_peak_bytes": r.memory_peak_bytes,
        "yields": r.yields, "preemptions": r.preemptions,
        "processes_peak": r.processes_peak, "processes_exact": bool(r.processes_exact),
        "running": bool(r.running), "unfit": r.unfit.decode(errors="replace"),
        "memory_rung": prl_enforcement_name(r.status.held_by[PRL_LIMIT_MEMORY]).decode(),
        "processes_rung": prl_enforcement_name(r.status.held_by[PRL_LIMIT_PIDS]).decode(),
        "throttled_ns": r.status.usage.throttled_ns,
        "cpu_stall_ns": r.noise.cpu_stall_ns, "memory_stall_ns": r.noise.memory_stall_ns,
        "io_stall_ns": r.noise.io_stall_ns, "steal_ns": r.noise.steal_ns,
        "stdout": PyBytes_FromStringAndSize(r.streams[0].data, <Py_ssize_t>r.streams[0].len),
        "stderr": PyBytes_FromStringAndSize(r.streams[1].data, <Py_ssize_t>r.streams[1].len),
    }


cdef int set_limits(prl_sandbox_limits *ret, dict limits) except -1:
    ret.cpu_ns, ret.wall_ns = limits["cpu_ns"], limits["wall_ns"]
    ret.idle_ns, ret.processors = limits["idle_ns"], limits["processors"]
    ret.stream_bytes[0], ret.stream_bytes[1] = limits["stdout_bytes"], limits["stderr_bytes"]
    return 0


cdef class Pair:
    """Two boxes that talk to each other: side 0 is ended when both wait for ever."""

    cdef prl_sandbox_pair *pair

    def __cinit__(self):
        self.pair = prl_sandbox_pair_new()
        if self.pair == NULL:
            raise MemoryError()

    def __dealloc__(self):
        prl_sandbox_pair_free(self.pair)

    def ask(self) -> bool:
        """Side 0's box is gone, and its ends of the pipes are open: does side 1 wait for it? Blocks until that is
        known."""
        cdef bint waits
        with nogil:
            waits = prl_sandbox_pair_ask(self.pair)
        return waits

    def leave(self, unsigned side) -> None:
        """This side's box is gone, and its ends of the pipes are closed."""
        prl_sandbox_pair_leave(self.pair, side)


def run(Host host not None, bytes config not None, tuple stdio not None, Files files not None, dict limits not None,
        collect, bint left=False, Pair pair=None, unsigned side=0) -> tuple:
    """Run one box to its end.

    Args:
        config: config.json with io.pyrootless.init.
        stdio: Three descriptors lent; -1: /dev/null for the first, captured for the others.
        limits: cpu_ns, wall_ns, idle_ns, stdout_bytes, stderr_bytes, processors.
        collect: Called with a descriptor of the box's upper directory after every process is dead; None: nothing.
        left: Nothing in the box is the caller's, so its mounts may be taken apart after this has returned.
        pair, side: Its input and output lead to the other box of the pair.

    Returns:
        (facts, what collect returned).

    Raises:
        LaunchError: The box could not be made, or was lost.
    """
    cdef prl_error error
    cdef prl_sandbox want
    cdef prl_sandbox_report report
    cdef prl_spec *spec = NULL
    cdef int r
    cdef const char *text = config
    cdef size_t text_len = len(config)
    if prl_spec_parse(text, text_len, &spec, &error) < 0:
        raise exception(&error)
    want.spec = spec
    want.stdio[0], want.stdio[1], want.stdio[2] = stdio
    want.files, want.files_len = files.rows, files.len
    want.clock, want.left, want.zygote = host.host.clock, left, NULL
    want.pair, want.side = NULL if pair is None else pair.pair, side
    set_limits(&want.limits, limits)
    with nogil:
        r = prl_sandbox_plan(spec, &host.host, &error)
        if r >= 0:
            r = prl_sandbox_run(&want, &report, &error)
        prl_spec_free(spec)
    if r < 0:
        raise exception(&error)
    try:
        return facts(&report), None if collect is None or report.scratch_fd < 0 else collect(report.scratch_fd)
    finally:
        prl_sandbox_report_free(&report)


cdef class Zygote:
    """An interpreter that makes copies of itself in boxes below it. The calling thread must outlive it. It is ended
    when nobody holds it any more; so each box does, for it cannot end before theirs are reaped.

    Args:
        config: config.json with io.pyrootless.init; its program takes orders on descriptor 0.
        log: A descriptor lent as standard output and error.
        wait_ms: How long it may take until it is ready.

    Raises:
        LaunchError: It could not be made, ended, or is not ready in time.
    """

    cdef prl_zygote *zygote

    def __cinit__(self, bytes config not None, Files files not None, int log, int wait_ms):
        cdef prl_error error
        cdef prl_sandbox want
        cdef prl_spec *spec = NULL
        cdef int r
        cdef const char *text = config
        cdef size_t text_len = len(config)
        memset(&want, 0, sizeof(want))
        if prl_spec_parse(text, text_len, &spec, &error) < 0:
            raise exception(&error)
        want.spec = spec
        want.stdio[0], want.stdio[1], want.stdio[2] = -1, log, log
        want.files, want.files_len = files.rows, files.len
        with nogil:
            r = prl_zygote_start(&want, wait_ms, &self.zygote, &error)
            prl_spec_free(spec)
        if r < 0:
            raise exception(&error)

    def __dealloc__(self):
        with nogil:
            prl_zygote_free(self.zygote)

    @property
    def pidfd(self) -> int:
        """Readable when it has ended; its own."""
        return prl_zygote_pidfd(self.zygote)


@cython.no_gc_clear
cdef class Held:
    """A box, set up to the program, which waits to be told what to run. The calling thread must outlive it.

    Args:
        config: config.json with io.pyrootless.init; what it says of the program is not looked at.
        files: What every run finds.
        zygote: Brings the program; None: what is wished for is executed.

    Raises:
        LaunchError: The box could not be made.
    """

    cdef prl_spec *spec
    cdef prl_sandbox_held *held
    cdef Zygote zygote  # its end would be the box's

    def __cinit__(self, Host host not None, bytes config not None, Files files not None, Zygote zygote=None):
        cdef prl_error error
        cdef prl_sandbox want
        cdef int r
        cdef const char *text = config
        cdef size_t text_len = len(config)
        memset(&want, 0, sizeof(want))
        if prl_spec_parse(text, text_len, &self.spec, &error) < 0:
            raise exception(&error)
        want.spec = self.spec
        want.stdio[0] = want.stdio[1] = want.stdio[2] = -1
        want.files, want.files_len = files.rows, files.len
        want.clock = host.host.clock
        self.zygote = zygote
        want.zygote = NULL if zygote is None else zygote.zygote
        with nogil:
            r = prl_sandbox_plan(self.spec, &host.host, &error)
            if r >= 0:
                r = prl_sandbox_hold(&want, &self.held, &error)
        if r < 0:
            raise exception(&error)

    def __dealloc__(self):
        with nogil:
            prl_sandbox_held_free(self.held)
            if self.spec != NULL:
                prl_spec_free(self.spec)

    @property
    def pidfd(self) -> int:
        """Readable when the box has ended; its own. -1: the kernel has none, or the box is closed."""
        return -1 if self.held == NULL else prl_sandbox_held_pidfd(self.held)

    def run(self, tuple program, tuple stdio not None, Files files not None, dict limits not None, collect) -> tuple:
        """Run a program to its end, once.

        Args:
            program: Its words, and "NAME=value" each of its environment.
            stdio, files, limits, collect, Returns: As of run(); the limits are those of time and output.

        Raises:
            LaunchError: The program cannot be executed, or the box was lost.
        """
        cdef prl_error error
        cdef prl_sandbox_go go
        cdef prl_sandbox_report report
        cdef int r
        cdef list words = [word.encode(errors="surrogateescape") for word in program[0]]
        cdef list lines = [line.encode(errors="surrogateescape") for line in program[1]]
        cdef size_t count = len(words)
        if self.held == NULL:
            raise ValueError("the box is closed")
        set_limits(&go.limits, limits)
        cdef const char **rows = <const char **>calloc(len(words) + len(lines) + 2, sizeof(char *))
        if rows == NULL:
            raise MemoryError()
        fill(rows, words)
        fill(rows + count + 1, lines)
        go.program.args, go.program.env, go.program.cwd = rows, rows + count + 1, NULL
        go.program.fds[0], go.program.fds[1], go.program.fds[2] = stdio
        go.files, go.files_len = files.rows, files.len
        with nogil:
            r = prl_sandbox_release(self.held, &go, &report, &error)
        free(rows)
        if r < 0:
            raise exception(&error)
        try:
            return facts(&report), None if collect is None or report.scratch_fd < 0 else collect(report.scratch_fd)
        finally:
            prl_sandbox_report_free(&report)

    def close(self) -> None:
        """End it, remove what it had. Safe to call twice."""
        cdef prl_sandbox_held *held = self.held
        self.held = NULL
        with nogil:
            prl_sandbox_held_free(held)


cdef int fill(const char **rows, list words) except -1:
    """Point rows at words, which the caller keeps."""
    cdef size_t i = 0
    for word in words:
        rows[i] = <const char *><bytes>word
        i += 1
    return 0
