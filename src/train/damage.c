/* See damage.h. How many each process has found comes first, and then which. */
#include "train/damage.h"

#include <string.h>

#include "util/allocate.h"

/* What all processes have found; NULL, with `many` 0, where nobody has found any. */
struct found {
    size_t own, many, *counts, *offsets; /* by process; bytes where each one's begin */
    uint32_t *images;
};

static cnn_status fail_memory(size_t bytes, cnn_diag *diag)
{
    return cnn_fail_memory(diag, bytes, "the numbers of damaged images");
}

static cnn_status count(cnn_cluster *cluster, struct found *f, cnn_diag *diag)
{
    const size_t ranks = cnn_cluster_ranks(cluster);
    f->counts = cnn_calloc(ranks, sizeof *f->counts);
    f->offsets = cnn_calloc(ranks + 1, sizeof *f->offsets);
    if (!f->counts || !f->offsets)
        return fail_memory(2 * ranks * sizeof *f->counts, diag);
    f->counts[cnn_cluster_rank(cluster)] = f->own;
    for (size_t rank = 0; rank < ranks; rank++)
        f->offsets[rank + 1] = f->offsets[rank] + sizeof *f->counts;
    if (!cnn_cluster_gather(cluster, f->counts, f->offsets))
        return cnn_cluster_check(cluster, diag);
    for (size_t rank = 0; rank < ranks; rank++) {
        f->many += f->counts[rank];
        f->offsets[rank + 1] = f->offsets[rank] + f->counts[rank] * sizeof *f->images;
    }
    return CNN_OK;
}

/* own: of this process, f->own of them. */
static cnn_status gather(cnn_cluster *cluster, const uint32_t *own, struct found *f, cnn_diag *diag)
{
    cnn_status status = count(cluster, f, diag);
    if (status != CNN_OK || f->many == 0)
        return status;
    f->images = cnn_calloc(f->many, sizeof *f->images);
    if (!f->images)
        return fail_memory(f->many * sizeof *f->images, diag);
    memcpy((char *)f->images + f->offsets[cnn_cluster_rank(cluster)], own, f->own * sizeof *own);
    return cnn_cluster_gather(cluster, f->images, f->offsets) ? CNN_OK
                                                              : cnn_cluster_check(cluster, diag);
}

/* Every process learns which images the others have found. */
static cnn_status share(cnn_cluster *cluster, const struct cnn_dataset *dataset, cnn_diag *diag)
{
    const size_t images = cnn_dataset_count(dataset);
    uint32_t *own = cnn_calloc(images, sizeof *own);
    struct found f = {0};
    if (!own)
        return fail_memory(images * sizeof *own, diag);
    f.own = cnn_dataset_damaged(dataset, images, own);
    cnn_status status = gather(cluster, own, &f, diag);
    for (size_t i = 0; status == CNN_OK && i < f.many; i++)
        if (f.images[i] < images)
            cnn_dataset_mark_damaged(dataset, f.images[i]);
    cnn_free(own);
    cnn_free(f.counts);
    cnn_free(f.offsets);
    cnn_free(f.images);
    return status;
}

cnn_status cnn_damage_report(cnn_cluster *cluster, const struct cnn_dataset *dataset,
                             void (*tell)(void *context, const char *text), void *context,
                             cnn_diag *diag)
{
    bool files = cnn_dataset_path(dataset, 0) != NULL;
    cnn_status status =
        files && cnn_cluster_ranks(cluster) > 1 ? share(cluster, dataset, diag) : CNN_OK;
    return status == CNN_OK ? cnn_dataset_report(dataset, tell, context, diag) : status;
}
