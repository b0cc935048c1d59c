/* Another model as the backbone of a description to begin with: all its layers but the last one,
 * which becomes one for the classes at hand. */
#ifndef CNN_TRAIN_BACKBONE_H
#define CNN_TRAIN_BACKBONE_H

#include "model/model.h"
#include "model/propose.h"

/* Opens options->from (onto options->as, where it holds weights alone) and describes it in arena.
 * *model is the caller's, with the weights of the backbone. CNN_INVALID where it has no layer to
 * put a new one in the place of. */
cnn_status cnn_backbone_open(const cnn_init_options *options, size_t classes,
                             struct cnn_arena *arena, cnn_model **model, struct cnn_backbone *out,
                             cnn_diag *diag);

#endif
