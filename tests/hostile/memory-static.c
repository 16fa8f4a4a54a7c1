/* attack: has a static array larger than the limit
 * verdict: MLE
 * outside: the verdict is not a bare signal
 * limits: cpu=10s wall=60s memory=64M */
#include <string.h>

static char array[512 << 20];

int main(void)
{
    memset(array, 1, sizeof array);
    return array[1000] != 1;
}
