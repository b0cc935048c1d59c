/* A run's state in a checkpoint: the optimiser's slabs as tensors `@optimizer.<slab>.<tensor>`, the counters as metadata. Nothing that differs from
 * one run to the next (times, names of machines) goes in. Random numbers need no saving: they follow from the seed and the counters. */
#include "train/progress.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_NAME CNN_RESERVED "optimizer.%s.%s"

struct field { /* one piece of metadata; those up to FIELDS_OF_BEST are worth reading in a checkpoint that is no state */
    const char *key;
    size_t offset;
    bool real; /* double, else size_t */
};

#define COUNT(key, member)                                                                                                                           \
    {                                                                                                                                                \
        key, offsetof(struct cnn_progress, member), false                                                                                            \
    }
#define REAL(key, member)                                                                                                                            \
    {                                                                                                                                                \
        key, offsetof(struct cnn_progress, member), true                                                                                             \
    }
#define FIELDS_OF_BEST 4

static const struct field fields[] = {
    COUNT("training.step", step),
    COUNT("training.steps_per_epoch", steps_per_epoch),
    REAL("training.best_accuracy", best_accuracy),
    REAL("training.best_loss", best_loss),
    COUNT("training.epochs_logged", epochs_logged),
    REAL("training.plateau_best", plateau.best),
    REAL("training.plateau_factor", plateau.factor),
    COUNT("training.plateau_bad_epochs", plateau.bad_epochs),
    REAL("training.epoch_loss_sum", loss_sum),
    COUNT("training.epoch_images", images),
    COUNT("training.epoch_correct", correct),
};
#define FIELDS (sizeof fields / sizeof *fields)

struct cnn_progress cnn_progress_start(size_t steps_per_epoch)
{
    return (struct cnn_progress){.steps_per_epoch = steps_per_epoch, .best_accuracy = -1, .best_loss = INFINITY};
}

static bool write_fields(const struct cnn_progress *progress, struct cnn_arena *arena, struct cnn_stored_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const void *value = (const char *)progress + fields[i].offset;
        pairs[i].key = fields[i].key;
        pairs[i].value =
            fields[i].real ? cnn_arena_printf(arena, "%.17g", *(const double *)value) : cnn_arena_printf(arena, "%zu", *(const size_t *)value);
        if (!pairs[i].value)
            return false;
    }
    return true;
}

/* One stored tensor per slab and trained tensor. */
static bool list_slabs(const cnn_model *model, struct cnn_optimizer *optimizer, struct cnn_arena *arena, struct cnn_stored_tensor **out,
                       size_t *count)
{
    const char *name;
    float *slab;
    size_t slabs = 0;
    while (cnn_optimizer_slab(optimizer, slabs, &name))
        slabs++;
    struct cnn_stored_tensor *list = cnn_arena_array(arena, slabs * model->tensor_count, sizeof *list);
    if (!list)
        return false;
    *out = list;
    for (size_t s = 0; (slab = cnn_optimizer_slab(optimizer, s, &name)); s++)
        for (size_t i = 0; i < model->tensor_count; i++) {
            const struct cnn_tensor_place *place = &model->tensors[i];
            const struct cnn_tensor *tensor = place->tensor;
            if (!place->trainable)
                continue;
            *list = (struct cnn_stored_tensor){.name = cnn_arena_printf(arena, SLAB_NAME, name, place->name),
                                               .dtype = "F32",
                                               .rank = tensor->rank,
                                               .count = tensor->count,
                                               .data = slab + tensor->offset,
                                               .bytes = tensor->count * sizeof(float)};
            memcpy(list->dims, tensor->dims, tensor->rank * sizeof *tensor->dims);
            if (!list->name)
                return false;
            list++;
        }
    *count = (size_t)(list - *out);
    return true;
}

cnn_status cnn_progress_save(const struct cnn_progress *progress, const cnn_model *model, struct cnn_optimizer *optimizer, const char *path,
                             cnn_diag *diag)
{
    struct cnn_stored_pair pairs[FIELDS];
    struct cnn_stored_tensor *slabs = NULL;
    size_t slab_count = 0, pair_count = optimizer ? FIELDS : FIELDS_OF_BEST;
    cnn_status status;
    struct cnn_arena *arena = cnn_arena_new();
    if (arena && write_fields(progress, arena, pairs, pair_count) && (!optimizer || list_slabs(model, optimizer, arena, &slabs, &slab_count)))
        status = cnn_model_save(model, path, slabs, slab_count, pairs, pair_count, diag);
    else
        status = cnn_fail_memory(diag, sizeof pairs, "a checkpoint");
    cnn_arena_free(arena);
    return status;
}

static bool read_field(const char *text, const struct field *field, struct cnn_progress *out)
{
    char *end = NULL, *place = (char *)out + field->offset;
    errno = 0;
    if (field->real) {
        *(double *)(void *)place = strtod(text, &end);
        return end != text && *end == '\0';
    }
    if (*text < '0' || *text > '9')
        return false;
    *(size_t *)(void *)place = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static cnn_status load_slabs(const struct cnn_safetensors *file, const struct cnn_stored_tensor *wanted, size_t count, cnn_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        const struct cnn_stored_tensor *stored = cnn_safetensors_find(file, wanted[i].name);
        if (!stored)
            return cnn_fail(diag, CNN_FAILED, NULL, "%s cannot be resumed: it holds no %s", file->path, wanted[i].name);
        if (strcmp(stored->dtype, wanted[i].dtype) != 0 || stored->rank != wanted[i].rank ||
            memcmp(stored->dims, wanted[i].dims, stored->rank * sizeof *stored->dims) != 0)
            return cnn_fail(diag, CNN_FAILED, NULL, "%s cannot be resumed: %s has another shape or type than the network's tensor", file->path,
                            wanted[i].name);
        memcpy((void *)wanted[i].data, stored->data, wanted[i].bytes); /* the optimiser's slab, listed as const for writing */
    }
    return CNN_OK;
}

cnn_status cnn_progress_load(const struct cnn_safetensors *file, const cnn_model *model, struct cnn_optimizer *optimizer, struct cnn_progress *out,
                             cnn_diag *diag)
{
    struct cnn_progress progress = {0};
    struct cnn_stored_tensor *slabs;
    size_t slab_count;
    for (size_t i = 0; i < FIELDS; i++) {
        const char *text = cnn_safetensors_metadata(file, fields[i].key);
        if (!text || !read_field(text, &fields[i], &progress))
            return cnn_fail(diag, CNN_FAILED, NULL, "%s cannot be resumed: its %s is %s", file->path, fields[i].key, text ? "no number" : "missing");
    }
    cnn_status status;
    struct cnn_arena *arena = cnn_arena_new();
    if (arena && list_slabs(model, optimizer, arena, &slabs, &slab_count))
        status = load_slabs(file, slabs, slab_count, diag);
    else
        status = cnn_fail_memory(diag, model->tensor_count * sizeof *slabs, "the optimiser's state");
    cnn_arena_free(arena);
    if (status != CNN_OK)
        return status;
    cnn_optimizer_set_steps(optimizer, progress.step);
    *out = progress;
    return CNN_OK;
}
