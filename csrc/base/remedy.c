/* remedy.c: the table of remedies: what a failure means to a person, and what to do.
 *
 * What it is: one row for a stage and an errno, one row with errnum 0 for the rest of a stage.
 * In: a filled error record.  Out: class for Python, doctor's entry, a sentence that ends with
 * a command where there is one.  Never: allocation, reading the machine (doctor does that).
 * Tests: tests/csrc/base/test_remedy.c, tests/contracts/test_errors.py. */
#include "base/error.h"

#include <errno.h>

#define HOST   "HostUnsupportedError"
#define USAGE  "UsageError"
#define BROKEN "IntegrityError"
#define LAUNCH "LaunchError"
#define STORE  "StoreError"
#define STATE  "ContainerStateError"

#define WARM_NEEDS                                                                             \
    "warm runs need setns(2) of a pidfd (Linux 5.8) and close_range(2) (5.9), which the "      \
    "kernel lacks or a filter hides; leave `warm` out, the verdicts are the same; see: "       \
    "uname -r"

#define TOO_MANY_REFS                                                                          \
    "a program of this user has too many descriptors in flight (unix(7), SCM_RIGHTS); end "    \
    "it, or raise the limit of open files: ulimit -n $(ulimit -Hn)"

/* Within a stage the row with errnum 0 comes last. */
const struct prl_remedy prl_remedies[] = {
    /* options, image, config: what the user wrote */
    {PRL_STAGE_OPTIONS, ENOENT, USAGE, "", "check the path's spelling: ls -ld PATH"},
    {PRL_STAGE_OPTIONS, ENOTDIR, USAGE, "", "look at what the path is: ls -ld PATH"},
    {PRL_STAGE_OPTIONS, EACCES, USAGE, "", "look at the path's owner and mode: ls -ld PATH"},
    {PRL_STAGE_OPTIONS, ENOSYS, USAGE, "network-helpers",
     "see what is missing and how to install it: pyrootless doctor network-helpers tun"},
    {PRL_STAGE_OPTIONS, EADDRNOTAVAIL, USAGE, "",
     "see this machine's addresses, and the ports that are taken: ip addr; ss -ltnup"},
    {PRL_STAGE_OPTIONS, ENODEV, USAGE, "", "see the disks of this machine: lsblk"},
    {PRL_STAGE_OPTIONS, ENOPKG, USAGE, "",
     "it is a separate program, which an administrator installs: apt install PACKAGE (dnf, "
     "apk, zypper, pacman)"},
    {PRL_STAGE_OPTIONS, ENODATA, USAGE, "",
     "check the name's spelling, and whether this host can reach its name server: "
     "cat /etc/resolv.conf"},
    {PRL_STAGE_OPTIONS, ESRCH, USAGE, "",
     "see which names the image has: pyrootless run --rm IMAGE cat /etc/passwd /etc/group"},
    {PRL_STAGE_OPTIONS, 0, USAGE, "",
     "see all options and their values: pyrootless run --help"},
    {PRL_STAGE_TEMPLATE, ENOENT, USAGE, "",
     "use the built-in image `host`, or any unpacked tree with --rootfs DIR: "
     "pyrootless run host COMMAND"},
    {PRL_STAGE_TEMPLATE, ESTALE, STORE, "store",
     "make the image's launch template again: pyrootless prepare host"},
    {PRL_STAGE_TEMPLATE, EACCES, STORE, "store",
     "the store must belong to you; repair it, or choose another with --root DIR: "
     "chmod -R u+rwX ~/.local/share/pyrootless"},
    {PRL_STAGE_TEMPLATE, EINVAL, USAGE, "",
     "image names are letters, digits and ._-/:@ and start with a letter or digit: "
     "pyrootless run host COMMAND"},
    {PRL_STAGE_TEMPLATE, 0, STORE, "store",
     "make the image's launch template again: pyrootless prepare host"},
    {PRL_STAGE_CONFIG, EILSEQ, USAGE, "",
     "write it in UTF-8, or rename the file; its bytes are shown by: printf %s NAME | od -c"},
    {PRL_STAGE_CONFIG, 0, USAGE, "",
     "compare with a configuration that works: pyrootless run --print-spec host true"},

    /* state: the engine's own directories */
    {PRL_STAGE_STATE, EEXIST, STATE, "",
     "take another --name, or remove the container that has it: pyrootless rm NAME"},
    {PRL_STAGE_STATE, EBUSY, STATE, "", "see its state with: pyrootless ps -a"},
    {PRL_STAGE_STATE, EALREADY, STATE, "", "see its state with: pyrootless ps -a"},
    {PRL_STAGE_STATE, ENODEV, STATE, "cgroup",
     "start it in the background, where control groups are delegated to you: see pyrootless "
     "doctor "
     "cgroup; or stop its first process alone: pyrootless kill -s STOP NAME"},
    {PRL_STAGE_STATE, ESRCH, STATE, "", "see which containers there are: pyrootless ps -a"},
    {PRL_STAGE_STATE, ENOMSG, STATE, "",
     "the log is kept of a container in the background: pyrootless run -d IMAGE"},
    {PRL_STAGE_STATE, ETIME, STATE, "",
     "the kernel cannot end a process that waits for a device or file system; try again: "
     "pyrootless rm -f NAME"},
    {PRL_STAGE_STATE, EROFS, STORE, "store",
     "the store lies on a read-only file system; choose another place: "
     "pyrootless run --root DIR … (or PYROOTLESS_ROOT=DIR)"},
    {PRL_STAGE_STATE, ENOSPC, STORE, "store",
     "the disk (or its inodes) is full; remove stopped containers, or use --ephemeral: "
     "pyrootless ps -a; pyrootless rm NAME"},
    {PRL_STAGE_STATE, EDQUOT, STORE, "store",
     "your disk quota is used up; remove stopped containers, or use --ephemeral: "
     "pyrootless ps -a; pyrootless rm NAME"},
    {PRL_STAGE_STATE, EACCES, STORE, "store",
     "the directory belongs to somebody else or lacks write permission; choose another: "
     "pyrootless run --root DIR …"},
    {PRL_STAGE_STATE, EPERM, STORE, "runtime-directory",
     "the directory belongs to somebody else; remove it or set another one: "
     "export XDG_RUNTIME_DIR=/run/user/$(id -u)"},
    {PRL_STAGE_STATE, ELOOP, STORE, "runtime-directory",
     "the engine's directory is a symbolic link, which is not trusted; remove the link or name "
     "the real place: pyrootless run --root DIR …"},
    {PRL_STAGE_STATE, ERANGE, STORE, "subordinate-ids",
     "files in it belong to subordinate ids of yours, and the map that could remove them was "
     "refused; see: pyrootless doctor subordinate-ids newuidmap"},
    {PRL_STAGE_STATE, ENOTSUP, STORE, "store",
     "install the pyrootless that wrote it or a later one, or use another store: "
     "pyrootless run --root DIR …"},
    {PRL_STAGE_STATE, EBADMSG, STORE, "store",
     "if pyrootless made this store, write its version again: echo 1 > STORE/version"},
    {PRL_STAGE_STATE, ENOLCK, STORE, "store",
     "the file system has no locks (NFS without a lock service?); keep the store on a local "
     "disk: PYROOTLESS_ROOT=/var/tmp/$USER/pyrootless"},
    {PRL_STAGE_STATE, 0, STORE, "store",
     "choose another place for the store: pyrootless run --root DIR …"},

    /* clone: the new process and its namespaces */
    {PRL_STAGE_CLONE, EPERM, HOST, "user-namespaces",
     "this user may not create user namespaces (switched off, AppArmor, or an outer "
     "container's "
     "filter); as administrator: sysctl -w kernel.unprivileged_userns_clone=1 (Debian), "
     "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 (Ubuntu); in docker or podman: "
     "run the outer container with --security-opt seccomp=unconfined"},
    {PRL_STAGE_CLONE, EACCES, HOST, "apparmor",
     "a security module refused the user namespace; as administrator allow it for this "
     "program: "
     "pyrootless doctor apparmor prints the profile"},
    {PRL_STAGE_CLONE, ENOSPC, HOST, "user-namespaces",
     "a limit on namespaces is reached or is 0; as administrator: "
     "sysctl -w user.max_user_namespaces=28633 (and the other user.max_*_namespaces)"},
    {PRL_STAGE_CLONE, EUSERS, HOST, "user-namespaces",
     "user namespaces are nested too deep (32 is the kernel's limit); start fewer containers "
     "inside one another"},
    {PRL_STAGE_CLONE, EINVAL, HOST, "namespaces",
     "the kernel lacks one of the namespaces; see which with: grep NS= /boot/config-$(uname "
     "-r)"},
    {PRL_STAGE_CLONE, ENOSYS, HOST, "user-namespaces",
     "an outer container's filter hides clone(2); run it with: "
     "--security-opt seccomp=unconfined"},
    {PRL_STAGE_CLONE, EAGAIN, LAUNCH, "",
     "too many processes for this user or cgroup; see and raise the limit: ulimit -u"},
    {PRL_STAGE_CLONE, ETOOMANYREFS, LAUNCH, "", TOO_MANY_REFS},
    {PRL_STAGE_CLONE, ENOMEM, LAUNCH, "",
     "the kernel has no memory, or the process-id namespace is being destroyed; see: free -m"},
    {PRL_STAGE_CLONE, 0, HOST, "user-namespaces",
     "creating the namespaces failed; try the same without this program: "
     "unshare --user --map-root-user true"},

    /* idmap: uid_map, gid_map, setgroups */
    {PRL_STAGE_IDMAP, EPERM, HOST, "apparmor",
     "the namespace exists but without capabilities (Ubuntu 23.10 and later); as "
     "administrator allow this program (pyrootless doctor apparmor prints the profile) or: "
     "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
    {PRL_STAGE_IDMAP, EACCES, HOST, "apparmor",
     "a security module or a read-only /proc refused the map; as administrator: "
     "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
    {PRL_STAGE_IDMAP, ENOENT, HOST, "newuidmap",
     "maps of many ids need newuidmap and newgidmap; as administrator: apt install uidmap "
     "(dnf install shadow-utils); with your own id only: --userns=single"},
    {PRL_STAGE_IDMAP, EOVERFLOW, HOST, "subordinate-ids",
     "have an administrator run the command named above, if there is one, then prepare the "
     "image again: pyrootless prepare IMAGE; or show such files as nobody's: "
     "--userns=range:overflow; or use your own id only: --userns=single"},
    {PRL_STAGE_IDMAP, ERANGE, HOST, "subordinate-ids",
     "the map goes beyond the ids that are yours, or the helper lost its privilege; see: "
     "pyrootless doctor subordinate-ids newuidmap; with your own id only: --userns=single"},
    {PRL_STAGE_IDMAP, ETIME, HOST, "newuidmap",
     "the helper gave no answer (a directory service that hangs?) and was killed; see: "
     "getsubids $USER; with your own id only: --userns=single"},
    {PRL_STAGE_IDMAP, EINVAL, USAGE, "subordinate-ids",
     "the id map is malformed, overlaps or has too many lines; look at it: "
     "pyrootless run --print-spec IMAGE"},
    {PRL_STAGE_IDMAP, EROFS, HOST, "proc",
     "/proc is mounted read-only here (an outer container?); run the outer container with: "
     "--security-opt systempaths=unconfined"},
    {PRL_STAGE_IDMAP, 0, HOST, "user-namespaces",
     "the id map could not be written; try the same without this program: "
     "unshare --user --map-root-user true"},

    /* rootfs: overlay or bind root, pivot */
    {PRL_STAGE_ROOTFS, EPERM, HOST, "overlay",
     "the kernel refuses overlay mounts in a user namespace (before 5.11, or AppArmor); use a "
     "directory without one: pyrootless run --rootfs DIR COMMAND"},
    {PRL_STAGE_ROOTFS, EACCES, HOST, "overlay",
     "a directory on the way to the image or the store cannot be entered by this user, or a "
     "security module refused the mount; look at the path: namei -l PATH"},
    {PRL_STAGE_ROOTFS, EINVAL, HOST, "overlay",
     "overlay does not take this file system for its upper directory (NFS, another overlay, no "
     "user.* attributes); keep the writes in memory or the store on a local disk: "
     "pyrootless run --ephemeral …, or PYROOTLESS_ROOT=/var/tmp/$USER/pyrootless"},
    {PRL_STAGE_ROOTFS, ENODEV, HOST, "overlay",
     "the kernel has no overlay file system loaded; as administrator: modprobe overlay"},
    {PRL_STAGE_ROOTFS, ENOENT, STORE, "store",
     "a directory of the image or the given --rootfs is gone; make the image again: "
     "pyrootless prepare host"},
    {PRL_STAGE_ROOTFS, ENOTDIR, USAGE, "",
     "--rootfs and image layers must be directories: ls -ld PATH"},
    {PRL_STAGE_ROOTFS, ELOOP, USAGE, "",
     "a directory the container needs is a symbolic link in this root file system, which is "
     "refused; make it a real directory"},
    {PRL_STAGE_ROOTFS, EBUSY, LAUNCH, "store",
     "another container uses this upper directory; see: pyrootless ps"},
    {PRL_STAGE_ROOTFS, ESTALE, HOST, "store",
     "the network file system lost the directory, or the upper belongs to other layers; keep "
     "the store on a local disk: PYROOTLESS_ROOT=/var/tmp/$USER/pyrootless"},
    {PRL_STAGE_ROOTFS, EMFILE, USAGE, "",
     "the image has more layers than this process may open files; raise the limit first: "
     "ulimit -n 1024"},
    {PRL_STAGE_ROOTFS, ENOSPC, STORE, "store",
     "no space, or the limit on mounts is reached: df -h; sysctl fs.mount-max"},
    {PRL_STAGE_ROOTFS, 0, LAUNCH, "overlay",
     "the root file system could not be made; try a directory without overlay, to see whether "
     "image or kernel is the cause: pyrootless run --rootfs DIR COMMAND"},

    /* mounts, masked and read-only paths */
    {PRL_STAGE_MOUNTS, EPERM, HOST, "proc",
     "the kernel refuses the mount; for /proc and /sys this means that they are partly hidden "
     "here by an outer container: run that one with --security-opt systempaths=unconfined "
     "(docker) or --security-opt unmask=ALL (podman)"},
    {PRL_STAGE_MOUNTS, EACCES, LAUNCH, "apparmor",
     "this user cannot enter a directory on the way; or the mount point is missing in a tree "
     "of somebody else's, where it cannot be made, not even under DIR:O; or a security module "
     "refused the mount: namei -l PATH"},
    {PRL_STAGE_MOUNTS, EOVERFLOW, USAGE, "",
     "the tree has owners who are not mapped into the container, whose files cannot be copied "
     "up; make the tree your own: cp -r DIR COPY"},
    {PRL_STAGE_MOUNTS, ENOENT, USAGE, "",
     "the source of a volume does not exist, or the way to its target goes through a link "
     "that leads nowhere in the container (no link leads out of it); name the place itself, "
     "or create it: mkdir -p PATH"},
    {PRL_STAGE_MOUNTS, ENOTDIR, USAGE, "",
     "a directory can only be mounted on a directory and a file on a file, and /proc, /sys and "
     "/dev of a root file system must be directories; look at both: ls -ld SOURCE TARGET"},
    {PRL_STAGE_MOUNTS, ESTALE, USAGE, "",
     "the path was replaced while the container was started, so it is not mounted; see who "
     "changes it: namei -l PATH"},
    {PRL_STAGE_MOUNTS, EISDIR, USAGE, "",
     "a directory can only be mounted on a directory and a file on a file; look at both: "
     "ls -ld SOURCE"},
    {PRL_STAGE_MOUNTS, ELOOP, USAGE, "",
     "the target is a symbolic link in the image, which is refused because it can lead "
     "anywhere; name the place it points to"},
    {PRL_STAGE_MOUNTS, EROFS, USAGE, "",
     "the target does not exist and the root is read-only; make it in the image, or mount a "
     "tmpfs above it: --tmpfs DIR"},
    {PRL_STAGE_MOUNTS, ENODEV, HOST, "",
     "the kernel does not have this type of file system: cat /proc/filesystems"},
    {PRL_STAGE_MOUNTS, EINVAL, USAGE, "",
     "the file system does not take these options, or the source cannot be cloned here; look "
     "at the mount: pyrootless run --print-spec IMAGE"},
    {PRL_STAGE_MOUNTS, ENOSPC, LAUNCH, "",
     "too many mounts, or a tmpfs is full; as administrator: sysctl -w fs.mount-max=100000"},
    {PRL_STAGE_MOUNTS, EXDEV, USAGE, "",
     "the path leads out of the container's root, which is refused; name the place itself"},
    {PRL_STAGE_MOUNTS, ENOSYS, HOST, "kernel",
     "the kernel lacks the mount calls that recursive options need (5.12); use plain ones: "
     "-v SOURCE:TARGET:ro"},
    {PRL_STAGE_MOUNTS, 0, LAUNCH, "",
     "look at the mount as it was asked for: pyrootless run --print-spec IMAGE"},

    /* devices, network, sysctl, terminal, rlimits */
    {PRL_STAGE_DEVICES, ENOENT, LAUNCH, "",
     "the device does not exist on this machine: ls -l /dev"},
    {PRL_STAGE_DEVICES, EACCES, LAUNCH, "",
     "your user may not open this device; join its group (administrator): usermod -aG GROUP "
     "USER"},
    {PRL_STAGE_DEVICES, EPERM, HOST, "user-namespaces",
     "the kernel refused to bind the device; devices of an outer container may be locked: "
     "ls -l /dev"},
    {PRL_STAGE_DEVICES, ELOOP, USAGE, "",
     "/dev or a device in it is a symbolic link in this root file system, which is refused; "
     "make it a real directory"},
    {PRL_STAGE_DEVICES, 0, LAUNCH, "", "the container's /dev could not be made: ls -l /dev"},
    {PRL_STAGE_NETWORK, EADDRINUSE, USAGE, "",
     "another program uses the port; see which, or have a free one chosen "
     "(-p CONTAINER_PORT): ss -ltnup"},
    {PRL_STAGE_NETWORK, EACCES, USAGE, "",
     "ports this low need the administrator; use a higher one (-p 8080:80), or let the "
     "administrator open them: sudo sysctl -w net.ipv4.ip_unprivileged_port_start=80"},
    {PRL_STAGE_NETWORK, EADDRNOTAVAIL, USAGE, "",
     "this machine has no such address; see those it has: ip addr"},
    {PRL_STAGE_NETWORK, ENOTCONN, HOST, "network-helpers",
     "the network helper gave up, its message is above; see: pyrootless doctor "
     "network-helpers tun"},
    {PRL_STAGE_NETWORK, ENOTSUP, HOST, "network-helpers",
     "the egress filter is a process under strict seccomp, which this kernel or an outer "
     "container refuses: run it on the host itself"},
    {PRL_STAGE_NETWORK, ENODEV, HOST, "tun",
     "the device of user-mode networks cannot be opened: pyrootless doctor tun"},
    {PRL_STAGE_NETWORK, ETIMEDOUT, HOST, "network-helpers",
     "the network helper was not ready in time and was ended; try the other one: "
     "pyrootless run --network slirp4netns … (or pasta)"},
    {PRL_STAGE_NETWORK, ENOENT, HOST, "network-helpers",
     "the network helper is not installed there; see: pyrootless doctor network-helpers"},
    {PRL_STAGE_NETWORK, EPERM, HOST, "namespaces",
     "the new network namespace has no capabilities (AppArmor?); use the host's "
     "network: pyrootless run --network host …"},
    {PRL_STAGE_NETWORK, 0, HOST, "namespaces",
     "loopback could not be brought up; use the host's network: "
     "pyrootless run --network host …"},
    {PRL_STAGE_SYSCTL, EACCES, LAUNCH, "",
     "this setting belongs to the whole machine or to a namespace that is not the container's "
     "own; leave the --sysctl out, or drop --network host"},
    {PRL_STAGE_SYSCTL, EPERM, LAUNCH, "",
     "this setting belongs to the whole machine or to a namespace that is not the container's "
     "own; leave the --sysctl out, or drop --network host"},
    {PRL_STAGE_SYSCTL, ENOENT, USAGE, "",
     "the kernel has no such setting: ls /proc/sys/net /proc/sys/kernel"},
    {PRL_STAGE_SYSCTL, EINVAL, USAGE, "",
     "the setting does not take this value; see the present one: sysctl NAME"},
    {PRL_STAGE_SYSCTL, EROFS, HOST, "proc",
     "/proc/sys is read-only here (an outer container); leave the --sysctl out"},
    {PRL_STAGE_SYSCTL, 0, LAUNCH, "", "see the setting's present value: sysctl NAME"},
    {PRL_STAGE_TERMINAL, ENXIO, USAGE, "",
     "there is no terminal to connect; leave -t out, or keep only -i"},
    {PRL_STAGE_TERMINAL, ENOTTY, USAGE, "",
     "standard input is not a terminal; leave -t out, or keep only -i"},
    {PRL_STAGE_TERMINAL, ENOSPC, HOST, "tty",
     "no pseudo-terminal is free; as administrator: sysctl -w kernel.pty.max=8192"},
    {PRL_STAGE_TERMINAL, EIO, LAUNCH, "",
     "the terminal went away while the container started; start it again"},
    {PRL_STAGE_TERMINAL, 0, LAUNCH, "tty",
     "the container's terminal could not be made; try without it: leave -t out"},
    {PRL_STAGE_RLIMITS, EPERM, LAUNCH, "",
     "a hard limit can only be lowered by an ordinary user; see yours: ulimit -aH"},
    {PRL_STAGE_RLIMITS, EINVAL, USAGE, "",
     "the soft limit must not exceed the hard one: --ulimit nofile=1024:4096"},
    {PRL_STAGE_RLIMITS, 0, LAUNCH, "", "see your own limits: ulimit -aH"},

    /* fake root */
    {PRL_STAGE_FAKEROOT, EBUSY, HOST, "fake-root",
     "an outer container has a fake root (or another supervisor of system calls) already, and "
     "the kernel allows only one; go without: --fake-root=off"},
    {PRL_STAGE_FAKEROOT, EINVAL, HOST, "fake-root",
     "the kernel cannot hand system calls to a supervisor (before 5.5); go without: "
     "--fake-root=off"},
    {PRL_STAGE_FAKEROOT, ENOENT, LAUNCH, "",
     "the launcher is not where it was when the image was prepared; prepare it again: "
     "pyrootless prepare IMAGE"},
    {PRL_STAGE_FAKEROOT, 0, HOST, "fake-root",
     "the fake root could not be set up (an outer container's filter?); go without: "
     "--fake-root=off"},

    /* user, groups, capabilities */
    {PRL_STAGE_CAPS, EINVAL, USAGE, "subordinate-ids",
     "the user or group is not mapped into the container; only one id is mapped: "
     "-u root, or -u with the id the program needs"},
    {PRL_STAGE_CAPS, EPERM, HOST, "apparmor",
     "the user namespace has no capabilities, or the groups were set after they were "
     "denied; as administrator: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"},
    {PRL_STAGE_CAPS, EDQUOT, LAUNCH, "",
     "your quota of kernel keys is used up; as administrator: sysctl -w "
     "kernel.keys.maxkeys=2000"},
    {PRL_STAGE_CAPS, 0, LAUNCH, "",
     "look at user and capabilities as they were asked for: pyrootless run --print-spec IMAGE"},

    /* landlock, descriptors, seccomp */
    {PRL_STAGE_LANDLOCK, ENOSYS, HOST, "landlock",
     "the kernel has no Landlock (before 5.13); go without the second fence: "
     "--security-opt landlock=off"},
    {PRL_STAGE_LANDLOCK, EOPNOTSUPP, HOST, "landlock",
     "Landlock is built in but switched off; add landlock to the kernel's lsm= list, or: "
     "--security-opt landlock=off"},
    {PRL_STAGE_LANDLOCK, E2BIG, LAUNCH, "landlock",
     "16 Landlock rules are stacked already (containers in containers); go without: "
     "--security-opt landlock=off"},
    {PRL_STAGE_LANDLOCK, 0, HOST, "landlock",
     "go without the second fence: --security-opt landlock=off"},
    {PRL_STAGE_FDS, ENOENT, USAGE, "",
     "the working directory does not exist in the container; make it in the image or choose "
     "another: -w /"},
    {PRL_STAGE_FDS, ENOTDIR, USAGE, "",
     "the working directory is not a directory in the container; choose another: -w /"},
    {PRL_STAGE_FDS, EACCES, LAUNCH, "",
     "the container's user may not enter the working directory; choose another: -w /"},
    {PRL_STAGE_FDS, ELOOP, USAGE, "",
     "the working directory leads through links without end; choose another: -w /"},
    {PRL_STAGE_FDS, EXDEV, LAUNCH, "",
     "the working directory lies outside the container's root, which is refused "
     "(CVE-2024-21626); choose another: -w /"},
    {PRL_STAGE_FDS, 0, LAUNCH, "",
     "descriptors or the working directory could not be made safe; choose another: -w /"},
    {PRL_STAGE_SECCOMP, ENOENT, STORE, "seccomp",
     "the compiled filter is gone from the cache; make it again: pyrootless prepare host"},
    {PRL_STAGE_SECCOMP, EACCES, LAUNCH, "seccomp",
     "a filter needs no_new_privs, which this launch leaves off; leave out: "
     "--security-opt no-new-privileges=false"},
    {PRL_STAGE_SECCOMP, EINVAL, LAUNCH, "seccomp",
     "the kernel refused the filter (seccomp not built in, or a damaged program); compile it "
     "again: pyrootless prepare host"},
    {PRL_STAGE_SECCOMP, EOPNOTSUPP, USAGE, "seccomp",
     "the profile may refuse a call that the start barrier of a prepared container needs; "
     "allow it, or start one container for each program: pyrootless run --rm IMAGE PROGRAM"},
    {PRL_STAGE_SECCOMP, EBADMSG, STORE, "seccomp",
     "the compiled filter is not what its digest says; remove the cache and make it again: "
     "rm -r ~/.local/share/pyrootless/cache/seccomp; pyrootless prepare host"},
    {PRL_STAGE_SECCOMP, ENOMEM, LAUNCH, "seccomp",
     "the filters on this process are longer than the kernel allows (containers in "
     "containers); go without: --security-opt seccomp=unconfined"},
    {PRL_STAGE_SECCOMP, 0, LAUNCH, "seccomp",
     "the filter could not be installed; compile it again: pyrootless prepare host"},

    /* exec: the program itself */
    {PRL_STAGE_EXEC, ENOENT, LAUNCH, "",
     "no such program in the container, or its interpreter (#! line, loader) is missing there; "
     "look inside: pyrootless run --rm IMAGE ls -l /usr/bin"},
    {PRL_STAGE_EXEC, ENOTDIR, LAUNCH, "",
     "a part of the program's path is not a directory in the container: ls -ld PATH"},
    {PRL_STAGE_EXEC, EACCES, LAUNCH, "",
     "the program is not executable, is a directory, or lies on a noexec mount: chmod +x "
     "PROGRAM"},
    {PRL_STAGE_EXEC, ENOEXEC, LAUNCH, "",
     "the file is not a program of this machine's architecture, or a script without #! line; "
     "look at it: file PROGRAM; uname -m"},
    {PRL_STAGE_EXEC, ELIBBAD, LAUNCH, "",
     "the program's loader is damaged or of another architecture: file PROGRAM; uname -m"},
    {PRL_STAGE_EXEC, ETXTBSY, LAUNCH, "",
     "the program is open for writing somewhere; close it and start again"},
    {PRL_STAGE_EXEC, E2BIG, LAUNCH, "",
     "arguments and environment are too long together; pass a file instead: getconf ARG_MAX"},
    {PRL_STAGE_EXEC, EPERM, LAUNCH, "",
     "the kernel or a security module refused the program; look at mount options and mode: "
     "ls -l PROGRAM"},
    {PRL_STAGE_EXEC, ENOMEM, LAUNCH, "", "no memory to start the program; see: free -m"},
    {PRL_STAGE_EXEC, 0, LAUNCH, "", "the program could not be executed: file PROGRAM"},

    /* monitor, host */
    {PRL_STAGE_MONITOR, 0, LAUNCH, "",
     "the container was ended because it could not be watched; start it again"},
    {PRL_STAGE_HOST, EPERM, HOST, "setuid",
     "the launcher must not be setuid or carry file capabilities; as administrator: "
     "chmod u-s,g-s PATH; setcap -r PATH"},
    {PRL_STAGE_HOST, ENOENT, HOST, "",
     "a part of the installation is missing; install it again: "
     "python3 -m pip install --force-reinstall pyrootless"},
    {PRL_STAGE_HOST, ENOSYS, HOST, "kernel",
     "the kernel is too old (5.10 is the oldest that is tried) or hides a call; see: uname -r"},
    {PRL_STAGE_HOST, 0, HOST, "kernel", "see what this machine lacks: pyrootless doctor"},

    /* layer: an archive becomes a tree */
    {PRL_STAGE_LAYER, EBADMSG, BROKEN, "",
     "the layer is damaged or hostile and was not stored; get it again, or ask its publisher: "
     "pyrootless pull IMAGE"},
    {PRL_STAGE_LAYER, ENOSPC, STORE, "store",
     "the disk (or its inodes) is full; remove images that nothing uses: "
     "pyrootless image prune"},
    {PRL_STAGE_LAYER, EDQUOT, STORE, "store",
     "your disk quota is used up; remove images that nothing uses: pyrootless image prune"},
    {PRL_STAGE_LAYER, EROFS, STORE, "store",
     "the store lies on a read-only file system; choose another place: "
     "pyrootless --root DIR … (or PYROOTLESS_ROOT=DIR)"},
    {PRL_STAGE_LAYER, EMFILE, STORE, "",
     "this process has too many open files; raise the limit: ulimit -n 4096"},
    {PRL_STAGE_LAYER, 0, STORE, "store",
     "the store must be writable, on a local file system; choose another: "
     "pyrootless --root DIR …"},

    /* fuse: the device of fuse-overlayfs */
    {PRL_STAGE_FUSE, ENOENT, HOST, "fuse",
     "fuse-overlayfs needs the device, which is not here; as administrator: modprobe fuse (in "
     "docker or podman: run the outer container with --device /dev/fuse)"},
    {PRL_STAGE_FUSE, EACCES, HOST, "fuse",
     "fuse-overlayfs needs the device, which this user may not open; as administrator: "
     "chmod 0666 /dev/fuse"},
    {PRL_STAGE_FUSE, EPERM, HOST, "fuse",
     "an outer container keeps the device from its programs; run that one with: "
     "--device /dev/fuse"},
    {PRL_STAGE_FUSE, 0, HOST, "fuse",
     "fuse-overlayfs needs the device; see what it lacks: pyrootless doctor fuse"},

    /* limits: what holds them */
    {PRL_STAGE_LIMITS, EOPNOTSUPP, HOST, "cgroup",
     "have one delegated, by the commands of: pyrootless doctor cgroup; or allow the weaker "
     "form: --limits=best-effort"},
    {PRL_STAGE_LIMITS, EINVAL, USAGE, "cgroup",
     "the kernel refused the value; see what it takes: cat "
     "/sys/fs/cgroup/cpuset.cpus.effective "
     "/proc/partitions"},
    {PRL_STAGE_LIMITS, ENODEV, USAGE, "", "throttles are for whole disks; see them: lsblk"},
    {PRL_STAGE_LIMITS, 0, HOST, "cgroup",
     "the control group could not be made or entered; see what is delegated to you: "
     "pyrootless doctor cgroup"},

    /* box: a sandbox's files */
    {PRL_STAGE_BOX, ENOSPC, USAGE, "",
     "the files given are larger than the disk limit: raise it"},
    {PRL_STAGE_BOX, EDQUOT, USAGE, "",
     "the files given are larger than the disk limit: raise it"},
    {PRL_STAGE_BOX, ETOOMANYREFS, LAUNCH, "", TOO_MANY_REFS},
    {PRL_STAGE_BOX, 0, LAUNCH, "", "look at the name of the file given"},

    /* verify: what was asked for, read back */
    {PRL_STAGE_VERIFY, EPROTO, LAUNCH, "",
     "the program was ended before it began; if the kernel is an ordinary one this is a fault "
     "of pyrootless: report it with what \"pyrootless doctor\" prints"},
    {PRL_STAGE_VERIFY, 0, LAUNCH, "",
     "here nothing can be read back: ptrace(2) or /proc is kept from you; run without "
     "--verify"},

    /* warm: a copy of an interpreter */
    {PRL_STAGE_WARM, ENOSYS, HOST, "kernel", WARM_NEEDS},
    {PRL_STAGE_WARM, EINVAL, HOST, "kernel", WARM_NEEDS},
    {PRL_STAGE_WARM, 0, LAUNCH, "", "see whether the same box can be made without `warm`"},

    /* volumes: made, held, filled, removed */
    {PRL_STAGE_VOLUMES, ESRCH, STATE, "", "see which volumes there are: pyrootless volume ls"},
    {PRL_STAGE_VOLUMES, EBUSY, STATE, "",
     "remove the containers that use it first: pyrootless rm CONTAINER"},
    {PRL_STAGE_VOLUMES, EEXIST, STATE, "",
     "take another name, or remove the volume that has it: pyrootless volume rm NAME"},
    {PRL_STAGE_VOLUMES, EBADMSG, STORE, "store",
     "something else made or damaged it, and it is left alone; look, and remove it yourself: "
     "ls -la DATA/volumes/NAME"},
    {PRL_STAGE_VOLUMES, ENOSPC, STORE, "store",
     "the disk (or its inodes) is full; see what can go: pyrootless system df"},
    {PRL_STAGE_VOLUMES, EDQUOT, STORE, "store",
     "your disk quota is used up; see what can go: pyrootless system df"},
    {PRL_STAGE_VOLUMES, E2BIG, USAGE, "",
     "the image's directories lie too deep in each other to be copied into the volume; leave "
     "it "
     "empty: -v NAME:TARGET:nocopy"},
    {PRL_STAGE_VOLUMES, 0, STORE, "store",
     "leave the volume empty: -v NAME:TARGET:nocopy; or look at it: pyrootless volume inspect "
     "NAME"},
    {PRL_STAGE_NONE, 0, "", "", ""},
};

const struct prl_remedy *prl_error_remedy(const struct prl_error *error)
{
    for (const struct prl_remedy *row = prl_remedies; row->stage != PRL_STAGE_NONE; row++)
        if (row->stage == error->stage && (row->errnum == error->errnum || row->errnum == 0))
            return row;
    return NULL;
}
