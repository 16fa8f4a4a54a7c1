"""What stands apart from a container: errors, words, tables, groups that wait. Part of _containers.pyx."""

from libc.errno cimport ESRCH

KINDS = ("flag", "text", "integer", "size", "duration", "signal", "path")
"""Names of enum prl_option_kind, in its order."""
VERBS = {"run": PRL_VERB_RUN, "exec": PRL_VERB_EXEC, "create": PRL_VERB_CREATE, "attach": PRL_VERB_ATTACH,
         "wait": PRL_VERB_WAIT, "logs": PRL_VERB_LOGS, "start": PRL_VERB_START, "restart": PRL_VERB_RESTART, 
         "pause": PRL_VERB_PAUSE,
         "unpause": PRL_VERB_UNPAUSE, "rename": PRL_VERB_RENAME, "update": PRL_VERB_UPDATE}
"""Names of the verbs whose options stand in the table."""
LIVES = ("created", "running", "paused", "restarting", "exited")
"""Names of enum prl_life, in its order."""
ENDED_BY = ("", "exit", "signal", "timeout", "killed", "oom", "cpu-time")
"""Names of enum prl_ended_by, in its order."""


cdef list encode(list words):
    encoded = [word.encode(errors="surrogateescape") for word in words]
    if any(b"\0" in word for word in encoded):
        raise ValueError("an argument contains a NUL byte")
    return encoded


cdef tuple decode(const char *const *rows):
    cdef list words = []
    while rows[len(words)] != NULL:
        words.append(rows[len(words)].decode(errors="surrogateescape"))
    return tuple(words)


cdef void fill(const char **rows, list encoded):
    cdef size_t i
    for i in range(len(encoded)):
        rows[i] = <bytes>encoded[i]


cdef tuple ending(prl_status *status):
    return (ENDED_BY[status.ended_by], status.exit_code, status.signal, status.wall_ns, status.user_ns,
            status.system_ns, status.max_rss_bytes)


def offered_enforcement() -> list:
    """What would hold each limit of a container started now: [(limit, enforcement, exactness), …], without the storage's.

    Where systemd must be asked for control groups, this process is moved into a scope of its own.
    """
    cdef prl_error error
    cdef prl_limits_plan plan
    cdef unsigned i = 0
    cdef list rows = []
    if prl_offer_enforcement(&plan, &error) < 0:
        raise exception(&error)
    while prl_limit_name(i)[0] != 0:
        if plan.held_by[i] != 0:
            rows.append((prl_limit_name(i).decode(), prl_enforcement_name(plan.held_by[i]).decode(),
                         prl_exactness_name(plan.held_by[i], plan.weak >> i & 1).decode()))
        i += 1
    prl_limits_plan_free(&plan)
    return rows


def option_rows() -> list:
    """The option table as dicts: name, letter, kind, repeat, verbs, engine, field, metavar, group, help."""
    cdef list rows = []
    cdef size_t i = 0
    cdef const prl_option *row
    while prl_option_table[i].name[0] != 0:
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
    """Names of the kernel's capabilities; the index is the number (csrc/spec/caps.c)."""
    cdef list names = []
    while prl_spec_capability_name(<unsigned>len(names)) != NULL:
        names.append(prl_spec_capability_name(<unsigned>len(names)).decode())
    return names


def parse_options(str verb, list words, bytes defaults=b"") -> tuple:
    """argv by the option table: ([(name, value), …] in the order given, image or None, program and arguments).

    defaults: "NAME=VALUE" and a zero byte each, for options that words do not give.

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
        if prl_options_default(&options, <const char *>defaults, len(defaults), &error) < 0:
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
