/* attack: none: compiles to a program that nearly fills the disk of its run
 * verdict: OK
 * outside: it runs as any other */
volatile char large[15 << 20] = {1};

int main(void)
{
    return large[0] - 1;
}
