# attack: opens devices and writes to the kernel's switches
# verdict: OK
# outside: refused, or not there
# limits: cpu=10s wall=60s

import itertools
import os

PLACES = """
/dev/mem /dev/kmem /dev/port /dev/sda /dev/vda /dev/loop0 /dev/loop-control /dev/fuse /dev/kvm
/dev/net/tun /dev/kmsg /dev/ptmx /dev/vsock /dev/uinput /dev/mapper/control /dev/userfaultfd
/proc/sys/kernel/core_pattern /proc/sys/vm/overcommit_memory /proc/sys/kernel/hostname
/proc/sysrq-trigger /proc/1/mem /proc/kcore /proc/kallsyms /proc/keys /proc/timer_list
/sys/kernel/uevent_helper /sys/fs/cgroup/cgroup.procs
/sys/fs/cgroup/memory/memory.limit_in_bytes
/proc/1/oom_score_adj /proc/1/setgroups /proc/1/uid_map /proc/self/uid_map
""".split()
through = []
for place, mode in itertools.product(PLACES, (os.O_RDONLY, os.O_WRONLY, os.O_RDWR)):
    try:
        fd = os.open(place, mode)
        if mode != os.O_RDONLY:
            os.write(fd, b"0 0 1")
            through.append(place)
        elif place.startswith("/dev/"):
            through.append(place)
    except OSError:
        pass
if through:
    raise SystemExit(f"through: {through}")
