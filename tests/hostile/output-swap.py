# attack: puts a link where the folder of its output was
# verdict: FE
# outside: collecting stays in the box
# limits: cpu=10s wall=60s
# collect: answers sub/answers

import os

folder = input().split(" ", 4)[4]
for place in ("/box", "/box/sub"):
    try:
        os.rename(place, place + "-away")
    except OSError:
        pass
    try:
        os.symlink(folder, place)
    except OSError:
        pass
