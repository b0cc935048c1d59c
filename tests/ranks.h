/* Several ranks without MPI: processes that are forked and joined by pairs of sockets. */
#ifndef TESTS_RANKS_H
#define TESTS_RANKS_H

#include "cluster/cluster.h"

#define RANKS_MOST 16

/* Runs function in `ranks` new processes, each a rank of one cluster. A rank's loops run in its one
 * thread unless the function uses a pool (cnn_parallel_use). The function must not use asserts of
 * cmocka. Returns how many ranks did not end with true. timeout: of the cluster, in seconds. */
typedef bool ranks_function(cnn_cluster *cluster, void *context);
size_t ranks_run(size_t ranks, double timeout, ranks_function *function, void *context);

/* Runs ranks of which `missing` ends before it opens the cluster, so that nobody's opening
 * succeeds; said (shared): what each rank's error is, empty: it has none. */
#define RANKS_TEXT 200
void ranks_open_without(size_t missing, size_t ranks, char (*said)[RANKS_TEXT]);

/* Messages of joint calls (gather, broadcast, any) that this rank has sent so far. */
size_t ranks_joint_messages(void);

/* Zeroed memory that the ranks and the test share; never given back. */
void *ranks_shared(size_t bytes);

#endif
