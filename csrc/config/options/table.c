/* table.c: the one table of options.  The parser, the help, the man page, the
 * completions and Python all read these rows; the merge has one function for each row with a
 * field.
 * In: nothing.  Out: rows.  Never: code. */
#include "config/options/parse.h"

#define RUN      (PRL_VERB_RUN | PRL_VERB_CREATE)
#define RUN_EXEC (PRL_VERB_RUN | PRL_VERB_CREATE | PRL_VERB_EXEC)
#define ATTACH   PRL_VERB_ATTACH
#define WATCHED  (RUN_ONLY | PRL_VERB_EXEC | ATTACH | START)
#define LOGS     PRL_VERB_LOGS
#define RUN_ONLY PRL_VERB_RUN
#define START    PRL_VERB_START
#define RESTART  PRL_VERB_RESTART
#define UPDATE   PRL_VERB_UPDATE
#define EVERY    (RUN_EXEC | PRL_VERBS_OF_NAMES)
#define FLAG     PRL_KIND_FLAG
#define TEXT     PRL_KIND_TEXT
#define INTEGER  PRL_KIND_INTEGER
#define SIZE     PRL_KIND_SIZE
#define DURATION PRL_KIND_DURATION
#define SIGNAL   PRL_KIND_SIGNAL
#define PATH     PRL_KIND_PATH
#define NATIVE   PRL_DOOR_NATIVE
#define ENGINE   PRL_DOOR_ENGINE
#define ONCE     false
#define REPEAT   true
#define NOTE     "io.pyrootless."

#define G_PROCESS  "Process"
#define G_FILES    "Files"
#define G_LIMITS   "Limits"
#define G_NETWORK  "Network"
#define G_SECURITY "Security"
#define G_LIFE     "Container"
#define G_LOG      "Log"
#define G_LAUNCHER "Launcher"

/* clang-format off */
const struct prl_option prl_option_table[] = {
    {"attach", 'a', TEXT, REPEAT, RUN, NATIVE, "-", "STREAM", G_PROCESS,
     "connect this stream alone, stdin, stdout or stderr, and others so listed (default: stdout, "
     "stderr, and stdin with -i)"},
    {"entrypoint", 0, TEXT, ONCE, RUN, NATIVE, "/process/args", "PROGRAM", G_PROCESS,
     "run this instead of the image's entrypoint; may be a JSON array; \"\" means none"},
    {"env", 'e', TEXT, REPEAT, RUN_EXEC, NATIVE, "/process/env", "NAME[=VALUE]", G_PROCESS,
     "set a variable; NAME alone takes the caller's value"},
    {"env-file", 0, PATH, REPEAT, RUN_EXEC, NATIVE, "/process/env", "FILE", G_PROCESS,
     "set variables from a file of NAME=VALUE lines"},
    {"init", 0, FLAG, ONCE, RUN, NATIVE, NOTE "init", "", G_PROCESS,
     "run a small init as process 1 that passes signals on and reaps"},
    {"interactive", 'i', FLAG, ONCE, RUN_EXEC | START, NATIVE, NOTE "interactive", "", G_PROCESS,
     "give the container the caller's standard input"},
    {"stop-signal", 0, SIGNAL, ONCE, RUN, NATIVE, NOTE "stop-signal", "SIGNAL", G_PROCESS,
     "the signal that asks the program to end"},
    {"stop-timeout", 0, INTEGER, ONCE, RUN, NATIVE, NOTE "stop-timeout", "SECONDS", G_PROCESS,
     "seconds that `stop` waits before it kills; -1 waits for ever"},
    {"timeout", 0, DURATION, ONCE, RUN, NATIVE, NOTE "wall-limit-ns", "DURATION", G_PROCESS,
     "kill the container after this time: 10, 0.5, 250ms, 1m30s; 0 means never"},
    {"tty", 't', FLAG, ONCE, RUN_EXEC, NATIVE, "/process/terminal", "", G_PROCESS,
     "give the container a terminal of its own"},
    {"ulimit", 0, TEXT, REPEAT, RUN, NATIVE, "/process/rlimits", "NAME=SOFT[:HARD]", G_PROCESS,
     "set a resource limit; \"host\" keeps all of the caller's"},
    {"user", 'u', TEXT, ONCE, RUN_EXEC, NATIVE, "/process/user", "USER[:GROUP]", G_PROCESS,
     "run as this user of the image, by name or number"},
    {"workdir", 'w', TEXT, ONCE, RUN_EXEC, NATIVE, "/process/cwd", "DIR", G_PROCESS,
     "start in this directory of the container"},

    {"device", 0, TEXT, REPEAT, RUN, NATIVE, "/mounts", "DEVICE[:TARGET]", G_FILES,
     "give the container a device of the host, or by its name in /etc/cdi or /run/cdi: "
     "vendor.com/class=name"},
    {"device-cgroup-rule", 0, TEXT, REPEAT, RUN, NATIVE, "-", "TYPE MAJOR:MINOR rwm", G_FILES,
     "a kind of device that may be used; every device that is given may, so nothing changes"},
    {"ephemeral", 0, FLAG, ONCE, RUN, NATIVE, NOTE "rootfs.upper", "", G_FILES,
     "keep what the container writes in memory only, and remove the container when it ends"},
    {"ephemeral-inodes", 0, INTEGER, ONCE, RUN, NATIVE, NOTE "rootfs.upper.inodes", "NUMBER",
     G_FILES, "how many files an --ephemeral container may make"},
    {"ephemeral-size", 0, SIZE, ONCE, RUN, NATIVE, NOTE "rootfs.upper.size", "SIZE", G_FILES,
     "how many bytes an --ephemeral container may write"},
    {"gpus", 0, TEXT, ONCE, RUN, ENGINE, "-", "GPUS", G_FILES,
     "give the container NVIDIA's devices, as /etc/cdi describes them: all, 2, device=0,1"},
    {"mount", 0, TEXT, REPEAT, RUN, NATIVE, "/mounts", "type=TYPE,src=SRC,dst=DST[,…]", G_FILES,
     "mount a volume (type=volume, the default), a directory or file of the host (type=bind) or a "
     "tmpfs"},
    {"read-only", 0, FLAG, ONCE, RUN, NATIVE, "/root/readonly", "", G_FILES,
     "make the root file system read-only"},
    {"read-only-tmpfs", 0, FLAG, ONCE, RUN, NATIVE, "/mounts", "", G_FILES,
     "with --read-only, keep /tmp, /run and /var/tmp writable in memory (default: true)"},
    {"rootfs", 0, FLAG, ONCE, RUN, NATIVE, "/root/path", "", G_FILES,
     "the first argument is a directory to use as root; DIR:O puts an overlay on it"},
    {"shm-size", 0, SIZE, ONCE, RUN, NATIVE, "/mounts", "SIZE", G_FILES, "size of /dev/shm"},
    {"storage-opt", 0, TEXT, REPEAT, RUN, NATIVE, NOTE "rootfs.upper.size", "size=SIZE", G_FILES,
     "as --storage-size; docker's other settings are of drivers that are not here"},
    {"storage-driver", 0, TEXT, ONCE, RUN, NATIVE, NOTE "rootfs.driver", "DRIVER", G_FILES,
     "overlay (the kernel's), fuse-overlayfs (a program), or auto (default): the kernel's, and the "
     "program if the kernel refuses"},
    {"tmpfs", 0, TEXT, REPEAT, RUN, NATIVE, "/mounts", "DIR[:OPTIONS]", G_FILES,
     "mount an empty directory in memory, as in /scratch:size=64m"},
    {"volume", 'v', TEXT, REPEAT, RUN, NATIVE, "/mounts", "[SOURCE:]TARGET[:OPTIONS]", G_FILES,
     "mount a directory or file of the host in the container, or a volume by its name, which is "
     "made when there is none; without SOURCE one that goes with the container; ro: read-only, "
     "nocopy: a new volume stays empty"},
    {"volume-driver", 0, TEXT, ONCE, RUN, NATIVE, "-", "local", G_FILES,
     "local alone: volumes lie in your store"},
    {"volumes-from", 0, TEXT, REPEAT, RUN, NATIVE, "/mounts", "CONTAINER[:ro]", G_FILES,
     "mount what this container, running or not, has mounted, where nothing else is"},

    {"blkio-weight", 0, INTEGER, ONCE, RUN, NATIVE, "-", "0", G_LIMITS,
     "0 alone: weights of disks cannot be held; bound the rates, as with --device-read-bps"},
    {"blkio-weight-device", 0, TEXT, REPEAT, RUN, NATIVE, "-", "DEVICE:0", G_LIMITS,
     "0 alone: weights of disks cannot be held"},
    {"cgroup-parent", 0, TEXT, ONCE, RUN, NATIVE, "-", "\"\"", G_LIMITS,
     "\"\" alone: groups are made where they are delegated"},
    {"cpu-period", 0, INTEGER, ONCE, RUN | UPDATE, NATIVE, "/linux/resources/cpu/period", "MICROSECONDS",
     G_LIMITS, "length of the period in which --cpu-quota may be used up once (default: 100000)"},
    {"cpu-quota", 0, INTEGER, ONCE, RUN | UPDATE, NATIVE, "/linux/resources/cpu/quota", "MICROSECONDS",
     G_LIMITS, "processor time that may be used in each --cpu-period"},
    {"cpu-rt-period", 0, INTEGER, ONCE, RUN, NATIVE, "-", "0", G_LIMITS,
     "0 alone: time of real-time programs is root's to give"},
    {"cpu-rt-runtime", 0, INTEGER, ONCE, RUN, NATIVE, "-", "0", G_LIMITS,
     "0 alone: time of real-time programs is root's to give"},
    {"cpu-shares", 'c', INTEGER, ONCE, RUN | UPDATE, NATIVE, "/linux/resources/cpu/shares", "WEIGHT",
     G_LIMITS, "share of the processor when others want it too, 2 to 262144 (default: 1024)"},
    {"cpu-time", 0, DURATION, ONCE, RUN, NATIVE, NOTE "cpu-limit-ns", "DURATION", G_LIMITS,
     "kill the container when its processes together have used this much processor time: 10, 0.5s"},
    {"cpus", 0, TEXT, ONCE, RUN | UPDATE, NATIVE, "/linux/resources/cpu/quota", "NUMBER", G_LIMITS,
     "use at most as much processor time as this many processors have: 1.5"},
    {"cpuset-cpus", 0, TEXT, ONCE, RUN | UPDATE, NATIVE, "/linux/resources/cpu/cpus", "LIST", G_LIMITS,
     "run on these processors only: 0-2,5"},
    {"cpuset-mems", 0, TEXT, ONCE, RUN, NATIVE, "-", "0", G_LIMITS,
     "0 alone: memory nodes are not chosen"},
    {"device-read-bps", 0, TEXT, REPEAT, RUN, NATIVE, "/linux/resources/blockIO",
     "DEVICE:SIZE", G_LIMITS, "read at most this many bytes a second from this disk"},
    {"device-read-iops", 0, TEXT, REPEAT, RUN, NATIVE, "/linux/resources/blockIO",
     "DEVICE:NUMBER", G_LIMITS, "read at most this many times a second from this disk"},
    {"device-write-bps", 0, TEXT, REPEAT, RUN, NATIVE, "/linux/resources/blockIO",
     "DEVICE:SIZE", G_LIMITS, "write at most this many bytes a second to this disk"},
    {"device-write-iops", 0, TEXT, REPEAT, RUN, NATIVE, "/linux/resources/blockIO",
     "DEVICE:NUMBER", G_LIMITS, "write at most this many times a second to this disk"},
    {"io-max", 0, TEXT, REPEAT, RUN, NATIVE, "/linux/resources/blockIO", "DEVICE:RATES",
     G_LIMITS, "limit reads and writes of this disk: /dev/sda:rbps=10m,wbps=5m,riops=1000"},
    {"kernel-memory", 0, SIZE, ONCE, RUN, NATIVE, "-", "0", G_LIMITS,
     "0 alone: kernels have no such limit any more"},
    {"limits", 0, TEXT, ONCE, RUN, NATIVE, NOTE "limits", "MODE", G_LIMITS,
     "strict (the default): a limit that cannot be enforced is an error; best-effort: weaker "
     "enforcement is used, and named"},
    {"memory", 'm', SIZE, ONCE, RUN | UPDATE, NATIVE, "/linux/resources/memory/limit", "SIZE", G_LIMITS,
     "how much memory all processes together may use"},
    {"memory-reservation", 0, SIZE, ONCE, RUN | UPDATE, NATIVE, "/linux/resources/memory/reservation",
     "SIZE", G_LIMITS, "memory that the container keeps when the machine runs short of it"},
    {"memory-swap", 0, TEXT, ONCE, RUN | UPDATE, NATIVE, "/linux/resources/memory/swap", "SIZE", G_LIMITS,
     "how much memory and swap together; -1: as much swap as there is (default: twice --memory)"},
    {"memory-swappiness", 0, INTEGER, ONCE, RUN, NATIVE, "-", "-1", G_LIMITS,
     "-1 alone: how eagerly memory is swapped is the machine's to say"},
    {"oom-kill-disable", 0, FLAG, ONCE, RUN, NATIVE, "-", "", G_LIMITS,
     "=false alone: a container beyond its --memory ends"},
    {"oom-score-adj", 0, INTEGER, ONCE, RUN, NATIVE, "/process/oomScoreAdj", "NUMBER", G_LIMITS,
     "how early the kernel ends these processes when the machine has no memory left, up to 1000; "
     "less than the caller's own is root's to give"},
    {"pids-limit", 0, INTEGER, ONCE, RUN | UPDATE, NATIVE, "/linux/resources/pids/limit", "NUMBER",
     G_LIMITS, "how many processes and threads; -1: no limit"},
    {"storage-size", 0, SIZE, ONCE, RUN, NATIVE, NOTE "rootfs.upper.size", "SIZE", G_LIMITS,
     "how many bytes the container may write to its root file system"},

    {"add-host", 0, TEXT, REPEAT, RUN, NATIVE, "/mounts", "NAME:ADDRESS", G_NETWORK,
     "add a line to /etc/hosts; host-gateway stands for the host's address"},
    {"allow-host", 0, TEXT, REPEAT, RUN, NATIVE, NOTE "network.allow", "HOST[:PORT]", G_NETWORK,
     "let the container contact only this name, address or network (example.org:443, "
     "192.0.2.0/24, host-gateway) and others so listed; uses --network auto unless you "
     "name another"},
    {"dns", 0, TEXT, REPEAT, RUN, NATIVE, "/mounts", "ADDRESS", G_NETWORK,
     "ask this name server instead of the host's"},
    {"dns-option", 0, TEXT, REPEAT, RUN, NATIVE, "/mounts", "OPTION", G_NETWORK,
     "an option of resolv.conf, as in ndots:2"},
    {"dns-search", 0, TEXT, REPEAT, RUN, NATIVE, "/mounts", "DOMAIN", G_NETWORK,
     "look short names up in this domain; \".\" means in none"},
    {"domainname", 0, TEXT, ONCE, RUN, NATIVE, "/domainname", "NAME", G_NETWORK,
     "domain name in the container, as domainname(1) shows it"},
    {"expose", 0, TEXT, REPEAT, RUN, NATIVE, NOTE "image.ports", "PORT[-PORT][/udp]", G_NETWORK,
     "a port that programs in the container serve, beside the image's: --publish-all publishes "
     "it"},
    {"hostname", 'h', TEXT, ONCE, RUN, NATIVE, "/hostname", "NAME", G_NETWORK,
     "host name in the container (default: the first 12 letters of its id)"},
    {"mac-address", 0, TEXT, ONCE, RUN, NATIVE, NOTE "network.mac", "ADDRESS", G_NETWORK,
     "hardware address of the container's network interface"},
    {"network", 0, TEXT, ONCE, RUN, NATIVE, "/linux/namespaces", "NETWORK", G_NETWORK,
     "none (the default): loopback only; host: the host's own; pasta or slirp4netns: out through "
     "that program; auto: the faster of them; PROGRAM:mtu=N sets the MTU; container:NAME: shared "
     "with a running container"},
    {"publish", 'p', TEXT, REPEAT, RUN, NATIVE, NOTE "network.ports", "[[ADDRESS:]HOST:]PORT",
     G_NETWORK, "forward a port of the host to the container: 8080:80, 5000-5009:5000-5009, "
     "127.0.0.1::80 (a free port), 53:53/udp; uses --network auto unless you name another"},
    {"publish-all", 'P', FLAG, ONCE, RUN, NATIVE, NOTE "network.ports", "", G_NETWORK,
     "publish every port that the image exposes, on free ports of the host"},

    {"cap-add", 0, TEXT, REPEAT, RUN, NATIVE, "/process/capabilities", "CAPABILITY", G_SECURITY,
     "give a capability of the container's own user namespace, or ALL"},
    {"cap-drop", 0, TEXT, REPEAT, RUN, NATIVE, "/process/capabilities", "CAPABILITY", G_SECURITY,
     "take a capability away, or ALL"},
    {"cgroupns", 0, TEXT, ONCE, RUN, NATIVE, "/linux/namespaces", "MODE", G_SECURITY,
     "private (the default): the container sees its own control group as the top; host: it sees "
     "where the host has it"},
    {"disable-content-trust", 0, FLAG, ONCE, RUN, NATIVE, "-", "", G_SECURITY,
     "=true alone: signatures of images are not checked; name them by digest"},
    {"fake-root", 0, TEXT, ONCE, RUN, NATIVE, NOTE "fake-root", "MODE", G_SECURITY,
     "with one id, what chown and setuid do: remember (and show it), silent (succeed without "
     "effect), off (the kernel's answer)"},
    {"group-add", 0, TEXT, REPEAT, RUN, NATIVE, "/process/user", "GROUP", G_SECURITY,
     "give the program one more group of the image, by name or number; keep-groups keeps the "
     "caller's groups"},
    {"ipc", 0, TEXT, ONCE, RUN, NATIVE, "/linux/namespaces", "MODE", G_SECURITY,
     "private (the default), shareable (the same), none (without /dev/shm), host: shared memory "
     "and message queues are the host's"},
    {"isolation", 0, TEXT, ONCE, RUN, NATIVE, "-", "default", G_SECURITY,
     "default alone: the others are for Windows"},
    {"no-holder", 0, FLAG, ONCE, RUN, NATIVE, NOTE "userns.holder", "", G_SECURITY,
     "with many ids, map them by newuidmap and use no id-map holder"},
    {"pid", 0, TEXT, ONCE, RUN, NATIVE, "-", "private", G_SECURITY,
     "private alone: a container ends with its own PID namespace"},
    {"privileged", 0, FLAG, ONCE, RUN_EXEC, NATIVE, "/process/capabilities", "", G_SECURITY,
     "give all capabilities of the container's user namespace, and no system call filter"},
    {"security-opt", 0, TEXT, REPEAT, RUN, NATIVE, "/linux/seccomp", "OPTION", G_SECURITY,
     "seccomp=FILE|unconfined, no-new-privileges[=false], landlock=off, mask=PATH, "
     "unmask=PATH|ALL, nested-userns, io-uring"},
    {"sysctl", 0, TEXT, REPEAT, RUN, NATIVE, "/linux/sysctl", "KEY=VALUE", G_SECURITY,
     "set a kernel parameter of the container's own namespaces"},
    {"userns", 0, TEXT, ONCE, RUN, NATIVE, "/linux/uidMappings", "MAP", G_SECURITY,
     "ids in the container: single (only yours), range (subordinate ids too; range:overflow: "
     "other files are nobody's), keep-id (yours is the same inside), nomap (without yours), auto "
     "or host (the default: range if possible)"},
    {"uts", 0, TEXT, ONCE, RUN, NATIVE, "/linux/namespaces", "MODE", G_SECURITY,
     "private (the default): host name and domain are the container's own; host: the host's"},
    {"verify", 0, FLAG, ONCE, RUN, NATIVE, NOTE "verify", "", G_SECURITY,
     "read ids, capabilities, filter, mounts and limits back from the kernel before the program "
     "begins, and fail if one was not applied"},
    {"seccomp-program", 0, PATH, ONCE, RUN, NATIVE, NOTE "seccomp.program", "FILE", G_SECURITY,
     ""},

    {"annotation", 0, TEXT, REPEAT, RUN, NATIVE, "/annotations", "KEY=VALUE", G_LIFE,
     "add an annotation to config.json"},
    {"attach", 'a', FLAG, ONCE, START, NATIVE, "-", "", G_LIFE,
     "connect to the container's output, and end with its exit status"},
    {"cidfile", 0, PATH, ONCE, RUN, NATIVE, "-", "FILE", G_LIFE,
     "write the container's id to this file, which must not exist"},
    {"detach", 'd', FLAG, ONCE, RUN_ONLY | PRL_VERB_EXEC, NATIVE, "-", "", G_LIFE,
     "run in the background; `run` prints the container's id, and its output goes to the log"},
    {"detach-keys", 0, TEXT, ONCE, WATCHED, NATIVE, "-", "KEYS", G_LIFE,
     "keys that detach from the terminal (default: ctrl-p,ctrl-q); \"\" means none"},
    {"health-cmd", 0, TEXT, ONCE, RUN, NATIVE, NOTE "health.test", "COMMAND", G_LIFE,
     "run this line of a shell in the container from time to time: its exit status 0 is healthy"},
    {"health-interval", 0, DURATION, ONCE, RUN, NATIVE, NOTE "health.interval-ns", "DURATION",
     G_LIFE, "time between two checks (default: the image's, or 30s)"},
    {"health-retries", 0, INTEGER, ONCE, RUN, NATIVE, NOTE "health.retries", "NUMBER", G_LIFE,
     "so many failures in a row are unhealthy (default: the image's, or 3)"},
    {"health-start-interval", 0, DURATION, ONCE, RUN, NATIVE, NOTE "health.start-interval-ns",
     "DURATION", G_LIFE, "time between two checks within --health-start-period (default: 5s)"},
    {"health-start-period", 0, DURATION, ONCE, RUN, NATIVE, NOTE "health.start-period-ns",
     "DURATION", G_LIFE, "time to begin in, in which failures do not count (default: 0s)"},
    {"health-timeout", 0, DURATION, ONCE, RUN, NATIVE, NOTE "health.timeout-ns", "DURATION",
     G_LIFE, "a check that takes longer has failed (default: the image's, or 30s)"},
    {"label", 'l', TEXT, REPEAT, RUN, NATIVE, NOTE "label.KEY", "KEY[=VALUE]", G_LIFE,
     "set a label"},
    {"label-file", 0, PATH, REPEAT, RUN, NATIVE, NOTE "label.KEY", "FILE", G_LIFE,
     "set labels from a file of KEY=VALUE lines"},
    {"log-driver", 0, TEXT, ONCE, RUN, NATIVE, NOTE "log.driver", "DRIVER", G_LIFE,
     "where output goes that nobody waits for: json-file (the default), k8s-file, journald, "
     "passthrough (where this command's own goes), none"},
    {"log-opt", 0, TEXT, REPEAT, RUN, NATIVE, NOTE "log.max-size", "KEY=VALUE", G_LIFE,
     "of json-file and k8s-file: max-size=SIZE begins a new file, max-file=NUMBER keeps so many"},
    {"name", 0, TEXT, ONCE, RUN, NATIVE, NOTE "name", "NAME", G_LIFE, "name the container"},
    {"no-healthcheck", 0, FLAG, ONCE, RUN, NATIVE, NOTE "health.test", "", G_LIFE,
     "do not check the container's health, whatever its image says"},
    {"no-stdin", 0, FLAG, ONCE, ATTACH, NATIVE, "-", "", G_LIFE,
     "send the container nothing that is typed"},
    {"pidfile", 0, PATH, ONCE, RUN_ONLY, NATIVE, "-", "FILE", G_LIFE,
     "write the process id of the container's process 1 to this file"},
    {"platform", 0, TEXT, ONCE, RUN, ENGINE, "-", "OS/ARCH[/VARIANT]", G_LIFE,
     "use the image for this platform, and fetch it if the stored one is for another"},
    {"pull", 0, TEXT, ONCE, RUN, ENGINE, "-", "missing|always|never", G_LIFE,
     "when to fetch the image"},
    {"quiet", 'q', FLAG, ONCE, RUN, NATIVE, "-", "", G_LIFE,
     "say nothing while an image is fetched"},
    {"restart", 0, TEXT, ONCE, RUN | UPDATE, NATIVE, NOTE "restart", "POLICY", G_LIFE,
     "when its program has ended, start it again: no (the default), on-failure[:TIMES], always, "
     "unless-stopped"},
    {"rm", 0, FLAG, ONCE, RUN, NATIVE, NOTE "remove", "", G_LIFE,
     "remove the container when it ends"},
    {"runtime", 0, TEXT, ONCE, RUN, NATIVE, "-", "pyrootless", G_LIFE,
     "pyrootless alone, which starts the container itself"},
    {"signal", 's', SIGNAL, ONCE, RESTART, NATIVE, "-", "SIGNAL", G_LIFE,
     "the signal that asks the program to end (default: the container's stop signal)"},
    {"sig-proxy", 0, FLAG, ONCE, RUN_ONLY | ATTACH | START, NATIVE, "-", "", G_LIFE,
     "send the container the signals of this process (the default); =false: they end it alone"},
    {"time", 't', INTEGER, ONCE, RESTART, NATIVE, "-", "SECONDS", G_LIFE,
     "time before it is killed; -1: never (default: the container's own, or 10)"},

    {"details", 0, FLAG, ONCE, LOGS, NATIVE, "-", "", G_LOG,
     "show the attributes of each line in front of it"},
    {"follow", 'f', FLAG, ONCE, LOGS, NATIVE, "-", "", G_LOG,
     "go on with what is written until the container ends"},
    {"since", 0, TEXT, ONCE, LOGS, NATIVE, "-", "TIME", G_LOG,
     "only lines from this time on: 2026-01-31T12:00:00, seconds since 1970, or 10m (ago)"},
    {"tail", 'n', TEXT, ONCE, LOGS, NATIVE, "-", "LINES", G_LOG,
     "this many lines from the end, or all"},
    {"timestamps", 't', FLAG, ONCE, LOGS, NATIVE, "-", "", G_LOG,
     "show when each line was written"},
    {"until", 0, TEXT, ONCE, LOGS, NATIVE, "-", "TIME", G_LOG, "only lines up to this time"},

    {"help", 0, FLAG, ONCE, EVERY, NATIVE, "-", "", G_LAUNCHER, "print this"},
    {"print-spec", 0, FLAG, ONCE, RUN_ONLY, NATIVE, "-", "", G_LAUNCHER,
     "print the config.json of this launch and start nothing"},
    {"root", 0, PATH, ONCE, EVERY, NATIVE, "-", "DIR", G_LAUNCHER,
     "directory of images and containers (default: ~/.local/share/pyrootless)"},
    {"spec", 0, PATH, ONCE, RUN_ONLY, NATIVE, "-", "FILE", G_LAUNCHER,
     "launch this config.json as it is"},
    {.name = ""},
};
/* clang-format on */
