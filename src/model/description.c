/* A description read as a whole: each section by its owner, all mistakes in one run, and the
 * resolved description with every default filled in. */
#include "layers/types.h"
#include "model/model.h"

#include <stdio.h>
#include <string.h>

struct sections {
    const char *name;
    int precision; /* enum cnn_precision */
    const struct cnn_yaml *input, *blocks, *layers, *loss, *data, *train;
};

static const char *const precisions[] = {"fp32", "bf16", "int8", NULL};

#define FIELD(member) offsetof(struct sections, member)
const struct cnn_key cnn_description_keys[] = {
    {.name = "name",
     .kind = CNN_KEY_TEXT,
     .at = FIELD(name),
     .otherwise = "",
     .help = "name of the network and its runs; by default the file's name"},
    {.name = "input",
     .kind = CNN_KEY_NODE,
     .at = FIELD(input),
     .help = "[channels, height, width]"},
    {.name = "precision",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(precision),
     .otherwise = "fp32",
     .choices = precisions,
     .help = "precision of the factors in products: fp32; bf16: rounded to 8 bits of mantissa, "
             "where that is faster, and so are values between layers; int8: made by "
             "`cnn quantize`"},
    {.name = "blocks",
     .kind = CNN_KEY_NODE,
     .at = FIELD(blocks),
     .otherwise = "",
     .help = "lists of layers with parameters; `layers` uses their names as layer types"},
    {.name = "layers", .kind = CNN_KEY_NODE, .at = FIELD(layers), .help = "the layers, in order"},
    {.name = "loss",
     .kind = CNN_KEY_NODE,
     .at = FIELD(loss),
     .otherwise = "",
     .help = "what training minimises; by default cross_entropy"},
    {.name = "data",
     .kind = CNN_KEY_NODE,
     .at = FIELD(data),
     .otherwise = "",
     .help = "the data set"},
    {.name = "train",
     .kind = CNN_KEY_NODE,
     .at = FIELD(train),
     .otherwise = "",
     .help = "how to train"},
    CNN_KEY_END};

/* runs/<name>-<n> is made from the name, so it must be a plain file name; and it stands in
 * checkpoints, so it must be text. */
static bool name_is_legal(const char *name, size_t length)
{
    bool legal = length > 0 && name[0] != '.' && length <= 100 && cnn_utf8_valid(name, length);
    for (size_t i = 0; i < length; i++)
        legal = legal && name[i] != '/' && (unsigned char)name[i] >= ' ';
    return legal;
}

static cnn_status check_name(const struct cnn_yaml *root, const char *name, cnn_diag *diag)
{
    if (name_is_legal(name, strlen(name)))
        return CNN_OK;
    return cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(root, "name")->where,
                    "`name` becomes the name of run directories: at most 100 characters, no '/', "
                    "not beginning with '.'");
}

/* "configs/vgg_small.yaml" -> "vgg_small"; "network" where the file's name cannot be a
 * network's. */
static const char *stem(struct cnn_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path,
               *dot = strrchr(base, '.');
    size_t length = dot ? (size_t)(dot - base) : strlen(base);
    return name_is_legal(base, length) ? cnn_arena_strndup(arena, base, length) : "network";
}

static struct cnn_yaml *resolve_input(struct cnn_arena *arena, cnn_shape input)
{
    struct cnn_yaml *list = cnn_yaml_new_sequence(arena, NULL);
    const size_t sides[3] = {input.c, input.h, input.w};
    for (int i = 0; list && i < 3; i++) {
        char number[32];
        snprintf(number, sizeof number, "%zu", sides[i]);
        struct cnn_yaml *scalar = cnn_yaml_new_scalar(arena, number, false, NULL);
        if (!scalar || !cnn_yaml_append(arena, list, scalar))
            return NULL;
    }
    return list;
}

struct cnn_yaml *cnn_description_of(struct cnn_arena *arena, const char *name,
                                    const struct cnn_graph *graph)
{
    struct cnn_yaml *root = cnn_yaml_new_mapping(arena, NULL);
    struct cnn_yaml *called = name ? cnn_yaml_new_scalar(arena, name, false, NULL) : NULL;
    const char *word = precisions[graph->nodes[0].precision];
    struct cnn_yaml *precision = cnn_yaml_new_scalar(arena, word, false, NULL),
                    *input = resolve_input(arena, graph->input);
    bool plain = graph->nodes[0].precision == CNN_PRECISION_FP32;
    bool ok = root && precision && input &&
              (!name || (called && cnn_yaml_put(arena, root, "name", called))) &&
              cnn_yaml_put(arena, root, "input", input) &&
              (plain || cnn_yaml_put(arena, root, "precision", precision)) &&
              cnn_yaml_put(arena, root, "layers", graph->resolved_layers);
    return ok ? root : NULL;
}

static cnn_status resolve(cnn_model *model, const struct sections *s, cnn_diag *diag)
{
    struct cnn_arena *arena = model->arena;
    struct cnn_yaml *root = cnn_description_of(arena, model->name, &model->graph),
                    *loss = cnn_kind_resolve(arena, &cnn_losses, s->loss);
    struct cnn_yaml *data =
        s->data ? cnn_data_settings_resolve(arena, s->data, model->graph.input) : NULL;
    struct cnn_yaml *train = s->train ? cnn_recipe_resolve(arena, s->train) : NULL;
    bool ok = root && loss && cnn_yaml_put(arena, root, "loss", loss);
    if (ok && s->data)
        ok = data && cnn_yaml_put(arena, root, "data", data);
    if (ok && s->train)
        ok = train && cnn_yaml_put(arena, root, "train", train);
    struct cnn_text text = {0};
    if (ok)
        cnn_yaml_write(root, &text);
    if (ok && !text.failed && text.data)
        model->resolved = cnn_arena_strdup(arena, text.data);
    cnn_text_free(&text);
    return model->resolved ? CNN_OK : cnn_fail_memory(diag, 0, "the description");
}

/* The last layer of a block that is used several times, as name_1, name_2; NULL: there is none. */
static const char *find_last_within(const char *name, const char *const *names, size_t count)
{
    const size_t length = strlen(name);
    while (count > 0 &&
           (strncmp(names[count - 1], name, length) != 0 || names[count - 1][length] != '_'))
        count--;
    return count > 0 ? names[count - 1] : NULL;
}

/* Where `train` names the last layer that is to stay as it is. */
static cnn_status freeze(cnn_model *model, const struct cnn_yaml *train, cnn_diag *diag)
{
    const char *last = model->recipe.freeze;
    size_t count = model->graph.count, i = 0;
    if (!last && model->recipe.freeze_epochs > 0) {
        cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(train, "freeze_epochs")->where,
                 "`freeze_epochs` says for how long, but no `freeze` says which layers");
        cnn_hint(diag, "freeze: the name of the last layer that is to stay as it is");
        return CNN_INVALID;
    }
    if (!last)
        return CNN_OK;
    const char **names = cnn_arena_array(model->arena, count, sizeof *names);
    if (!names)
        return cnn_fail_memory(diag, count * sizeof *names, "the description");
    for (size_t k = 0; k < count; k++)
        names[k] = model->graph.nodes[k].name;
    while (i < count && strcmp(names[i], last) != 0)
        i++;
    if (i < count) {
        if (model->recipe.freeze_epochs > 0)
            model->frozen = i + 1;
        else
            cnn_graph_freeze(&model->graph, i + 1);
        return CNN_OK;
    }
    cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(train, "freeze")->where,
             "`freeze` names '%s', but no layer has that name", last);
    const char *near = find_last_within(last, names, count);
    if (!near)
        near = cnn_nearest_word(last, names, count);
    if (near)
        cnn_hint(diag, "did you mean '%s'?", near);
    return CNN_INVALID;
}

cnn_status cnn_description_read(cnn_model *model, const char *path, const struct cnn_yaml *root,
                                cnn_diag *diag)
{
    struct cnn_arena *arena = model->arena;
    struct sections s = {0};
    cnn_status keys = cnn_keys_read(
        arena, &(struct cnn_keys){.table = cnn_description_keys, .what = "the description"}, root,
        &root->where, &s, diag);
    if (keys == CNN_OK && s.name)
        keys = check_name(root, s.name, diag);
    model->task = cnn_tasks[0];
    model->has_loss = s.loss;
    if (!s.loss)
        s.loss = cnn_yaml_new_scalar(arena, model->task->loss, false, NULL);
    const struct cnn_graph_source source = {
        .input = s.input,
        .blocks = s.blocks,
        .layers = s.layers,
        .precision = (enum cnn_precision)s.precision,
        .direct = model->direct,
        .types = cnn_layer_types,
        .type_count = cnn_layer_type_count,
    };
    const cnn_status all[] = {
        keys,
        s.input && s.layers ? cnn_graph_read(arena, &source, &model->graph, diag) : CNN_OK,
        cnn_loss_read(arena, s.loss, &model->loss, diag),
        s.data ? cnn_data_settings_read(arena, s.data, model->graph.input, &model->data, diag)
               : CNN_OK,
        cnn_recipe_read(arena, s.train, &model->recipe, diag),
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != CNN_OK)
            return all[i];
    model->name = s.name ? s.name : stem(arena, path);
    model->has_data = s.data;
    model->has_train = s.train;
    cnn_status frozen = freeze(model, s.train, diag);
    if (frozen != CNN_OK)
        return frozen;
    return model->name ? resolve(model, &s, diag) : cnn_fail_memory(diag, 0, "the description");
}
