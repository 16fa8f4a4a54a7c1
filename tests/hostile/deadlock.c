/* attack: two threads that wait for each other's lock
 * verdict: ILE
 * outside: it is ended long before the wall limit
 * limits: wall=120s
 * holds: wall-ms ..30000 */
#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t left = PTHREAD_MUTEX_INITIALIZER, right = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t both;

static void *other(void *unused)
{
    pthread_mutex_lock(&right);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&left);
    return unused;
}

int main(void)
{
    pthread_t thread;
    pthread_barrier_init(&both, NULL, 2);
    pthread_mutex_lock(&left);
    pthread_create(&thread, NULL, other, NULL);
    pthread_barrier_wait(&both);
    pthread_mutex_lock(&right);
    return 0;
}
