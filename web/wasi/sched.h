/* What wasi-libc's sched.h lacks: which cores a process may use is not known. */
#ifndef CNN_WASI_SCHED_H
#define CNN_WASI_SCHED_H

#include_next <sched.h>

typedef int cpu_set_t;

#define CPU_COUNT(set) (*(set))

static inline int sched_getaffinity(int process, unsigned long size, cpu_set_t *set)
{
    (void)process, (void)size;
    *set = 1;
    return -1;
}

#endif
