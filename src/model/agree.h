/* What of a model must be the same on all ranks that run it together. */
#ifndef CNN_MODEL_AGREE_H
#define CNN_MODEL_AGREE_H

#include "model/model.h"

/* Lines of text for cnn_cluster_agree: the program, its kernels, the description but for the place
 * of its images, the parameters. */
void cnn_model_agree(const cnn_model *model, struct cnn_text *out);

#endif
