/* attack: compiles to a program that is larger than the disk of its run
 * verdict: DLE
 * outside: the run is its own failure and nobody else's */
volatile char large[17 << 20] = {1};

int main(void)
{
    return large[0] - 1;
}
