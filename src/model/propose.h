/* A first recipe for somebody's own images: rules of thumb that are written down (cnn-init(1)), and
 * the description that they make. */
#ifndef CNN_MODEL_PROPOSE_H
#define CNN_MODEL_PROPOSE_H

#include "data/glance.h"
#include "util/text.h"

/* by the number of training images */
enum cnn_tier { CNN_TIER_SMALL, CNN_TIER_MEDIUM, CNN_TIER_LARGE };

/* Another model's layers that the description begins with (train/backbone.h). */
struct cnn_backbone {
    const char *layers;    /* `input` and `layers`, as YAML */
    const char *normalize; /* what images go through, as YAML */
    bool stated;           /* the model says so */
    const char *head;      /* the new last layer */
    const char *freeze;    /* the last layer of its own */
    const char *path;      /* of the checkpoint that has its weights */
    size_t channels, side; /* of its input */
    double rate, decay;    /* train.optimizer.lr, train.layer_decay */
};

struct cnn_proposal {
    const struct cnn_backbone *backbone; /* NULL: a network of its own */
    enum cnn_tier tier;
    size_t channels, side; /* of the input */
    size_t blocks;         /* of convolutions, with a pooling between them */
    size_t filters;        /* of the first block; each block has twice as many */
    size_t convolutions;   /* in each block but the first, which has one */
    size_t stride;         /* of the first convolution */
    double dropout;
    double val_split; /* 0: the folder has validation images */
    bool balanced;    /* class weights */
    size_t epochs, batch;
    size_t freeze_epochs; /* with a backbone */
};

void cnn_propose(const struct cnn_glance *glance, struct cnn_proposal *out);

/* The same for images that a backbone is to tell apart. */
void cnn_propose_tuning(const struct cnn_glance *glance, const struct cnn_backbone *backbone,
                        struct cnn_proposal *out);

/* The description as commented YAML. name and path are quoted as needed. */
cnn_status cnn_proposal_write(const struct cnn_proposal *proposal, const struct cnn_glance *glance,
                              const char *name, const char *path, struct cnn_text *out,
                              cnn_diag *diag);

#endif
