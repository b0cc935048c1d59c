/* See hold.h. What is trained is settled by the number of the epoch, so a run that goes on is the
 * uninterrupted one: the optimiser counts the updates of layers that were held from where they were
 * let go. */
#include "train/hold.h"

#include <string.h>

#include "cluster/cluster.h"
#include "util/parts.h"

static bool is_over(const struct cnn_training *t)
{
    size_t step = t->progress.step, epoch = step / t->progress.steps_per_epoch;
    if (step > 0 && cnn_training_awaits_validation(t)) /* of the epoch that is behind it */
        epoch = (step - 1) / t->progress.steps_per_epoch;
    return t->model->frozen > 0 && epoch >= t->model->recipe.freeze_epochs;
}

/* The images that this process validates: its share of every batch, the same in each epoch. */
static size_t own_validation(const struct cnn_training *t)
{
    const size_t images = cnn_dataset_count(t->val), batch = t->evaluator.batch;
    size_t own = 0;
    for (size_t first = 0; first < images; first += batch) {
        const struct cnn_parts run =
            cnn_parts_of(images - first < batch ? images - first : batch,
                         cnn_cluster_rank(t->cluster), cnn_cluster_ranks(t->cluster));
        own += cnn_parts_images(&run);
    }
    return own;
}

/* What is kept of training images comes first: they are the more. Augmented ones are never the
 * same. */
static cnn_status keep(struct cnn_training *t, cnn_diag *diag)
{
    struct cnn_frozen *f = &t->frozen;
    size_t budget = t->model->data.cache < SIZE_MAX >> 20 ? t->model->data.cache << 20 : SIZE_MAX;
    cnn_status status = CNN_OK;
    if (!t->model->data.augmentation)
        status = cnn_frozen_keep(f, cnn_dataset_count(t->train), &budget, &f->train, diag);
    if (status == CNN_OK)
        status = cnn_frozen_keep(f, cnn_dataset_count(t->val), &budget, &f->val, diag);
    f->val.left = f->val.values ? own_validation(t) : 0;
    return status;
}

cnn_status cnn_training_hold(struct cnn_training *t, cnn_diag *diag)
{
    const struct cnn_recipe *recipe = &t->model->recipe;
    struct cnn_frozen *f = &t->frozen;
    cnn_optimizer_delay(t->step.optimizer, t->model->frozen,
                        recipe->freeze_epochs * t->progress.steps_per_epoch);
    if (is_over(t))
        return CNN_OK;
    cnn_status status = cnn_frozen_open(t->model, t->evaluator.batch, f, diag);
    if (status != CNN_OK || (f->cut == 0 && t->model->frozen == 0))
        return status;
    status = cnn_step_change(&t->step, f->cut > 0 ? &f->rest : &f->whole, f->cut,
                             recipe->batch_size, diag);
    t->health.graph = &f->whole;
    t->held = true;
    if (status != CNN_OK || f->cut == 0)
        return status;
    t->evaluator.frozen = f;
    t->health.unprobed = true;
    return keep(t, diag);
}

bool cnn_training_release_due(const struct cnn_training *training)
{
    return training->held && is_over(training);
}

cnn_status cnn_training_release(struct cnn_training *t, cnn_diag *diag)
{
    t->held = false;
    t->evaluator.frozen = NULL;
    t->health.graph = &t->model->graph;
    t->health.unprobed = false;
    cnn_loader_bare(t->loader, false);
    cnn_status status =
        cnn_step_change(&t->step, &t->model->graph, 0, t->model->recipe.batch_size, diag);
    cnn_frozen_close(&t->frozen);
    t->frozen = (struct cnn_frozen){0};
    return status;
}

void cnn_training_tell_held(const struct cnn_training *training, cnn_event *event)
{
    const struct cnn_frozen *f = &training->frozen;
    event->held_layers = 0;
    for (size_t i = 0; training->held && i < f->whole.count; i++)
        event->held_layers += cnn_node_frozen(&f->whole.nodes[i]);
    event->kept_images = f->train.images + f->val.images;
    event->kept_bytes = event->kept_images * f->floats * sizeof(float);
}
