/* A run that begins with another model's layers: `--from`. */
#ifndef CNN_TRAIN_FROM_H
#define CNN_TRAIN_FROM_H

#include "model/model.h"

struct cnn_from_notes {           /* in the model's arena; NULL: nothing to say */
    const char *left;             /* what was not taken */
    const char *classes, *images; /* as cnn_record_doubt says */
};

/* Loads what fits of another model into the parameters of model: of a checkpoint, a run directory,
 * an ONNX file or any other model by the names of layers; of weights without a network by names
 * or order (formats/assign.h). CNN_FAILED where nothing fits. */
cnn_status cnn_train_from(cnn_model *model, const char *path, struct cnn_from_notes *notes,
                          cnn_diag *diag);

#endif
