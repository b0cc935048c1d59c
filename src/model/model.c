/* Opening a model: a description, a checkpoint or a run directory, and what is asked of a model
 * once it is open. */
#include "model/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

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
    return model->shapes ? cnn_fail(diag, CNN_INVALID, NULL, "%s was opened for its shapes alone",
                                    model->source)
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
    cnn_status status = read_description(model, text, size, overrides, diag);
    if (status == CNN_OK)
        *out = model;
    else
        cnn_model_free(model);
    return status;
}

cnn_status cnn_model_from_graph(const char *source, const struct cnn_graph *graph,
                                const struct cnn_overrides *overrides, cnn_model **out,
                                cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_yaml *root = arena ? cnn_description_of(arena, NULL, graph) : NULL;
    struct cnn_text text = {0};
    if (root)
        cnn_yaml_write(root, &text);
    cnn_status status = root && !text.failed ? cnn_model_from_text(source, text.data, text.size,
                                                                   overrides, out, diag)
                                             : cnn_fail_memory(diag, text.size, "a description");
    cnn_text_free(&text);
    cnn_arena_free(arena);
    return status;
}

void cnn_model_free(cnn_model *model)
{
    if (!model)
        return;
    cnn_plan_free(model->plan);
    cnn_floats_free(model->parameters);
    if (model->later)
        pthread_mutex_destroy(&model->later->lock);
    cnn_arena_free(model->arena);
}

cnn_status cnn_model_locate(const char *path, char **out, bool *checkpoint, cnn_diag *diag)
{
    static const char best[] = "/best.safetensors", config[] = "/config.yaml",
                      suffix[] = ".safetensors";
    struct stat st;
    if (stat(path, &st) != 0) {
        char *text = NULL; /* the reader's message names the system's reason */
        size_t size;
        cnn_status status = cnn_file_read(path, 0, &text, &size, diag);
        free(text);
        cnn_hint_near(diag, path);
        return status == CNN_OK ? CNN_FAILED : status;
    }
    size_t length = strlen(path);
    bool directory = S_ISDIR(st.st_mode);
    char *located = malloc(length + sizeof best);
    if (!located)
        return cnn_fail_memory(diag, length, "a path");
    memcpy(located, path, length + 1);
    if (directory)
        memcpy(located + length, best, sizeof best);
    if (directory && access(located, F_OK) != 0 && errno != EACCES) {
        cnn_status status = cnn_fail(
            diag, CNN_FAILED, NULL,
            "%s holds no best.safetensors: it is no run directory, or its first epoch is not over",
            path);
        memcpy(located + length, config, sizeof config);
        if (access(located, F_OK) == 0)
            cnn_hint(diag, "its description is %s", located);
        free(located);
        return status;
    }
    size_t end = strlen(located);
    *checkpoint = end >= sizeof suffix && strcmp(located + end - (sizeof suffix - 1), suffix) == 0;
    *out = located;
    return CNN_OK;
}

static cnn_status load_weights(cnn_model *model, const char *path, cnn_diag *diag)
{
    struct cnn_safetensors *file = NULL;
    cnn_status status = cnn_safetensors_open(path, &file, diag);
    if (status == CNN_OK)
        status = cnn_model_load(model, file, diag);
    else
        cnn_hint_near(diag, path);
    cnn_safetensors_close(file);
    return status;
}

static cnn_status open_checkpoint(const char *path, const cnn_open_options *options,
                                  cnn_model **out, cnn_diag *diag)
{
    struct cnn_safetensors *file = NULL;
    cnn_status status = cnn_safetensors_open(path, &file, diag);
    if (status == CNN_OK)
        status = cnn_model_from_checkpoint(file, options, out, diag);
    cnn_safetensors_close(file);
    return status;
}

/* Whether the description itself gives all there is to know: no layer has parameters but those with
 * literal values. */
static bool is_complete(const cnn_model *model)
{
    bool complete = true;
    for (size_t i = 0; i < model->tensor_count; i++)
        complete = complete && model->graph.nodes[model->tensors[i].node].literal;
    return complete;
}

static cnn_status open_text(const char *path, const char *text, size_t size,
                            const cnn_open_options *options, cnn_model **out, cnn_diag *diag)
{
    cnn_model *model = NULL;
    const struct cnn_overrides overrides = {options->overrides, options->override_count};
    cnn_status status = cnn_model_from_text(path, text, size, &overrides, &model, diag);
    if (status == CNN_OK && !options->weights && !options->untrained && !is_complete(model)) {
        status =
            cnn_fail(diag, CNN_INVALID, NULL, "%s describes a network but holds no weights", path);
        cnn_hint(diag, "give a checkpoint or a run directory, or --weights FILE");
    }
    bool draw = status == CNN_OK && !options->weights && !options->shapes;
    if (draw)
        status = cnn_model_allocate(model, diag);
    if (draw && status == CNN_OK)
        cnn_graph_init(&model->graph, model->recipe.seed, model->parameters);
    if (status == CNN_OK) {
        model->shapes = options->shapes;
        *out = model;
    } else {
        cnn_model_free(model);
    }
    return status;
}

static cnn_status open_description(const char *path, const cnn_open_options *options,
                                   cnn_model **out, cnn_diag *diag)
{
    char *text = NULL;
    size_t size;
    cnn_status status = cnn_yaml_read_text(path, &text, &size, diag);
    if (status == CNN_OK)
        status = open_text(path, text, size, options, out, diag);
    free(text);
    return status;
}

/* The last step: weights of their own, and the model is handed out. */
static cnn_status finish(cnn_model *model, cnn_status status, const cnn_open_options *options,
                         cnn_model **out, cnn_diag *diag)
{
    if (status == CNN_OK && options->weights)
        status = load_weights(model, options->weights, diag);
    if (status == CNN_OK)
        *out = model;
    else
        cnn_model_free(model);
    return status;
}

cnn_status cnn_model_open(const char *path, const cnn_open_options *options, cnn_model **out,
                          cnn_diag *diag)
{
    static const cnn_open_options defaults = {0};
    const cnn_open_options *o = options ? options : &defaults;
    if (!path || !out || !cnn_words_given(o->overrides, o->override_count))
        return cnn_fail_missing(diag, "cnn_model_open", "path, out or an override");
    if (o->version > CNN_OPEN_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_open_options", o->version, CNN_OPEN_OPTIONS_VERSION);
    char *located = NULL;
    bool checkpoint = false;
    cnn_model *model = NULL;
    cnn_status status = cnn_model_locate(path, &located, &checkpoint, diag);
    if (status == CNN_OK)
        status = checkpoint ? open_checkpoint(located, o, &model, diag)
                            : open_description(located, o, &model, diag);
    free(located);
    return finish(model, status, o, out, diag);
}

cnn_status cnn_model_open_memory(const void *bytes, size_t size, const char *name,
                                 const cnn_open_options *options, cnn_model **out, cnn_diag *diag)
{
    static const cnn_open_options defaults = {0};
    const cnn_open_options *o = options ? options : &defaults;
    struct cnn_safetensors *file = NULL;
    cnn_model *model = NULL;
    if (!bytes || !out || !cnn_words_given(o->overrides, o->override_count))
        return cnn_fail_missing(diag, "cnn_model_open_memory", "bytes, out or an override");
    if (o->version > CNN_OPEN_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_open_options", o->version, CNN_OPEN_OPTIONS_VERSION);
    if (!name)
        name = "memory";
    bool checkpoint = cnn_yaml_is_checkpoint(bytes, size);
    cnn_status status = checkpoint ? cnn_safetensors_open_memory(name, bytes, size, &file, diag)
                                   : open_text(name, bytes, size, o, &model, diag);
    if (checkpoint && status == CNN_OK)
        status = cnn_model_from_checkpoint(file, o, &model, diag);
    cnn_safetensors_close(file);
    return finish(model, status, o, out, diag);
}

/* Takes the last component off a path; false where none is left. */
static bool strip_component(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

/* The model that ships: in models/ beside the folder that the program was built in, in share/cnn/
 * beside the bin/ it was installed to, or where `make install` was told to put it. */
const char *cnn_default_model(void)
{
    static _Thread_local char path[4096];
    static const char *const places[] = {"/models/", "/share/cnn/models/"};
    static const char file[] = "cifar10_94.safetensors";
    char program[3072];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    bool found = strip_component(program) && strip_component(program);
    for (size_t i = 0; found && i < sizeof places / sizeof *places; i++) {
        snprintf(path, sizeof path, "%s%s%s", program, places[i], file);
        if (access(path, R_OK) == 0)
            return path;
    }
    snprintf(path, sizeof path, "%s/models/%s", CNN_DATADIR, file);
    return access(path, R_OK) == 0 ? path : NULL;
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

cnn_status cnn_model_tensor_get(const cnn_model *model, size_t i, float *values)
{
    if (!model || i >= model->tensor_count || !model->parameters || !values)
        return CNN_INVALID;
    const struct cnn_tensor *t = model->tensors[i].tensor;
    memcpy(values, model->parameters + t->offset, t->count * sizeof *values);
    return CNN_OK;
}

cnn_status cnn_model_tensor_set(cnn_model *model, size_t i, const float *values)
{
    if (!model || i >= model->tensor_count || !model->parameters || !values)
        return CNN_INVALID;
    const struct cnn_tensor *t = model->tensors[i].tensor;
    memcpy(model->parameters + t->offset, values, t->count * sizeof *values);
    if (model->plan)
        cnn_plan_parameters_changed(model->plan);
    return CNN_OK;
}
