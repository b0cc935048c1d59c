/* Damaged images of a run by several processes: each meets those of its own share alone. */
#ifndef CNN_TRAIN_DAMAGE_H
#define CNN_TRAIN_DAMAGE_H

#include "cluster/cluster.h"
#include "data/dataset.h"

/* cnn_dataset_report of what all processes have found: each counts all of them, so that all go on
 * or all fail. All processes make this call at the end of a pass; NULL: this one is alone. */
cnn_status cnn_damage_report(cnn_cluster *cluster, const struct cnn_dataset *dataset,
                             void (*tell)(void *context, const char *text), void *context,
                             cnn_diag *diag);

#endif
