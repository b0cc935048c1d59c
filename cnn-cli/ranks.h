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

/* At the end of the program, after all is printed. */
void cnn_ranks_leave(cnn_status status);

#endif
