/* Limits of a process, and what it has used: WASI has none, and does not say. */
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

#define RUSAGE_SELF 0

struct rusage {
    long ru_maxrss;
};

static inline int getrusage(int who, struct rusage *out)
{
    (void)who, (void)out;
    return -1;
}

#endif
