/* attack: includes a device that never ends
 * verdict: CE
 * outside: the compiler has limits as programs have
 * limits: cpu=2s wall=60s memory=512M procs=64 disk=64M inodes=1024 output=64K
 * at: compile */
#include "/dev/zero"
int main(void)
{
    return 0;
}
