"""The safeguards of ids: fake roots, holders of user namespaces; edits, and tests that see it.

In: nothing.  Out: IDENTITY_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: as there.
"""

from __future__ import annotations

from mutation import Edit, Mutation
from mutation import one as _one

FAKE_ROOT = "tests/integration/test_fake_root.py"
HOLDER = "tests/integration/test_holder.py"
HOLES = "tests/security/test_known_holes.py"
RUNTIME = "tests/security/test_runtime_directory.py"
CONTAINERS = "tests/unit/engine/test_containers.py"
ATTACH = "tests/integration/test_attach.py"
GROUPS = "tests/integration/test_groups.py"
EXEC = "tests/integration/test_exec.py"

IDENTITY_MUTATIONS = (
    Mutation(
        "a program's first group is one of the others",
        _one(
            "csrc/config/process.c",
            "process->keep_groups ? 0 : prl_config_add_gid(m, process->gid)",
            "process->keep_groups || true ? 0 : prl_config_add_gid(m, process->gid)",
        ),
        (f"{GROUPS}::test_the_first_group_is_one_of_the_others",),
    ),
    Mutation(
        "a supervisor ends with the last process that it answers",
        _one(
            "csrc/fakeroot/supervisor.c",
            "return; /* POLLHUP: all of them are gone */",
            "{ (void)poll(NULL, 0, 60000); return; }",  # beyond the test's patience
        ),
        (f"{EXEC}::test_what_a_program_leaves_keeps_its_fake_root",),
    ),
    Mutation(
        "a stranger at a control socket is turned away",
        _one(
            "csrc/container/monitor/socket.c",
            "return is_owner(fd) ? steal_fd(&fd) : -EPERM;",
            "return is_owner(fd) || true ? steal_fd(&fd) : -EPERM;",
        ),
        (f"{ATTACH}::test_a_stranger_is_turned_away",),
    ),
    Mutation(
        "a control socket is its owner's alone",
        _one("csrc/container/monitor/socket.c", "fchmod(fd, 0600) < 0", "fchmod(fd, 0666) < 0"),
        (f"{ATTACH}::test_the_socket_is_its_owners_alone",),
    ),
    Mutation(
        "a runtime directory that another user owns is refused",
        (
            Edit(
                "csrc/container/state/dirs.c",
                "if (st.st_uid != geteuid())",
                "if (st.st_uid == 1)",
            ),
            Edit(
                "csrc/container/state/dirs.c",
                "if (!made && (st.st_mode & 0777) != 0700)",
                "if (!made && (st.st_mode & 0700) != 0700)",
            ),
        ),
        (
            f"{RUNTIME}::test_a_strangers_runtime_directory_is_refused",
            f"{CONTAINERS}::test_a_runtime_directory_that_others_may_write_is_refused",
        ),
    ),
    Mutation(
        "values of variables leave the command line",
        _one(
            "csrc/config/options/parse.c",
            'bool secret = strcmp(options->values[i].option->name, "env") == 0;',
            "bool secret = options == NULL;",
        ),
        (f"{RUNTIME}::test_a_secret_is_in_no_command_line",),
    ),
    Mutation(
        "tables are printable",
        (
            Edit(
                "pyrootless/cli/containers/ps.py",
                'command = printable(shlex.join(item.command).replace("\\n", " "))',
                'command = shlex.join(item.command).replace("\\n", " ")',
            ),
            Edit(
                "pyrootless/cli/table.py",
                "[[printable(cell) for cell in row] for row in rows]",
                "[list(row) for row in rows]",
            ),
        ),
        (f"{RUNTIME}::test_a_table_shows_no_escape_of_an_image",),
    ),
    Mutation(
        "what the engine brings is made where a link leads in the root, after a bounded number",
        _one(
            "csrc/launch/steps/filesystem/place.c",
            "errno == ENOENT && links < LINKS_MAX;",
            "errno == ENOENT && links < 64;",
        ),
        (f"{HOLES}::test_files_the_engine_brings_are_made_where_a_link_leads",),
    ),
    Mutation(
        "a process is signalled when the kernel says that it is a container's",
        _one(
            "csrc/container/state/process.c",
            "return ioctl(userns_fd, NS_GET_OWNER_UID, &owner) == 0 && owner == geteuid();",
            "return true;",
        )
        + _one(
            "csrc/container/state/process.c",
            "(its.st_ino == own.st_ino && ",
            "(its.st_ino == 0 && ",
        ),
        (f"{CONTAINERS}::test_a_process_that_no_container_began_is_not_signalled",),
    ),
    Mutation(
        "an entry is a plain file of the caller's",
        _one(
            "csrc/container/state/entry.c",
            "return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&",
            "return fstat(fd, &st) < 0 || S_ISREG(st.st_mode) || st.st_uid == geteuid() ||",
        ),
        (f"{CONTAINERS}::test_an_entry_is_a_plain_file_of_the_callers",),
    ),
    Mutation(
        "the supervisor follows no magic link",
        _one(
            "csrc/fakeroot/target.c",
            "prl_sys_openat2(base, path, how, 0, PRL_RESOLVE_NO_MAGICLINKS)",
            "prl_sys_openat2(base, path, how, 0, 0)",
        ),
        (f"{FAKE_ROOT}::test_bad_paths",),
    ),
    Mutation(
        "the supervisor checks addresses of the caller's",
        _one(
            "csrc/fakeroot/target.c",
            "return process_vm_writev(target->pid, &here, 1, &there, 1, 0) == (ssize_t)len ? 0 "
            ": -EFAULT;",
            "return process_vm_writev(target->pid, &here, 1, &there, 1, 0) == 1 ? 0 : 0;",
        ),
        (f"{FAKE_ROOT}::test_bad_addresses",),
    ),
    Mutation(
        "the supervisor holds five capabilities",
        _one(
            "csrc/fakeroot/supervisor.c",
            "#define CAPS (1u << 1 | 1u << 2 | 1u << 3 | 1u << 18 | 1u << 19)",
            "#define CAPS (1u << 1 | 1u << 2 | 1u << 3 | 1u << 18 | 1u << 19 | 1u << 21)",
        ),
        (f"{FAKE_ROOT}::test_the_supervisor_holds_little",),
    ),
    Mutation(
        "the limit that marks a process's ids is the supervisor's own",
        _one(
            "csrc/fakeroot/supervisor.c",
            "    [PRL_FAKE_PRLIMIT] = prl_fake_limit,\n",
            "",
        ),
        (f"{FAKE_ROOT}::test_ids_cannot_be_forged",),
    ),
    Mutation(
        "claimed users are held to the kernel's rules",
        _one(
            "csrc/fakeroot/ids.c",
            "    if (ids->capable)\n        return 0;\n    if (wanted[0]",
            "    if (ids->capable || !owns)\n        return 0;\n    if (wanted[0]",
        ),
        (f"{FAKE_ROOT}::test_a_user_may_not_what_only_root_may",),
    ),
    Mutation(
        "nobody but the supervisor holds the listener",
        _one(
            "csrc/launch/report.c",
            "prl_serve_fakeroot(s, child, fd, reterr);\n        prl_close_p(&fd);\n",
            "prl_serve_fakeroot(s, child, fd, reterr);\n",
        ),
        (f"{FAKE_ROOT}::test_a_killed_supervisor_hangs_nobody",),
    ),
    Mutation(
        "the supervisor of an exec goes on after it",
        _one(
            "csrc/launch/serve/fakeroot.c",
            "setup->target ? 0 : (uint64_t)getpid()",
            "(uint64_t)getpid()",
        ),
        ("tests/integration/test_exec.py::test_what_a_program_leaves_keeps_its_fake_root",),
    ),
    Mutation(
        "a container through the holder has a user namespace of its own",
        (
            Edit(
                "csrc/launch/userns.c",
                "below.flags |= CLONE_PARENT;",
                "below.flags = (below.flags | CLONE_PARENT) & ~(uint64_t)CLONE_NEWUSER;",
            ),
            Edit(
                "csrc/launch/userns.c",
                "fd < 0 ? -1 : prl_io_write_all(fd, text, strlen(text))",
                "fd < 0 || !text ? -1 : 0",
            ),
        ),
        (
            f"{HOLDER}::test_a_namespace_below_the_holders",
            f"{HOLDER}::test_each_has_namespaces_of_its_own_below_the_holders",
            f"{HOLDER}::test_nobody_inside_reaches_the_holder_or_its_neighbour",
        ),
    ),
    Mutation(
        "the holder has no capability when it listens",
        _one("csrc/userns/holder/main.c", " || prl_sys_capset(0, 0, 0) < 0", ""),
        (f"{HOLDER}::test_the_holder_holds_nothing",),
    ),
    Mutation(
        "who listens is the caller",
        _one(
            "csrc/userns/holder/find.c", "ret->uid == geteuid() && ret->pid > 0", "ret->pid > 0"
        ),
        (f"{HOLDER}::test_a_strangers_socket_is_not_believed",),
    ),
    Mutation(
        "the limits that a namespace keeps are the caller's",
        _one(
            "csrc/userns/holder/maps.c",
            "hash = mix(hash, getrlimit(counted[i], &limit) < 0",
            "(void)(getrlimit(counted[i], &limit) < 0",
        ),
        (f"{HOLDER}::test_another_limit_of_the_caller_is_another_holder",),
    ),
)
