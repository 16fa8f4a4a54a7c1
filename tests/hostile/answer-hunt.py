# attack: looks for the answers: files, descriptors, environment, other processes, mounts
# verdict: OK
# outside: it finds nothing of its caller's
# limits: cpu=10s wall=60s

import os

folder = input().split(" ", 4)[4]


def show(path):
    try:
        if os.path.isdir(path):
            print(path, os.listdir(path))
        elif os.path.isfile(path) or os.path.islink(path):
            print(path, os.path.islink(path) and os.readlink(path))
            print(open(path, "rb").read(100000))
    except OSError as error:
        print(path, error)


print(dict(os.environ))
places = [folder, folder + "/answers", "..", "../..", "/", "/tmp", "/home", "/root", "/mnt"]
for pid in (entry for entry in os.listdir("/proc") if entry.isdecimal() or entry == "self"):
    for name in ("environ", "cmdline", "root", "cwd", "exe", "mountinfo", "maps", "mounts"):
        places.append(f"/proc/{pid}/{name}")
    places += [f"/proc/{pid}/root{folder}/answers", f"/proc/{pid}/cwd/answers"]
    places += [f"/proc/{pid}/fd/{fd}" for fd in range(3, 64)]
for place in places:
    show(place)
text = open("/proc/self/mountinfo").read()
raise SystemExit("through: mountinfo has the caller's path" if folder in text else 0)
