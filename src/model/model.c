/* A model: made from a description or from a graph, and what is asked of it. */
#include "model/model.h"

#include <string.h>

#include "data/format.h"

static bool list_tensors(cnn_model *model)
{
    size_t capacity = model->graph.count * CNN_MAX_TENSORS;
    model->tensors = cnn_arena_array(model->arena, capacity, sizeof *model->tensors);
    if (!model->tensors)
        return false;
    for (size_t i = 0; i < model->graph.count; i++) {
        const struct cnn_node *node = &model->graph.nodes[i];
        for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
            const struct cnn_tensor *t = &node->tensors[slot];
            if (!cnn_role_stored(t->role))
                continue;
            char *name = cnn_arena_printf(model->arena, "%s.%s", node->name, t->suffix);
            if (!name)
                return false;
            model->tensors[model->tensor_count++] =
                (struct cnn_tensor_place){name, i, slot, t, cnn_tensor_trained(t)};
        }
    }
    return true;
}

/* What the description alone settles: normalisation, unless it waits for the data. */
static void adopt_fixed_normalization(cnn_model *model)
{
    if (model->data.normalize_auto)
        return;
    model->normalization = model->data.fixed;
    if (model->normalization.channels > 0)
        return;
    model->normalization.channels =
        model->graph.input.c <= CNN_MAX_CHANNELS ? model->graph.input.c : 0;
    for (size_t c = 0; c < CNN_MAX_CHANNELS; c++)
        model->normalization.std[c] = 1;
}

static cnn_status read_description(cnn_model *model, const char *text, size_t size,
                                   const struct cnn_overrides *overrides, cnn_diag *diag)
{
    struct cnn_yaml *root = NULL;
    cnn_status parsed = cnn_yaml_parse(model->arena, model->source, text, size, &root, diag),
               status = root ? CNN_OK : parsed;
    for (size_t i = 0; status == CNN_OK && overrides && i < overrides->count; i++)
        status = cnn_yaml_set(model->arena, root, overrides->words[i], diag);
    if (status == CNN_OK)
        status = cnn_description_read(model, model->source, root, diag);
    if (status == CNN_OK)
        status = parsed;
    if (status != CNN_OK)
        return status;
    adopt_fixed_normalization(model);
    model->later = cnn_arena_alloc(model->arena, sizeof *model->later);
    if (model->later)
        pthread_mutex_init(&model->later->lock, NULL);
    if (!model->later || !list_tensors(model))
        return cnn_fail_memory(diag, model->graph.count * CNN_MAX_TENSORS * sizeof *model->tensors,
                               "a list of the parameters");
    return CNN_OK;
}

cnn_status cnn_model_has_parameters(const cnn_model *model, cnn_diag *diag)
{
    return model->shapes ? cnn_fail(diag, CNN_INVALID, NULL, "%s was opened %s alone",
                                    model->source, model->file ? "to be run" : "for its shapes")
                         : CNN_OK;
}

cnn_status cnn_model_allocate(cnn_model *model, cnn_diag *diag)
{
    if (model->parameters)
        return CNN_OK;
    cnn_status status = cnn_model_has_parameters(model, diag);
    if (status != CNN_OK)
        return status;
    model->parameters = cnn_floats_new(model->graph.parameter_floats + 1);
    return model->parameters ? CNN_OK
                             : cnn_fail_memory(diag, model->graph.parameter_floats * sizeof(float),
                                               "the parameters");
}

cnn_status cnn_model_from_text(const char *name, const char *text, size_t size,
                               const struct cnn_overrides *overrides, cnn_model **out,
                               cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    cnn_model *model = arena ? cnn_arena_alloc(arena, sizeof *model) : NULL;
    char *source = model ? cnn_arena_strdup(arena, name) : NULL;
    if (!source) {
        cnn_arena_free(arena);
        return cnn_fail_memory(diag, sizeof *model, "a model");
    }
    model->arena = arena;
    model->source = source;
    model->direct = overrides && overrides->direct;
    cnn_status status = read_description(model, text, size, overrides, diag);
    if (status == CNN_OK)
        *out = model;
    else
        cnn_model_free(model);
    return status;
}

cnn_status cnn_model_set_data(cnn_model *model, const cnn_memory_data *data, cnn_diag *diag)
{
    if (!model || !data)
        return cnn_fail_missing(diag, "cnn_model_set_data", "model or data");
    cnn_status status = cnn_memory_check(data, diag);
    if (status != CNN_OK)
        return status;
    model->data.dataset = cnn_dataset_find("memory");
    model->data.memory = data;
    model->has_data = true;
    return CNN_OK;
}

/* A description can be changed; what a network of other files comes from can only be told. */
cnn_status cnn_model_fail_no_data(const cnn_model *model, const char *what, cnn_diag *diag)
{
    const char *ending = strrchr(model->source, '.');
    const bool text = ending && (strcmp(ending, ".yaml") == 0 || strcmp(ending, ".yml") == 0);
    cnn_fail(diag, CNN_INVALID, NULL, "%s has no data section, so there is nothing to %s",
             model->source, what);
    cnn_hint(diag, text ? "add for example data: {dataset: mnist}"
                        : "name one: --set data.dataset=folder --data DIR, with a "
                          "folder for each class in DIR");
    return CNN_INVALID;
}

void cnn_model_free(cnn_model *model)
{
    if (!model)
        return;
    cnn_plan_free(model->plan);
    cnn_floats_free(model->parameters);
    cnn_safetensors_close(model->file);
    if (model->later)
        pthread_mutex_destroy(&model->later->lock);
    cnn_arena_free(model->arena);
}

const char *cnn_model_name(const cnn_model *model)
{
    if (!model)
        return NULL;
    return model->name;
}

const char *cnn_model_source(const cnn_model *model)
{
    if (!model)
        return NULL;
    return model->source;
}

bool cnn_model_pixels_guessed(const cnn_model *model)
{
    return model->pixels_guessed;
}

bool cnn_model_trained(const cnn_model *model)
{
    if (!model)
        return false;
    return model->trained;
}

cnn_shape cnn_model_input(const cnn_model *model)
{
    if (!model)
        return (cnn_shape){0};
    return model->graph.input;
}

cnn_shape cnn_model_output(const cnn_model *model)
{
    if (!model)
        return (cnn_shape){0};
    return cnn_graph_shape(&model->graph, cnn_graph_output(&model->graph));
}

size_t cnn_model_outputs(const cnn_model *model)
{
    if (!model)
        return 0;
    return cnn_shape_count(cnn_model_output(model));
}

/* Without memory, without a name. */
static const char *class_number(const cnn_model *model, size_t i)
{
    struct cnn_model_later *later = model->later;
    const char *number = NULL;
    pthread_mutex_lock(&later->lock);
    if (!later->numbers)
        later->numbers =
            cnn_arena_array(model->arena, cnn_model_outputs(model), sizeof *later->numbers);
    if (later->numbers && !later->numbers[i])
        later->numbers[i] = cnn_arena_printf(model->arena, "%zu", i);
    if (later->numbers)
        number = later->numbers[i];
    pthread_mutex_unlock(&later->lock);
    return number ? number : "";
}

const char *cnn_model_class(const cnn_model *model, size_t i)
{
    if (model && i < model->class_count)
        return model->classes[i];
    return model && i < cnn_model_outputs(model) ? class_number(model, i) : NULL;
}

const char *cnn_model_resolved(const cnn_model *model)
{
    if (!model)
        return NULL;
    return model->resolved;
}

size_t cnn_model_tensors(const cnn_model *model)
{
    if (!model)
        return 0;
    return model->tensor_count;
}

cnn_tensor_info cnn_model_tensor(const cnn_model *model, size_t i)
{
    if (!model || i >= model->tensor_count)
        return (cnn_tensor_info){0};
    const struct cnn_tensor_place *place = &model->tensors[i];
    return (cnn_tensor_info){.name = place->name,
                             .rank = place->tensor->rank,
                             .count = place->tensor->count,
                             .dims = place->tensor->dims,
                             .trainable = place->trainable};
}

static cnn_status check_tensor(const cnn_model *model, size_t i, cnn_diag *diag)
{
    if (i >= model->tensor_count)
        return cnn_fail_index(diag, "tensor", i, model->tensor_count);
    return cnn_model_has_parameters(model, diag);
}

cnn_status cnn_model_tensor_get(const cnn_model *model, size_t i, float *values, cnn_diag *diag)
{
    if (!model || !values)
        return cnn_fail_missing(diag, "cnn_model_tensor_get", "model and values");
    cnn_status status = check_tensor(model, i, diag);
    if (status != CNN_OK)
        return status;
    const struct cnn_tensor *t = model->tensors[i].tensor;
    memcpy(values, model->parameters + t->offset, t->count * sizeof *values);
    return CNN_OK;
}

cnn_status cnn_model_tensor_set(cnn_model *model, size_t i, const float *values, cnn_diag *diag)
{
    if (!model || !values)
        return cnn_fail_missing(diag, "cnn_model_tensor_set", "model and values");
    cnn_status status = check_tensor(model, i, diag);
    if (status != CNN_OK)
        return status;
    const struct cnn_tensor *t = model->tensors[i].tensor;
    memcpy(model->parameters + t->offset, values, t->count * sizeof *values);
    if (model->plan)
        cnn_plan_parameters_changed(model->plan);
    return CNN_OK;
}
