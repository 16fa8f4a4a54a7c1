# attack: writes NUL bytes, half letters and orders to a terminal, all in one line
# verdict: OLE
# outside: the bytes are kept as they came
# limits: cpu=10s wall=60s output=64K
# holds: stdout-bytes 65536..65536

import sys

ODD = b"\0\xff\xfe\xed\xa0\x80\x1b[2J\x1b]0;title\x07\x1b[31m<script>alert(1)</script>" * 512
while True:
    sys.stdout.buffer.write(ODD)
