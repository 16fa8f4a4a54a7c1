# attack: looks for its grader in the interpreter: frames, modules, arguments, sources of tests
# verdict: OK
# outside: nothing of a grader is there
# limits: cpu=10s wall=60s

import inspect
import os
import sys

found = []
if len(inspect.stack(0)) != 1:
    found.append("a frame above the program's")
for name, module in list(sys.modules.items()):
    file = getattr(module, "__file__", None) or "/usr/"
    if name != "__main__" and not file.startswith("/usr/"):
        found.append(f"the module {name} of {file}")
    if name.partition(".")[0] in ("pytest", "unittest", "doctest", "pyrootless"):
        found.append(f"the module {name}")
own = os.path.basename(__file__)
if [os.path.basename(word) for word in sys.argv] != [own]:
    found.append(f"arguments: {sys.argv}")
others = set(os.listdir(".")) - {own, "__pycache__"}
if others:
    found.append(f"files: {others}")
raise SystemExit(f"through: {', '.join(found)}" if found else 0)
