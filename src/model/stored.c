/* Models in checkpoints: which tensors and which metadata, and reading them back. Metadata:
 * "format" cnn, "version", "description" (resolved YAML), "classes" (JSON list of names),
 * "normalization" (JSON {mean, std}), where they were taken from the training images
 * "class_weights" (JSON list of numbers), and "data" (see model/record.h). */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/record.h"
#include "util/json.h"
#include "util/output.h"
#include "util/text.h"

static void add_classes(struct cnn_text *text, const cnn_model *model)
{
    for (size_t i = 0; i < model->class_count; i++) {
        cnn_text_append(text, i > 0 ? "," : "[", 1);
        cnn_text_json_string(text, model->classes[i]);
    }
    cnn_text_append(text, "]", 1);
}

static void add_floats(struct cnn_text *text, const char *name, const float *values, size_t count)
{
    cnn_text_printf(text, "\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        cnn_text_append(text, ",", i > 0);
        cnn_text_json_number(text, (double)values[i], 9);
    }
    cnn_text_append(text, "]", 1);
}

static void add_normalization(struct cnn_text *text, const struct cnn_normalization *n)
{
    cnn_text_append(text, "{", 1);
    add_floats(text, "mean", n->mean, n->channels);
    cnn_text_append(text, ",", 1);
    add_floats(text, "std", n->std, n->channels);
    cnn_text_append(text, "}", 1);
}

static void add_class_weights(struct cnn_text *text, const struct cnn_numbers *weights)
{
    for (size_t i = 0; i < weights->count; i++) {
        cnn_text_append(text, i > 0 ? "," : "[", 1);
        cnn_text_json_number(text, weights->values[i], 17);
    }
    cnn_text_append(text, "]", 1);
}

/* What the file says of the model beside its tensors. */
struct metadata {
    struct cnn_text classes, normalization, weights, record;
    struct cnn_stored_pair pairs[7];
    size_t count;
};

static bool metadata_make(const cnn_model *model, struct metadata *out)
{
    add_normalization(&out->normalization, &model->normalization);
    if (model->class_count > 0)
        add_classes(&out->classes, model);
    if (model->loss.balanced && model->loss.class_weights.count > 0)
        add_class_weights(&out->weights, &model->loss.class_weights);
    out->pairs[out->count++] = (struct cnn_stored_pair){"format", "cnn"};
    out->pairs[out->count++] = (struct cnn_stored_pair){"version", CNN_VERSION};
    out->pairs[out->count++] = (struct cnn_stored_pair){"description", model->resolved};
    out->pairs[out->count++] = (struct cnn_stored_pair){"normalization", out->normalization.data};
    if (out->classes.data)
        out->pairs[out->count++] = (struct cnn_stored_pair){"classes", out->classes.data};
    if (out->weights.data)
        out->pairs[out->count++] = (struct cnn_stored_pair){"class_weights", out->weights.data};
    if (model->record)
        cnn_record_write(model->record, &out->record);
    if (out->record.data)
        out->pairs[out->count++] = (struct cnn_stored_pair){"data", out->record.data};
    return !out->classes.failed && !out->normalization.failed && !out->weights.failed &&
           !out->record.failed;
}

static void metadata_free(struct metadata *metadata)
{
    cnn_text_free(&metadata->classes);
    cnn_text_free(&metadata->normalization);
    cnn_text_free(&metadata->weights);
    cnn_text_free(&metadata->record);
}

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
                          const struct cnn_stored_tensor *extra, size_t extra_count,
                          const struct cnn_stored_pair *metadata, size_t metadata_count,
                          cnn_diag *diag)
{
    /* once they are bytes, no number is too large or none at all */
    if (is_int8(model) && cnn_model_check_numbers(model, path, diag) != CNN_OK)
        return CNN_FAILED;
    size_t count = model->tensor_count + extra_count, coded = 0;
    struct cnn_stored_tensor *tensors = calloc(count + 1, sizeof *tensors);
    struct cnn_stored_pair *all = calloc(metadata_count + 7, sizeof *all);
    signed char *codes = malloc(count_codes(model) + 1);
    struct metadata own = {0};
    bool made = metadata_make(model, &own);
    cnn_status status = CNN_FAILED;
    if (!tensors || !all || !codes || !made) {
        status = cnn_fail_memory(diag, count * sizeof *tensors, "a checkpoint");
        goto out;
    }
    for (size_t i = 0; i < model->tensor_count; i++) {
        tensors[i] = stored_tensor(model, &model->tensors[i], codes + coded);
        coded += model->tensors[i].tensor->scale_slot ? tensors[i].count : 0;
    }
    if (extra_count > 0)
        memcpy(tensors + model->tensor_count, extra, extra_count * sizeof *extra);
    memcpy(all, own.pairs, own.count * sizeof *all);
    if (metadata_count > 0)
        memcpy(all + own.count, metadata, metadata_count * sizeof *metadata);
    status = cnn_safetensors_write(path, tensors, count, all, own.count + metadata_count, diag);
out:
    free(tensors);
    free(all);
    free(codes);
    metadata_free(&own);
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
    return status == CNN_OK ? cnn_model_save(model, path, NULL, 0, NULL, 0, diag) : status;
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

/* Of one that has been checked. */
static cnn_status load_tensor(cnn_model *model, const struct cnn_safetensors *file,
                              const struct cnn_tensor_place *place, cnn_diag *diag)
{
    const struct cnn_stored_tensor *found = cnn_safetensors_find(file, place->name);
    const struct cnn_tensor *t = place->tensor;
    float *values = model->parameters + t->offset;
    if (t->scale_slot)
        decode(t, found->data, scale_of(model, place), values);
    else
        memcpy(values, found->data, t->count * sizeof(float));
    /* arithmetic with bytes would lose them: an answer like any other would come out */
    if (is_int8(model))
        return check_numbers(model, file->path, place, diag);
    const char *wrong = t->check ? t->check(t, values) : NULL;
    return wrong ? cnn_fail(diag, CNN_FAILED, NULL, "%s: tensor '%s': %s", file->path, place->name,
                            wrong)
                 : CNN_OK;
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
                status = load_tensor(model, file, &model->tensors[i], diag);
    return status;
}

cnn_status cnn_model_load_parameters(cnn_model *model, const struct cnn_safetensors *file,
                                     cnn_diag *diag)
{
    cnn_status status = cnn_safetensors_verify(file, diag);
    for (int coded = 0; coded < 2; coded++) /* an int8 network without scales is none */
        for (size_t i = 0; status == CNN_OK && i < model->tensor_count; i++)
            if ((model->tensors[i].tensor->scale_slot != 0) == coded)
                status = check_tensor(file, &model->tensors[i], diag);
    if (status == CNN_OK)
        status = find_leftover(model, file, diag);
    if (status == CNN_OK && !model->shapes)
        status = load_values(model, file, diag);
    if (status != CNN_OK)
        return status;
    model->trained = true;
    if (model->plan)
        cnn_plan_parameters_changed(model->plan);
    return CNN_OK;
}

#define LISTED 8 /* layers that a message names */

/* The names of layers, in words. Tensors of one layer follow each other. */
struct layer_list {
    struct cnn_text text;
    const char *newest;
    size_t length, count; /* of the newest name; of layers */
};

static void add_layer(struct layer_list *list, const char *tensor)
{
    const char *end = strrchr(tensor, '.');
    size_t length = end ? (size_t)(end - tensor) : strlen(tensor);
    if (list->count > 0 && length == list->length && memcmp(list->newest, tensor, length) == 0)
        return;
    list->newest = tensor;
    list->length = length;
    if (list->count++ < LISTED)
        cnn_text_printf(&list->text, "%s%.*s", list->count > 1 ? ", " : "", (int)length, tensor);
}

static const char *finish_list(struct layer_list *list)
{
    if (list->count > LISTED)
        cnn_text_printf(&list->text, " and %zu more", list->count - LISTED);
    return list->text.data ? list->text.data : "none";
}

/* Whether --transfer takes the i-th tensor. Without its weights a layer's bias means nothing, even
 * if its length happens to fit: it is taken only where the layer's first tensor is. */
static bool transfers(const cnn_model *model, const struct cnn_safetensors *file, size_t i)
{
    const struct cnn_tensor_place *place = &model->tensors[i];
    const struct cnn_stored_tensor *found = cnn_safetensors_find(file, place->name);
    bool first = i == 0 || model->tensors[i - 1].node != place->node;
    return found && fits(found, place->tensor) && (first || transfers(model, file, i - 1));
}

/* Layers of the model that file does not give whole. */
static void list_new(const cnn_model *model, const struct cnn_safetensors *file,
                     struct layer_list *list)
{
    for (size_t i = 0; i < model->tensor_count; i++)
        if (!transfers(model, file, i))
            add_layer(list, model->tensors[i].name);
}

/* Layers of file that the model does not take whole. */
static void list_unused(const cnn_model *model, const struct cnn_safetensors *file,
                        struct layer_list *list)
{
    for (size_t i = 0; i < file->tensor_count; i++) {
        const struct cnn_stored_tensor *stored = &file->tensors[i];
        bool used = stored->name[0] == CNN_RESERVED[0];
        for (size_t k = 0; k < model->tensor_count && !used; k++)
            used = strcmp(model->tensors[k].name, stored->name) == 0 && transfers(model, file, k);
        if (!used)
            add_layer(list, stored->name);
    }
}

cnn_status cnn_model_transfer(cnn_model *model, const struct cnn_safetensors *file,
                              const char **warning, cnn_diag *diag)
{
    size_t taken = 0;
    cnn_status status = cnn_safetensors_verify(file, diag);
    for (size_t i = 0; status == CNN_OK && i < model->tensor_count; i++) {
        if (!transfers(model, file, i))
            continue;
        status = load_tensor(model, file, &model->tensors[i], diag);
        taken++;
    }
    if (status != CNN_OK)
        return status;
    struct layer_list new = {0}, unused = {0};
    list_new(model, file, &new);
    list_unused(model, file, &unused);
    if (taken == 0) {
        status = cnn_fail(diag, CNN_FAILED, NULL,
                          "nothing in %s fits: no layer's weights have name and shape of those of "
                          "the description",
                          file->path);
        cnn_hint(diag, "the description's layers: %s; those of the file: %s", finish_list(&new),
                 finish_list(&unused));
    } else if (new.count + unused.count > 0) {
        *warning = cnn_arena_printf(
            model->arena,
            "%s%zu of %zu tensors are from %s; new layers: %s; left over in the file: %s",
            2 * taken < model->tensor_count ? "only " : "", taken, model->tensor_count, file->path,
            finish_list(&new), finish_list(&unused));
        status = *warning ? CNN_OK : cnn_fail_memory(diag, new.text.size, "a message");
    }
    cnn_text_free(&new.text);
    cnn_text_free(&unused.text);
    return status;
}

cnn_status cnn_model_set_classes(cnn_model *model, size_t count, const char *const *names,
                                 cnn_diag *diag)
{
    const char **copy = cnn_arena_array(model->arena, count, sizeof *copy);
    bool ok = copy || count == 0;
    for (size_t i = 0; ok && i < count; i++)
        ok = (copy[i] = cnn_arena_strdup(model->arena, names[i])) != NULL;
    if (!ok)
        return cnn_fail_memory(diag, count * sizeof *copy, "class names");
    model->classes = copy;
    model->class_count = count;
    return CNN_OK;
}

/* The JSON of one piece of metadata, in arena; *out is NULL where it is no JSON. */
static cnn_status read_json(struct cnn_arena *arena, const char *text, const struct cnn_json **out,
                            cnn_diag *diag)
{
    struct cnn_json_error error = {.text = ""};
    *out = cnn_json_read(arena, text, strlen(text), &error);
    return *out || error.text ? CNN_OK : cnn_fail_memory(diag, strlen(text), "metadata");
}

/* Whether value is a list of count members of that kind. */
static bool is_list_of(const struct cnn_json *value, enum cnn_json_kind kind, size_t count)
{
    bool good = value && value->kind == CNN_JSON_LIST && value->size == count;
    for (const struct cnn_json *member = good ? value->first : NULL; member; member = member->next)
        good = good && member->kind == kind;
    return good;
}

cnn_status cnn_model_stored_classes(const struct cnn_safetensors *file, struct cnn_arena *arena,
                                    const char ***names, size_t *count, cnn_diag *diag)
{
    const char *text = cnn_safetensors_metadata(file, "classes");
    const struct cnn_json *list;
    size_t i = 0;
    *names = NULL;
    *count = 0;
    cnn_status status = text ? read_json(arena, text, &list, diag) : CNN_OK;
    if (!text || status != CNN_OK)
        return status;
    if (!list || !is_list_of(list, CNN_JSON_TEXT, list->size))
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: its metadata 'classes' is no JSON list of names", file->path);
    *names = cnn_arena_array(arena, list->size + 1, sizeof **names);
    if (!*names)
        return cnn_fail_memory(diag, list->size * sizeof **names, "class names");
    for (const struct cnn_json *name = list->first; name; name = name->next)
        (*names)[i++] = name->text;
    *count = i;
    return CNN_OK;
}

static cnn_status read_classes(cnn_model *model, const struct cnn_safetensors *file, cnn_diag *diag)
{
    const char **names;
    size_t count;
    cnn_status status = cnn_model_stored_classes(file, model->arena, &names, &count, diag);
    if (status != CNN_OK || !names)
        return status;
    if (count != cnn_model_outputs(model))
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: its metadata 'classes' is no JSON list of %zu names, one for each "
                        "output",
                        file->path, cnn_model_outputs(model));
    model->classes = names;
    model->class_count = count;
    return CNN_OK;
}

static cnn_status read_normalization(cnn_model *model, const struct cnn_safetensors *file,
                                     cnn_diag *diag)
{
    const char *text = cnn_safetensors_metadata(file, "normalization");
    const struct cnn_json *both;
    cnn_status status = text ? read_json(model->arena, text, &both, diag) : CNN_OK;
    if (!text || status != CNN_OK)
        return status;
    const struct cnn_json *mean = cnn_json_get(both, "mean"), *std = cnn_json_get(both, "std");
    struct cnn_normalization n = {.channels = mean ? (size_t)mean->size : 0};
    bool ok = is_list_of(mean, CNN_JSON_NUMBER, n.channels) &&
              is_list_of(std, CNN_JSON_NUMBER, n.channels) &&
              (n.channels == 0 || n.channels == model->graph.input.c) &&
              n.channels <= CNN_MAX_CHANNELS;
    mean = ok ? mean->first : NULL;
    std = ok ? std->first : NULL;
    for (size_t c = 0; ok && c < n.channels; c++, mean = mean->next, std = std->next) {
        n.mean[c] = (float)mean->number;
        n.std[c] = (float)std->number;
        ok = n.std[c] > 0;
    }
    if (!ok)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: its metadata 'normalization' does not fit the network's %zu channels",
                        file->path, model->graph.input.c);
    model->normalization = n;
    return CNN_OK;
}

static cnn_status read_class_weights(cnn_model *model, const struct cnn_safetensors *file,
                                     cnn_diag *diag)
{
    const char *text = cnn_safetensors_metadata(file, "class_weights");
    const struct cnn_json *list;
    size_t count = cnn_model_outputs(model), i = 0;
    cnn_status status = text ? read_json(model->arena, text, &list, diag) : CNN_OK;
    if (!text || status != CNN_OK)
        return status;
    double *values = cnn_arena_array(model->arena, count + 1, sizeof *values);
    if (!values)
        return cnn_fail_memory(diag, count * sizeof *values, "class weights");
    bool ok = is_list_of(list, CNN_JSON_NUMBER, count);
    for (const struct cnn_json *w = ok ? list->first : NULL; ok && w; w = w->next)
        ok = (values[i++] = w->number) > 0;
    if (!ok)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: its metadata 'class_weights' is no JSON list of %zu numbers above 0, "
                        "one for each output",
                        file->path, count);
    model->loss.class_weights = (struct cnn_numbers){values, count};
    return CNN_OK;
}

cnn_status cnn_model_load(cnn_model *model, const struct cnn_safetensors *file, cnn_diag *diag)
{
    cnn_status status = cnn_model_load_parameters(model, file, diag);
    if (status == CNN_OK)
        status = read_classes(model, file, diag);
    if (status == CNN_OK && model->loss.balanced)
        status = read_class_weights(model, file, diag);
    if (status == CNN_OK)
        status = cnn_record_read(file, model->arena, &model->record, diag);
    return status == CNN_OK && model->data.normalize_auto ? read_normalization(model, file, diag)
                                                          : status;
}

cnn_status cnn_model_from_checkpoint(const struct cnn_safetensors *file,
                                     const cnn_open_options *options, cnn_model **out,
                                     cnn_diag *diag)
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
        overrides = (struct cnn_overrides){options->overrides, options->override_count};
    cnn_model *model = NULL;
    cnn_status status =
        cnn_model_from_text(file->path, text, strlen(text), &overrides, &model, diag);
    if (status == CNN_OK) {
        model->shapes = options && options->shapes;
        status = cnn_model_load(model, file, diag);
    }
    if (status == CNN_OK)
        *out = model;
    else
        cnn_model_free(model);
    return status;
}

static cnn_status balance_classes(cnn_model *model, const struct cnn_dataset *train, cnn_diag *diag)
{
    size_t classes = cnn_dataset_classes(train),
           *counts = cnn_arena_array(model->arena, classes, sizeof *counts);
    if (!counts)
        return cnn_fail_memory(diag, classes * sizeof *counts, "class weights");
    for (size_t i = 0; i < classes; i++)
        if ((counts[i] = cnn_dataset_class_count(train, i)) == 0) {
            cnn_fail(diag, CNN_INVALID, &model->loss.own->class_weights->where,
                     "class '%s' has no training images, so there is no balanced weight for it",
                     cnn_dataset_class(train, i));
            cnn_hint(diag, "give class_weights as a list of numbers, one per class");
            return CNN_INVALID;
        }
    return cnn_loss_balance(model->arena, counts, classes, &model->loss, diag);
}

cnn_status cnn_model_match_classes(const cnn_model *model, const struct cnn_dataset *dataset,
                                   cnn_diag *diag)
{
    size_t count = cnn_dataset_classes(dataset);
    if (count != model->class_count)
        return cnn_fail(diag, CNN_INVALID, NULL, "the data has %zu classes; %s was trained on %zu",
                        count, model->source, model->class_count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(cnn_dataset_class(dataset, i), model->classes[i]) != 0)
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "class %zu of the data is '%s'; that of %s is '%s'", i,
                            cnn_dataset_class(dataset, i), model->source, model->classes[i]);
    return CNN_OK;
}

cnn_status cnn_model_adopt_data(cnn_model *model, const struct cnn_dataset *train, cnn_diag *diag)
{
    if (model->classes) {
        cnn_status status = cnn_model_match_classes(model, train, diag);
        if (status != CNN_OK)
            return status;
    }
    size_t classes = cnn_dataset_classes(train), outputs = cnn_model_outputs(model);
    if (classes != outputs) {
        const struct cnn_node *last = &model->graph.nodes[model->graph.count - 1];
        cnn_status status =
            cnn_fail(diag, CNN_INVALID, &last->where,
                     "the network answers with %zu numbers; the data set has %zu class%s", outputs,
                     classes, classes == 1 ? "" : "es");
        if (classes == 1)
            cnn_hint(diag, "a network learns to tell classes apart: a folder of images for each of "
                           "two at least");
        else
            cnn_hint(diag, "a last layer of %zu: {type: dense, units: %zu}", classes, classes);
        return status;
    }
    const char **names = calloc(classes, sizeof *names);
    if (!names)
        return cnn_fail_memory(diag, classes * sizeof *names, "class names");
    for (size_t i = 0; i < classes; i++)
        names[i] = cnn_dataset_class(train, i);
    cnn_status status = cnn_model_set_classes(model, classes, names, diag);
    free(names);
    if (status == CNN_OK && model->data.normalize_auto)
        status = cnn_dataset_statistics(train, &model->normalization, diag);
    return status == CNN_OK && model->loss.balanced ? balance_classes(model, train, diag) : status;
}
