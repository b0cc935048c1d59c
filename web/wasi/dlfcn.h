/* Libraries that are opened at run time: there are none. */
#ifndef CNN_WASI_DLFCN_H
#define CNN_WASI_DLFCN_H

#include <stddef.h>

#define RTLD_NOW    2
#define RTLD_LOCAL  0
#define RTLD_GLOBAL 256

static inline void *dlopen(const char *path, int flags)
{
    (void)path, (void)flags;
    return NULL;
}

static inline void *dlsym(void *library, const char *name)
{
    (void)library, (void)name;
    return NULL;
}

static inline int dlclose(void *library)
{
    (void)library;
    return 0;
}

static inline char *dlerror(void)
{
    return NULL;
}

#endif
