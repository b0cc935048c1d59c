/* Files: read whole with a size limit, and written so that a crash never leaves half a file. */
#ifndef CNN_UTIL_FILE_H
#define CNN_UTIL_FILE_H

#include "util/diag.h"

/* Opens a file that is to be read: regular files alone, and without waiting, for a pipe would keep
 * its reader waiting and a device may have no end. A descriptor, and the file's size; -1 and errno,
 * which is EISDIR for a directory and ENXIO for what else is no file. */
int cnn_file_open(const char *path, unsigned long long *size);

/* The error for a file that could not be opened or read, from errno. Returns CNN_FAILED. */
cnn_status cnn_file_fail(const char *path, cnn_diag *diag);

/* Reads the file whole into cnn_malloc'ed memory with a NUL after it. Errors name the path and the
 * system's reason; a file larger than limit bytes is an error that gives both sizes. `-` is not
 * special. */
cnn_status cnn_file_read(const char *path, size_t limit, char **data, size_t *size, cnn_diag *diag);

/* The same for what a user may also hand over by a pipe, as the shell's <(...) does. It is waited
 * for. */
cnn_status cnn_file_read_any(const char *path, size_t limit, char **data, size_t *size,
                             cnn_diag *diag);

/* A file being written under PATH.tmp-<pid> (a long name is shortened); commit flushes it to the
 * disk and renames it to PATH (and syncs the directory), abandon removes it. Both free the writer.
 * Errors while writing stick and are reported by commit, which then leaves PATH as it was. Only
 * where PATH is a link, a device or a pipe is it written in place. */
struct cnn_writer;
cnn_status cnn_writer_open(const char *path, struct cnn_writer **out, cnn_diag *diag);
void cnn_writer_write(struct cnn_writer *writer, const void *data, size_t size);
cnn_status cnn_writer_commit(struct cnn_writer *writer, cnn_diag *diag);
void cnn_writer_abandon(struct cnn_writer *writer); /* NULL is legal */
/* Flushes what was written so far, so that commit finds room for it: where several files belong
 * together, all are flushed before the first is committed. */
cnn_status cnn_writer_flush(struct cnn_writer *writer, cnn_diag *diag);

/* PATH := data, through a writer. */
cnn_status cnn_file_write(const char *path, const void *data, size_t size, cnn_diag *diag);

/* The same without the wait for the disk, for what can be made again, and may be thousands:
 * pictures. Half a file is never seen. */
cnn_status cnn_file_write_quickly(const char *path, const void *data, size_t size, cnn_diag *diag);

/* Keeps the file at path under a second name too (a hard link), in place of the file of that name.
 * Best effort, for a file system may have no links; an error only where memory runs out. */
cnn_status cnn_file_keep(const char *path, const char *kept, cnn_diag *diag);

/* Whether a file can be written at path, as far as that is known before it is: work of hours should
 * not end in a path that was never good. What is there is not touched; what is no plain file is
 * left alone, for a pipe that is opened and closed is at its end. */
cnn_status cnn_file_check(const char *path, cnn_diag *diag);

bool cnn_file_is_folder(const char *path);

/* Whether the file's name ends so (".npy"), in capitals or small letters, and is longer. */
bool cnn_file_ends(const char *path, const char *ending);

/* Whether both paths name one file, by links or otherwise. */
bool cnn_file_same(const char *a, const char *b);

/* mkdir -p. */
cnn_status cnn_make_directories(const char *path, cnn_diag *diag);

#endif
