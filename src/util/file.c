/* Whole files, in and out. A file is written beside its place under another name, flushed to the
 * disk, and renamed: whoever reads the place finds the old file or the new one, never a part of
 * it. */
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "util/allocate.h"

struct cnn_writer {
    char *path, *temporary; /* temporary is NULL where path is written in place */
    int fd;
    int error; /* errno of the first write that failed */
};

static cnn_status fail_write(cnn_diag *diag, const char *path, int error)
{
    if (error == ENOSPC || error == EDQUOT)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "cannot write %s: no space left on the disk that holds it", path);
    return cnn_fail(diag, CNN_FAILED, NULL, "cannot write %s: %s", path,
                    error == ENXIO ? "it is a pipe that nothing reads" : strerror(error));
}

/* Reads until the end of the file or until *size reaches capacity; false and errno on failure. */
static bool read_fully(int fd, char *data, size_t capacity, size_t *size)
{
    while (*size < capacity) {
        ssize_t got = read(fd, data + *size, capacity - *size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        if (got == 0)
            break;
        *size += (size_t)got;
    }
    return true;
}

static cnn_status fail_large(cnn_diag *diag, const char *path, unsigned long long size,
                             size_t limit)
{
    return cnn_fail(diag, CNN_FAILED, NULL, "%s is too large: %llu bytes, at most %zu are read",
                    path, size, limit);
}

/* A file that is read. The size that the system names is only a first guess: a pipe has none, and a
 * file may grow. */
struct reading {
    int fd;
    const char *path;
    size_t guess, limit;
};

static cnn_status read_growing(const struct reading *r, char **data, size_t *size, cnn_diag *diag)
{
    const char *path = r->path;
    size_t limit = r->limit, capacity = r->guess + 1, used = 0; /* one more byte than expected shows
                                                                   the end */
    char *bytes = NULL;
    for (;;) {
        char *larger = cnn_realloc(bytes, capacity + 1);
        if (!larger) {
            cnn_free(bytes);
            return cnn_fail_memory(diag, capacity + 1, path);
        }
        bytes = larger;
        if (!read_fully(r->fd, bytes, capacity, &used)) {
            cnn_status status =
                cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", path, strerror(errno));
            cnn_free(bytes);
            return status;
        }
        if (used < capacity)
            break;
        if (used > limit) {
            cnn_free(bytes);
            return fail_large(diag, path, used, limit);
        }
        capacity = capacity > limit / 2 ? limit + 1 : capacity * 2;
    }
    bytes[used] = '\0';
    *data = bytes;
    *size = used;
    return CNN_OK;
}

int cnn_file_open(const char *path, unsigned long long *size)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -1;
    int error = fstat(fd, &info) != 0    ? errno
                : S_ISDIR(info.st_mode)  ? EISDIR
                : !S_ISREG(info.st_mode) ? ENXIO
                                         : 0;
    if (error == 0) {
        *size = (unsigned long long)info.st_size;
        return fd;
    }
    close(fd);
    errno = error;
    return -1;
}

cnn_status cnn_file_fail(const char *path, cnn_diag *diag)
{
    if (errno == ENOMEM || errno == EMFILE || errno == ENFILE)
        return cnn_fail_want(diag, errno == ENOMEM ? CNN_WANT_MEMORY : CNN_WANT_FILES, 0, path);
    const char *reason = errno == EISDIR  ? "it is a directory"
                         : errno == ENXIO ? "it is no regular file"
                                          : strerror(errno);
    return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", path, reason);
}

cnn_status cnn_file_read(const char *path, size_t limit, char **data, size_t *size, cnn_diag *diag)
{
    unsigned long long length;
    int fd = cnn_file_open(path, &length);
    if (fd < 0)
        return cnn_file_fail(path, diag);
    if (limit > SIZE_MAX - 2)
        limit = SIZE_MAX - 2;
    cnn_status status = length > limit ? fail_large(diag, path, length, limit)
                                       : read_growing(&(struct reading){.fd = fd,
                                                                        .path = path,
                                                                        .guess = (size_t)length,
                                                                        .limit = limit},
                                                      data, size, diag);
    close(fd);
    return status;
}

cnn_status cnn_file_read_any(const char *path, size_t limit, char **data, size_t *size,
                             cnn_diag *diag)
{
    struct stat info;
    if (stat(path, &info) != 0 || S_ISREG(info.st_mode) || S_ISDIR(info.st_mode))
        return cnn_file_read(path, limit, data, size, diag);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return cnn_file_fail(path, diag);
    cnn_status status = read_growing(
        &(struct reading){.fd = fd, .path = path, .guess = 0, .limit = limit}, data, size, diag);
    close(fd);
    return status;
}

/* A device, a pipe or a link is written in place: a rename would put a plain file where it was (as
 * root even for /dev/null). */
static bool written_in_place(const char *path)
{
    struct stat info;
    return lstat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

/* PATH.tmp-<pid>, cnn_malloc'ed. File systems allow names of 255 bytes, some fewer: of a long name
 * only the beginning stands here, between two characters, and a checksum for the rest. */
static char *temporary_name(const char *path)
{
    const size_t most = 100;
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    size_t length = strlen(name), kept = length <= most ? length : most;
    while (kept < length && kept > 0 && ((unsigned char)name[kept] & 0xC0) == 0x80)
        kept--;
    size_t used = (size_t)(name - path) + kept, size = used + 48;
    char *out = cnn_malloc(size);
    if (!out)
        return NULL;
    memcpy(out, path, used);
    if (kept < length)
        snprintf(out + used, size - used, "~%08lx.tmp-%ld", crc32_z(0, (const Bytef *)name, length),
                 (long)getpid());
    else
        snprintf(out + used, size - used, ".tmp-%ld", (long)getpid());
    return out;
}

static int open_temporary(const char *path)
{
    const int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = open(path, flags, 0666);
    if (fd >= 0 || errno != EEXIST)
        return fd;
    unlink(path); /* left by a process of the same id that crashed */
    return open(path, flags, 0666);
}

static void writer_free(struct cnn_writer *writer)
{
    cnn_free(writer->path);
    cnn_free(writer->temporary);
    cnn_free(writer);
}

/* The names a writer needs, nothing opened yet; NULL when out of memory. */
static struct cnn_writer *writer_new(const char *path)
{
    struct cnn_writer *writer = cnn_calloc(1, sizeof *writer);
    if (!writer)
        return NULL;
    writer->path = cnn_strdup(path);
    bool in_place = written_in_place(path);
    if (!in_place)
        writer->temporary = temporary_name(path);
    if (!writer->path || (!in_place && !writer->temporary)) {
        writer_free(writer);
        return NULL;
    }
    return writer;
}

/* What is written in place. A pipe that nobody reads is refused (ENXIO): opening it would wait for
 * a reader, maybe for ever. */
static int open_in_place(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd >= 0)
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

cnn_status cnn_writer_open(const char *path, struct cnn_writer **out, cnn_diag *diag)
{
    if (cnn_file_is_folder(path))
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot write %s: it is a directory", path);
    struct cnn_writer *writer = writer_new(path);
    if (!writer)
        return cnn_fail_memory(diag, strlen(path), path);
    writer->fd = writer->temporary ? open_temporary(writer->temporary) : open_in_place(path);
    if (writer->fd < 0) {
        cnn_status status = fail_write(diag, path, errno);
        writer_free(writer);
        return status;
    }
    *out = writer;
    return CNN_OK;
}

void cnn_writer_write(struct cnn_writer *writer, const void *data, size_t size)
{
    const size_t piece = (size_t)1 << 30; /* Linux writes no more than 2 GiB at once */
    const char *bytes = data;
    while (size > 0 && writer->error == 0) {
        ssize_t written = write(writer->fd, bytes, size < piece ? size : piece);
        if (written < 0) {
            if (errno != EINTR)
                writer->error = errno;
            continue;
        }
        bytes += written;
        size -= (size_t)written;
    }
}

/* The new name is on the disk only when its directory is. Best effort: the file is in place by now,
 * and not every file system can do this. */
static void sync_directory(char *path)
{
    char *slash = strrchr(path, '/');
    const char *directory = slash == path ? "/" : slash ? path : ".";
    if (slash && slash != path)
        *slash = '\0';
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* A pipe or a terminal cannot be flushed: EINVAL. */
static void flush(struct cnn_writer *writer)
{
    if (writer->error == 0 && fsync(writer->fd) != 0 && errno != EINVAL && errno != ENOTSUP)
        writer->error = errno;
}

cnn_status cnn_writer_flush(struct cnn_writer *writer, cnn_diag *diag)
{
    flush(writer);
    return writer->error == 0 ? CNN_OK : fail_write(diag, writer->path, writer->error);
}

/* durable: on the disk when this returns. */
static cnn_status commit(struct cnn_writer *writer, bool durable, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    if (durable)
        flush(writer);
    if (close(writer->fd) != 0 && writer->error == 0)
        writer->error = errno;
    if (!durable && writer->error == 0 && writer->temporary)
        /* some systems flush a file at once that takes the place of another */
        unlink(writer->path);
    if (writer->error == 0 && writer->temporary && rename(writer->temporary, writer->path) != 0)
        writer->error = errno;
    if (writer->error != 0) {
        status = fail_write(diag, writer->path, writer->error);
        if (writer->temporary)
            unlink(writer->temporary);
    } else if (durable && writer->temporary) {
        sync_directory(writer->path);
    }
    writer_free(writer);
    return status;
}

cnn_status cnn_writer_commit(struct cnn_writer *writer, cnn_diag *diag)
{
    return commit(writer, true, diag);
}

void cnn_writer_abandon(struct cnn_writer *writer)
{
    if (!writer)
        return;
    close(writer->fd);
    if (writer->temporary)
        unlink(writer->temporary);
    writer_free(writer);
}

static cnn_status write_file(const char *path, const void *data, size_t size, bool durable,
                             cnn_diag *diag)
{
    struct cnn_writer *writer;
    cnn_status status = cnn_writer_open(path, &writer, diag);
    if (status != CNN_OK)
        return status;
    cnn_writer_write(writer, data, size);
    return commit(writer, durable, diag);
}

cnn_status cnn_file_write(const char *path, const void *data, size_t size, cnn_diag *diag)
{
    return write_file(path, data, size, true, diag);
}

cnn_status cnn_file_write_quickly(const char *path, const void *data, size_t size, cnn_diag *diag)
{
    return write_file(path, data, size, false, diag);
}

cnn_status cnn_file_check(const char *path, cnn_diag *diag)
{
    struct cnn_writer *writer;
    if (written_in_place(path))
        return CNN_OK;
    cnn_status status = cnn_writer_open(path, &writer, diag);
    if (status == CNN_OK)
        cnn_writer_abandon(writer);
    return status;
}

cnn_status cnn_file_keep(const char *path, const char *kept, cnn_diag *diag)
{
    char *temporary = temporary_name(kept);
    if (!temporary)
        return cnn_fail_memory(diag, strlen(kept), kept);
    unlink(temporary);
    if (link(path, temporary) == 0) {
        rename(temporary, kept);
        unlink(temporary); /* rename leaves both names where they stand for one file already */
    }
    cnn_free(temporary);
    return CNN_OK;
}

bool cnn_file_is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool cnn_file_ends(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);
    return length > tail && strcasecmp(path + length - tail, ending) == 0;
}

bool cnn_file_same(const char *a, const char *b)
{
    struct stat first, second;
    return stat(a, &first) == 0 && stat(b, &second) == 0 && first.st_dev == second.st_dev &&
           first.st_ino == second.st_ino;
}

cnn_status cnn_make_directories(const char *path, cnn_diag *diag)
{
    char *prefix = cnn_strdup(path);
    if (!prefix)
        return cnn_fail_memory(diag, strlen(path), path);
    cnn_status status = CNN_OK;
    for (char *end = prefix; status == CNN_OK && *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        char kept = *end;
        *end = '\0';
        if (!cnn_file_is_folder(prefix) && mkdir(prefix, 0777) != 0) {
            int error = errno;
            if (!cnn_file_is_folder(prefix)) /* else another process was faster */
                status =
                    cnn_fail(diag, CNN_FAILED, NULL, "cannot make the directory %s: %s", prefix,
                             error == EEXIST ? "a file is in its place" : strerror(error));
        }
        *end = kept;
    }
    cnn_free(prefix);
    return status;
}
