/* See room.h. */
#include "train/room.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cluster/cluster.h"
#include "util/parts.h"

static const double gigabyte = 1e9;

/* Bytes of gradients that a process of several holds besides those of one sum: its other sums, and
 * its share of those of the others (train/reduce.h). */
static double measure_sums(const struct cnn_training *t, size_t batch)
{
    const size_t ranks = cnn_cluster_ranks(t->cluster), own = cnn_cluster_rank(t->cluster);
    double sums = 0, others = 0;
    for (size_t rank = 0; rank < ranks; rank++) {
        const struct cnn_parts run = cnn_parts_of(batch, rank, ranks);
        *(rank == own ? &sums : &others) += (double)cnn_parts_roots(&run);
    }
    return (fmax(sums - 1, 0) + others / (double)ranks) * (double)t->model->graph.parameter_floats *
           sizeof(float);
}

/* Bytes that this process takes for training with this batch, of which it has its share. */
static cnn_status measure(const struct cnn_training *t, size_t batch, double *bytes, cnn_diag *diag)
{
    const size_t ranks = cnn_cluster_ranks(t->cluster),
                 own = cnn_parts_most_images(batch, cnn_cluster_rank(t->cluster), ranks);
    size_t whole = 0;
    cnn_status status =
        cnn_training_memory(t->model, own, ranks, cnn_dataset_count(t->val), &whole, diag);
    *bytes = (double)whole + measure_sums(t, batch);
    return status;
}

void cnn_room_advise(const struct cnn_training *t, double limit, char *text, size_t size)
{
    /* threads, libraries and what is kept of the images want their part */
    limit *= 0.8;
    size_t batch = t->model->recipe.batch_size / 2;
    double bytes = 0;
    cnn_status status = measure(t, batch > 0 ? batch : 1, &bytes, NULL);
    while (status == CNN_OK && batch > 1 && bytes > limit)
        status = measure(t, batch /= 2, &bytes, NULL);
    if (status != CNN_OK)
        snprintf(text, size, "a smaller train.batch_size takes less");
    else if (batch > 0 && bytes <= limit)
        snprintf(text, size,
                 "a smaller train.batch_size takes less: %zu in place of %zu would need %.2f GB",
                 batch, t->model->recipe.batch_size, bytes / gigabyte);
    else
        snprintf(text, size,
                 "even with batches of one image it would need %.2f GB: a smaller input or network "
                 "takes less",
                 bytes / gigabyte);
}

cnn_status cnn_room_check(struct cnn_training *t, cnn_diag *diag)
{
    struct cnn_memory_room have;
    char advice[160];
    double wanted;
    cnn_status status = measure(t, t->model->recipe.batch_size, &wanted, diag);
    if (status != CNN_OK)
        return status;
    cnn_memory_room("", &have);
    t->room = (struct cnn_room){.have = have, .wanted = wanted};
    double most = have.total + (strcmp(have.limit, "ulimit -v") == 0 ? 0 : have.swap);
    t->room.refused = t->room.wanted > most;
    if (!t->room.refused || t->checked)
        return t->room.refused ? CNN_FAILED : CNN_OK;
    cnn_fail(diag, CNN_FAILED, NULL,
             "the training needs %.2f GB of memory; %s allows %.2f GB, of which %.2f GB are left",
             t->room.wanted / gigabyte, have.limit, have.total / gigabyte,
             have.available / gigabyte);
    cnn_room_advise(t, have.available, advice, sizeof advice);
    cnn_hint(diag, "%s", advice);
    return CNN_FAILED;
}
