"""The safeguards behind "Holes of others": edits that take them away, tests that see it.

In: nothing.  Out: HOLE_MUTATIONS, a part of security_mutations.MUTATIONS.
Never: as there.
"""

from __future__ import annotations

from mutation import Edit, Mutation
from mutation import one as _one

CONTROL_GROUPS = "tests/security/test_control_groups.py"
ESCAPES = "tests/security/test_escapes.py"
CALLER_GROUPS = "tests/security/test_caller_groups.py"
LENT = "tests/security/test_lent.py"
HOLES = "tests/security/test_known_holes.py"
NEXT = "tests/security/test_next_container.py"
UNPACK = "tests/unit/core/test_layers.py"
ARCHIVE = "tests/unit/images/archive/test_images.py"
IMPORT = "tests/unit/images/archive/test_rootfs.py"
LAYERS = "tests/unit/images/layers/test_unpacking.py"
MANIFEST = "tests/unit/images/test_manifest.py"
OWNERS = "tests/unit/images/layers/test_owners.py"
REGISTRY = "tests/unit/images/registry/test_client.py"

# A path that was looked up within the root is opened by its name; "/" is the root in both.
OUT_OF_THE_ROOT = Edit(
    "csrc/base/walk.c",
    "return open_in_root(root_fd, path, flags, PRL_RESOLVE_IN_ROOT | "
    "PRL_RESOLVE_NO_MAGICLINKS);",
    "return open_in_root(root_fd, *path == '/' && path[1] ? path + 1 : path, flags,\n"
    "                        PRL_RESOLVE_NO_MAGICLINKS);",
)

VOLUMES = "tests/security/test_image_volumes.py"

HOLE_MUTATIONS = (
    Mutation(
        "the place of a volume is opened beneath the root",
        _one(
            "csrc/launch/steps/filesystem/copy.c",
            "prl_sys_open_in_root(s->root_fd, volume->destination, how)",
            "openat(s->root_fd, volume->destination + 1, how | O_CLOEXEC)",
        ),
        (f"{VOLUMES}::test_a_link_in_the_place_of_a_volume_leads_into_the_image",),
    ),
    Mutation(
        "an image chooses no place of the kernel's",
        _one(
            "pyrootless/images/template/image.py",
            'if path == "/" or kernels or not text or "\\0" in text or "\\n" in text:',
            "if False:",
        ),
        (f"{VOLUMES}::test_a_place_that_an_image_may_not_choose",),
    ),
    Mutation(
        "no container has the upper of one before it",
        (
            Edit(
                "csrc/container/state/record.c",
                "    int r = prl_dirs_mkdir(parent_fd, name, 0700);\n    if (r == -ENOENT) {",
                '    int r = renameat(parent_fd, "spent", parent_fd, name) == 0\n'
                "                ? 0\n"
                "                : prl_dirs_mkdir(parent_fd, name, 0700);\n"
                "    if (r == -ENOENT) {",
            ),
        ),
        (f"{NEXT}::test_a_root_that_was_sent_out_shows_nothing_of_the_next_one",),
    ),
    Mutation(
        "--group-add keep-groups keeps the caller's groups",
        _one("csrc/launch/steps/privileges/caps.c", "told && !p->keep_groups ?", "told ?"),
        (
            f"{CALLER_GROUPS}::test_a_user_of_the_container_reads_what_the_group_may_not",
            f"{CALLER_GROUPS}::test_root_inside_leaves_a_group_unless_it_may_not",
        ),
    ),
    Mutation(
        "the store is looked for behind what the launch has opened",
        _one(
            "csrc/launch/prepare/sources.c",
            "if (!spec->lent || !spec->unseen)",
            "if (spec->lent || !spec->unseen)",
        ),
        (
            f"{LENT}::test_another_name_of_its_parent_shows_no_store",
            f"{LENT}::test_another_name_below_what_is_lent_shows_no_store",
            f"{LENT}::test_another_name_of_the_store_is_refused",
            f"{LENT}::test_a_link_in_its_place_shows_no_store",
            f"{LENT}::test_a_link_in_its_place_is_no_way_into_the_store",
            f"{LENT}::test_a_root_in_place_shows_no_store",
        ),
    ),
    Mutation(
        "what is mounted below a volume shows no store either",
        _one(
            "csrc/launch/prepare/sources.c",
            "if (r == 0 && recursive)",
            "if (r > 0 && recursive)",
        ),
        (f"{LENT}::test_another_name_below_what_is_lent_shows_no_store",),
    ),
    Mutation(
        "the child mounts what the parent has decided on",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            "if (s->seen && s->seen[i].name &&",
            "if (s->seen && !s->spec &&",
        ),
        (f"{LENT}::test_a_source_that_is_exchanged_all_the_time_shows_no_store",),
    ),
    Mutation(
        "who may mount stands in a group of its own in every hierarchy",
        _one("csrc/limits/plan.c", "if (prl_cgroup_is_apart(spec)) {", "if (plan.weak > 99) {"),
        (
            f"{CONTROL_GROUPS}::test_who_may_mount_sees_no_group_but_its_own",
            f"{CONTROL_GROUPS}::test_where_no_group_can_be_had_there_is_no_cgroup_namespace",
        ),
    ),
    Mutation(
        "where no group can be had there is no cgroup namespace",
        _one(
            "csrc/config/resources.c",
            "if (plan->open)",
            "if (plan->open && plan->weak > 99)",
        ),
        (
            f"{CONTROL_GROUPS}::test_who_may_mount_sees_no_group_but_its_own",
            f"{CONTROL_GROUPS}::test_where_no_group_can_be_had_there_is_no_cgroup_namespace",
        ),
    ),
    Mutation(
        "where no group can be had nobody inside makes a cgroup namespace",
        (
            Edit(
                "csrc/launch/steps/privileges/seccomp.c",
                "PRL_CHILD_SAFE prl_seccomp_apply(struct prl_setup *s, "
                "struct prl_error *reterr)\n{\n    if (s->fence &&",
                "PRL_CHILD_SAFE prl_seccomp_apply(struct prl_setup *s, "
                "struct prl_error *reterr)\n{\n    if (s->fence && !s->spec &&",
            ),
        ),
        (f"{CONTROL_GROUPS}::test_who_may_mount_sees_no_group_but_its_own",),
    ),
    Mutation(
        "a link for a system directory is neither followed nor led out of the root",
        (
            OUT_OF_THE_ROOT,
            Edit(
                "csrc/launch/steps/filesystem/mounts.c",
                "prl_place_target(s->root_fd, path, directory, is_kernel_tree(path))",
                'prl_place_target(s->root_fd, path, directory, !is_kernel_tree("/proc"))',
            ),
        ),
        (f"{ESCAPES}::test_a_link_for_a_system_directory_is_refused",),
    ),
    Mutation(
        "a source is opened without reading the directories above it",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            "        if (m->bind && s->source_fds[i] < 0)\n",
            '        int above = openat(s->source_fds[i], "..", O_RDONLY | O_CLOEXEC);\n'
            "        if (m->bind && above < 0 && errno == EACCES)\n"
            '            return prl_fail(reterr, PRL_STAGE_MOUNTS, "open", m->source);\n'
            "        if (m->bind && s->source_fds[i] < 0)\n",
        ),
        (f"{HOLES}::test_a_source_below_a_directory_that_may_only_be_searched",),
    ),
    Mutation(
        "what was looked up is what is used: one call, one descriptor",
        _one(
            "csrc/base/walk.c",
            "    return open_in_root(root_fd, path, flags, PRL_RESOLVE_IN_ROOT | "
            "PRL_RESOLVE_NO_MAGICLINKS);\n",
            "    int fd = open_in_root(root_fd, path, flags, PRL_RESOLVE_IN_ROOT);\n"
            "    if (fd < 0 || *path != '/' || !path[1])\n"
            "        return fd;\n"
            "    close(fd);\n"
            "    usleep(2000);\n"
            "    return openat(root_fd, path + 1, flags | O_CLOEXEC);\n",
        ),
        (f"{HOLES}::test_a_link_that_is_swapped_leads_nowhere_else",),
    ),
    Mutation(
        "a file system is mounted on a descriptor and not on its name",
        _one(
            "csrc/launch/steps/filesystem/place.c",
            "    return mount(type, prl_sys_fd_path(target_fd, to), type, flags, data);",
            "    char name[PATH_MAX];\n"
            "    ssize_t n = readlinkat(AT_FDCWD, prl_sys_fd_path(target_fd, to), name,\n"
            "                           sizeof name - 1);\n"
            "    name[n > 0 ? n : 0] = '\\0';\n"
            "    return mount(type, name, type, flags, data);",
        ),
        (f"{HOLES}::test_targets_of_mounts_are_descriptors",),
    ),
    Mutation(
        "devices go by name into a /dev of the container's own alone",
        _one(
            "csrc/launch/steps/filesystem/devices.c",
            "bool own = s->dev_sketched || s->dev_fd >= 0;",
            "bool own = true;",
        ),
        (f"{HOLES}::test_targets_of_mounts_are_descriptors",),
    ),
    Mutation(
        "masks are made of the host's null device",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            "    for (; s->mounts_done < s->spec->mounts_len; s->mounts_done++) {\n",
            "    if (s->mounts_done == 0) {\n"
            '        int fd = prl_sys_open_in_root(s->root_fd, "/dev/null", O_PATH);\n'
            "        s->null_fd = fd < 0 ? s->null_fd : fd;\n"
            "    }\n"
            "    for (; s->mounts_done < s->spec->mounts_len; s->mounts_done++) {\n",
        ),
        (f"{HOLES}::test_masks_are_made_of_the_hosts_null_device",),
    ),
    Mutation(
        "a terminal is of the container's own devpts",
        _one(
            "csrc/launch/steps/terminal.c",
            "    if (master < 0 || !is_ptmx(master) ||",
            "    prl_close_p(&master);\n"
            '    master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);\n'
            "    if (master < 0 || (is_ptmx(master) && errno == ENOTTY) ||",
        ),
        (f"{HOLES}::test_the_console_is_the_containers_own_terminal",),
    ),
    Mutation(
        "file systems of the kernel are mounted without power",
        _one(
            "csrc/launch/steps/filesystem/mounts.c",
            "prl_place_flags(m->attr_set | m->attr_set_recursive);\n",
            "prl_place_flags(m->attr_set & MOUNT_ATTR_RDONLY);\n",
        ),
        (f"{HOLES}::test_file_systems_of_the_kernel_are_mounted_without_power",),
    ),
    Mutation(
        "a store below a volume is told from a path that begins like it",
        _one(
            "csrc/config/rootfs/root.c",
            "    if (!is_below(engine, what->source, &rest))\n        return 0;\n",
            "    bool like = strncmp(engine, what->source, strlen(what->source)) == 0;\n"
            "    rest = strrchr(engine, '/');\n"
            "    if (!like && !is_below(engine, what->source, &rest))\n        return 0;\n",
        ),
        (f"{ESCAPES}::test_a_volume_with_a_like_name_is_not_masked",),
    ),
    Mutation(
        "a member's name does not lead out of the layer",
        _one(
            "csrc/unpack/path.c",
            "            if (len == 0)\n                return -EBADMSG;\n",
            "",
        ),
        (f"{UNPACK}::test_names_that_lead_out",),
    ),
    Mutation(
        "links of an archive are followed within the layer",
        _one(
            "csrc/unpack/tree.c",
            'prl_sys_open_in_root_nofollow(tree->root_fd, path[0] ? path : ".",',
            'openat(tree->root_fd, path[0] ? path : ".", O_CLOEXEC |',
        ),
        (f"{UNPACK}::test_links_as_parents_stay_inside",),
    ),
    Mutation(
        "the work that an archive asks for grows with its members alone",
        _one(
            "csrc/unpack/tree.c",
            "return tree->work_left == 0 ? -EBADMSG : 0;",
            "return 0;",
        ),
        (f"{UNPACK}::test_work_has_an_end",),
    ),
    Mutation(
        "an archive has no say in attributes that an overlay believes",
        _one(
            "csrc/unpack/xattr.c",
            """if (starts(name, prefixes[i]))
            return true;""",
            """if (starts(name, prefixes[i]))
            return false;""",
        ),
        (f"{UNPACK}::test_attributes",),
    ),
    Mutation(
        "compressed bytes that grow beyond measure are refused at every door",
        _one(
            "pyrootless/images/layers/compression.py",
            "if size_bytes > compressed_bytes * max_ratio:",
            "if compressed_bytes < 0:",
        ),
        (f"{IMPORT}::test_a_bomb_leaves_nothing", f"{LAYERS}::test_a_bomb"),
    ),
    Mutation(
        "an owner beyond the map is nobody, and never root",
        _one(
            "pyrootless/images/layers/missing.py",
            "uid if _has(self._uids, uid) else NOBODY,",
            "uid if _has(self._uids, uid) else 0,",
        ),
        (f"{OWNERS}::test_an_id_beyond_the_ranges_is_nobodys",),
    ),
    Mutation(
        "an access list names nobody whom the map lacks",
        _one(
            "pyrootless/images/layers/owners.py",
            "list(entries), lambda uid, gid: self.missing.mapped(uid, gid, path)",
            "list(entries), lambda uid, gid: (uid % 60000, gid % 60000)",
        ),
        (f"{OWNERS}::test_an_access_list_of_an_id_beyond_the_map",),
    ),
    Mutation(
        "a hard link to a link is one: what it leads to gets no more names and owners",
        (
            Edit(
                "csrc/unpack/place.c",
                "job->place.dir_fd, job->place.name, 0) == 0)",
                "job->place.dir_fd, job->place.name,\n"
                "                   AT_SYMLINK_FOLLOW) == 0)",
            ),
            Edit(
                "pyrootless/images/layers/owners.py",
                "os.link(first, path, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=False)",
                "os.link(first, path, src_dir_fd=here, dst_dir_fd=here, follow_symlinks=True)",
            ),
        ),
        (f"{OWNERS}::test_a_hard_link_to_a_link",),
    ),
    Mutation(
        "signals of a bootstrap reach nobody else",
        _one("pyrootless/images/bootstrap.py", "start_new_session=True", "process_group=None"),
        ("tests/unit/images/test_bootstrap.py::test_its_signals_reach_nobody_else",),
    ),
    Mutation(
        "owners beyond the map end a start",
        _one(
            "csrc/config/users/ids.c",
            "if (!unfit || m->userns != PRL_USERNS_RANGE ||",
            "if (unfit || m->userns != PRL_USERNS_RANGE ||",
        ),
        ("tests/integration/test_userns.py::test_owners_beyond_the_map_end_the_start",),
    ),
    Mutation(
        "an archive of images has a bounded number of names",
        _one("pyrootless/images/imported.py", "if count > most:", "if count < 0:"),
        (f"{ARCHIVE}::test_names_have_a_bound",),
    ),
    Mutation(
        "a load that is refused leaves nothing",
        _one(
            "pyrootless/images/store/disk.py",
            """                self._collect_quietly()
            raise""",
            """                pass
            raise""",
        ),
        (f"{ARCHIVE}::test_what_is_refused_leaves_nothing",),
    ),
    Mutation(
        "a member's file is made anew and never written through what is there",
        _one(
            "csrc/unpack/place.c",
            "const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;",
            "const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;",
        ),
        (f"{UNPACK}::test_a_file_is_never_written_through_a_link",),
    ),
    Mutation(
        "a manifest is one thing: members of the other kind are refused",
        _one("pyrootless/images/manifest.py", "(other or key != name)", "key != name"),
        (f"{MANIFEST}::test_confusion_is_refused",),
    ),
    Mutation(
        "a manifest is what it was announced as",
        _one(
            "pyrootless/images/manifest.py",
            "if own and given in ACCEPT and own != given:",
            "if own and given in ACCEPT and not given:",
        ),
        (f"{MANIFEST}::test_confusion_is_refused",),
    ),
    Mutation(
        "a registry that drips is given up",
        _one(
            "pyrootless/images/registry/transport.py",
            "if self._window_bytes < self._patience.window_bytes:",
            "if self._window_bytes < 0:",
        ),
        (f"{REGISTRY}::test_slow_drip_ends",),
        hangs=True,
    ),
    Mutation(
        "credentials do not follow a redirect to another host",
        _one(
            "pyrootless/images/registry/exchange.py",
            "if not (elsewhere and name.lower() in _SECRET_HEADERS)",
            "if not (elsewhere and name in _SECRET_HEADERS)",
        ),
        (f"{REGISTRY}::test_a_redirect_elsewhere_gets_no_credentials",),
    ),
    Mutation(
        "a place we are sent to may not ask for credentials",
        _one(
            "pyrootless/images/registry/exchange.py",
            "if response.status == 401 and origin(last) != origin(first):",
            "if response.status == 401 and not origin(last):",
        ),
        (f"{REGISTRY}::test_a_place_we_are_sent_to_may_not_ask_for_credentials",),
    ),
)
