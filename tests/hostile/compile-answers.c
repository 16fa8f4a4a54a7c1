/* attack: includes files of the host's and the answers
 * verdict: CE
 * outside: the compiler's box has the source alone
 * limits: cpu=2s wall=60s memory=512M procs=64 disk=64M inodes=1024 output=64K
 * at: compile */
#include "../answers"
#include "/etc/shadow"
#include "/proc/1/environ"
int main(void)
{
    return 0;
}
