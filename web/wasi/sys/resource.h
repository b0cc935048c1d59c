/* Limits of a process: WASI has none. */
#ifndef CNN_WASI_RESOURCE_H
#define CNN_WASI_RESOURCE_H

typedef unsigned long long rlim_t;

struct rlimit {
    rlim_t rlim_cur, rlim_max;
};

#define RLIM_INFINITY (~0ULL)
#define RLIMIT_AS     0
#define RLIMIT_FSIZE  1

static inline int getrlimit(int resource, struct rlimit *out)
{
    (void)resource, (void)out;
    return -1;
}

#endif
