/* attack: a program of 4 GiB from one line
 * verdict: CE
 * outside: the compiler's files have a limit
 * limits: cpu=2s wall=60s memory=512M procs=64 disk=64M inodes=1024 output=64K
 * at: compile */
char large[1ul << 32] = {1};
int main(void)
{
    return large[0];
}
