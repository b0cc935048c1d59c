/* Checking a checkpoint as a whole, from its header to the optimiser's state, without its data
 * set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "train/progress.h"
#include "util/allocate.h"

/* Floating-point dtypes: a number with these bits all set is infinite or none. */
static const struct {
    const char *dtype;
    size_t bytes;
    uint64_t exponent;
} floats[] = {{"F32", 4, 0x7f800000},
              {"F64", 8, 0x7ff0000000000000},
              {"F16", 2, 0x7c00},
              {"BF16", 2, 0x7f80}};

static cnn_status check_finite(const struct cnn_safetensors *file,
                               const struct cnn_stored_tensor *t, cnn_diag *diag)
{
    size_t kind = 0;
    while (kind < sizeof floats / sizeof *floats && strcmp(t->dtype, floats[kind].dtype) != 0)
        kind++;
    if (kind == sizeof floats / sizeof *floats)
        return CNN_OK;
    for (size_t i = 0; i < t->count; i++) {
        uint64_t bits = 0; /* little-endian, as the file */
        memcpy(&bits, (const char *)t->data + i * floats[kind].bytes, floats[kind].bytes);
        if ((bits & floats[kind].exponent) == floats[kind].exponent)
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s: tensor '%s': number %zu of %zu is not finite", file->path, t->name,
                            i + 1, t->count);
    }
    return CNN_OK;
}

/* The optimiser's state and the counters, if the file has them. */
static cnn_status check_state(const struct cnn_safetensors *file, cnn_model *model,
                              cnn_checkpoint_info *info, cnn_diag *diag)
{
    struct cnn_progress progress;
    struct cnn_step step;
    info->state = cnn_progress_present(file);
    if (!info->state)
        return CNN_OK;
    cnn_status status = cnn_step_open_state(model, model->parameters, &step, diag);
    if (status != CNN_OK)
        return status;
    status = cnn_progress_load(file, model, &step, &progress, diag);
    cnn_step_close(&step);
    return status;
}

static cnn_status check_model(struct cnn_safetensors *file, cnn_checkpoint_info *info,
                              cnn_diag *diag)
{
    cnn_model *model;
    info->description = cnn_safetensors_metadata(file, "description") != NULL;
    if (!info->description)
        return CNN_OK;
    cnn_status status = cnn_model_from_checkpoint(file, NULL, &model, diag);
    if (status != CNN_OK)
        return status;
    char *name = cnn_strdup(cnn_model_name(model));
    info->network = name;
    status = name ? check_state(file, model, info, diag) : cnn_fail_memory(diag, 0, "a name");
    cnn_model_free(model);
    return status;
}

static cnn_status check(struct cnn_safetensors *file, cnn_checkpoint_info *info, cnn_diag *diag)
{
    const char *step = cnn_safetensors_metadata(file, "training.step");
    cnn_status status = cnn_safetensors_verify(file, diag);
    info->checksum = cnn_safetensors_metadata(file, "checksum") != NULL;
    info->step = step ? strtoull(step, NULL, 10) : 0;
    info->tensors = file->tensor_count;
    for (size_t i = 0; i < file->tensor_count; i++) {
        info->values += file->tensors[i].count;
        if (status == CNN_OK)
            status = check_finite(file, &file->tensors[i], diag);
    }
    return status == CNN_OK ? check_model(file, info, diag) : status;
}

void cnn_checkpoint_info_free(cnn_checkpoint_info *info)
{
    if (!info)
        return;
    cnn_free((void *)(uintptr_t)info->network);
    cnn_free(info);
}

cnn_status cnn_checkpoint_verify(const char *path, cnn_checkpoint_info **out, cnn_diag *diag)
{
    if (!path || !out)
        return cnn_fail_missing(diag, "cnn_checkpoint_verify", "path or out");
    struct cnn_safetensors *file;
    struct stat found;
    cnn_status status = cnn_safetensors_open(path, &file, diag);
    if (status != CNN_OK) {
        cnn_hint_near(diag, path);
        return status;
    }
    cnn_checkpoint_info *info = cnn_calloc(1, sizeof *info);
    if (info)
        info->bytes = stat(path, &found) == 0 ? (uint64_t)found.st_size : 0;
    status = info ? check(file, info, diag) : cnn_fail_memory(diag, sizeof *info, "a result");
    cnn_safetensors_close(file);
    if (status == CNN_OK)
        *out = info;
    else
        cnn_checkpoint_info_free(info);
    /* a description that does not build is a damaged file here */
    return status == CNN_INVALID ? CNN_FAILED : status;
}
