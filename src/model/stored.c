/* Models in checkpoints: which tensors, as numbers or as bytes, and reading them back. */

#include <math.h>
#include <string.h>

#include "model/metadata.h"
#include "util/allocate.h"
#include "util/output.h"

/* The numbers whose multiples a tensor is; NULL for one that is stored as it is. */
static float *scale_of(const cnn_model *model, const struct cnn_tensor_place *place)
{
    const struct cnn_node *node = &model->graph.nodes[place->node];
    return place->tensor->scale_slot
               ? model->parameters + node->tensors[place->tensor->scale_slot].offset
               : NULL;
}

/* values as whole multiples of the scale of each of dims[0]. */
static void encode(const struct cnn_tensor *t, const float *values, const float *scale,
                   signed char *codes)
{
    size_t row = t->count / t->dims[0];
    for (size_t i = 0; i < t->count; i++) {
        float code = nearbyintf(values[i] / scale[i / row]);
        codes[i] = (signed char)fminf(127, fmaxf(-128, code));
    }
}

static void decode(const struct cnn_tensor *t, const signed char *codes, const float *scale,
                   float *values)
{
    size_t row = t->count / t->dims[0];
    for (size_t i = 0; i < t->count; i++)
        values[i] = (float)codes[i] * scale[i / row];
}

static bool is_int8(const cnn_model *model)
{
    return model->graph.count > 0 && model->graph.nodes[0].precision == CNN_PRECISION_INT8;
}

/* source: what has the tensor, for the message. */
static cnn_status check_numbers(const cnn_model *model, const char *source,
                                const struct cnn_tensor_place *place, cnn_diag *diag)
{
    const struct cnn_tensor *t = place->tensor;
    const float *values = model->parameters + t->offset;
    const char *wrong = t->check ? t->check(t, values) : NULL;
    if (wrong)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s: tensor '%s': %s", source, place->name, wrong);
    for (size_t i = 0; i < t->count; i++)
        if (!isfinite(values[i]))
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s: tensor '%s': number %zu of %zu is not finite", source, place->name,
                            i + 1, t->count);
    return CNN_OK;
}

cnn_status cnn_model_check_numbers(const cnn_model *model, const char *source, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < model->tensor_count; i++)
        status = check_numbers(model, source, &model->tensors[i], diag);
    return status;
}

/* Bytes of all that is stored as such. */
static size_t count_codes(const cnn_model *model)
{
    size_t count = 0;
    for (size_t i = 0; i < model->tensor_count; i++)
        count += model->tensors[i].tensor->scale_slot ? model->tensors[i].tensor->count : 0;
    return count;
}

/* One tensor of the model; codes: where its bytes go, if it is stored as bytes. */
static struct cnn_stored_tensor
stored_tensor(const cnn_model *model, const struct cnn_tensor_place *place, signed char *codes)
{
    const struct cnn_tensor *t = place->tensor;
    const float *values = model->parameters + t->offset, *scale = scale_of(model, place);
    struct cnn_stored_tensor stored = {
        .name = place->name, .dtype = "F32", .rank = t->rank, .count = t->count};
    memcpy(stored.dims, t->dims, t->rank * sizeof *t->dims);
    stored.data = values;
    stored.bytes = t->count * sizeof(float);
    if (scale) {
        encode(t, values, scale, codes);
        stored.dtype = "I8";
        stored.data = codes;
        stored.bytes = t->count;
    }
    return stored;
}

cnn_status cnn_model_save(const cnn_model *model, const char *path,
                          const struct cnn_model_extra *extra, cnn_diag *diag)
{
    static const struct cnn_model_extra nothing = {0};
    if (!extra)
        extra = &nothing;
    /* once they are bytes, no number is too large or none at all */
    if (is_int8(model) && cnn_model_check_numbers(model, path, diag) != CNN_OK)
        return CNN_FAILED;
    size_t count = model->tensor_count + extra->tensor_count, coded = 0;
    struct cnn_stored_tensor *tensors = cnn_calloc(count + 1, sizeof *tensors);
    struct cnn_stored_pair *all = cnn_calloc(extra->pair_count + CNN_METADATA_PAIRS, sizeof *all);
    signed char *codes = cnn_malloc(count_codes(model) + 1);
    struct cnn_metadata own = {0};
    bool made = cnn_metadata_make(model, &own);
    cnn_status status = CNN_FAILED;
    if (!tensors || !all || !codes || !made) {
        status = cnn_fail_memory(diag, count * sizeof *tensors, "a checkpoint");
        goto out;
    }
    for (size_t i = 0; i < model->tensor_count; i++) {
        tensors[i] = stored_tensor(model, &model->tensors[i], codes + coded);
        coded += model->tensors[i].tensor->scale_slot ? tensors[i].count : 0;
    }
    if (extra->tensor_count > 0)
        memcpy(tensors + model->tensor_count, extra->tensors,
               extra->tensor_count * sizeof *tensors);
    memcpy(all, own.pairs, own.count * sizeof *all);
    if (extra->pair_count > 0)
        memcpy(all + own.count, extra->pairs, extra->pair_count * sizeof *all);
    status = cnn_safetensors_write(path, tensors, count, all, own.count + extra->pair_count, diag);
out:
    cnn_free(tensors);
    cnn_free(all);
    cnn_free(codes);
    cnn_metadata_free(&own);
    return status;
}

cnn_status cnn_model_write(const cnn_model *model, const char *path, cnn_diag *diag)
{
    if (!model || !path)
        return cnn_fail_missing(diag, "cnn_model_write", "model or path");
    cnn_output kind = is_int8(model) ? CNN_OUTPUT_INT8 : CNN_OUTPUT_CHECKPOINT;
    cnn_status status = cnn_model_has_parameters(model, diag);
    if (status == CNN_OK)
        status = cnn_output_replaces(path, kind, NULL, diag);
    return status == CNN_OK ? cnn_model_save(model, path, NULL, diag) : status;
}

static cnn_status fail_shape(const struct cnn_safetensors *file,
                             const struct cnn_stored_tensor *found,
                             const struct cnn_tensor_place *place, cnn_diag *diag)
{
    struct cnn_text have = {0}, want = {0};
    for (size_t i = 0; i < found->rank; i++)
        cnn_text_printf(&have, "%s%zu", i ? ", " : "", found->dims[i]);
    for (size_t i = 0; i < place->tensor->rank; i++)
        cnn_text_printf(&want, "%s%zu", i ? ", " : "", place->tensor->dims[i]);
    cnn_status status = cnn_fail(
        diag, CNN_FAILED, NULL, "%s: tensor '%s' is %s [%s]; the description wants %s [%s]",
        file->path, place->name, found->dtype, have.data ? have.data : "",
        place->tensor->scale_slot ? "I8" : "F32", want.data ? want.data : "");
    cnn_text_free(&have);
    cnn_text_free(&want);
    return status;
}

static bool fits(const struct cnn_stored_tensor *found, const struct cnn_tensor *t)
{
    return strcmp(found->dtype, t->scale_slot ? "I8" : "F32") == 0 && found->rank == t->rank &&
           memcmp(found->dims, t->dims, t->rank * sizeof *t->dims) == 0;
}

bool cnn_model_fits(const struct cnn_tensor_place *place, const struct cnn_safetensors *file)
{
    const struct cnn_stored_tensor *found = cnn_safetensors_find(file, place->name);
    return found && fits(found, place->tensor);
}

/* That file has the tensor in its shape. */
static cnn_status check_tensor(const struct cnn_safetensors *file,
                               const struct cnn_tensor_place *place, cnn_diag *diag)
{
    const struct cnn_stored_tensor *found = cnn_safetensors_find(file, place->name);
    if (!found)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s has no tensor '%s', which the description wants", file->path,
                        place->name);
    return fits(found, place->tensor) ? CNN_OK : fail_shape(file, found, place, diag);
}

/* A tensor that is stored as bytes. */
static cnn_status load_codes(const struct cnn_safetensors *file,
                             const struct cnn_stored_tensor *found, const struct cnn_tensor *t,
                             const float *scale, float *values, cnn_diag *diag)
{
    signed char *codes = cnn_malloc(found->bytes + 1);
    cnn_status status = codes ? cnn_safetensors_read(file, found, 0, found->bytes, codes, diag)
                              : cnn_fail_memory(diag, found->bytes, file->path);
    if (status == CNN_OK)
        decode(t, codes, scale, values);
    cnn_free(codes);
    return status;
}

cnn_status cnn_model_load_tensor(cnn_model *model, const struct cnn_safetensors *file,
                                 const struct cnn_tensor_place *place, cnn_diag *diag)
{
    const struct cnn_stored_tensor *found = cnn_safetensors_find(file, place->name);
    const struct cnn_tensor *t = place->tensor;
    float *values = model->parameters + t->offset;
    cnn_status status = t->scale_slot
                            ? load_codes(file, found, t, scale_of(model, place), values, diag)
                            : cnn_safetensors_read(file, found, 0, found->bytes, values, diag);
    if (status != CNN_OK)
        return status;
    /* arithmetic with bytes would lose them: an answer like any other would come out */
    if (is_int8(model))
        return check_numbers(model, file->path, place, diag);
    const char *wrong = t->check ? t->check(t, values) : NULL;
    return wrong ? cnn_fail(diag, CNN_FAILED, NULL, "%s: tensor '%s': %s", file->path, place->name,
                            wrong)
                 : CNN_OK;
}

void cnn_model_use_floats(cnn_model *model, size_t node)
{
    struct cnn_node *n = &model->graph.nodes[node];
    const size_t count = model->tensor_count;
    for (size_t slot = 0; cnn_slot_find(n, &slot); slot++)
        if (n->tensors[slot].scale_slot) {
            n->tensors[n->tensors[slot].scale_slot].role = CNN_ROLE_NONE;
            n->tensors[slot].scale_slot = 0;
        }
    n->tensors[n->input_range].role = CNN_ROLE_NONE;
    n->input_range = 0;
    n->quantization = NULL;
    model->tensor_count = 0;
    for (size_t i = 0; i < count; i++)
        if (model->tensors[i].tensor->role != CNN_ROLE_NONE)
            model->tensors[model->tensor_count++] = model->tensors[i];
}

/* Layers that computed with floats when the file was written still do. */
static void find_floats(cnn_model *model, const struct cnn_safetensors *file)
{
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &model->tensors[i];
        const struct cnn_node *node = &model->graph.nodes[place->node];
        const bool always =
            !node->quantization || (node->quantization->always && node->quantization->always(node));
        if (node->input_range && place->slot == node->input_range && !always &&
            !cnn_safetensors_find(file, place->name)) {
            cnn_model_use_floats(model, place->node);
            i = SIZE_MAX; /* from the beginning: there are fewer now */
        }
    }
}

/* Tensors of the file that the description does not know. */
static cnn_status find_leftover(const cnn_model *model, const struct cnn_safetensors *file,
                                cnn_diag *diag)
{
    for (size_t i = 0; i < file->tensor_count; i++) {
        const char *name = file->tensors[i].name;
        bool known = name[0] == CNN_RESERVED[0];
        for (size_t k = 0; k < model->tensor_count && !known; k++)
            known = strcmp(model->tensors[k].name, name) == 0;
        if (!known)
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s: tensor '%s' is left over: the description has no such parameter",
                            file->path, name);
    }
    return CNN_OK;
}

static cnn_status load_values(cnn_model *model, const struct cnn_safetensors *file, cnn_diag *diag)
{
    cnn_status status = cnn_model_allocate(model, diag);
    for (int coded = 0; coded < 2; coded++) /* scales before what they are the scales of */
        for (size_t i = 0; status == CNN_OK && i < model->tensor_count; i++)
            if ((model->tensors[i].tensor->scale_slot != 0) == coded)
                status = cnn_model_load_tensor(model, file, &model->tensors[i], diag);
    return status;
}

cnn_status cnn_model_read_stored(const void *context, size_t first, size_t count, float *values,
                                 cnn_diag *diag)
{
    const cnn_model *model = context;
    size_t i = 0;
    while (first - model->tensors[i].tensor->offset >= model->tensors[i].tensor->count)
        i++;
    return cnn_safetensors_read(model->file,
                                cnn_safetensors_find(model->file, model->tensors[i].name),
                                (first - model->tensors[i].tensor->offset) * sizeof *values,
                                count * sizeof *values, values, diag);
}

/* What check_tensor does not see: numbers that a layer cannot compute with. */
static cnn_status check_stored(const cnn_model *model, const struct cnn_tensor_place *place,
                               cnn_diag *diag)
{
    const struct cnn_tensor *t = place->tensor;
    float *values = cnn_malloc((t->count + 1) * sizeof *values);
    cnn_status status = values
                            ? cnn_model_read_stored(model, t->offset, t->count, values, diag)
                            : cnn_fail_memory(diag, t->count * sizeof *values, model->file->path);
    const char *wrong = status == CNN_OK ? t->check(t, values) : NULL;
    if (wrong)
        status = cnn_fail(diag, CNN_FAILED, NULL, "%s: tensor '%s': %s", model->file->path,
                          place->name, wrong);
    cnn_free(values);
    return status;
}

/* Leaves the values where they are. */
static cnn_status keep_file(cnn_model *model, struct cnn_safetensors *file, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    cnn_safetensors_close(model->file);
    model->file = cnn_safetensors_share(file);
    model->shapes = true;
    for (size_t i = 0; status == CNN_OK && i < model->tensor_count; i++)
        if (model->tensors[i].tensor->check)
            status = check_stored(model, &model->tensors[i], diag);
    return status;
}

cnn_status cnn_model_load_parameters(cnn_model *model, struct cnn_safetensors *file, cnn_diag *diag)
{
    cnn_status status = cnn_safetensors_verify(file, diag);
    if (status == CNN_OK)
        find_floats(model, file);
    for (int coded = 0; coded < 2; coded++) /* an int8 network without scales is none */
        for (size_t i = 0; status == CNN_OK && i < model->tensor_count; i++)
            if ((model->tensors[i].tensor->scale_slot != 0) == coded)
                status = check_tensor(file, &model->tensors[i], diag);
    if (status == CNN_OK)
        status = find_leftover(model, file, diag);
    if (status == CNN_OK && model->run_only && !model->parameters && !is_int8(model))
        status = keep_file(model, file, diag);
    else if (status == CNN_OK && !model->shapes)
        status = load_values(model, file, diag);
    if (status != CNN_OK)
        return status;
    model->trained = true;
    if (model->plan)
        cnn_plan_parameters_changed(model->plan);
    return CNN_OK;
}

cnn_status cnn_model_load(cnn_model *model, struct cnn_safetensors *file, cnn_diag *diag)
{
    cnn_status status = cnn_model_load_parameters(model, file, diag);
    return status == CNN_OK ? cnn_metadata_read(model, file, diag) : status;
}

cnn_status cnn_model_from_checkpoint(struct cnn_safetensors *file, const cnn_open_options *options,
                                     cnn_model **out, cnn_diag *diag)
{
    const char *text = cnn_safetensors_metadata(file, "description");
    if (!text) {
        cnn_status status = cnn_fail(
            diag, CNN_FAILED, NULL,
            "%s holds tensors but no description: it is no checkpoint of this program", file->path);
        cnn_hint(diag, "name the YAML description as MODEL and this file with --weights");
        return status;
    }
    struct cnn_overrides overrides = {0};
    if (options)
        overrides =
            (struct cnn_overrides){.words = options->overrides, .count = options->override_count};
    cnn_model *model = NULL;
    cnn_status status =
        cnn_model_from_text(file->path, text, strlen(text), &overrides, &model, diag);
    if (status == CNN_OK) {
        model->shapes = options && options->shapes;
        model->run_only = options && options->run_only && !options->shapes;
        status = cnn_model_load(model, file, diag);
    }
    if (status == CNN_OK)
        *out = model;
    else
        cnn_model_free(model);
    return status;
}
