# attack: reads an input that stays open and brings nothing
# verdict: ILE
# outside: it ends at the wall limit
# limits: wall=3s
# stdin: open

import sys

sys.stdin.read()
