# attack: fills every place it can write to, one after the other
# verdict: DLE
# outside: all of it counts, and is gone afterwards
# limits: cpu=10s wall=60s disk=8M inodes=256

for place in / /box /tmp /dev/shm /var/tmp /run /run/lock /home /root /usr /etc /proc /dev; do
    head -c 3000000 /dev/zero > "$place/pyrootless-hostile-mark" 2> /dev/null
done
exit 0
