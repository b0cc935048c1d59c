/* One training step - forward, loss, backward, optimiser - with the memory it works in. What
 * `train` runs and `bench` times. */
#ifndef CNN_TRAIN_STEP_H
#define CNN_TRAIN_STEP_H

#include "model/model.h"
#include "train/clip.h"
#include "train/reduce.h"

/* Looks on at a step. Members may be NULL. */
struct cnn_step_watcher {
    /* Is shown the gradients of each trained tensor, or of pieces of it, clipped already, before
     * their update. Where processes share the batch it is shown them after the update. Rank 0 then
     * sees those of the whole batch, others those of their share. All set this member, or none. */
    void (*gradients)(void *context, struct cnn_stretch what, const float *gradients);
    /* after the update of each, where gradients are not kept (cnn_recipe_gradients) */
    void (*updated)(void *context, struct cnn_stretch what);
    void *context;
};

struct cnn_step {
    const struct cnn_kernels *kernels;
    const struct cnn_loss *loss;
    struct cnn_plan *plan; /* NULL: state alone */
    struct cnn_optimizer *optimizer;
    const cnn_model *model;
    const struct cnn_graph *graph; /* that is trained: the model's, or what cnn_step_change gave */
    float *parameters; /* what is trained: the caller's, or with train.ema the step's own */
    /* with train.ema, the caller's: the running mean of what is trained; else NULL */
    float *mean;
    uint64_t seed;
    size_t target, classes;          /* the value that the loss reads, and its size */
    struct cnn_reduce *reduce;       /* with the processes that share batches; NULL: it is alone */
    struct cnn_step_watcher watcher; /* of the next step */
    float **collected;               /* cnn_step_collect: slabs of the optimiser; NULL: none are */
};

/* For batches of up to `batch` images. The caller puts each into cnn_plan_input(step->plan).
 * parameters are the caller's; begin: they were changed from outside, and are what training goes on
 * from. */
cnn_status cnn_step_open(const cnn_model *model, float *parameters, size_t batch,
                         struct cnn_step *out, cnn_diag *diag);

/* The same for a batch that the processes of a cluster share (NULL: this one is alone): each puts
 * its own images into the plan's input, and all make the same calls. */
cnn_status cnn_step_open_shared(const cnn_model *model, float *parameters, size_t batch,
                                cnn_cluster *cluster, struct cnn_step *out, cnn_diag *diag);

/* The same without a plan: for reading and checking what a run has saved. */
cnn_status cnn_step_open_state(const cnn_model *model, float *parameters, struct cnn_step *out,
                               cnn_diag *diag);
/* Trains `part` from now on, the nodes of the model's graph from `first` on, whose flags may be
 * others; it must outlive the step. What the optimiser has gathered stays. On failure the step can
 * only be closed. */
cnn_status cnn_step_change(struct cnn_step *step, const struct cnn_graph *part, size_t first,
                           size_t batch, cnn_diag *diag);
void cnn_step_begin(struct cnn_step *step);

/* The optimiser's state for a checkpoint. Where processes share it, all of them collect it first:
 * rank 0 then has the slabs, until release. slab: as cnn_optimizer_slab. */
cnn_status cnn_step_collect(struct cnn_step *step, cnn_diag *diag);
float *cnn_step_slab(const struct cnn_step *step, size_t i, const char **name);
void cnn_step_release(struct cnn_step *step);

void cnn_step_close(struct cnn_step *step);

/* n images of the whole batch, and their targets; the result is that of the whole batch, too. Where
 * processes share it and one fails, the cluster says so (cnn_cluster_check).
 *
 * Where the loss is not finite no update is made (the running statistics of batch_norm have seen
 * the batch all the same). */
struct cnn_loss_result cnn_step_run(struct cnn_step *step, size_t n,
                                    const struct cnn_targets *targets, double lr);

#endif
