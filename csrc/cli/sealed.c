/* sealed.c: this program from a copy that nobody can write.
 * In: our own executable.  Out: the same program, running from a sealed memory file.
 * Never: a second time.
 *
 * A hostile container can make what it is asked to execute lead to /proc/self/exe, in the
 * moment between our look at it and the kernel's (CVE-2019-5736).  Landlock keeps the
 * container's programs from executing or opening our file; where there is none, our file is
 * this copy. Source: memfd_create(2), F_ADD_SEALS. */
#include "cli/sealed.h"

#include "base/error.h"
#include "base/memory_file.h"
#include "base/own.h"
#include "base/sys.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static int copy_all(int from, int to)
{
    struct stat st;
    if (fstat(from, &st) < 0)
        return -errno;
    for (off_t left = st.st_size; left > 0;) {
        ssize_t n = sendfile(to, from, NULL, (size_t)left);
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        left -= n;
    }
    return 0;
}

int prl_exec_sealed(char **argv, struct prl_error *reterr)
{
    _cleanup_close_ int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (self < 0)
        return prl_fail(reterr, PRL_STAGE_EXEC, "open", "/proc/self/exe");
    if (prl_memory_file_is_sealed(self))
        return 0;
    _cleanup_close_ int copy = prl_memory_file_open("pyrootless");
    int r = copy < 0 ? -errno : copy_all(self, copy);
    if (r < 0)
        return prl_fail_with(reterr, PRL_STAGE_EXEC, -r, "memfd_create", "a copy of ourselves");
    if (prl_memory_file_seal(copy) < 0)
        return prl_fail(reterr, PRL_STAGE_EXEC, "fcntl F_ADD_SEALS", "a copy of ourselves");
    syscall(SYS_execveat, copy, "", argv, environ, AT_EMPTY_PATH);
    return prl_fail(reterr, PRL_STAGE_EXEC, "execveat", "a copy of ourselves");
}
