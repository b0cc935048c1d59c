/* What must be the same on all ranks, as lines of text (cluster/agree.c). */
#include "train/agree.h"

#include "cluster/cluster.h"
#include "model/agree.h"
#include "model/record.h"
#include "util/parts.h"

static void describe_images(struct cnn_text *out, const char *what, const struct cnn_dataset *data,
                            uint64_t fingerprint)
{
    cnn_text_printf(out, "%s images: %zu, fingerprint %016llx\n", what, cnn_dataset_count(data),
                    (unsigned long long)fingerprint);
}

static cnn_status check_ranks(const struct cnn_training *t, cnn_diag *diag)
{
    size_t batch = t->model->recipe.batch_size, most = cnn_parts_count(batch),
           ranks = cnn_cluster_ranks(t->cluster);
    if (ranks <= most)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, NULL,
             "%zu processes cannot share a batch of %zu images, which is computed in %zu parts",
             ranks, batch, most);
    cnn_hint(diag, "at most %zu processes; or a larger train.batch_size", most);
    return CNN_INVALID;
}

/* Frees own. */
static cnn_status compare(cnn_cluster *cluster, struct cnn_text *own, cnn_diag *diag)
{
    cnn_status status = own->failed ? cnn_fail_memory(diag, 0, "the description of the run")
                                    : cnn_cluster_agree(cluster, own->data, diag);
    cnn_text_free(own);
    return status;
}

cnn_status cnn_training_agree(struct cnn_training *t, cnn_diag *diag)
{
    const struct cnn_record_part *parts = t->model->record->parts;
    struct cnn_text own = {0};
    if (!t->cluster)
        return CNN_OK;
    cnn_status status = check_ranks(t, diag);
    if (status != CNN_OK)
        return status;
    describe_images(&own, "training", t->train, parts[CNN_SPLIT_TRAIN].fingerprint);
    describe_images(&own, "validation", t->val, parts[CNN_SPLIT_VAL].fingerprint);
    cnn_text_printf(&own, "steps done: %zu\n", t->progress.step);
    cnn_model_agree(t->model, &own);
    return compare(t->cluster, &own, diag);
}

cnn_status cnn_evaluation_agree(cnn_cluster *cluster, const cnn_model *model,
                                const struct cnn_dataset *dataset, cnn_diag *diag)
{
    struct cnn_text own = {0};
    if (!cluster)
        return CNN_OK;
    describe_images(&own, "the split's", dataset, cnn_dataset_fingerprint(dataset));
    cnn_model_agree(model, &own);
    return compare(cluster, &own, diag);
}
