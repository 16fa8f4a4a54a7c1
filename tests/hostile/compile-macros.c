/* attack: a macro that doubles forty times
 * verdict: CE
 * outside: the compiler has limits as programs have
 * limits: cpu=2s wall=60s memory=512M procs=64 disk=64M inodes=1024 output=64K
 * at: compile */
#define A(x) x x
#define B(x) A(A(A(A(A(x)))))
#define C(x) B(B(B(B(B(B(B(B(x))))))))
int main(void)
{
    C(;) return 0;
}
