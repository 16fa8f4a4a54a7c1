# attack: writes to the kernel's log and the system's
# verdict: OK
# outside: nothing arrives
# limits: cpu=10s wall=60s

import ctypes
import os
import socket

libc = ctypes.CDLL(None, use_errno=True)
for place in ("/dev/kmsg", "/proc/kmsg", "/proc/sysrq-trigger"):
    try:
        os.write(os.open(place, os.O_WRONLY), b"pyrootless-hostile-mark")
    except OSError:
        continue
    raise SystemExit(f"through: {place}")
if libc.klogctl(3, ctypes.create_string_buffer(4096), 4096) > 0:
    raise SystemExit("through: syslog")
for place in ("/dev/log", "/run/systemd/journal/socket", "/run/systemd/journal/dev-log"):
    try:
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).connect(place)
    except OSError:
        continue
    raise SystemExit(f"through: {place}")
