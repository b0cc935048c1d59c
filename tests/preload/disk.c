/* A library for LD_PRELOAD: says in the file that DISK_LOG names which files were flushed to the
 * disk before they got their place, and which were not; and what becomes shorter while it is read:
 * with DISK_SHORTEN, a file of that size or more loses its end after its first read. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 4096 };

static ino_t flushed[MOST];
static size_t count;

long syscall(long number, ...);

int fsync(int fd)
{
    struct stat info;

    if (fstat(fd, &info) == 0 && count < MOST)
        flushed[count++] = info.st_ino;
    return (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    const char *path = getenv("DISK_LOG");
    FILE *log = path ? fopen(path, "a") : NULL;
    struct stat info;
    int found = 0;

    if (stat(from, &info) == 0)
        for (size_t i = 0; i < count; i++)
            found = found || flushed[i] == info.st_ino;
    if (log) {
        fprintf(log, "%s %s\n", found ? "flushed" : "not flushed", to);
        fclose(log);
    }
    return (int)syscall(SYS_renameat, AT_FDCWD, from, AT_FDCWD, to);
}

ssize_t read(int fd, void *buffer, size_t size)
{
    const char *limit = getenv("DISK_SHORTEN");
    ssize_t got = syscall(SYS_read, fd, buffer, size);
    struct stat info;
    char path[64];

    if (limit && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
        info.st_size >= strtoll(limit, NULL, 10)) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (truncate(path, info.st_size - 100) != 0)
            return -1;
    }
    return got;
}
