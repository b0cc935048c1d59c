/* A run's state in a checkpoint: the optimiser's slabs as tensors `@optimizer.<slab>.<tensor>`, the
 * counters as metadata; where the model's parameters are the running mean of those that are
 * trained, these as `@weights.<tensor>`. Nothing that differs from one run to the next (times,
 * names of machines) goes in. Random numbers need no saving: they follow from the seed and the
 * counters. */
#include "train/progress.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SLAB_NAME    CNN_RESERVED "optimizer.%s.%s"
#define WEIGHTS_NAME CNN_RESERVED "weights.%s"

/* one piece of metadata; those up to FIELDS_OF_BEST are worth reading in a checkpoint that is no
 * state */
struct field {
    const char *key;
    size_t offset;
    bool real; /* double, else size_t */
};

#define COUNT(key, member)                                                                         \
    {                                                                                              \
        key, offsetof(struct cnn_progress, member), false                                          \
    }
#define REAL(key, member)                                                                          \
    {                                                                                              \
        key, offsetof(struct cnn_progress, member), true                                           \
    }
#define FIELDS_OF_BEST 4
/* those after them are missing in checkpoints of older versions, and are then as at a start */
#define FIELDS_OF_OLD 11

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
    REAL("training.epoch_loss_weight", loss_weight),
    REAL("training.stopping_best", stopping.best),
    COUNT("training.stopping_bad_epochs", stopping.bad_epochs),
};
#define FIELDS (sizeof fields / sizeof *fields)

struct cnn_progress cnn_progress_start(size_t steps_per_epoch)
{
    return (struct cnn_progress){.steps_per_epoch = steps_per_epoch,
                                 .best_accuracy = -1,
                                 .best_loss = INFINITY,
                                 .stopping.best = INFINITY};
}

static bool write_fields(const struct cnn_progress *progress, struct cnn_arena *arena,
                         struct cnn_stored_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const void *value = (const char *)progress + fields[i].offset;
        pairs[i].key = fields[i].key;
        pairs[i].value = fields[i].real ? cnn_arena_printf(arena, "%.17g", *(const double *)value)
                                        : cnn_arena_printf(arena, "%zu", *(const size_t *)value);
        if (!pairs[i].value)
            return false;
    }
    return true;
}

struct list { /* of tensors to store */
    struct cnn_arena *arena;
    struct cnn_stored_tensor *items;
    size_t count;
};

/* name: allocated for this. */
static bool add_tensor(struct list *list, const char *name, const struct cnn_tensor *tensor,
                       const float *slab)
{
    struct cnn_stored_tensor *item = &list->items[list->count++];
    *item = (struct cnn_stored_tensor){.name = name,
                                       .dtype = "F32",
                                       .rank = tensor->rank,
                                       .count = tensor->count,
                                       .data = slab + tensor->offset,
                                       .bytes = tensor->count * sizeof(float)};
    memcpy(item->dims, tensor->dims, tensor->rank * sizeof *tensor->dims);
    return name != NULL;
}

static bool list_weights(const cnn_model *model, const float *parameters, struct list *list)
{
    bool good = true;
    for (size_t i = 0; i < model->tensor_count && good; i++)
        good = add_tensor(list, cnn_arena_printf(list->arena, WEIGHTS_NAME, model->tensors[i].name),
                          model->tensors[i].tensor, parameters);
    return good;
}

static size_t count_slabs(const struct cnn_step *step)
{
    const char *name;
    size_t slabs = 0;
    while (cnn_step_slab(step, slabs, &name))
        slabs++;
    return slabs;
}

/* One stored tensor per slab of the optimiser and trained tensor; and with weights, the parameters
 * that are trained. */
static bool list_state(const cnn_model *model, const struct cnn_step *step, bool weights,
                       struct list *list)
{
    const char *name;
    float *slab;
    list->items = cnn_arena_array(list->arena, (count_slabs(step) + weights) * model->tensor_count,
                                  sizeof *list->items);
    if (!list->items || (weights && !list_weights(model, step->parameters, list)))
        return false;
    for (size_t s = 0; (slab = cnn_step_slab(step, s, &name)); s++)
        for (size_t i = 0; i < model->tensor_count; i++) {
            const struct cnn_tensor_place *place = &model->tensors[i];
            if (place->trainable &&
                !add_tensor(list, cnn_arena_printf(list->arena, SLAB_NAME, name, place->name),
                            place->tensor, slab))
                return false;
        }
    return true;
}

cnn_status cnn_progress_save(const struct cnn_progress *progress, const cnn_model *model,
                             const struct cnn_step *step, const char *path, cnn_diag *diag)
{
    struct cnn_stored_pair pairs[FIELDS];
    struct list list = {.arena = cnn_arena_new()};
    size_t pair_count = step ? FIELDS : FIELDS_OF_BEST;
    bool listed = list.arena && write_fields(progress, list.arena, pairs, pair_count) &&
                  (!step || list_state(model, step, step->mean, &list));
    const struct cnn_model_extra extra = {.tensors = list.items,
                                          .tensor_count = list.count,
                                          .pairs = pairs,
                                          .pair_count = pair_count};
    cnn_status status = listed ? cnn_model_save(model, path, &extra, diag)
                               : cnn_fail_memory(diag, sizeof pairs, "a checkpoint");
    cnn_arena_free(list.arena);
    return status;
}

size_t cnn_progress_bytes(const cnn_model *model, const struct cnn_step *step)
{
    const size_t entry = 256; /* of a tensor, in the header */
    size_t slabs = step ? count_slabs(step) : 0, bytes = 4096 + 2 * strlen(model->resolved);
    for (size_t i = 0; i < model->tensor_count; i++) {
        size_t copies = 1 + (model->tensors[i].trainable ? slabs : 0) + (step && step->mean);
        bytes += copies * (entry + model->tensors[i].tensor->count * sizeof(float));
    }
    return bytes;
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

bool cnn_progress_load_best(const struct cnn_safetensors *file, struct cnn_progress *out)
{
    *out = cnn_progress_start(0);
    for (size_t i = 0; i < FIELDS_OF_BEST; i++) {
        const char *text = cnn_safetensors_metadata(file, fields[i].key);
        if (!text || !read_field(text, &fields[i], out))
            return false;
    }
    return true;
}

bool cnn_progress_present(const struct cnn_safetensors *file)
{
    return cnn_safetensors_metadata(file, fields[FIELDS_OF_BEST].key) != NULL;
}

/* The stored tensor of this name, which must be as the network's. */
static cnn_status find_tensor(const struct cnn_safetensors *file, const char *name,
                              const struct cnn_tensor *tensor, const struct cnn_stored_tensor **out,
                              cnn_diag *diag)
{
    const struct cnn_stored_tensor *stored = cnn_safetensors_find(file, name);
    if (!stored)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s cannot be resumed: it holds no %s", file->path,
                        name);
    if (strcmp(stored->dtype, "F32") != 0 || stored->rank != tensor->rank ||
        memcmp(stored->dims, tensor->dims, stored->rank * sizeof *stored->dims) != 0)
        return cnn_fail(
            diag, CNN_FAILED, NULL,
            "%s cannot be resumed: %s has another shape or type than the network's tensor",
            file->path, name);
    *out = stored;
    return CNN_OK;
}

/* Of all tensors the trained weights, or slab `number` of the optimiser, which has that name. */
static cnn_status load_tensors(const struct cnn_safetensors *file, const cnn_model *model,
                               struct cnn_step *step, const char *slab, size_t number,
                               cnn_diag *diag)
{
    struct cnn_text name = {0};
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &model->tensors[i];
        const struct cnn_stored_tensor *stored = NULL;
        size_t begin = place->tensor->offset, count = place->tensor->count;
        if (slab && !place->trainable)
            continue;
        name.size = 0;
        if (slab)
            cnn_text_printf(&name, SLAB_NAME, slab, place->name);
        else
            cnn_text_printf(&name, WEIGHTS_NAME, place->name);
        status = name.failed ? cnn_fail_memory(diag, 0, "the state of the run")
                             : find_tensor(file, name.data, place->tensor, &stored, diag);
        if (status == CNN_OK && slab)
            cnn_optimizer_put(step->optimizer, number, (struct cnn_stretch){begin, begin + count},
                              stored->data);
        else if (status == CNN_OK)
            memcpy(step->parameters + begin, stored->data, count * sizeof(float));
    }
    cnn_text_free(&name);
    return status;
}

static cnn_status load_fields(const struct cnn_safetensors *file, struct cnn_progress *progress,
                              cnn_diag *diag)
{
    for (size_t i = 0; i < FIELDS; i++) {
        const char *text = cnn_safetensors_metadata(file, fields[i].key);
        if (!text && i >= FIELDS_OF_OLD)
            continue;
        if (!text || !read_field(text, &fields[i], progress))
            return cnn_fail(diag, CNN_FAILED, NULL, "%s cannot be resumed: its %s is %s",
                            file->path, fields[i].key, text ? "no number" : "missing");
    }
    if (!cnn_safetensors_metadata(file, "training.epoch_loss_weight"))
        progress->loss_weight = (double)progress->images;
    return CNN_OK;
}

/* Whether file holds weights beside the running mean, which a run may begin or cease to make when
 * it is resumed: training goes on from them where there are some, else from the model's
 * parameters. */
static bool holds_weights(const struct cnn_safetensors *file)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strncmp(file->tensors[i].name, WEIGHTS_NAME, strlen(CNN_RESERVED "weights.")) == 0)
            return true;
    return false;
}

cnn_status cnn_progress_load(const struct cnn_safetensors *file, const cnn_model *model,
                             struct cnn_step *step, struct cnn_progress *out, cnn_diag *diag)
{
    struct cnn_progress progress = cnn_progress_start(0);
    const char *slab;
    cnn_status status = load_fields(file, &progress, diag);
    if (status == CNN_OK && holds_weights(file))
        status = load_tensors(file, model, step, NULL, 0, diag);
    for (size_t i = 0; status == CNN_OK && cnn_optimizer_slab(step->optimizer, i, &slab); i++)
        status = load_tensors(file, model, step, slab, i, diag);
    if (status != CNN_OK)
        return status;
    if (step->plan)
        cnn_plan_parameters_changed(step->plan);
    cnn_optimizer_set_steps(step->optimizer, progress.step);
    *out = progress;
    return CNN_OK;
}
