#include "train/from.h"

#include <stdio.h>
#include <string.h>

#include "formats/assign.h"
#include "model/record.h"
#include "util/allocate.h"
#include "util/file.h"

/* ---- Weights without a network ---- */

static size_t count_ordered(const struct cnn_assignment *taken)
{
    size_t count = 0;
    for (size_t i = 0; i < taken->row_count; i++)
        count += strcmp(taken->rows[i].how, "order") == 0;
    return count;
}

static cnn_status say_left(cnn_model *model, const struct cnn_weights *weights,
                           const struct cnn_assignment *taken, const char **out, cnn_diag *diag)
{
    char ordered[100] = "";
    if (count_ordered(taken) > 0)
        snprintf(ordered, sizeof ordered,
                 "; found by order: %zu layers (`cnn import --as` lists them)",
                 count_ordered(taken));
    const char *missing = taken->missing.size > 0 ? taken->missing.data : "none",
               *left = taken->left.size > 0 ? taken->left.data : "none";
    *out = cnn_arena_printf(
        model->arena, "%zu of %zu tensors are from %s; new layers: %s; left over in the file: %s%s",
        taken->tensors, model->tensor_count, weights->path, missing, left, ordered);
    return *out ? CNN_OK : cnn_fail_memory(diag, 0, "a message");
}

static cnn_status take_weights(cnn_model *model, const char *path, struct cnn_from_notes *notes,
                               cnn_diag *diag)
{
    const struct cnn_assign_options options = {.partial = true};
    struct cnn_weights *weights = NULL;
    struct cnn_assignment taken;
    cnn_status status = cnn_weights_open(path, NULL, &weights, diag);
    if (status == CNN_OK)
        status = cnn_assign(model, weights, &options, &taken, diag);
    if (status == CNN_OK) {
        if (taken.tensors == 0)
            status = cnn_fail(diag, CNN_FAILED, NULL,
                              "nothing in %s fits: no layer has kind and shape of one of the "
                              "description",
                              path);
        else if (taken.missing.size + taken.left.size + count_ordered(&taken) > 0)
            status = say_left(model, weights, &taken, &notes->left, diag);
        cnn_assignment_free(&taken);
    }
    cnn_weights_close(weights);
    return status;
}

/* ---- Models ---- */

static cnn_status take_checkpoint(cnn_model *model, const char *path, struct cnn_from_notes *notes,
                                  cnn_diag *diag)
{
    struct cnn_safetensors *file = NULL;
    cnn_status status = cnn_safetensors_open(path, &file, diag);
    if (status != CNN_OK) {
        cnn_hint_near(diag, path);
        return status;
    }
    status = cnn_safetensors_verify(file, diag);
    bool own = cnn_safetensors_metadata(file, "description") != NULL;
    if (status == CNN_OK && own)
        status = cnn_model_transfer(model, file, &notes->left, diag);
    if (status == CNN_OK && own)
        status = cnn_record_doubt(model, file, &notes->classes, &notes->images, diag);
    cnn_safetensors_close(file);
    return status == CNN_OK && !own ? take_weights(model, path, notes, diag) : status;
}

/* The tensors of a model that is open, as a file would hold them. */
static cnn_status take_tensors(cnn_model *model, const cnn_model *source,
                               struct cnn_from_notes *notes, cnn_diag *diag)
{
    struct cnn_safetensors file = {.path = source->source, .tensor_count = source->tensor_count};
    cnn_status status;
    file.tensors = cnn_calloc(source->tensor_count + 1, sizeof *file.tensors);
    if (!file.tensors)
        return cnn_fail_memory(diag, source->tensor_count * sizeof *file.tensors, "a list");
    for (size_t i = 0; i < source->tensor_count; i++) {
        const struct cnn_tensor *t = source->tensors[i].tensor;
        file.tensors[i] = (struct cnn_stored_tensor){.name = source->tensors[i].name,
                                                     .dtype = "F32",
                                                     .rank = t->rank,
                                                     .count = t->count,
                                                     .data = source->parameters + t->offset,
                                                     .bytes = t->count * sizeof(float)};
        memcpy(file.tensors[i].dims, t->dims, t->rank * sizeof *t->dims);
    }
    status = cnn_model_transfer(model, &file, &notes->left, diag);
    cnn_free(file.tensors);
    return status;
}

static cnn_status take_model(cnn_model *model, const char *path, struct cnn_from_notes *notes,
                             cnn_diag *diag)
{
    cnn_model *source = NULL;
    cnn_status status = cnn_model_open(path, NULL, &source, diag);
    if (status == CNN_OK)
        status = take_tensors(model, source, notes, diag);
    cnn_model_free(source);
    return status;
}

cnn_status cnn_train_from(cnn_model *model, const char *path, struct cnn_from_notes *notes,
                          cnn_diag *diag)
{
    struct cnn_text best = {0};
    *notes = (struct cnn_from_notes){NULL, NULL, NULL};
    if (cnn_file_is_folder(path)) {
        cnn_text_printf(&best, "%s/best.safetensors", path);
        cnn_status status = best.failed ? cnn_fail_memory(diag, best.size, path)
                                        : take_checkpoint(model, best.data, notes, diag);
        cnn_text_free(&best);
        return status;
    }
    if (cnn_file_ends(path, ".safetensors"))
        return take_checkpoint(model, path, notes, diag);
    return cnn_weights_recognise(path) ? take_weights(model, path, notes, diag)
                                       : take_model(model, path, notes, diag);
}
