# attack: takes processor time from itself in Python, with a handler for the soft limit
# verdict: TLE
# outside: every limit of processor time is told as one
# limits: cpu=1300ms wall=60s
# holds: cpu-ms 1300..2000
import resource
import signal


def leave(*_: object) -> None:
    raise SystemExit(0)


signal.signal(signal.SIGXCPU, leave)
resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
while True:
    pass
