/* The roofline of this machine: what it multiplies and moves at most. Williams, Waterman and
 * Patterson, "Roofline: An Insightful Visual Performance Model for Multicore Architectures",
 * 2009. */
#ifndef CNN_TRAIN_ROOFLINE_H
#define CNN_TRAIN_ROOFLINE_H

#include "train/demand.h"
#include "util/caches.h"

enum { CNN_LEVEL_MEMORY = CNN_CACHE_LEVELS, CNN_LEVELS };

/* Of all threads in use together; 0: it is not known. */
struct cnn_roofline {
    double peak[CNN_FACTORS_KINDS]; /* operations per second, two for each multiply-add */
    double room[CNN_CACHE_LEVELS];  /* bytes that the caches hold */
    double bandwidth[CNN_LEVELS];   /* bytes that are read per second */
};

/* Measures the peaks of the factors that are wanted. Like _bandwidth it keeps the highest number of
 * several runs, and of what the roofline has. Kernels that have no peak give none. */
void cnn_roofline_measure_peaks(struct cnn_roofline *r, const bool wanted[CNN_FACTORS_KINDS]);

/* Fills in room, and measures the bandwidth of each level in arrays that it allocates. */
cnn_status cnn_roofline_measure_bandwidth(struct cnn_roofline *r, cnn_diag *diag);

/* The least time that a demand takes, in seconds, and what sets it. 0: none is known. */
enum cnn_limit { CNN_LIMIT_COMPUTE = CNN_LEVELS, CNN_LIMIT_NONE };
struct cnn_bound {
    double seconds;
    int by; /* a level, or an enum cnn_limit */
};
struct cnn_bound cnn_roofline_bound(const struct cnn_roofline *r, const struct cnn_demand *demand);

/* "L1", "L2", "L3", "memory", "compute"; NULL: none. */
const char *cnn_limit_name(int by);

#endif
