/* One training step - forward, loss, backward, optimiser - with the memory it works in. What `train` runs and `bench` times. */
#ifndef CNN_TRAIN_STEP_H
#define CNN_TRAIN_STEP_H

#include "model/model.h"

struct cnn_step {
    const struct cnn_kernels *kernels;
    const struct cnn_loss *loss;
    struct cnn_plan *plan;
    struct cnn_optimizer *optimizer;
    float *parameters; /* the caller's: what is trained */
    uint64_t seed;
    size_t target, classes; /* the value that the loss reads, and its size */
};

/* The value of the graph that the loss reads. CNN_INVALID where it is a map and not one number per class. */
cnn_status cnn_loss_target(const cnn_model *model, size_t *value, cnn_diag *diag);

/* For batches of up to `batch` images. The caller puts each into cnn_plan_input(step->plan). */
cnn_status cnn_step_open(const cnn_model *model, float *parameters, size_t batch, struct cnn_step *out, cnn_diag *diag);
void cnn_step_close(struct cnn_step *step);

/* Where the loss is not finite no update is made (the running statistics of batch_norm have seen the batch all the same). */
struct cnn_loss_result cnn_step_run(struct cnn_step *step, size_t n, const size_t *labels, double lr);

#endif
