/* Ranks compare what they are about to train, before the run begins. */
#ifndef CNN_TRAIN_AGREE_H
#define CNN_TRAIN_AGREE_H

#include "train/setup.h"

/* CNN_OK where every rank has the program, the kernels, the description, the images, the parameters
 * and the step of rank 0, and there are not too many ranks. All ranks call it. The run is prepared,
 * or restored. Without a cluster it does nothing. */
cnn_status cnn_training_agree(struct cnn_training *training, cnn_diag *diag);

/* The same for an evaluation: program, kernels, description, parameters, images. */
cnn_status cnn_evaluation_agree(cnn_cluster *cluster, const cnn_model *model,
                                const struct cnn_dataset *dataset, cnn_diag *diag);

#endif
