/* What wasi-libc's stdlib.h lacks. */
#ifndef CNN_WASI_STDLIB_H
#define CNN_WASI_STDLIB_H

#include_next <stdlib.h>

static inline char *realpath(const char *path, char *resolved)
{
    (void)path, (void)resolved;
    return NULL;
}

#endif
