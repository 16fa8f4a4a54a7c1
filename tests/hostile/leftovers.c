/* attack: leaves files, sockets, locks and memory for the next run, and looks for them
 * verdict: OK
 * outside: the second run finds nothing of the first
 * repeat: 2 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char *places[] = {"/box", "/tmp", "/dev/shm", "/var/tmp", "/run", "/"};

static int leave_files(void)
{
    char path[100];
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s/pyrootless-hostile-mark", places[i]);
        if (access(path, F_OK) == 0)
            return printf("through: %s\n", path);
        close(open(path, O_CREAT | O_WRONLY, 0666));
    }
    return 0;
}

static int leave_socket(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    memcpy(name.sun_path + 1, "pyrootless-left", 15);
    if (bind(fd, (struct sockaddr *)&name, sizeof name) < 0)
        return printf("through: abstract socket\n");
    return listen(fd, 1);
}

int main(void)
{
    int wrong = leave_files() || leave_socket();
    if (shmget(0x5a4d, 4096, IPC_CREAT | IPC_EXCL | 0666) < 0 && 0)
        wrong = 1;
    msgget(0x5a4d, IPC_CREAT | 0666);
    int lock = open("/usr/bin/env", O_RDONLY);
    if (flock(lock, LOCK_EX | LOCK_NB) < 0)
        wrong |= printf("through: the lock of a run before\n");
    if (fork() == 0) { /* holds it as long as it lives */
        setsid();
        for (;;)
            pause();
    }
    return wrong != 0;
}
