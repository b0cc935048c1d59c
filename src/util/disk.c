/* Locks, leftovers and room. The lock is POSIX's advisory record lock (fcntl): unlike flock it
 * tells who has it. */
#include "util/disk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "util/allocate.h"

struct cnn_lock {
    int fd;
    char path[]; /* of the file */
};

static cnn_status fail_held(const char *directory, int fd, cnn_diag *diag)
{
    struct flock found = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool known = fcntl(fd, F_GETLK, &found) == 0 && found.l_type != F_UNLCK && found.l_pid > 0;
    if (!known)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s is in use: another process is at work in it",
                        directory);
    cnn_fail(diag, CNN_FAILED, NULL, "%s is in use: process %ld is at work in it", directory,
             (long)found.l_pid);
    cnn_hint(diag, "wait until it is done; 'kill %ld' makes it save its state and stop",
             (long)found.l_pid);
    return CNN_FAILED;
}

/* Whether fd is still what stands at path: else its last owner removed it between our opening and
 * our locking of it. */
static bool is_in_place(int fd, const char *path)
{
    struct stat opened, found;
    return fstat(fd, &opened) == 0 && stat(path, &found) == 0 && opened.st_dev == found.st_dev &&
           opened.st_ino == found.st_ino;
}

static bool lock_file(int fd)
{
    struct flock wanted = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    /* other errors: a file system without locks */
    return fcntl(fd, F_SETLK, &wanted) == 0 || (errno != EACCES && errno != EAGAIN);
}

cnn_status cnn_lock_take(const char *directory, struct cnn_lock **out, cnn_diag *diag)
{
    size_t size = strlen(directory) + sizeof "/lock";
    struct cnn_lock *lock = cnn_malloc(sizeof *lock + size);
    if (!lock)
        return cnn_fail_memory(diag, size, "a lock");
    snprintf(lock->path, size, "%s/lock", directory);
    for (int tries = 0;; tries++) {
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0666);
        cnn_status status = CNN_OK;
        if (lock->fd < 0)
            status = cnn_fail(diag, CNN_FAILED, NULL, "cannot write in %s: %s", directory,
                              strerror(errno));
        else if (!lock_file(lock->fd))
            status = fail_held(directory, lock->fd, diag);
        /* a file system may number its files anew each time */
        else if (is_in_place(lock->fd, lock->path) || tries == 100)
            break;
        if (lock->fd >= 0)
            close(lock->fd);
        if (status != CNN_OK) {
            cnn_free(lock);
            return status;
        }
    }
    *out = lock;
    return CNN_OK;
}

void cnn_lock_release(struct cnn_lock *lock)
{
    if (!lock)
        return;
    unlink(lock->path); /* while it is locked: nobody else has it */
    close(lock->fd);
    cnn_free(lock);
}

/* A process that has ended keeps its number until its parent asks how: in a container whose first
 * process never does, for ever. /proc/<pid>/stat is the number, the name in parentheses, a letter.
 */
static bool is_running(pid_t pid)
{
    char path[48], text[256];
    if (kill(pid, 0) != 0 && errno == ESRCH)
        return false;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return true;
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    const char *state = strrchr(text, ')');
    return !state || (strncmp(state, ") Z", 3) != 0 && strncmp(state, ") X", 3) != 0);
}

/* Whether name ends in .tmp-<pid>, and that process is no more, or is this one, which is not
 * writing yet. */
static bool is_leftover(const char *name)
{
    const char *mark = NULL;
    for (const char *at = name; (at = strstr(at, ".tmp-")); at++)
        mark = at;
    if (!mark || mark[5] < '1' || mark[5] > '9')
        return false;
    char *end;
    errno = 0;
    long pid = strtol(mark + 5, &end, 10);
    if (*end != '\0' || errno != 0 || (pid_t)pid != pid)
        return false;
    return pid == getpid() || !is_running((pid_t)pid);
}

void cnn_disk_sweep(const char *directory)
{
    DIR *stream = opendir(directory);
    if (!stream)
        return;
    for (const struct dirent *entry; (entry = readdir(stream));)
        if (is_leftover(entry->d_name))
            unlinkat(dirfd(stream), entry->d_name, 0);
    closedir(stream);
}

/* What the nearest directory that exists, of path and those above it, says of its disk. */
static bool ask_disk(const char *path, struct statvfs *out)
{
    char *prefix = cnn_strdup(path);
    bool known = prefix && statvfs(prefix, out) == 0;
    while (prefix && !known && errno == ENOENT) {
        char *slash = strrchr(prefix, '/');
        if (slash == prefix || (!slash && strcmp(prefix, ".") == 0))
            break;
        if (slash)
            *slash = '\0';
        else
            strcpy(prefix, "."); /* where a relative path begins */
        known = statvfs(prefix, out) == 0;
    }
    cnn_free(prefix);
    return known;
}

static const char *format_bytes(char text[24], double bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    for (; bytes >= 1024 && unit < 4; unit++)
        bytes /= 1024;
    snprintf(text, 24, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

cnn_status cnn_disk_check(const char *path, size_t bytes, size_t largest, cnn_diag *diag)
{
    struct statvfs disk;
    struct rlimit limit;
    char have[24], want[24];
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
        limit.rlim_cur < largest) {
        cnn_fail(diag, CNN_FAILED, NULL,
                 "no file may be larger than %s here, and a checkpoint takes about %s",
                 format_bytes(have, (double)limit.rlim_cur), format_bytes(want, (double)largest));
        cnn_hint(diag, "'ulimit -f' shows and sets the limit");
        return CNN_FAILED;
    }
    if (!ask_disk(path, &disk) || disk.f_blocks == 0)
        return CNN_OK;
    double left = (double)disk.f_bavail * (double)disk.f_frsize;
    if (left >= (double)bytes)
        return CNN_OK;
    return cnn_fail(
        diag, CNN_FAILED, NULL,
        "the disk of %s has %s left; checkpoints and their temporary copies take about %s", path,
        format_bytes(have, left), format_bytes(want, (double)bytes));
}
