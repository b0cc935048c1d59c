/* The program as one of several processes that mpirun or srun has started. */
#ifndef CNN_CLI_RANKS_H
#define CNN_CLI_RANKS_H

#include <stdbool.h>

#include "cnn.h"

/* Joins the others. From then on only rank 0 prints: what the other ranks write goes nowhere.
 * Messages are printed. */
cnn_status cnn_ranks_join(cnn_diag *diag);

/* For what one process does alone, where several were started. true: this is not that process, and
 * ends at once. Otherwise a warning tells of the others; command NULL: none does. */
bool cnn_ranks_spare(const char *command);

/* NULL where the process is alone. */
cnn_cluster *cnn_ranks(void);

/* Where rank 0 has failed, so that this rank has to say it: prints again. */
void cnn_ranks_speak(void);

/* For ranks that do not print: an error that all have met together in work that was shared. They
 * end with it, too, but after the first one: a launcher ends all as soon as one fails, and if
 * others have ended well, MPICH's may take that for the result. */
void cnn_ranks_share(cnn_status status);

/* At the end of the program, after all is printed. Returns the status to end with. */
cnn_status cnn_ranks_leave(cnn_status status);

#endif
