/* module.c: a Python module that makes copies of its interpreter in boxes.
 * In: orders on a socket (orders.h); in each copy one request (init/wish.h).  Out: a copy
 * in all namespaces of its box, without a capability, under the box's filter, with the
 * descriptors 0, 1, 2 and its request's only; later arguments and environment for
 * zygote_main.py. Never: a byte of a student's in the zygote: the copy reads the request.  A C
 * library of its own: whatever interpreter an image has loads it, and it takes fork(2) and
 * Python's stable interface from that process; everything else is a system call.
 *
 * Three processes, each a child of the one before:
 *   opener   shares the zygote's memory; enters the box's namespaces
 *   carrier  shares it too; born in the box, gives up everything, then fork(2)
 *   copy     has its own memory; when the carrier is gone it is a child of the box's init
 * The zygote sleeps until opener and carrier are gone (as with vfork), so they may use its
 * stack. Source: setns(2), fork(2), docs.python.org/3/c-api/stable.html. */
#define Py_LIMITED_API 0x03090000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "init/bare.h"

#include "init/wish.h"
#include "sandbox/zygote/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>

enum { STREAMS = 3, WISH_FD = 3, MOST_CAPS = 64, FAILED = 125, UNFLUSHED = 120 };

static struct {
    struct prl_zygote_order order;
    char filter[PRL_ZYGOTE_FILTER_BYTES];
    int fds[PRL_ZYGOTE_FDS];
    /* Why there is no copy: written by whoever failed. */
    long error;
    const char *call_name, *subject;
} now;

static _Noreturn void leave(int code)
{
    for (;;)
        call(NR_EXIT, (ulong)code, 0, 0, 0);
}

static int fail(long error, const char *call_name, const char *subject)
{
    now.error = error;
    now.call_name = call_name;
    now.subject = subject;
    return -1;
}

static void wait_for(long pid)
{
    while (call(NR_WAIT4, (ulong)pid, 0, 0, 0) == -EINTR)
        ;
}

/* 0, 1, 2 and the request's; all others closed. */
static int take_descriptors(void)
{
    long null_fd = call(NR_OPENAT, (ulong)AT_FDCWD, (ulong) "/dev/null", O_RDONLY, 0);
    if (null_fd < 0 || call(NR_DUP3, (ulong)null_fd, 0, 0, 0) < 0 ||
        call(NR_DUP3, (ulong)now.fds[PRL_ZYGOTE_OUT], 1, 0, 0) < 0 ||
        call(NR_DUP3, (ulong)now.fds[PRL_ZYGOTE_ERR], 2, 0, 0) < 0)
        return fail(null_fd < 0 ? null_fd : -EBADF, "dup3", "standard streams");
    if (now.fds[PRL_ZYGOTE_WISH] != WISH_FD &&
        call(NR_DUP3, (ulong)now.fds[PRL_ZYGOTE_WISH], WISH_FD, O_CLOEXEC, 0) < 0)
        return fail(-EBADF, "dup3", "socket of the request");
    long r = call(NR_CLOSE_RANGE, WISH_FD + 1, ~0u, 0, 0);
    return r < 0 ? fail(r, "close_range", "descriptors of the zygote") : 0;
}

/* What entering the box's user namespace has brought. */
static int drop_powers(void)
{
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct none[2] = {{0, 0, 0}, {0, 0, 0}};
    long r = 0;
    for (ulong cap = 0; cap < MOST_CAPS && r == 0; cap++)
        r = call(NR_PRCTL, PR_CAPBSET_DROP, cap, 0, 0);
    if (r < 0 && r != -EINVAL) /* beyond the kernel's last one */
        return fail(r, "prctl PR_CAPBSET_DROP", "");
    r = call6(NR_PRCTL, (const ulong[6]){PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0});
    if (r < 0)
        return fail(r, "prctl PR_CAP_AMBIENT", "");
    r = call(NR_CAPSET, (ulong)&header, (ulong)none, 0, 0);
    if (r < 0)
        return fail(r, "capset", "");
    r = call6(NR_PRCTL, (const ulong[6]){PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0});
    return r < 0 ? fail(r, "prctl", "PR_SET_NO_NEW_PRIVS") : 0;
}

static int load_filter(void)
{
    struct sock_fprog program = {
        .len = (unsigned short)(now.order.filter_bytes / sizeof(struct sock_filter)),
        .filter = (struct sock_filter *)(void *)now.filter};
    long r = call(NR_SECCOMP, SECCOMP_SET_MODE_FILTER, 0, (ulong)&program, 0);
    return r < 0 ? fail(r, "seccomp", "the box's filter") : 0;
}

/* The carrier.  1: this is the copy. */
__attribute__((noinline)) static int carry(void)
{
    call(NR_UMASK, now.order.umask, 0, 0, 0);
    long r = call(NR_CHDIR, (ulong)now.order.cwd, 0, 0, 0);
    if (r < 0)
        return fail(r, "chdir", now.order.cwd);
    if (take_descriptors() < 0 || drop_powers() < 0 || load_filter() < 0)
        return -1;
    pid_t pid = fork(); /* the C library's own: its locks, and what modules do around it */
    if (pid == 0)
        call(NR_SETSID, 0, 0, 0, 0);
    return pid == 0 ? 1 : pid < 0 ? fail(-EAGAIN, "fork", "the copy") : 0;
}

/* The opener.  1: this is the copy. */
__attribute__((noinline)) static int open_box(void)
{
    const ulong all =
        CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNS;
    long r = call(NR_SETNS, (ulong)now.fds[PRL_ZYGOTE_BOX], all, 0, 0);
    if (r < 0)
        return fail(r, "setns", "the box's namespaces");
    long pid = fork_here(CLONE_VM | CLONE_VFORK | SIGCHLD);
    if (pid == 0) {
        if (carry() == 1)
            return 1;
        leave(0);
    }
    if (pid < 0)
        return fail(pid, "clone", "in the box");
    wait_for(pid); /* and so the copy is the init's child */
    return 0;
}

/* 1: this is the copy. */
__attribute__((noinline)) static int make_copy(void)
{
    now.error = 0;
    long pid = fork_here(CLONE_VM | CLONE_VFORK | SIGCHLD);
    if (pid == 0) {
        if (open_box() == 1)
            return 1;
        leave(0);
    }
    if (pid < 0)
        return fail(pid, "clone", "the zygote");
    wait_for(pid);
    return 0;
}

/* false: nobody will order anything more. */
static bool receive_order(int control_fd)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof now.fds)];
    } control;
    struct iovec parts[2] = {{&now.order, sizeof now.order}, {now.filter, sizeof now.filter}};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = 2,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    long n;
    do
        n = call(NR_RECVMSG, (ulong)control_fd, (ulong)&message, MSG_CMSG_CLOEXEC, 0);
    while (n == -EINTR);
    if (n < (long)sizeof now.order || message.msg_flags & (MSG_CTRUNC | MSG_TRUNC) ||
        message.msg_controllen < CMSG_LEN(sizeof now.fds) ||
        (ulong)n != sizeof now.order + now.order.filter_bytes)
        return false;
    memcpy(now.fds, CMSG_DATA(&control.header), sizeof now.fds);
    return true;
}

/* --- the copy --- */

static void read_all(char *to, ulong size)
{
    while (size > 0) {
        long n = call(NR_READ, WISH_FD, (ulong)to, size, 0);
        if (n <= 0)
            leave(0); /* nobody will ever wish anything */
        to += n;
        size -= (ulong)n;
    }
}

static void receive_head(struct prl_wish_head *head)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(STREAMS * sizeof(int))];
    } control;
    struct iovec part = {head, sizeof *head};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    long n = call(NR_RECVMSG, WISH_FD, (ulong)&message, MSG_CMSG_CLOEXEC, 0);
    if (n != (long)sizeof *head)
        leave(0);
    bool any = message.msg_controllen >= sizeof(struct cmsghdr);
    const int *came = any ? (const int *)(void *)CMSG_DATA(&control.header) : NULL;
    for (ulong i = 0; i < STREAMS; i++) {
        if (!came || !(head->streams >> i & 1))
            continue;
        if (call(NR_DUP3, (ulong)*came, i, 0, 0) < 0)
            leave(FAILED);
        call(NR_CLOSE, (ulong)*came++, 0, 0, 0);
    }
}

/* A list of bytes: the strings that the numbers at `at` lead to. */
static PyObject *list_at(char *block, uint32_t at)
{
    PyObject *list = PyList_New(0);
    for (const uint64_t *n = (const uint64_t *)(void *)(block + at); list && *n; n++) {
        PyObject *text = PyBytes_FromString(block + *n);
        if (!text || PyList_Append(list, text) < 0)
            return NULL;
        Py_DecRef(text);
    }
    return list;
}

/* --- what zygote_main.py calls --- */

static PyObject *serve(PyObject *module, PyObject *args)
{
    int control_fd;
    (void)module;
    if (!PyArg_ParseTuple(args, "i", &control_fd))
        return NULL;
    for (;;) {
        static const struct prl_error good;
        if (now.error)
            report(control_fd, PRL_STAGE_WARM, now.error,
                   (const char *[]){now.call_name, now.subject});
        else
            call(NR_WRITE, (ulong)control_fd, (ulong)&good, sizeof good, 0);
        PyThreadState *state = PyEval_SaveThread();
        bool ordered = receive_order(control_fd);
        PyEval_RestoreThread(state);
        if (!ordered)
            Py_RETURN_NONE;
        PyOS_BeforeFork();
        if (make_copy() == 1) {
            PyOS_AfterFork_Child();
            static const struct prl_error marker;
            struct prl_wish_head head;
            receive_head(&head);
            char *block = PyMem_Malloc(head.size);
            if (!block)
                return PyErr_NoMemory();
            read_all(block, head.size);
            PyObject *words = list_at(block, head.args_at), *env = list_at(block, head.env_at);
            PyMem_Free(block);
            call(NR_WRITE, WISH_FD, (ulong)&marker, sizeof marker, 0);
            call(NR_CLOSE, WISH_FD, 0, 0, 0);
            return words && env ? Py_BuildValue("(NN)", words, env) : NULL;
        }
        PyOS_AfterFork_Parent();
        for (int i = 0; i < PRL_ZYGOTE_FDS; i++)
            call(NR_CLOSE, (ulong)now.fds[i], 0, 0, 0);
    }
}

/* What is to be done in this copy; no frame refers to it. */
static struct {
    PyObject *maker, *words, *names, *ending;
} task;

static PyObject *prepare(PyObject *module, PyObject *args)
{
    (void)module;
    if (!PyArg_ParseTuple(args, "OOOO", &task.maker, &task.words, &task.names, &task.ending))
        return NULL;
    Py_IncRef(task.maker);
    Py_IncRef(task.words);
    Py_IncRef(task.names);
    Py_IncRef(task.ending);
    Py_RETURN_NONE;
}

/* The exit code that a SystemExit asks for, as an interpreter understands it. */
static int code_of_exit(void)
{
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    PyErr_NormalizeException(&type, &value, &trace);
    PyObject *code = value ? PyObject_GetAttrString(value, "code") : NULL;
    int number = 1;
    if (code == Py_None)
        number = 0;
    else if (code && PyLong_Check(code))
        number = (int)PyLong_AsLong(code);
    else if (code && PyFile_WriteObject(code, PySys_GetObject("stderr"), Py_PRINT_RAW) == 0)
        PySys_WriteStderr("\n");
    PyErr_Clear();
    Py_DecRef(code);
    Py_DecRef(value);
    Py_DecRef(type);
    Py_DecRef(trace);
    return number;
}

/* A program is to find no frame above its own: Python's stack of calls, with this module's
 * caller on it, is exchanged for an empty one.  Nobody returns there. */
static void leave_frames(void)
{
    PyInterpreterState *interpreter = PyInterpreterState_Get();
    PyThreadState_Clear(PyThreadState_Get());
    PyThreadState_Delete(PyEval_SaveThread());
    PyEval_RestoreThread(PyThreadState_New(interpreter));
}

/* What main() of an interpreter does at its end, except taking the interpreter apart, which
 * would touch, and so copy, all of its memory. Ctrl-C ends it by the signal. */
static PyObject *finish(PyObject *module, PyObject *args)
{
    bool interrupted = false;
    int code = 0;
    (void)module, (void)args;
    leave_frames();
    PyObject *made = PyObject_CallObject(task.maker, task.words);
    if (made && task.names != Py_None)
        Py_DecRef(PyEval_EvalCode(made, task.names, task.names));
    if (PyErr_Occurred() && PyErr_ExceptionMatches(PyExc_SystemExit)) {
        code = code_of_exit();
    } else if (PyErr_Occurred()) {
        interrupted = PyErr_ExceptionMatches(PyExc_KeyboardInterrupt);
        PyErr_PrintEx(1);
        code = 1;
    }
    Py_DecRef(made);
    Py_DecRef(task.names);
    PyObject *well = PyObject_CallObject(task.ending, NULL);
    if (well != Py_True)
        code = UNFLUSHED;
    if (interrupted) {
        PyOS_setsig(SIGINT, SIG_DFL);
        call(NR_KILL, (ulong)call(NR_GETPID, 0, 0, 0, 0), SIGINT, 0, 0);
    }
    exit(code);
}

static PyMethodDef methods[] = {
    {"serve", serve, METH_VARARGS,
     "serve(fd) -> (args, env) in a copy, once it is told what to run; None in the zygote, "
     "when "
     "nobody orders any more."},
    {"prepare", prepare, METH_VARARGS, "prepare(maker, words, names, ending): for finish()."},
    {"finish", finish, METH_NOARGS,
     "finish(): call the maker, execute the code it made with these names unless they are "
     "None, "
     "and end as an interpreter does; ending() -> whether everything could be written."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_zygote",
    .m_doc = "Copies of an interpreter in boxes; see docs/decisions/0012-zygote.md.",
    .m_size = -1,
    .m_methods = methods,
};

PyMODINIT_FUNC PyInit__zygote(void);
__attribute__((visibility("default"))) PyObject *PyInit__zygote(void)
{
    return PyModule_Create(&definition);
}
