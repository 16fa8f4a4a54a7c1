# attack: reads an input that stays open and brings nothing
# verdict: ILE
# outside: it ends at the wall limit
# limits: wall=1s
# stdin: open

import sys

sys.stdin.read()
