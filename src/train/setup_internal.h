/* What the files of setting up a run share. */
#ifndef CNN_TRAIN_SETUP_INTERNAL_H
#define CNN_TRAIN_SETUP_INTERNAL_H

#include "train/setup.h"

/* A warning about how the run was opened; what there is no memory for is not said. */
void cnn_training_note(struct cnn_training *training, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The folder of --data becomes a part of the description, so that whoever opens the run finds it:
 * data.path="..." as a setting. The name of a folder that is not UTF-8 cannot stand there. */
cnn_status cnn_training_name_data(struct cnn_training *training, const char *path, cnn_diag *diag);

/* The overrides of options, what --scale-batch changes, and the folder of --data; for cnn_free.
 * NULL and a message on failure.
 */
const char **cnn_training_settings(const struct cnn_training *training,
                                   const cnn_train_options *options, size_t *count, cnn_diag *diag);

/* Everything that a new run and a resumed one have in common, once the description is there. */
cnn_status cnn_training_parts(struct cnn_training *training, const cnn_train_options *options,
                              cnn_diag *diag);

#endif
