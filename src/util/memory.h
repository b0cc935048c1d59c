/* What memory this process may have, as far as the system says. */
#ifndef CNN_UTIL_MEMORY_H
#define CNN_UTIL_MEMORY_H

struct cnn_memory_room { /* bytes */
    double total;        /* the smallest of the limits below */
    double available;    /* the least that one of them leaves now */
    double swap;         /* what the machine can put elsewhere on top */
    const char *limit;   /* what sets the total: "the machine", "ulimit -v", "the control group" */
};

/* Limits are the machine's memory, that of the address space (RLIMIT_AS), and those of the control
 * group (cgroup, version 1 or 2) and of all that it is part of. root: "", or a folder whose proc/
 * and sys/ are read in place of the system's, by tests. */
void cnn_memory_room(const char *root, struct cnn_memory_room *out);

#endif
