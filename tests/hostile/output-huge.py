# attack: leaves sparse output, which is larger in memory than on the disk
# verdict: FE DLE OK
# outside: no more than the limit of the disk is kept
# limits: cpu=10s wall=60s disk=2M inodes=256
# collect: out*

for i in range(50):
    with open(f"out{i}", "wb") as file:
        file.truncate(2 << 20)
