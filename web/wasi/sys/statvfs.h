/* File systems of a machine that has none but memory: nothing is known of them. */
#ifndef CNN_WASI_STATVFS_H
#define CNN_WASI_STATVFS_H

struct statvfs {
    unsigned long f_frsize, f_bavail, f_blocks, f_bsize, f_bfree;
};

static inline int statvfs(const char *path, struct statvfs *out)
{
    (void)path, (void)out;
    return -1;
}

#endif
