"""The safeguards of SECURITY.md: for each an edit that takes it away and the tests that see it.

In: nothing.  Out: MUTATIONS.
Never: an edit that merely breaks the build or the launch: a mutant is a launcher that a
careless change could leave behind, which starts containers and no longer keeps one promise.
"""

from __future__ import annotations

from build_mutations import BUILD_MUTATIONS
from copy_mutations import COPY_MUTATIONS
from hole_mutations import HOLE_MUTATIONS, OUT_OF_THE_ROOT
from identity_mutations import IDENTITY_MUTATIONS
from judge_mutations import JUDGE_MUTATIONS
from mutation import Edit, Mutation
from mutation import one as _one
from network_mutations import NETWORK_MUTATIONS
from outcome_mutations import OUTCOME_MUTATIONS
from shared_mutations import SHARED_MUTATIONS
from verdict_mutations import VERDICT_MUTATIONS
from warm_mutations import WARM_MUTATIONS

POSTURE = "tests/security/test_posture.py"
SECOND = "tests/integration/test_second_task.py"
EXEC = "tests/security/test_exec.py"
EXEC_BASICS = "tests/integration/test_exec.py"
SHARED = "tests/integration/test_network_container.py"
ESCAPES = "tests/security/test_escapes.py"
VERIFY = "tests/security/test_verify.py"
HOLES = "tests/security/test_known_holes.py"

MUTATIONS = (
    Mutation(
        "the filter of system calls is installed",
        _one(
            "csrc/launch/steps/privileges/seccomp.c",
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
            "csrc/launch/steps/privileges/caps.c",
            ": prctl(PR_CAPBSET_DROP, bit, 0, 0, 0)",
            ": prctl(PR_CAPBSET_READ, bit, 0, 0, 0)",
        ),
        (
            f"{POSTURE}::test_the_probe_answers_what_security_md_says",
            f"{POSTURE}::test_a_security_option_is_applied",
            f"{HOLES}::test_every_security_option_is_in_the_kernels_answers",
        ),
    ),
    Mutation(
        "nobody has a capability that docker's users do not need",
        _one(
            "pyrootless/images/template/runtime_config.py",
            '    "CAP_SYS_CHROOT",\n)',
            '    "CAP_SYS_CHROOT",\n    "CAP_NET_RAW",\n    "CAP_AUDIT_WRITE",\n)',
        ),
        (f"{POSTURE}::test_the_probe_answers_what_security_md_says",),
    ),
    Mutation(
        "young calls that tell of mounts are no part of the default profile",
        _one(
            "pyrootless/seccomp/default.json",
            '"stat", "statfs", "statx",',
            '"stat", "statfs", "statmount", "listmount", "statx",',
        ),
        (f"{POSTURE}::test_the_probe_answers_what_security_md_says",),
    ),
    Mutation(
        "no_new_privs",
        (
            Edit(
                "csrc/launch/steps/privileges/caps.c",
                "if (p->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)",
                "if (p->no_new_privileges && prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) < 0)",
            ),
            # A filter without it needs the capabilities that are about to go.
            Edit(
                "csrc/launch/start.c",
                "bool late = s->spec->process.no_new_privileges;",
                "bool late = false;",
            ),
        ),
        (f"{POSTURE}::test_the_probe_answers_what_security_md_says",),
    ),
    Mutation(
        "a path that cannot be hidden ends the start",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            "return is_absent(errno) || (early && errno == ELOOP)",
            "return errno != 0 || (early && errno == ELOOP)",
        ),
        (f"{SECOND}::test_what_cannot_be_masked_in_sys_ends_the_start",),
    ),
    Mutation(
        "paths of the kernel are masked",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            "change_all(s, s->spec->masked_paths, early, &masked, reterr)",
            "change_all(s, NULL, early, &masked, reterr)",
        ),
        (
            f"{POSTURE}::test_the_probe_answers_what_security_md_says",
            f"{ESCAPES}::test_the_store_below_a_volume_is_masked",
        ),
    ),
    Mutation(
        "the kernel's settings are read-only",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            "change_all(s, s->spec->readonly_paths, early, &readonly, reterr)",
            "change_all(s, NULL, early, &readonly, reterr)",
        ),
        (f"{POSTURE}::test_the_hosts_kernel_settings_stay_read_only",),
        root=True,
    ),
    Mutation(
        "inheritable capabilities are set to zero before exec",
        _one(
            "csrc/launch/steps/privileges/caps.c",
            "p->caps[PRL_CAP_INHERITABLE] & known",
            "p->caps[PRL_CAP_PERMITTED] & known",
        ),
        (f"{POSTURE}::test_no_flag_leaves_inheritable_or_ambient_capabilities",),
    ),
    Mutation(
        "mount points of the kernel's trees are opened without following a link",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            "prl_place_target(s->root_fd, path, directory, is_kernel_tree(path))",
            'prl_place_target(s->root_fd, path, directory, !is_kernel_tree("/proc"))',
        ),
        (f"{ESCAPES}::test_a_link_within_the_root_for_a_system_directory_is_refused",),
    ),
    Mutation(
        "a file in place of a kernel's tree is not mended",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            "    if (prl_place_fs(m->type, target, flags, data) < 0)\n",
            "    struct stat st;\n"
            "    if (fstat(target, &st) == 0 && !S_ISDIR(st.st_mode))\n"
            "        return 0;\n"
            "    if (prl_place_fs(m->type, target, flags, data) < 0)\n",
        ),
        (f"{ESCAPES}::test_a_file_for_a_system_directory_is_refused",),
    ),
    Mutation(
        "the container has a /dev of its own",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            ": mount_fs(s, m, reterr);",
            ': strcmp(m->destination, "/dev") == 0 ? 0 : mount_fs(s, m, reterr);',
        ),
        (f"{ESCAPES}::test_links_for_devices_are_not_followed",),
    ),
    Mutation(
        "links are resolved within the root",
        (OUT_OF_THE_ROOT,),
        (
            f"{ESCAPES}::test_a_mount_point_behind_a_link_out_is_refused",
            f"{ESCAPES}::test_a_link_within_the_root_leads_to_its_place",
            f"{ESCAPES}::test_a_passwd_that_links_out_is_not_read",
            f"{HOLES}::test_files_the_engine_brings_follow_no_link_out",
        ),
    ),
    Mutation(
        "a list of users is a plain file",
        (
            Edit(
                "csrc/config/users/passwd.c",
                "    if (!S_ISREG(st.st_mode))\n        return -EINVAL;\n",
                "",
            ),
            Edit(
                "csrc/base/io.c",
                "return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;",
                "return prl_io_read_stream(fd, max_bytes, ret, ret_len);",
            ),
        ),
        (
            f"{ESCAPES}::test_a_passwd_without_an_end_is_answered_at_once",
            f"{HOLES}::test_a_group_without_an_end_is_answered_at_once",
        ),
    ),
    Mutation(
        "a list of users has at most 1 MiB",
        (
            Edit(
                "csrc/config/users/passwd.c",
                "#define MAX_FILE_BYTES ((size_t)1 << 20)",
                "#define MAX_FILE_BYTES ((size_t)1 << 33)",
            ),
        ),
        (
            f"{ESCAPES}::test_a_passwd_without_an_end_is_answered_at_once",
            f"{HOLES}::test_a_group_without_an_end_is_answered_at_once",
        ),
    ),
    Mutation(
        "the working directory is reached without a magic link",
        _one(
            "csrc/launch/steps/exec.c",
            "prl_sys_open_in_root(root, cwd, O_PATH | O_DIRECTORY)",
            "open(cwd, O_PATH | O_DIRECTORY | O_CLOEXEC)",
        ),
        (f"{ESCAPES}::test_no_descriptor_is_a_working_directory",),
    ),
    Mutation(
        "every descriptor above 2 is closed before exec",
        _one(
            "csrc/launch/steps/fds.c",
            "if (from <= last && prl_sys_close_range(from, last) < 0)",
            "if (from <= last && last < 3 && prl_sys_close_range(from, last) < 0)",
        ),
        (
            f"{ESCAPES}::test_a_descriptor_of_the_caller_is_not_inherited",
            f"{EXEC}::test_descriptors_of_the_caller_stay_outside",
        ),
    ),
    Mutation(
        "no program is reached through a magic link (and Landlock stands behind it)",
        (
            Edit(
                "csrc/launch/steps/exec.c",
                "fd = prl_sys_open_in_root(root, path, O_PATH);",
                "fd = root < 0 ? -1 : open(path, O_PATH | O_CLOEXEC);",
            ),
            Edit(
                "csrc/launch/steps/privileges/landlock.c",
                "int abi = s->spec->landlock ? prl_sys_landlock_abi() : 0;",
                "int abi = s->spec->landlock ? 0 : 0;",
            ),
        ),
        (f"{ESCAPES}::test_the_launcher_is_not_executed_inside",),
    ),
    Mutation(
        "the environment is made from nothing",
        _one(
            "csrc/launch/steps/exec.c",
            "execve(name, (char *const *)p->args, (char *const *)p->env);",
            "execve(name, (char *const *)p->args, environ);",
        ),
        (f"{ESCAPES}::test_a_planted_variable_is_not_seen",),
    ),
    Mutation(
        "paths are compared by component",
        _one(
            "csrc/config/rootfs/root.c",
            "strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == '\\0')",
            "strncmp(path, dir, len) == 0 && path[len] != 1",
        ),
        (f"{ESCAPES}::test_a_volume_beside_the_store_with_a_like_name_is_lent",),
    ),
    Mutation(
        "the root is the mount namespace's own",
        _one(
            "csrc/launch/steps/filesystem/rootfs.c",
            'if (mount(".", "/", NULL, MS_MOVE, NULL) < 0)',
            'if (access(".", F_OK) < 0)',
        ),
        (f"{ESCAPES}::test_leaving_a_chroot_ends_at_the_containers_root",),
    ),
    Mutation(
        "a claimed user of exec has no capabilities",
        _one("csrc/config/exec.c", "    prl_config_drop_caps_of_user(m);\n", ""),
        (f"{EXEC_BASICS}::test_another_user_of_a_container_of_one_id_is_claimed",),
    ),
    Mutation(
        "root of exec has its capabilities beside a claimed user",
        _one(
            "csrc/config/exec.c",
            'if (spec->process.uid == 0 && !prl_options_flag(m->options, "privileged"))',
            'if (spec->process.uid == 1 && !prl_options_flag(m->options, "privileged"))',
        ),
        (f"{EXEC_BASICS}::test_root_has_its_capabilities_beside_a_claimed_user",),
    ),
    Mutation(
        "the old root is detached",
        _one(
            "csrc/launch/steps/filesystem/rootfs.c",
            'if (umount2(".", MNT_DETACH) < 0)',
            'if (access(".", F_OK) < 0)',
        ),
        (f"{ESCAPES}::test_leaving_a_chroot_ends_at_the_containers_root",),
    ),
    Mutation(
        "Landlock's scope of abstract sockets",
        _one(
            "csrc/launch/steps/privileges/landlock.c",
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
            "csrc/launch/steps/privileges/caps.c",
            "s->served || s->ready || s->target",
            "s->served || s->target",
        ),
        (f"{SHARED}::test_the_posture_is_that_of_any_container",),
    ),
    Mutation(
        "a network that is shared shares no other namespace",
        (
            Edit(
                "csrc/launch/userns.c",
                "const uint64_t pair = CLONE_NEWUSER | CLONE_NEWNET;",
                "const uint64_t pair = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID;",
            ),
            Edit(
                "csrc/launch/userns.c",
                "below.flags &= ~(uint64_t)(CLONE_NEWUSER | CLONE_NEWNET);",
                "below.flags &= ~(uint64_t)(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID);",
            ),
        ),
        (
            f"{SHARED}::test_the_first_is_neither_seen_nor_signalled",
            f"{SHARED}::test_the_namespaces_are_two_of_many",
        ),
    ),
    Mutation(
        "what is not a program of the container yet cannot be looked into by it",
        _one("csrc/launch/join.c", "prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0", "dumpable < 0"),
        (f"{EXEC}::test_the_container_sees_nothing_of_the_launcher",),
    ),
    Mutation(
        "a program that joins is under the container's filter",
        _one(
            "csrc/launch/prepare/setup.c",
            "int r = prepare_filter(ret, arena, reterr);",
            "int r = 0;",
        ),
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
            "csrc/launch/steps/exec.c",
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
        (
            f"{ESCAPES}::test_a_setuid_launcher_refuses_to_start",
            f"{HOLES}::test_a_launcher_with_file_capabilities_refuses_to_start",
        ),
    ),
    Mutation(
        "the layer of mount points hides no link of the image",
        _one(
            "pyrootless/images/layers/mount_points.py",
            "if found is None or (isinstance(found, list) and "
            "_is_plain(found[0], name, owned)):",
            "if (found := found if isinstance(found, list) else None) or not found:",
        ),
        (
            "tests/integration/test_layer_names.py"
            "::test_a_link_for_a_system_directory_still_ends_the_start",
        ),
    ),
    Mutation(
        "the upper of an overlay is given by descriptor",
        _one(
            "csrc/launch/steps/filesystem/overlay.c",
            "    return fd < 0 ? -1 : append_fd(o, before, fd);",
            "    return append(o, before) < 0 ? -1 : append(o, path);",
        ),
        (
            "tests/integration/test_layer_names.py::test_one_layer_is_where_the_mount_is_made_from",
        ),
    ),
    Mutation(
        "a layer is named from where it lies",
        _one(
            "csrc/launch/steps/filesystem/overlay.c",
            'append(o, *name ? name : ".");',
            "append(o, *name ? path : path);",
        ),
        (
            f"{ESCAPES}::test_mountinfo_names_no_path_of_the_host",
            "tests/integration/test_layer_names.py::test_layers_are_named_by_their_digests",
        ),
    ),
    Mutation(
        "a difference that was read back ends the program",
        _one(
            "csrc/launch/report.c",
            "        r = prl_serve_verify(s, child->pid, reterr);\n",
            "        prl_serve_verify(s, child->pid, reterr);\n",
        ),
        (f"{VERIFY}::test_a_lie_of_the_kernel_is_found",),
    ),
    Mutation(
        "the bytes of the filter are compared with the digest that was asked for",
        _one(
            "csrc/verify/check.c",
            "return strcmp(asked, digest) == 0\n",
            "return *asked == 's'\n",
        ),
        (f"{VERIFY}::test_a_filter_of_other_bytes_is_found",),
    ),
    Mutation(
        "each mount that was asked for is looked for",
        _one(
            "csrc/verify/mounts.c",
            'if (!row || strcmp(row->point, "/") == 0)\n            return prl_verify_differs(',
            'if (!row || strcmp(row->point, "/") == 0)\n            continue;\n'
            "        if (!row)\n            return prl_verify_differs(",
        ),
        (f"{VERIFY}::test_a_volume_that_is_not_there_is_found",),
    ),
    Mutation(
        "a program that differs is not let go of",
        _one(
            "csrc/launch/serve/verify.c",
            "        kill(pid, SIGKILL); /* detached, it would run */",
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
            "csrc/launch/steps/sysctl.c",
            "PRL_RESOLVE_BENEATH | PRL_RESOLVE_NO_XDEV",
            "PRL_RESOLVE_BENEATH",
        ),
        (f"{HOLES}::test_a_sysctl_is_not_written_elsewhere",),
    ),
    Mutation(
        "settings are written to procfs alone",
        _one("csrc/launch/steps/sysctl.c", "fs.f_type != PROC_MAGIC", "fs.f_type == 0"),
        (f"{HOLES}::test_a_sysctl_is_not_written_elsewhere",),
    ),
    Mutation(
        "a session without the caller's terminal",
        _one("csrc/launch/steps/terminal.c", "if (setsid() < 0)", "if (getsid(0) < 0)"),
        (f"{HOLES}::test_nothing_is_typed_into_the_callers_terminal",),
    ),
    Mutation(
        "id files are made exclusively",
        _one(
            "csrc/container/life.c",
            "prl_io_write_file(AT_FDCWD, path, text, strlen(text), O_CREAT | O_EXCL, 0644)",
            "prl_io_write_file(AT_FDCWD, path, text, strlen(text), O_CREAT | O_TRUNC, 0644)",
        ),
        (f"{HOLES}::test_an_id_file_is_not_written_through_a_link",),
    ),
    *BUILD_MUTATIONS,
    *COPY_MUTATIONS,
    *HOLE_MUTATIONS,
    *IDENTITY_MUTATIONS,
    *JUDGE_MUTATIONS,
    *NETWORK_MUTATIONS,
    *VERDICT_MUTATIONS,
    *WARM_MUTATIONS,
    *SHARED_MUTATIONS,
    *OUTCOME_MUTATIONS,
)
