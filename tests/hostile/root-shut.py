# attack: takes all permissions from its root and the directories of a file to be collected
# verdict: OK
# outside: the file is collected, and nothing raises
# collect: d/out.txt
import os

os.mkdir("d")
with open("d/out.txt", "w") as out:
    out.write("42\n")
for name in ("d", ".", "/"):
    os.chmod(name, 0)
