# attack: its output files are a link to /dev/zero, a FIFO and a folder
# verdict: FE
# outside: nothing is opened that waits
# limits: wall=60s
# collect: zero fifo folder
# holds: wall-ms ..30000

ln -s /dev/zero zero
mkfifo fifo
mkdir folder
