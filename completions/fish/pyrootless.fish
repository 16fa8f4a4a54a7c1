# fish completion of pyrootless; generated from the table of options (make docs)
function __pyrootless_data
    set -l words (commandline -opc)
    set -l at (contains -i -- --root $words)
    if set -q at[1]; and test $at -lt (count $words)
        echo $words[(math $at + 1)]
    else if set -q PYROOTLESS_ROOT
        echo $PYROOTLESS_ROOT
    else if set -q XDG_DATA_HOME
        echo $XDG_DATA_HOME/pyrootless
    else
        echo $HOME/.local/share/pyrootless
    end
end

function __pyrootless_images
    for path in (__pyrootless_data)/refs/*
        set -l name (string replace -r '.*/' '' -- $path)
        test $name != host; or continue
        set name (string replace -a '%2F' / -- $name | string replace -a '%25' %)
        string replace -r '^docker\.io/(library/)?' '' -- $name
    end
end

function __pyrootless_bases
    echo host
    __pyrootless_images
end

function __pyrootless_containers
    set -l data (__pyrootless_data)
    for path in $data/names/*
        string replace -r '.*/' '' -- $path
    end
    for path in $data/containers/*
        string sub -l 12 -- (string replace -r '.*/' '' -- $path)
    end
end

function __pyrootless_all
    __pyrootless_containers
    __pyrootless_images
end

function __pyrootless_networks
    printf '%s\n' none host auto pasta slirp4netns container:(__pyrootless_containers)
end

# Is the word at the cursor one of this verb's, and its first argument, or a later one?
# The verb "": is it the verb?
function __pyrootless_at -a verb place
    set -l words (commandline -opc)
    set -l seen
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word --add-host --allow-host --annotation --cap-add --cap-drop --cidfile --cpu-period --cpu-quota --cpu-shares --cpu-time --cpus --cpuset-cpus --detach-keys --device --device-read-bps --device-read-iops --device-write-bps --device-write-iops --dns --dns-option --dns-search --entrypoint --env --env-file --ephemeral-inodes --ephemeral-size --fake-root --group-add --hostname --io-max --label --label-file --limits --mac-address --memory --memory-reservation --memory-swap --mount --name --network --pidfile --pids-limit --platform --publish --pull --root --security-opt --shm-size --spec --stop-signal --stop-timeout --storage-driver --storage-size --sysctl --timeout --tmpfs --ulimit --user --userns --volume --workdir -c -e -h -l -m -p -u -v -w
            set skip 1
        else if not string match -q -- '-*' $word
            set -a seen $word
        end
    end
    test "$seen[1]" = $verb; or return 1
    if test $place = first
        test (count $seen) -eq 1
    else if test $place = rest
        test (count $seen) -gt 1
    end
end

complete -c pyrootless -f
complete -c pyrootless -n '__pyrootless_at "" any' -a run -d 'run a program in a new container'
complete -c pyrootless -n '__pyrootless_at run any' -l entrypoint -x -d 'run this instead of the image\'s entrypoint; may be a JSON array; "" means none'
complete -c pyrootless -n '__pyrootless_at run any' -s e -l env -x -d 'set a variable; NAME alone takes the caller\'s value'
complete -c pyrootless -n '__pyrootless_at run any' -l env-file -rF -d 'set variables from a file of NAME=VALUE lines'
complete -c pyrootless -n '__pyrootless_at run any' -l init -d 'run a small init as process 1 that passes signals on and reaps'
complete -c pyrootless -n '__pyrootless_at run any' -s i -l interactive -d 'give the container the caller\'s standard input'
complete -c pyrootless -n '__pyrootless_at run any' -l stop-signal -x -d 'the signal that asks the program to end'
complete -c pyrootless -n '__pyrootless_at run any' -l stop-timeout -x -d 'seconds that `stop` waits before it kills; -1 waits for ever'
complete -c pyrootless -n '__pyrootless_at run any' -l timeout -x -d 'kill the container after this time: 10, 0.5, 250ms, 1m30s; 0 means never'
complete -c pyrootless -n '__pyrootless_at run any' -s t -l tty -d 'give the container a terminal of its own'
complete -c pyrootless -n '__pyrootless_at run any' -l ulimit -x -d 'set a resource limit; "host" keeps all of the caller\'s'
complete -c pyrootless -n '__pyrootless_at run any' -s u -l user -x -d 'run as this user of the image, by name or number'
complete -c pyrootless -n '__pyrootless_at run any' -s w -l workdir -x -d 'start in this directory of the container'
complete -c pyrootless -n '__pyrootless_at run any' -l device -rF -d 'give the container a device of the host'
complete -c pyrootless -n '__pyrootless_at run any' -l ephemeral -d 'keep what the container writes in memory only, and remove the container when it ends'
complete -c pyrootless -n '__pyrootless_at run any' -l ephemeral-inodes -x -d 'how many files an --ephemeral container may make'
complete -c pyrootless -n '__pyrootless_at run any' -l ephemeral-size -x -d 'how many bytes an --ephemeral container may write'
complete -c pyrootless -n '__pyrootless_at run any' -l mount -x -d 'mount a directory or file of the host (type=bind) or a tmpfs'
complete -c pyrootless -n '__pyrootless_at run any' -l read-only -d 'make the root file system read-only'
complete -c pyrootless -n '__pyrootless_at run any' -l read-only-tmpfs -d 'with --read-only, keep /tmp, /run and /var/tmp writable in memory (default: true)'
complete -c pyrootless -n '__pyrootless_at run any' -l rootfs -d 'the first argument is a directory to use as root; DIR:O puts an overlay on it'
complete -c pyrootless -n '__pyrootless_at run any' -l shm-size -x -d 'size of /dev/shm'
complete -c pyrootless -n '__pyrootless_at run any' -l storage-driver -x -a 'auto overlay fuse-overlayfs' -d 'overlay (the kernel\'s), fuse-overlayfs (a program), or auto (default): the kernel\'s, and the program if the kernel refuses'
complete -c pyrootless -n '__pyrootless_at run any' -l tmpfs -x -d 'mount an empty directory in memory, as in /scratch:size=64m'
complete -c pyrootless -n '__pyrootless_at run any' -s v -l volume -rF -d 'mount a directory or file of the host in the container; ro makes it read-only'
complete -c pyrootless -n '__pyrootless_at run any' -l cpu-period -x -d 'length of the period in which --cpu-quota may be used up once (default: 100000)'
complete -c pyrootless -n '__pyrootless_at run any' -l cpu-quota -x -d 'processor time that may be used in each --cpu-period'
complete -c pyrootless -n '__pyrootless_at run any' -s c -l cpu-shares -x -d 'share of the processor when others want it too, 2 to 262144 (default: 1024)'
complete -c pyrootless -n '__pyrootless_at run any' -l cpu-time -x -d 'kill the container when its processes together have used this much processor time: 10, 0.5s'
complete -c pyrootless -n '__pyrootless_at run any' -l cpus -x -d 'use at most as much processor time as this many processors have: 1.5'
complete -c pyrootless -n '__pyrootless_at run any' -l cpuset-cpus -x -d 'run on these processors only: 0-2,5'
complete -c pyrootless -n '__pyrootless_at run any' -l device-read-bps -x -d 'read at most this many bytes a second from this disk'
complete -c pyrootless -n '__pyrootless_at run any' -l device-read-iops -x -d 'read at most this many times a second from this disk'
complete -c pyrootless -n '__pyrootless_at run any' -l device-write-bps -x -d 'write at most this many bytes a second to this disk'
complete -c pyrootless -n '__pyrootless_at run any' -l device-write-iops -x -d 'write at most this many times a second to this disk'
complete -c pyrootless -n '__pyrootless_at run any' -l io-max -x -d 'limit reads and writes of this disk: /dev/sda:rbps=10m,wbps=5m,riops=1000'
complete -c pyrootless -n '__pyrootless_at run any' -l limits -x -a 'strict best-effort' -d 'strict (the default): a limit that cannot be enforced is an error; best-effort: weaker enforcement is used, and named'
complete -c pyrootless -n '__pyrootless_at run any' -s m -l memory -x -d 'how much memory all processes together may use'
complete -c pyrootless -n '__pyrootless_at run any' -l memory-reservation -x -d 'memory that the container keeps when the machine runs short of it'
complete -c pyrootless -n '__pyrootless_at run any' -l memory-swap -x -d 'how much memory and swap together; -1: as much swap as there is (default: twice --memory)'
complete -c pyrootless -n '__pyrootless_at run any' -l pids-limit -x -d 'how many processes and threads; -1: no limit'
complete -c pyrootless -n '__pyrootless_at run any' -l storage-size -x -d 'how many bytes the container may write to its root file system'
complete -c pyrootless -n '__pyrootless_at run any' -l add-host -x -d 'add a line to /etc/hosts; host-gateway stands for the host\'s address'
complete -c pyrootless -n '__pyrootless_at run any' -l allow-host -x -d 'let the container contact only this name, address or network (example.org:443, 192.0.2.0/24, host-gateway) and others so listed; uses --network auto unless you name another'
complete -c pyrootless -n '__pyrootless_at run any' -l dns -x -d 'ask this name server instead of the host\'s'
complete -c pyrootless -n '__pyrootless_at run any' -l dns-option -x -d 'an option of resolv.conf, as in ndots:2'
complete -c pyrootless -n '__pyrootless_at run any' -l dns-search -x -d 'look short names up in this domain; "." means in none'
complete -c pyrootless -n '__pyrootless_at run any' -s h -l hostname -x -d 'host name in the container (default: the first 12 letters of its id)'
complete -c pyrootless -n '__pyrootless_at run any' -l mac-address -x -d 'hardware address of the container\'s network interface'
complete -c pyrootless -n '__pyrootless_at run any' -l network -xa '(__pyrootless_networks)' -d 'none (the default): loopback only; host: the host\'s own; pasta or slirp4netns: out through that program; auto: the faster of them; PROGRAM:mtu=N sets the MTU; container:NAME: shared with a running container'
complete -c pyrootless -n '__pyrootless_at run any' -s p -l publish -x -d 'forward a port of the host to the container: 8080:80, 5000-5009:5000-5009, 127.0.0.1::80 (a free port), 53:53/udp; uses --network auto unless you name another'
complete -c pyrootless -n '__pyrootless_at run any' -s P -l publish-all -d 'publish every port that the image exposes, on free ports of the host'
complete -c pyrootless -n '__pyrootless_at run any' -l cap-add -x -d 'give a capability of the container\'s own user namespace, or ALL'
complete -c pyrootless -n '__pyrootless_at run any' -l cap-drop -x -d 'take a capability away, or ALL'
complete -c pyrootless -n '__pyrootless_at run any' -l fake-root -x -a 'remember silent off' -d 'with one id, what chown and setuid do: remember (and show it), silent (succeed without effect), off (the kernel\'s answer)'
complete -c pyrootless -n '__pyrootless_at run any' -l group-add -x -d 'give the program one more group of the image, by name or number; keep-groups keeps the caller\'s groups'
complete -c pyrootless -n '__pyrootless_at run any' -l no-holder -d 'with many ids, map them by newuidmap and use no id-map holder'
complete -c pyrootless -n '__pyrootless_at run any' -l privileged -d 'give all capabilities of the container\'s user namespace, and no system call filter'
complete -c pyrootless -n '__pyrootless_at run any' -l security-opt -x -d 'seccomp=FILE|unconfined, no-new-privileges[=false], landlock=off, mask=PATH, unmask=PATH|ALL, nested-userns, io-uring'
complete -c pyrootless -n '__pyrootless_at run any' -l sysctl -x -d 'set a kernel parameter of the container\'s own namespaces'
complete -c pyrootless -n '__pyrootless_at run any' -l userns -x -a 'auto single range range:overflow keep-id nomap' -d 'ids in the container: single (only yours), range (subordinate ids too; range:overflow: other files are nobody\'s), keep-id (yours is the same inside), nomap (without yours), auto (the default: range if possible)'
complete -c pyrootless -n '__pyrootless_at run any' -l verify -d 'read ids, capabilities, filter, mounts and limits back from the kernel before the program begins, and fail if one was not applied'
complete -c pyrootless -n '__pyrootless_at run any' -l annotation -x -d 'add an annotation to config.json'
complete -c pyrootless -n '__pyrootless_at run any' -l cidfile -rF -d 'write the container\'s id to this file, which must not exist'
complete -c pyrootless -n '__pyrootless_at run any' -s d -l detach -d 'run in the background and print the container\'s id; output goes to its log'
complete -c pyrootless -n '__pyrootless_at run any' -l detach-keys -x -d 'keys that detach from the terminal (default: ctrl-p,ctrl-q); "" means none'
complete -c pyrootless -n '__pyrootless_at run any' -s l -l label -x -d 'set a label'
complete -c pyrootless -n '__pyrootless_at run any' -l label-file -rF -d 'set labels from a file of KEY=VALUE lines'
complete -c pyrootless -n '__pyrootless_at run any' -l name -x -d 'name the container'
complete -c pyrootless -n '__pyrootless_at run any' -l pidfile -rF -d 'write the process id of the container\'s process 1 to this file'
complete -c pyrootless -n '__pyrootless_at run any' -l platform -x -d 'use the image for this platform, and fetch it if the stored one is for another'
complete -c pyrootless -n '__pyrootless_at run any' -l pull -x -a 'missing always never' -d 'when to fetch the image'
complete -c pyrootless -n '__pyrootless_at run any' -l rm -d 'remove the container when it ends'
complete -c pyrootless -n '__pyrootless_at run any' -l help -d 'print this'
complete -c pyrootless -n '__pyrootless_at run any' -l print-spec -d 'print the config.json of this launch and start nothing'
complete -c pyrootless -n '__pyrootless_at run any' -l root -rF -d 'directory of images and containers (default: ~/.local/share/pyrootless)'
complete -c pyrootless -n '__pyrootless_at run any' -l spec -rF -d 'launch this config.json as it is'
complete -c pyrootless -n '__pyrootless_at run first' -a '(__pyrootless_bases)'
complete -c pyrootless -n '__pyrootless_at run rest' -F
complete -c pyrootless -n '__pyrootless_at "" any' -a exec -d 'run one more program in a running container'
complete -c pyrootless -n '__pyrootless_at exec any' -s e -l env -x -d 'set a variable; NAME alone takes the caller\'s value'
complete -c pyrootless -n '__pyrootless_at exec any' -l env-file -rF -d 'set variables from a file of NAME=VALUE lines'
complete -c pyrootless -n '__pyrootless_at exec any' -s i -l interactive -d 'give the container the caller\'s standard input'
complete -c pyrootless -n '__pyrootless_at exec any' -s t -l tty -d 'give the container a terminal of its own'
complete -c pyrootless -n '__pyrootless_at exec any' -s u -l user -x -d 'run as this user of the image, by name or number'
complete -c pyrootless -n '__pyrootless_at exec any' -s w -l workdir -x -d 'start in this directory of the container'
complete -c pyrootless -n '__pyrootless_at exec any' -l privileged -d 'give all capabilities of the container\'s user namespace, and no system call filter'
complete -c pyrootless -n '__pyrootless_at exec any' -l detach-keys -x -d 'keys that detach from the terminal (default: ctrl-p,ctrl-q); "" means none'
complete -c pyrootless -n '__pyrootless_at exec any' -l help -d 'print this'
complete -c pyrootless -n '__pyrootless_at exec any' -l root -rF -d 'directory of images and containers (default: ~/.local/share/pyrootless)'
complete -c pyrootless -n '__pyrootless_at exec first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at exec rest' -F
complete -c pyrootless -n '__pyrootless_at "" any' -a attach -d 'connect to the streams of a running container'
complete -c pyrootless -n '__pyrootless_at attach any' -l detach-keys -x -d 'keys that detach from the terminal (default: ctrl-p,ctrl-q); "" means none'
complete -c pyrootless -n '__pyrootless_at attach any' -l no-stdin -d 'send the container nothing that is typed'
complete -c pyrootless -n '__pyrootless_at attach any' -l sig-proxy -d 'send the container the signals of this process (the default); =false: they end it alone'
complete -c pyrootless -n '__pyrootless_at attach any' -l help -d 'print this'
complete -c pyrootless -n '__pyrootless_at attach any' -l root -rF -d 'directory of images and containers (default: ~/.local/share/pyrootless)'
complete -c pyrootless -n '__pyrootless_at attach first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a wait -d 'wait until containers have ended, and print their exit statuses'
complete -c pyrootless -n '__pyrootless_at wait any' -l help -d 'print this'
complete -c pyrootless -n '__pyrootless_at wait any' -l root -rF -d 'directory of images and containers (default: ~/.local/share/pyrootless)'
complete -c pyrootless -n '__pyrootless_at wait first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at wait rest' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a prepare -d 'make the launch template of an image ready'
complete -c pyrootless -n '__pyrootless_at prepare any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at prepare any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at prepare any' -l pull -x -a 'missing always never' -d 'default: missing'
complete -c pyrootless -n '__pyrootless_at prepare first' -a '(__pyrootless_bases)'
complete -c pyrootless -n '__pyrootless_at prepare rest' -a '(__pyrootless_bases)'
complete -c pyrootless -n '__pyrootless_at "" any' -a images -d 'list images'
complete -c pyrootless -n '__pyrootless_at images any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at images any' -s q -l quiet -d 'only IDs'
complete -c pyrootless -n '__pyrootless_at images any' -l no-trunc -d 'whole IDs'
complete -c pyrootless -n '__pyrootless_at images any' -l digests -d 'digests of manifests too'
complete -c pyrootless -n '__pyrootless_at images any' -l format -x -d 'table, table TEMPLATE, json, or a Go template'
complete -c pyrootless -n '__pyrootless_at images any' -l json -d 'a list of objects'
complete -c pyrootless -n '__pyrootless_at images any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at images first' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at "" any' -a inspect -d 'show everything about containers and images, as JSON'
complete -c pyrootless -n '__pyrootless_at inspect any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at inspect any' -l type -x -a 'container image' -d 'look only for these'
complete -c pyrootless -n '__pyrootless_at inspect any' -s f -l format -x -d 'a Go template for each, or json'
complete -c pyrootless -n '__pyrootless_at inspect any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at inspect first' -a '(__pyrootless_all)'
complete -c pyrootless -n '__pyrootless_at inspect rest' -a '(__pyrootless_all)'
complete -c pyrootless -n '__pyrootless_at "" any' -a history -d 'show how an image was made'
complete -c pyrootless -n '__pyrootless_at history any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at history any' -s q -l quiet -d 'only layers'
complete -c pyrootless -n '__pyrootless_at history any' -l no-trunc -d 'whole commands and digests'
complete -c pyrootless -n '__pyrootless_at history any' -l json -d 'a list of objects'
complete -c pyrootless -n '__pyrootless_at history any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at history first' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at history rest' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at "" any' -a tag -d 'give an image another name'
complete -c pyrootless -n '__pyrootless_at tag any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at tag any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at tag first' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at "" any' -a rmi -d 'remove images'
complete -c pyrootless -n '__pyrootless_at rmi any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at rmi any' -s f -l force -d 'every name of an ID; used ones too'
complete -c pyrootless -n '__pyrootless_at rmi any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at rmi first' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at rmi rest' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at "" any' -a load -d 'load images from an archive'
complete -c pyrootless -n '__pyrootless_at load any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at load any' -s i -l input -rF -d 'default: standard input'
complete -c pyrootless -n '__pyrootless_at load any' -s q -l quiet -d 'only names'
complete -c pyrootless -n '__pyrootless_at load any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at "" any' -a save -d 'save images as an archive'
complete -c pyrootless -n '__pyrootless_at save any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at save any' -s o -l output -rF -d 'default: standard output'
complete -c pyrootless -n '__pyrootless_at save any' -l format -x -a 'docker-archive oci-archive oci-dir' -d 'default: docker-archive; oci-dir: the layout\'s directory is given by -o'
complete -c pyrootless -n '__pyrootless_at save any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at save first' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at save rest' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at "" any' -a import -d 'make an image of a root file system'
complete -c pyrootless -n '__pyrootless_at import any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at import any' -s c -l change -x -d 'a Dockerfile instruction: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME, WORKDIR; may be repeated'
complete -c pyrootless -n '__pyrootless_at import any' -s m -l message -x -d 'for the image\'s history'
complete -c pyrootless -n '__pyrootless_at import any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at import first' -F
complete -c pyrootless -n '__pyrootless_at "" any' -a bootstrap -d 'make an image from the mirrors of Debian'
complete -c pyrootless -n '__pyrootless_at bootstrap any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at bootstrap any' -l include -x -d 'more packages'
complete -c pyrootless -n '__pyrootless_at bootstrap any' -l variant -x -d 'how much: minbase, apt, standard'
complete -c pyrootless -n '__pyrootless_at bootstrap any' -l mirror -x -d 'archive to take packages from'
complete -c pyrootless -n '__pyrootless_at bootstrap any' -s t -l tag -x -d 'name; default debian:SUITE'
complete -c pyrootless -n '__pyrootless_at bootstrap any' -s q -l quiet -d 'no progress'
complete -c pyrootless -n '__pyrootless_at bootstrap any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at "" any' -a stop -d 'ask containers to end, and kill those that do not'
complete -c pyrootless -n '__pyrootless_at stop any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at stop any' -s t -l time -x -d 'time before it is killed; -1: never'
complete -c pyrootless -n '__pyrootless_at stop any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at stop first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at stop rest' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a kill -d 'send a signal to containers'
complete -c pyrootless -n '__pyrootless_at kill any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at kill any' -s s -l signal -x -d 'name or number'
complete -c pyrootless -n '__pyrootless_at kill any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at kill first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at kill rest' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a ps -d 'list containers'
complete -c pyrootless -n '__pyrootless_at ps any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at ps any' -s a -l all -d 'stopped ones too'
complete -c pyrootless -n '__pyrootless_at ps any' -s f -l filter -x -d 'only those with: ancestor, before, exited, expose, health, id, label, name, network, publish, since, status, volume; may be repeated'
complete -c pyrootless -n '__pyrootless_at ps any' -l format -x -d 'table, table TEMPLATE, json, or a Go template'
complete -c pyrootless -n '__pyrootless_at ps any' -l json -d 'a list of objects'
complete -c pyrootless -n '__pyrootless_at ps any' -s n -l last -x -d 'the N newest, stopped or not'
complete -c pyrootless -n '__pyrootless_at ps any' -s l -l latest -d 'the newest'
complete -c pyrootless -n '__pyrootless_at ps any' -l no-trunc -d 'whole ids and commands'
complete -c pyrootless -n '__pyrootless_at ps any' -s q -l quiet -d 'ids alone'
complete -c pyrootless -n '__pyrootless_at ps any' -s s -l size -d 'what each has written'
complete -c pyrootless -n '__pyrootless_at ps any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at "" any' -a rm -d 'remove containers'
complete -c pyrootless -n '__pyrootless_at rm any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at rm any' -s f -l force -d 'kill running containers first'
complete -c pyrootless -n '__pyrootless_at rm any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at rm first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at rm rest' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a top -d 'show the processes of a running container'
complete -c pyrootless -n '__pyrootless_at top any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at top any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at top first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a port -d 'show where the ports of a container are published'
complete -c pyrootless -n '__pyrootless_at port any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at port any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at port first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a logs -d 'show what a container in the background has written'
complete -c pyrootless -n '__pyrootless_at logs any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at logs any' -s f -l follow -d 'follow until the container ends'
complete -c pyrootless -n '__pyrootless_at logs any' -s n -l tail -x -d 'this many lines from the end, or all'
complete -c pyrootless -n '__pyrootless_at logs any' -l since -x -d 'refused: there are no time stamps'
complete -c pyrootless -n '__pyrootless_at logs any' -l until -x -d 'refused: there are no time stamps'
complete -c pyrootless -n '__pyrootless_at logs any' -s t -l timestamps -d 'refused: none kept'
complete -c pyrootless -n '__pyrootless_at logs any' -l details -d 'refused: there are none'
complete -c pyrootless -n '__pyrootless_at logs any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at logs first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a cp -d 'copy files between a container and this machine'
complete -c pyrootless -n '__pyrootless_at cp any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at cp any' -s a -l archive -d 'keep owners'
complete -c pyrootless -n '__pyrootless_at cp any' -s L -l follow-link -d 'SRC may be a link'
complete -c pyrootless -n '__pyrootless_at cp any' -s q -l quiet -d 'no line at the end'
complete -c pyrootless -n '__pyrootless_at cp any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at cp first' -F
complete -c pyrootless -n '__pyrootless_at cp rest' -F
complete -c pyrootless -n '__pyrootless_at "" any' -a export -d 'write a container\'s root file system as an archive'
complete -c pyrootless -n '__pyrootless_at export any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at export any' -s o -l output -rF -d 'not to standard output'
complete -c pyrootless -n '__pyrootless_at export any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at export first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a diff -d 'show what a container changed in its root'
complete -c pyrootless -n '__pyrootless_at diff any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at diff any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at diff first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at "" any' -a commit -d 'make an image of a container\'s changes'
complete -c pyrootless -n '__pyrootless_at commit any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at commit any' -s a -l author -x -d 'who made it'
complete -c pyrootless -n '__pyrootless_at commit any' -s c -l change -x -d 'a Dockerfile instruction, as of import; may be repeated'
complete -c pyrootless -n '__pyrootless_at commit any' -s m -l message -x -d 'for its history'
complete -c pyrootless -n '__pyrootless_at commit any' -s p -l pause -x -d 'its processes stand still meanwhile (default); --pause=false: they go on'
complete -c pyrootless -n '__pyrootless_at commit any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at commit first' -a '(__pyrootless_containers)'
complete -c pyrootless -n '__pyrootless_at commit rest' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at "" any' -a container -d 'the verbs of containers, as docker groups them'
complete -c pyrootless -n '__pyrootless_at container any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at container first' -a 'attach commit cp diff exec export inspect kill logs ls port prune rm run stop top wait'
complete -c pyrootless -n '__pyrootless_at "" any' -a image -d 'remove images that nothing uses'
complete -c pyrootless -n '__pyrootless_at image any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at image any' -s a -l all -d 'named images too, if unused'
complete -c pyrootless -n '__pyrootless_at image any' -s f -l force -d 'do not ask'
complete -c pyrootless -n '__pyrootless_at image any' -l dry-run -d 'only show what would be removed'
complete -c pyrootless -n '__pyrootless_at image any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at image first' -a 'prune'
complete -c pyrootless -n '__pyrootless_at "" any' -a system -d 'show how much of the disk the store takes, and free what is unused'
complete -c pyrootless -n '__pyrootless_at system any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at system any' -l json -d 'one object, sizes in bytes'
complete -c pyrootless -n '__pyrootless_at system any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at system any' -s a -l all -d 'named images too, if unused'
complete -c pyrootless -n '__pyrootless_at system any' -s f -l force -d 'do not ask'
complete -c pyrootless -n '__pyrootless_at system first' -a 'df prune'
complete -c pyrootless -n '__pyrootless_at "" any' -a unshare -d 'run a program as root of your subordinate ids, on your own files'
complete -c pyrootless -n '__pyrootless_at unshare any' -l map -x -a 'range single' -d 'which ids there are'
complete -c pyrootless -n '__pyrootless_at unshare first' -F
complete -c pyrootless -n '__pyrootless_at unshare rest' -F
complete -c pyrootless -n '__pyrootless_at "" any' -a pull -d 'fetch images from registries'
complete -c pyrootless -n '__pyrootless_at pull any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at pull any' -s q -l quiet -d 'no progress'
complete -c pyrootless -n '__pyrootless_at pull any' -l platform -x -d 'default: this machine\'s'
complete -c pyrootless -n '__pyrootless_at pull any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at pull first' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at pull rest' -a '(__pyrootless_images)'
complete -c pyrootless -n '__pyrootless_at "" any' -a login -d 'check a registry\'s password and store it'
complete -c pyrootless -n '__pyrootless_at login any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at login any' -s u -l username -x -d 'if not given, it is asked for'
complete -c pyrootless -n '__pyrootless_at login any' -l password-stdin -d 'read the password from standard input'
complete -c pyrootless -n '__pyrootless_at "" any' -a logout -d 'remove a stored login'
complete -c pyrootless -n '__pyrootless_at logout any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at "" any' -a judge -d 'judge submissions of a task, each in a sandbox'
complete -c pyrootless -n '__pyrootless_at judge any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at judge any' -s j -l jobs -x -d 'at once (default: processors)'
complete -c pyrootless -n '__pyrootless_at judge any' -l report -rF -d 'write a page for people (HTML)'
complete -c pyrootless -n '__pyrootless_at judge any' -l json -rF -d 'write everything as JSON; - for the output'
complete -c pyrootless -n '__pyrootless_at judge any' -l junit -rF -d 'write JUnit\'s XML'
complete -c pyrootless -n '__pyrootless_at judge any' -l csv -rF -d 'write a table of points'
complete -c pyrootless -n '__pyrootless_at judge any' -l journal -rF -d 'where results are kept until the end'
complete -c pyrootless -n '__pyrootless_at judge any' -s q -l quiet -d 'print neither progress nor table'
complete -c pyrootless -n '__pyrootless_at judge first' -F
complete -c pyrootless -n '__pyrootless_at judge rest' -F
complete -c pyrootless -n '__pyrootless_at "" any' -a selftest -d 'run attacks on the sandbox on this machine'
complete -c pyrootless -n '__pyrootless_at selftest any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at selftest any' -l hostile -d 'run the hostile corpus'
complete -c pyrootless -n '__pyrootless_at selftest any' -l way -x -a 'eight groups least no-groups warm' -d 'only in this way (repeatable)'
complete -c pyrootless -n '__pyrootless_at selftest any' -l only -x -d 'only this attack (repeatable)'
complete -c pyrootless -n '__pyrootless_at selftest any' -l json -d 'print the certificate as JSON'
complete -c pyrootless -n '__pyrootless_at "" any' -a serve -d 'run a server for other systems (jobe: Moodle\'s CodeRunner)'
complete -c pyrootless -n '__pyrootless_at serve any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at serve any' -l listen -x -d 'default: only this machine'
complete -c pyrootless -n '__pyrootless_at serve any' -l port -x -d 'default: 4000; 0: any'
complete -c pyrootless -n '__pyrootless_at serve any' -s j -l jobs -x -d 'runs at once (default: processors)'
complete -c pyrootless -n '__pyrootless_at serve any' -l api-key-file -rF -d 'keys of clients, one a line'
complete -c pyrootless -n '__pyrootless_at serve first' -a 'jobe'
complete -c pyrootless -n '__pyrootless_at "" any' -a doctor -d 'examine what this user and kernel permit'
complete -c pyrootless -n '__pyrootless_at doctor any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at doctor any' -l json -d 'print a list of objects'
complete -c pyrootless -n '__pyrootless_at doctor any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at "" any' -a info -d 'show this machine, the store, and how limits would be enforced'
complete -c pyrootless -n '__pyrootless_at info any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at info any' -l json -d 'print one object'
complete -c pyrootless -n '__pyrootless_at info any' -l root -rF -d 'the engine\'s directory'
complete -c pyrootless -n '__pyrootless_at "" any' -a bench -d 'measure containers on this machine, compared with other installed tools'
complete -c pyrootless -n '__pyrootless_at "" any' -a version -d 'print versions'
complete -c pyrootless -n '__pyrootless_at version any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at version any' -l json -d 'print one object'
complete -c pyrootless -n '__pyrootless_at "" any' -a completion -d 'print completions for bash, zsh or fish'
complete -c pyrootless -n '__pyrootless_at completion any' -s h -l help -d 'show this help message and exit'
complete -c pyrootless -n '__pyrootless_at completion first' -a 'bash fish zsh'
complete -c pyrootless -n '__pyrootless_at "" any' -a help -d 'print this, or the help of a verb'
complete -c pyrootless -n '__pyrootless_at help first' -a 'run exec attach wait prepare images inspect history tag rmi load save import bootstrap stop kill ps rm top port logs cp export diff commit container image system unshare pull login logout judge selftest serve doctor info bench version completion help'
