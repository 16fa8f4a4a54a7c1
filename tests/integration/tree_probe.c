/* tree_probe.c: everything a program can see of a tree, one line an entry.
 * In: nothing; it starts at "/".  Out: sorted by path: type, mode, owner, size or target,
 * modification time, extended attributes, a digest of the content.
 * Never: "/" (podman gives it a mode of its own), /proc, /sys, /dev, itself, or the files an
 * engine makes for each container. Static, so that it runs in an image without a C library. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char *const skipped[] = {"/proc",
                                      "/sys",
                                      "/dev",
                                      "/.tree-probe",
                                      "/etc/hosts",
                                      "/etc/hostname",
                                      "/etc/resolv.conf",
                                      "/run/.containerenv",
                                      "/etc/mtab",
                                      "/.dockerenv"};

static int is_skipped(const char *path)
{
    for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++)
        if (strcmp(path, skipped[i]) == 0)
            return 1;
    return 0;
}

/* Directories in which an engine makes what it mounts on: their time is not the image's. */
static int is_touched(const char *path)
{
    return !strcmp(path, "/etc") || !strcmp(path, "/run");
}

static void print_text(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p > ' ' && *p < 127 && *p != '\\')
            putchar(*p);
        else
            printf("\\%03o", *p);
}

static void print_content(const char *path)
{
    static unsigned char buffer[1 << 16];
    uint64_t sum = 14695981039346656037u; /* FNV-1a */
    ssize_t n;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    while (fd >= 0 && (n = read(fd, buffer, sizeof buffer)) > 0)
        for (ssize_t i = 0; i < n; i++)
            sum = (sum ^ buffer[i]) * 1099511628211u;
    printf(fd < 0 ? " unreadable" : " %016llx", (unsigned long long)sum);
    if (fd >= 0)
        close(fd);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void print_xattrs(const char *path)
{
    static char names[65536], value[65536];
    char *sorted[256];
    size_t count = 0;
    ssize_t len = llistxattr(path, names, sizeof names);
    for (ssize_t at = 0; at < len && count < 256; at += (ssize_t)strlen(names + at) + 1)
        sorted[count++] = names + at;
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count; i++) {
        ssize_t n = lgetxattr(path, sorted[i], value, sizeof value);
        printf(" %s=", sorted[i]);
        for (ssize_t k = 0; k < n; k++)
            printf("%02x", (unsigned char)value[k]);
    }
}

static void print_entry(const char *path, const struct stat *st)
{
    char target[PATH_MAX];
    print_text(path);
    printf(" %06o %u:%u", st->st_mode, st->st_uid, st->st_gid);
    if (S_ISREG(st->st_mode))
        printf(" %lld", (long long)st->st_size);
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
        printf(" %u,%u", major(st->st_rdev), minor(st->st_rdev));
    ssize_t n = S_ISLNK(st->st_mode) ? readlink(path, target, sizeof target - 1) : -1;
    if (n >= 0) {
        target[n] = '\0';
        printf(" -> ");
        print_text(target);
    }
    if (!is_touched(path))
        printf(" %lld.%09ld", (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
    print_xattrs(path);
    if (S_ISREG(st->st_mode))
        print_content(path);
    putchar('\n');
}

static void walk(const char *path)
{
    char **names = NULL;
    size_t count = 0;
    DIR *dir = opendir(*path ? path : "/");
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        names = realloc(names, (count + 1) * sizeof *names);
        names[count++] = strdup(entry->d_name);
    }
    if (dir)
        closedir(dir);
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 0; i < count; i++) {
        char child[PATH_MAX];
        struct stat st;
        if (snprintf(child, sizeof child, "%s/%s", path, names[i]) < (int)sizeof child &&
            !is_skipped(child) && lstat(child, &st) == 0) {
            print_entry(child, &st);
            if (S_ISDIR(st.st_mode))
                walk(child);
        }
        free(names[i]);
    }
    free(names);
}

int main(void)
{
    walk("");
    return 0;
}
