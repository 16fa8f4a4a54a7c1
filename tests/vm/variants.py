"""The kinds of hosts a machine can be turned into: one script each.

In: nothing.  Out: VARIANTS.  Never: a change that the next machine would see: every machine
starts from the same saved state.
"""

from __future__ import annotations

DELEGATE = "/etc/systemd/system/user@.service.d/delegate.conf"
RESTART = "systemctl daemon-reload && systemctl restart user@1000.service"
PROFILES = "apparmor_parser -rK /usr/local/lib/vm/apparmor"

# Name → (what it is, the script that root runs in the guest before the command starts).
VARIANTS = {
    "no-userns": (
        "user.max_user_namespaces=0: unshare fails with ENOSPC",
        "sysctl -qw user.max_user_namespaces=0",
    ),
    "userns-clone-off": (
        "Debian's kernel.unprivileged_userns_clone=0: unshare fails with EPERM",
        "sysctl -qw kernel.unprivileged_userns_clone=0",
    ),
    "no-subid": (
        "the user has no lines in /etc/subuid and /etc/subgid",
        "sed -i /^student:/d /etc/subuid /etc/subgid",
    ),
    "no-newuidmap": (
        "newuidmap and newgidmap are not installed",
        "rm -f /usr/bin/newuidmap /usr/bin/newgidmap",
    ),
    "newuidmap-nosuid": (
        "newuidmap and newgidmap are there, but not setuid",
        "chmod u-s /usr/bin/newuidmap /usr/bin/newgidmap",
    ),
    "no-fuse": ("/dev/fuse is missing", "rm -f /dev/fuse"),
    "fuse-0600": ("/dev/fuse is there, but only root may open it", "chmod 0600 /dev/fuse"),
    "no-tun": ("/dev/net/tun is missing", "rm -f /dev/net/tun"),
    "swap": (
        "256 MiB of swap (without it the guest has none)",
        "fallocate -l 256M /swapfile && chmod 600 /swapfile && "
        "mkswap -q /swapfile && swapon /swapfile",
    ),
    "stock-delegation": (
        "systemd's own default for user@.service: no cpuset and no io",
        f"rm {DELEGATE} && {RESTART}",
    ),
    "no-cpu-delegation": (
        "as before systemd 252: only memory and pids are delegated",
        f"printf '[Service]\\nDelegate=\\nDelegate=pids memory\\n' >{DELEGATE} && {RESTART}",
    ),
    "no-session": (
        "no systemd user session: no user manager, bus or XDG_RUNTIME_DIR",
        "rm -f /var/lib/systemd/linger/student && "
        "sed -i '/pam_systemd/d' /etc/pam.d/* && systemctl stop user@1000.service && "
        "systemctl stop user-runtime-dir@1000.service; touch /run/vm-no-session",
    ),
    "aa-deny-userns": (
        "AppArmor profile that refuses to create a user namespace (EACCES)",
        f"{PROFILES} && echo vm-deny-userns >/run/vm-aa-profile",
    ),
    "aa-userns-nocaps": (
        "like Ubuntu 24.04: the user namespace is made, but holds no capability",
        f"{PROFILES} && echo vm-userns-nocaps >/run/vm-aa-profile",
    ),
}
