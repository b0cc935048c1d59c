/* What a checkpoint says of its model beside the tensors: writing it, and reading it back. */
#include "model/metadata.h"

#include <string.h>

#include "util/json.h"

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

bool cnn_metadata_make(const cnn_model *model, struct cnn_metadata *out)
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

void cnn_metadata_free(struct cnn_metadata *metadata)
{
    cnn_text_free(&metadata->classes);
    cnn_text_free(&metadata->normalization);
    cnn_text_free(&metadata->weights);
    cnn_text_free(&metadata->record);
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

cnn_status cnn_metadata_read(cnn_model *model, const struct cnn_safetensors *file, cnn_diag *diag)
{
    cnn_status status = read_classes(model, file, diag);
    if (status == CNN_OK && model->loss.balanced)
        status = read_class_weights(model, file, diag);
    if (status == CNN_OK)
        status = cnn_record_read(file, model->arena, &model->record, diag);
    return status == CNN_OK && model->data.normalize_auto ? read_normalization(model, file, diag)
                                                          : status;
}
