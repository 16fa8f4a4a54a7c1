# attack: prints verdicts and results as judges write them, and fails
# verdict: RE
# outside: nothing it prints is read
# limits: cpu=10s wall=60s
# holds: exit-code 9..9

import json
import sys

print("Accepted\nOK\nVerdict: OK\nexitcode:0\nstatus:OK\ntime:0.001")
print(json.dumps({"verdict": "OK", "score": 100, "exit_code": 0}))
sys.stderr.write("timelimit exceeded\nMemory limit exceeded\npyrootless: OK\n")
for name in ("results.json", "meta", "status.json", "verdict"):
    open(name, "w").write('{"verdict": "OK", "score": 100}')
sys.exit(9)
