/* A run's frozen layers: held while they are frozen, let go when `train.freeze_epochs` are over. */
#ifndef CNN_TRAIN_HOLD_H
#define CNN_TRAIN_HOLD_H

#include "train/setup.h"

/* Once the run is set up and, if it goes on, its state is read: trains what is not frozen from here
 * on. Does nothing where all layers are trained. */
cnn_status cnn_training_hold(struct cnn_training *training, cnn_diag *diag);

/* Whether layers are held that are to be let go before the next step. */
bool cnn_training_release_due(const struct cnn_training *training);
cnn_status cnn_training_release(struct cnn_training *training, cnn_diag *diag);

/* Sets the members of an event that tell of what is held. */
void cnn_training_tell_held(const struct cnn_training *training, cnn_event *event);

#endif
