/* A directory that a long-running process works in: kept from others, swept of what crashed ones
 * left, and with room for what is to come. */
#ifndef CNN_UTIL_DISK_H
#define CNN_UTIL_DISK_H

#include "util/diag.h"

/* Keeps directory (which must exist) for this process, by a locked file `lock` in it, which goes
 * when the lock is released. The system itself releases the lock of a process that ends, however it
 * ends. CNN_FAILED where nothing can be written in directory, and where another process has it,
 * whose number is in the message. On a file system without locks nobody is kept out. */
struct cnn_lock;
cnn_status cnn_lock_take(const char *directory, struct cnn_lock **out, cnn_diag *diag);
void cnn_lock_release(struct cnn_lock *lock); /* NULL is legal */

/* Removes files NAME.tmp-<pid> (see util/file.h) of processes that are no more, zombies among
 * them. Best effort. */
void cnn_disk_sweep(const char *directory);

/* CNN_FAILED where the disk that holds path, or would hold it once it is made, has less than
 * `bytes` left, or where a file of `largest` bytes is more than this process may write. A disk that
 * does not say is taken to be large enough. */
cnn_status cnn_disk_check(const char *path, size_t bytes, size_t largest, cnn_diag *diag);

#endif
