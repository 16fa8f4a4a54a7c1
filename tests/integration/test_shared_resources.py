"""What a program could take from others it does not get, and what courses need it has.

In: attacks of the corpus, and programs of normal courses.  Out: nothing gets through; every
twin, which uses the same parts of the kernel as one does, ends well.  The table of resources is
in SECURITY.md, "Shared resources".
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pyrootless import Limits, Sandbox
from pyrootless.sandbox.selftest.attacks import own_corpus, read_attack
from pyrootless.sandbox.selftest.certificate import certify
from pyrootless.sandbox.selftest.outside import own_groups

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("engine"), pytest.mark.needs("gcc")]

ATTACKS = (
    "aio-requests.c",
    "backlog.c",
    "delay-the-init.c",
    "flush-disks.c",
    "huge-pages.c",
    "pipes-large.c",
    "pipes-many.c",
    "socket-options.c",
    "sockets-full.c",
    "timers-many.c",
    "watch-files.c",
)


@pytest.mark.parametrize("name", ATTACKS)
def test_what_others_use_is_not_taken(name: str) -> None:
    [case] = certify([read_attack(own_corpus() / name)], ["no-groups"]).cases
    assert case.wrong == ()


SOCKETS = """
import socket
pairs = [socket.socketpair() for _ in range(100)]
for one, other in pairs:
    one.sendall(b"text")
print(*{other.recv(4) for _, other in pairs})
"""


def test_sockets_that_are_not_full_are_no_memory() -> None:
    with Sandbox(limits=Limits(cpu="5s", memory="32M"), rungs="no-groups") as box:
        outcome = box.run(["python3", "-c", SOCKETS + "import time; time.sleep(0.2)"])
    assert (outcome.verdict.name, outcome.stdout) == ("OK", b"b'text'\n"), outcome.stderr


@pytest.mark.needs("cgroup1-delegated")
def test_a_box_takes_no_swap() -> None:
    """(Of version 2: tests/csrc/limits/test_groups.c.)"""
    before = own_groups()
    (stdin, ours), (told, stdout) = os.pipe(), os.pipe()
    words = ["sh", "-c", "echo ready; read line"]
    with Sandbox(limits=Limits(memory="64M", wall="60s")) as box, ThreadPoolExecutor() as pool:
        running = pool.submit(box.run, words, stdin=stdin, stdout=stdout)
        assert os.read(told, 6) == b"ready\n"
        places = [Path(place) for place in own_groups() - before]
        files = [place / "memory.memsw.limit_in_bytes" for place in places]
        found = {file.read_text() for file in files if file.exists()}
        os.write(ours, b"\n")
        assert running.result().ok
    for fd in (stdin, ours, told, stdout):
        os.close(fd)
    assert found == {f"{64 << 20}\n"}


PYTHON = """
import asyncio, fcntl, mmap, multiprocessing, os, signal, sqlite3, subprocess, threading

def square(n):
    return n * n

async def many():
    await asyncio.sleep(0.01)
    process = await asyncio.create_subprocess_exec("echo", "hello", stdout=subprocess.PIPE)
    return (await process.communicate())[0]

if __name__ == "__main__":
    for kind in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(kind).Pool(2) as pool:
            assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    queue = multiprocessing.Queue()
    queue.put(multiprocessing.RawArray("i", 3)[0])
    assert queue.get() == 0
    assert asyncio.run(many()) == b"hello\\n"
    threads = [threading.Thread(target=square, args=(n,)) for n in range(4)]
    [t.start() for t in threads], [t.join() for t in threads]
    assert subprocess.run("cat | tr a b", shell=True, input=b"a" * 100000, capture_output=True,
                          check=True).stdout == b"b" * 100000
    with open("own", "wb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        fcntl.lockf(file, fcntl.LOCK_EX)
        file.write(bytes(4096))
        file.flush()
        os.fsync(file.fileno())
        with mmap.mmap(file.fileno(), 4096) as view:
            view[0] = 1
            view.flush()
    with sqlite3.connect("db") as db:
        db.execute("create table t (a)")
        db.execute("insert into t values (1)")
    assert db.execute("select a from t").fetchall() == [(1,)]
    rung = []
    signal.signal(signal.SIGALRM, lambda *_: rung.append(1))
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)  # again: the first may be early
    signal.pause()
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.nice(1)
    os.sched_setaffinity(0, os.sched_getaffinity(0))
    print("well")
"""

C = r"""
#define _GNU_SOURCE
#include <aio.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static void *wait_for(void *lock) { return pthread_mutex_lock(lock), lock; }
int main(void)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_t thread;
    cpu_set_t all;
    struct sched_param none = {0};
    pthread_mutex_lock(&lock);
    assert(pthread_create(&thread, NULL, wait_for, &lock) == 0);
    assert(pthread_getaffinity_np(thread, sizeof all, &all) == 0);
    assert(pthread_setaffinity_np(thread, sizeof all, &all) == 0);
    assert(pthread_setschedparam(thread, SCHED_BATCH, &none) == 0);
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    for (int i = 0; i < 100; i++) {
        timer_t timer;
        assert(timer_create(CLOCK_MONOTONIC, &(struct sigevent){.sigev_notify = SIGEV_NONE},
                            &timer) == 0);
    }
    char byte = 'x';
    int fd = open("own", O_CREAT | O_RDWR, 0600), ends[2], size = 4096;
    struct aiocb request = {.aio_fildes = fd, .aio_buf = &byte, .aio_nbytes = 1};
    const struct aiocb *list[] = {&request};
    assert(aio_write(&request) == 0 && aio_suspend(list, 1, NULL) == 0);
    assert(aio_return(&request) == 1 && fsync(fd) == 0);
    assert(fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_DUPFD_CLOEXEC, 10) >= 10);
    assert(pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[0], F_GETPIPE_SZ) > 0);
    assert(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    assert(setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
    assert(setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &size, sizeof size) == 0);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;
    void *memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, flags, -1, 0);
    assert(madvise(memory, 1 << 20, MADV_HUGEPAGE) == 0 || errno == EINVAL);
    assert(madvise(memory, 1 << 20, MADV_DONTNEED) == 0);
    puts("well");
}
"""

JAVA = """
import java.nio.*;
import java.nio.channels.*;
import java.nio.file.*;
import java.util.concurrent.*;
import java.util.stream.*;
class Main {
    public static void main(String[] args) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(4);
        Future<Long> sum = pool.submit(() -> LongStream.range(0, 1000000).parallel().sum());
        Thread low = new Thread(() -> {});
        low.setPriority(Thread.MIN_PRIORITY);
        low.start();
        low.join();
        ScheduledExecutorService later = Executors.newScheduledThreadPool(1);
        later.schedule(() -> 1, 10, TimeUnit.MILLISECONDS).get();
        try (FileChannel own = FileChannel.open(Path.of("own"), StandardOpenOption.CREATE,
                StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            own.lock().release();
            MappedByteBuffer view = own.map(FileChannel.MapMode.READ_WRITE, 0, 4096);
            view.put(0, (byte) 1);
            view.force();
            own.force(true);
        }
        Process echo = new ProcessBuilder("echo", "hello").start();
        String said = new String(echo.getInputStream().readAllBytes()).strip();
        pool.shutdown();
        later.shutdown();
        if (sum.get() == 499999500000L && said.equals("hello")) System.out.println("well");
    }
}
"""

# The compiler has no cache in a box: a package more is seconds more.
GO = """
package main

import (
    "runtime"
    "syscall"
    "time"
)

func check(err error) {
    if err != nil {
        panic(err)
    }
}

func main() {
    runtime.SetCPUProfileRate(100)
    sums := make(chan int)
    for i := 1; i <= 8; i++ {
        go func() {
            sum := 0
            for j := 0; j < 1000000; j++ {
                sum += j % i
            }
            sums <- sum
        }()
    }
    for i := 0; i < 8; i++ {
        <-sums
    }
    runtime.SetCPUProfileRate(0)
    <-time.After(10 * time.Millisecond)
    own, err := syscall.Open("own", syscall.O_CREAT|syscall.O_RDWR, 0600)
    check(err)
    check(syscall.Flock(own, syscall.LOCK_EX))
    check(syscall.Fsync(own))
    child, err := syscall.ForkExec("/usr/bin/true", []string{"true"}, &syscall.ProcAttr{})
    check(err)
    var status syscall.WaitStatus
    _, err = syscall.Wait4(child, &status, 0, nil)
    check(err)
    if status == 0 {
        syscall.Write(1, []byte("well\\n"))
    }
}
"""

NODE = """
const { Worker, isMainThread, parentPort } = require("worker_threads");
const { execFileSync } = require("child_process");
const fs = require("fs");
if (!isMainThread) {
    parentPort.postMessage(1);
} else {
    const fd = fs.openSync("own", "w");
    fs.writeSync(fd, "text");
    fs.fsyncSync(fd);
    fs.fdatasyncSync(fd);
    fs.appendFile("own", "more", (error) => {
        if (error) throw error;
        const workers = [1, 2].map(() => new Promise((done) =>
            new Worker(__filename).on("message", done)));
        Promise.all(workers).then((all) => setTimeout(() => {
            if (execFileSync("echo", ["hello"]).toString() === "hello\\n" && all.length === 2)
                console.log("well");
        }, 10));
    });
}
"""

RUST = """
use std::io::Write;
use std::sync::{mpsc, Arc, Mutex};
use std::time::Duration;
fn main() {
    let (to, from) = mpsc::channel();
    let sum = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..4).map(|n| {
        let (to, sum) = (to.clone(), sum.clone());
        std::thread::spawn(move || { *sum.lock().unwrap() += n; to.send(n).unwrap(); })
    }).collect();
    for thread in threads { thread.join().unwrap(); }
    drop(to);
    std::thread::sleep(Duration::from_millis(10));
    let mut own = std::fs::File::create("own").unwrap();
    own.write_all(b"text").unwrap();
    own.sync_all().unwrap();
    let said = std::process::Command::new("echo").arg("hello").output().unwrap();
    let sent = from.iter().sum::<i32>();
    if sent == 6 && *sum.lock().unwrap() == 6 && said.stdout == b"hello\\n" {
        println!("well");
    }
}
"""

TWINS = [
    pytest.param("main.py", PYTHON, id="python"),
    pytest.param("main.c", C, id="c"),
    pytest.param("Main.java", JAVA, id="java", marks=pytest.mark.needs("javac")),
    pytest.param("main.go", GO, id="go", marks=pytest.mark.needs("go")),
    pytest.param("main.js", NODE, id="node", marks=pytest.mark.needs("node")),
    pytest.param("main.rs", RUST, id="rust", marks=pytest.mark.needs("rustc")),
]
GENEROUS = Limits(cpu="20s", wall="60s", memory="512M", procs=64)


@pytest.mark.parametrize(("name", "text"), TWINS)
def test_programs_of_a_normal_course_go_on_working(
    name: str, text: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with Sandbox(limits=GENEROUS) as box:
        built = box.compile({name: path})
        assert built.ok, built.log.decode()
        outcomes = [box.run(built)]
        if built.language.name == "java":  # which a box starts with the serial collector
            words = ["java", "-XX:+UseG1GC", "-Xmx128m", "Main"]
            outcomes.append(box.run(words, files=built.files))
    for outcome in outcomes:
        assert (outcome.verdict.name, outcome.stdout) == ("OK", b"well\n"), outcome.stderr
