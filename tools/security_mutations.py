"""The safeguards of SECURITY.md: for each an edit that takes it away and the tests that see it.

In: nothing.  Out: MUTATIONS.
Never: an edit that merely breaks the build or the launch: a mutant is a launcher that a
careless change could leave behind, which starts containers and no longer keeps one promise.
"""

from __future__ import annotations

from mutation import Edit, Mutation
from mutation import one as _one
from network_mutations import NETWORK_MUTATIONS

POSTURE = "tests/security/test_posture.py"
EXEC = "tests/security/test_exec.py"
SHARED = "tests/integration/test_network_container.py"
ESCAPES = "tests/security/test_escapes.py"
FAKE_ROOT = "tests/integration/test_fake_root.py"
HOLDER = "tests/integration/test_holder.py"
VERIFY = "tests/security/test_verify.py"
HOLES = "tests/security/test_known_holes.py"

MUTATIONS = (
    Mutation(
        "the filter of system calls is installed",
        _one(
            "csrc/steps/seccomp.c",
            "if (prl_sys_seccomp_load(s->filter, s->filter_len) < 0)",
            "if (s->filter_len == 0)",
        ),
        (
            f"{POSTURE}::test_the_probe_answers_what_security_md_says",
            f"{POSTURE}::test_a_map_of_many_ids_permits_nothing_more",
            f"{POSTURE}::test_an_image_of_the_store_permits_nothing_more",
        ),
    ),
    Mutation(
        "capabilities that were not asked for leave the bounding set",
        _one(
            "csrc/steps/caps.c",
            ": prctl(PR_CAPBSET_DROP, bit, 0, 0, 0)",
            ": prctl(PR_CAPBSET_READ, bit, 0, 0, 0)",
        ),
        (
            f"{POSTURE}::test_the_probe_answers_what_security_md_says",
            f"{POSTURE}::test_a_security_option_is_applied",
        ),
    ),
    Mutation(
        "no_new_privs",
        (
            Edit(
                "csrc/steps/caps.c",
                "if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)",
                "if (p->no_new_privileges && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) < 0)",
            ),
            # A filter without it needs the capabilities that are about to go.
            Edit(
                "csrc/launch.c",
                "bool late = s->spec->process.no_new_privileges;",
                "bool late = false;",
            ),
        ),
        (f"{POSTURE}::test_the_probe_answers_what_security_md_says",),
    ),
    Mutation(
        "paths of the kernel are masked",
        _one(
            "csrc/steps/mounts.c",
            "change_all(s, s->spec->masked_paths, early, mask, reterr)",
            "change_all(s, NULL, early, mask, reterr)",
        ),
        (
            f"{POSTURE}::test_the_probe_answers_what_security_md_says",
            f"{ESCAPES}::test_the_store_below_a_volume_is_masked",
        ),
    ),
    Mutation(
        "the kernel's settings are read-only",
        _one(
            "csrc/steps/mounts.c",
            "change_all(s, s->spec->readonly_paths, early, make_readonly, reterr)",
            "change_all(s, NULL, early, make_readonly, reterr)",
        ),
        (f"{POSTURE}::test_the_hosts_kernel_settings_stay_read_only",),
        root=True,
    ),
    Mutation(
        "inheritable capabilities are set to zero before exec",
        _one(
            "csrc/steps/caps.c",
            "p->caps[PRL_CAP_INHERITABLE] & known",
            "p->caps[PRL_CAP_PERMITTED] & known",
        ),
        (f"{POSTURE}::test_no_flag_leaves_inheritable_or_ambient_capabilities",),
    ),
    Mutation(
        "mount points of the kernel's trees are opened without following a link",
        _one(
            "csrc/steps/mounts.c",
            "prl_place_target(s->root_fd, path, directory, is_kernel_tree(path))",
            'prl_place_target(s->root_fd, path, directory, !is_kernel_tree("/proc"))',
        ),
        (f"{ESCAPES}::test_a_link_within_the_root_for_a_system_directory_is_refused",),
    ),
    Mutation(
        "a file in place of a kernel's tree is not mended",
        _one(
            "csrc/steps/mounts.c",
            "    unsigned long flags = flags_of(m->attr_set | m->attr_set_recursive);\n",
            "    unsigned long flags = flags_of(m->attr_set | m->attr_set_recursive);\n"
            "    struct stat st;\n"
            "    if (fstat(target, &st) == 0 && !S_ISDIR(st.st_mode))\n"
            "        return 0;\n",
        ),
        (f"{ESCAPES}::test_a_file_for_a_system_directory_is_refused",),
    ),
    Mutation(
        "the container has a /dev of its own",
        _one(
            "csrc/steps/mounts.c",
            ": mount_fs(s, m, reterr);",
            ': strcmp(m->destination, "/dev") == 0 ? 0 : mount_fs(s, m, reterr);',
        ),
        (f"{ESCAPES}::test_links_for_devices_are_not_followed",),
    ),
    Mutation(
        "links are resolved within the root",
        _one(
            "csrc/base/walk.c",
            "return open_in_root(root_fd, path, flags, PRL_RESOLVE_IN_ROOT | "
            "PRL_RESOLVE_NO_MAGICLINKS);",
            "return open_in_root(root_fd, *path == '/' && path[1] ? path + 1 : path, flags,\n"
            "                        PRL_RESOLVE_NO_MAGICLINKS);",
        ),
        (
            f"{ESCAPES}::test_a_mount_point_behind_a_link_out_is_refused",
            f"{ESCAPES}::test_a_link_within_the_root_leads_to_its_place",
            f"{ESCAPES}::test_a_passwd_that_links_out_is_not_read",
        ),
    ),
    Mutation(
        "a list of users is a plain file",
        (
            Edit(
                "csrc/cli/passwd.c",
                "    if (!S_ISREG(st.st_mode))\n        return -EINVAL;\n",
                "",
            ),
            Edit(
                "csrc/base/io.c",
                "return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;",
                "return prl_io_read_stream(fd, max_bytes, ret, ret_len);",
            ),
        ),
        (f"{ESCAPES}::test_a_passwd_without_an_end_is_answered_at_once",),
    ),
    Mutation(
        "a list of users has at most 1 MiB",
        (
            Edit(
                "csrc/cli/passwd.c",
                "#define MAX_FILE_BYTES ((size_t)1 << 20)",
                "#define MAX_FILE_BYTES ((size_t)1 << 33)",
            ),
        ),
        (f"{ESCAPES}::test_a_passwd_without_an_end_is_answered_at_once",),
    ),
    Mutation(
        "the working directory is reached without a magic link",
        _one(
            "csrc/steps/exec.c",
            "prl_sys_open_in_root(root, cwd, O_PATH | O_DIRECTORY)",
            "open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC)",
        ),
        (f"{ESCAPES}::test_no_descriptor_is_a_working_directory",),
    ),
    Mutation(
        "every descriptor above 2 is closed before exec",
        _one(
            "csrc/steps/fds.c",
            "if (from <= last && prl_sys_close_range(from, last) < 0)",
            "if (from > last + 1 && prl_sys_close_range(from, last) < 0)",
        ),
        (f"{ESCAPES}::test_a_descriptor_of_the_caller_is_not_inherited",),
    ),
    Mutation(
        "no program is reached through a magic link (and Landlock stands behind it)",
        (
            Edit(
                "csrc/steps/exec.c",
                "fd = prl_sys_open_in_root(root, path, O_PATH);",
                "fd = root < 0 ? -1 : open(path, O_PATH | O_CLOEXEC);",
            ),
            Edit(
                "csrc/steps/landlock.c",
                "int abi = s->spec->landlock ? prl_sys_landlock_abi() : 0;",
                "int abi = s->spec->landlock ? 0 : 0;",
            ),
        ),
        (f"{ESCAPES}::test_the_launcher_is_not_executed_inside",),
    ),
    Mutation(
        "the environment is made from nothing",
        _one(
            "csrc/steps/exec.c",
            "execve(name, (char *const *)p->args, (char *const *)p->env);",
            "execve(name, (char *const *)p->args, environ);",
        ),
        (f"{ESCAPES}::test_a_planted_variable_is_not_seen",),
    ),
    Mutation(
        "paths are compared by component",
        _one(
            "csrc/cli/config_root.c",
            "strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\\0')",
            "strncmp(path, dir, len) == 0 && path[len] != 1",
        ),
        (f"{ESCAPES}::test_a_volume_beside_the_store_with_a_like_name_is_lent",),
    ),
    Mutation(
        "the root is the mount namespace's own",
        _one(
            "csrc/steps/rootfs.c",
            'if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)',
            'if (access(".", F_OK) < 0)',
        ),
        (f"{ESCAPES}::test_leaving_a_chroot_ends_at_the_containers_root",),
    ),
    Mutation(
        "the old root is detached",
        _one(
            "csrc/steps/rootfs.c",
            'if (umount2(".", MNT_DETACH) < 0)',
            'if (access(".", F_OK) < 0)',
        ),
        (f"{ESCAPES}::test_leaving_a_chroot_ends_at_the_containers_root",),
    ),
    Mutation(
        "Landlock's scope of abstract sockets",
        _one(
            "csrc/steps/landlock.c",
            "scoped |= PRL_LANDLOCK_SCOPE_ABSTRACT_UNIX;",
            "scoped |= 0;",
        ),
        (
            f"{ESCAPES}::test_abstract_sockets_of_the_host",
            f"{SHARED}::test_abstract_sockets_are_each_ones_own",
        ),
    ),
    Mutation(
        "the caller's groups go in a user namespace that is shared",
        _one(
            "csrc/steps/caps.c", "s->served || s->ready || s->target", "s->served || s->target"
        ),
        (f"{SHARED}::test_the_posture_is_that_of_any_container",),
    ),
    Mutation(
        "what is not a program of the container yet cannot be looked into by it",
        _one("csrc/launch_exec.c", "prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0", "dumpable < 0"),
        (f"{EXEC}::test_the_container_sees_nothing_of_the_launcher",),
    ),
    Mutation(
        "a program that joins is under the container's filter",
        _one("csrc/prepare.c", "int r = prepare_filter(ret, arena, reterr);", "int r = 0;"),
        (f"{EXEC}::test_a_joined_program_may_what_the_container_may",),
    ),
    Mutation(
        "without Landlock the launcher that joins a container is a copy nobody can write",
        _one(
            "csrc/cli/exec.c",
            "if (r == 0 && !(exec->spec->landlock &&",
            "if (r > 0 && !(exec->spec->landlock &&",
        ),
        (f"{EXEC}::test_the_sealed_copy_is_what_runs_without_the_second_fence",),
    ),
    Mutation(
        "an interpreter with a relative name is looked up as well",
        _one(
            "csrc/steps/exec.c",
            "path = make_absolute(name, absolute, sizeof absolute);",
            "path = name[0] == '/' ? name : \"/bin/sh\";",
        ),
        (f"{EXEC}::test_no_script_names_the_launcher",),
    ),
    Mutation(
        "a launcher with borrowed privileges refuses to start",
        _one(
            "csrc/cli/main.c",
            "return getauxval(AT_SECURE) || getuid() != geteuid() || getgid() != getegid();",
            "return getauxval(AT_SECURE) > 1;",
        ),
        (f"{ESCAPES}::test_a_setuid_launcher_refuses_to_start",),
    ),
    Mutation(
        "overlay layers are given by descriptor",
        _one(
            "csrc/steps/overlay.c",
            "    return append(o, prl_sys_decimal((uint64_t)fd, number));",
            "    prl_sys_decimal((uint64_t)fd, number);\n    return append(o, path);",
        ),
        (f"{ESCAPES}::test_mountinfo_names_no_path_of_the_host",),
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
            "csrc/serve_fakeroot.c",
            "_cleanup_close_ int listener = fcntl(",
            "int listener = fcntl(",
        ),
        (f"{FAKE_ROOT}::test_a_killed_supervisor_hangs_nobody",),
    ),
    Mutation(
        "a container through the holder has a user namespace of its own",
        (
            Edit(
                "csrc/launch_joined.c",
                "below.flags |= CLONE_PARENT;",
                "below.flags = (below.flags | CLONE_PARENT) & ~(uint64_t)CLONE_NEWUSER;",
            ),
            Edit(
                "csrc/launch_joined.c",
                "fd < 0 ? -1 : prl_io_write_all(fd, text, strlen(text))",
                "fd < 0 || !text ? -1 : 0",
            ),
        ),
        (
            f"{HOLDER}::test_a_namespace_below_the_holders",
            f"{HOLDER}::test_nobody_inside_reaches_the_holder_or_its_neighbour",
        ),
    ),
    Mutation(
        "the holder has no capability when it listens",
        _one("csrc/holder/main.c", " || prl_sys_capset(0, 0, 0) < 0", ""),
        (f"{HOLDER}::test_the_holder_holds_nothing",),
    ),
    Mutation(
        "a ready pair of namespaces is used once",
        _one(
            "csrc/holder/find.c",
            "if (pidfd < 0 || unlinkat(dir_fd, slot, 0) < 0)",
            "if (pidfd < 0)",
        ),
        (f"{HOLDER}::test_a_pair_is_used_once",),
    ),
    Mutation(
        "who keeps a ready pair has no capability in it",
        _one(
            "csrc/holder/ready.c", "confine(0, parent) < 0", "confine(writing_maps, parent) < 0"
        ),
        (f"{HOLDER}::test_who_makes_and_keeps_pairs_holds_little",),
    ),
    Mutation(
        "who listens is the caller",
        _one("csrc/holder/find.c", "ret->uid == geteuid() && ret->pid > 0", "ret->pid > 0"),
        (f"{HOLDER}::test_a_strangers_socket_is_not_believed",),
    ),
    Mutation(
        "the limits that a namespace keeps are the caller's",
        _one(
            "csrc/holder/maps.c",
            "hash = mix(hash, getrlimit(counted[i], &limit) < 0",
            "(void)(getrlimit(counted[i], &limit) < 0",
        ),
        (f"{HOLDER}::test_another_limit_of_the_caller_is_another_holder",),
    ),
    Mutation(
        "a difference that was read back ends the program",
        _one(
            "csrc/launch_report.c",
            "        r = prl_serve_verify(s, child->pid, reterr);\n",
            "        prl_serve_verify(s, child->pid, reterr);\n",
        ),
        (f"{VERIFY}::test_a_lie_of_the_kernel_is_found",),
    ),
    Mutation(
        "a program that differs is not let go of",
        _one(
            "csrc/serve_verify.c",
            "        kill(pid, SIGKILL); /* let go of it would run */",
            "        ptrace(PTRACE_DETACH, pid, NULL, NULL), usleep(500000);",
        ),
        (f"{VERIFY}::test_a_lie_of_the_kernel_is_found",),
    ),
    Mutation(
        "closed streams are filled before anything is opened",
        _one("csrc/cli/main.c", ": prl_streams_fill(&error);", ": 0;"),
        (f"{HOLES}::test_closed_streams_are_the_null_device",),
    ),
    Mutation(
        "a mount on a file of /proc/sys is refused",
        _one(
            "csrc/steps/sysctl.c",
            "PRL_RESOLVE_BENEATH | PRL_RESOLVE_NO_XDEV",
            "PRL_RESOLVE_BENEATH",
        ),
        (f"{HOLES}::test_a_sysctl_is_not_written_elsewhere",),
    ),
    Mutation(
        "settings are written to procfs alone",
        _one("csrc/steps/sysctl.c", "fs.f_type != PROC_MAGIC", "fs.f_type == 0"),
        (f"{HOLES}::test_a_sysctl_is_not_written_elsewhere",),
    ),
    Mutation(
        "a session without the caller's terminal",
        _one("csrc/steps/terminal.c", "if (setsid() < 0)", "if (getsid(0) < 0)"),
        (f"{HOLES}::test_nothing_is_typed_into_the_callers_terminal",),
    ),
    Mutation(
        "id files are made exclusively",
        _one(
            "csrc/cli/container.c",
            "prl_io_write_file(AT_FDCWD, path, text, strlen(text), O_CREAT | O_EXCL, 0644)",
            "prl_io_write_file(AT_FDCWD, path, text, strlen(text), O_CREAT | O_TRUNC, 0644)",
        ),
        (f"{HOLES}::test_an_id_file_is_not_written_through_a_link",),
    ),
    *NETWORK_MUTATIONS,
)
