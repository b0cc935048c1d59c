#include "train/backbone.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/assign.h"
#include "formats/format.h"
#include "util/allocate.h"

#define FIRST_RATE 0.1 /* of the first layer, as a share of the last one's */

/* ---- The model ---- */

static cnn_status open_weights(const cnn_init_options *options, cnn_model **out, cnn_diag *diag)
{
    const struct cnn_assign_options assign = {.partial = false};
    struct cnn_weights *weights = NULL;
    struct cnn_assignment taken;
    cnn_model *model = NULL;
    char *text = NULL;
    size_t size;
    cnn_status status = cnn_description_text(options->as, &text, &size, diag);
    if (status == CNN_OK)
        status = cnn_model_from_text(options->as, text, size, NULL, &model, diag);
    if (status == CNN_OK)
        status = cnn_weights_open(options->from, NULL, &weights, diag);
    if (status == CNN_OK)
        status = cnn_assign(model, weights, &assign, &taken, diag);
    if (status == CNN_OK) {
        model->trained = true;
        cnn_assignment_free(&taken);
        *out = model;
    } else {
        cnn_model_free(model);
    }
    cnn_weights_close(weights);
    cnn_free(text);
    return status;
}

static cnn_status open_model(const cnn_init_options *options, cnn_model **out, cnn_diag *diag)
{
    return options->as ? open_weights(options, out, diag)
                       : cnn_model_open(options->from, NULL, out, diag);
}

/* ---- Its last layer ---- */

static bool is_weighted(const struct cnn_node *node)
{
    return node->tensors[0].role == CNN_ROLE_WEIGHT && node->tensors[0].rank > 1;
}

/* The layer that makes one number of each class: the last with a weight matrix. */
static size_t find_head(const cnn_model *model)
{
    size_t i = model->graph.count;
    while (i > 0 && !is_weighted(&model->graph.nodes[i - 1]))
        i--;
    return i > 0 && model->graph.nodes[i - 1].out.c == cnn_model_outputs(model) ? i - 1 : SIZE_MAX;
}

/* "head", or "head2" and so on where a layer has that name. */
static const char *free_name(const cnn_model *model, struct cnn_arena *arena)
{
    for (size_t n = 1;; n++) {
        char *name =
            n == 1 ? cnn_arena_strdup(arena, "head") : cnn_arena_printf(arena, "head%zu", n);
        bool taken = false;
        for (size_t i = 0; name && i < model->graph.count; i++)
            taken = taken || strcmp(model->graph.nodes[i].name, name) == 0;
        if (!taken)
            return name;
    }
}

static bool put_text(struct cnn_arena *arena, struct cnn_yaml *mapping, const char *key,
                     const char *text)
{
    struct cnn_yaml *scalar = cnn_yaml_new_scalar(arena, text, false, NULL);
    return scalar && cnn_yaml_put(arena, mapping, key, scalar);
}

/* `from` of the layers behind, where it names the old one. */
static bool rename_readers(struct cnn_arena *arena, struct cnn_yaml *layer, const char *old,
                           const char *name)
{
    struct cnn_yaml *from = cnn_yaml_get(layer, "from");
    if (!from)
        return true;
    if (from->kind == CNN_YAML_SCALAR)
        return strcmp(from->text, old) != 0 || put_text(arena, layer, "from", name);
    struct cnn_yaml *list = cnn_yaml_new_sequence(arena, NULL);
    for (size_t i = 0; list && i < from->count; i++) {
        bool same =
            from->items[i]->kind == CNN_YAML_SCALAR && strcmp(from->items[i]->text, old) == 0;
        struct cnn_yaml *item =
            same ? cnn_yaml_new_scalar(arena, name, false, NULL) : from->items[i];
        if (!item || !cnn_yaml_append(arena, list, item))
            list = NULL;
    }
    return list && cnn_yaml_put(arena, layer, "from", list);
}

struct head {             /* the new last layer */
    size_t node, classes; /* it stands in the place of this one */
    const char *name;
};

/* The layers with the new one in the place of the old: as that is, but for its name and size. */
static bool replace_head(const cnn_model *model, const struct head *new, struct cnn_arena *arena,
                         struct cnn_yaml *layers)
{
    const char *old = model->graph.nodes[new->node].name, *name = new->name;
    const size_t head = new->node;
    char count[24];
    snprintf(count, sizeof count, "%zu", new->classes);
    struct cnn_yaml *layer = cnn_yaml_copy(arena, layers->items[head]);
    const char *size = layer && cnn_yaml_get(layer, "units") ? "units" : "filters";
    if (!layer || !put_text(arena, layer, "name", name) || !put_text(arena, layer, size, count))
        return false;
    layers->items[head] = layer;
    for (size_t i = head + 1; i < layers->count; i++) {
        layers->items[i] = cnn_yaml_copy(arena, layers->items[i]);
        if (!layers->items[i] || !rename_readers(arena, layers->items[i], old, name))
            return false;
    }
    return true;
}

/* ---- The description ---- */

/* `input` and `layers`. */
static const char *describe(const cnn_model *model, const struct head *head,
                            struct cnn_arena *arena)
{
    struct cnn_yaml *root = cnn_description_of(arena, NULL, &model->graph);
    struct cnn_yaml *layers = root ? cnn_yaml_copy(arena, model->graph.resolved_layers) : NULL;
    struct cnn_text text = {0};
    if (layers && replace_head(model, head, arena, layers) &&
        cnn_yaml_put(arena, root, "layers", layers))
        cnn_yaml_write(root, &text);
    const char *out = text.data && !text.failed ? cnn_arena_strdup(arena, text.data) : NULL;
    cnn_text_free(&text);
    return out;
}

/* With as few digits as give the same number. */
static void write_number(float value, struct cnn_text *out)
{
    char number[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(number, sizeof number, "%.*g", digits, (double)value);
        if (strtof(number, NULL) == value)
            break;
    }
    cnn_text_printf(out, "%s", number);
}

/* As a value of data.normalize. */
static const char *describe_normalization(const cnn_model *model, struct cnn_arena *arena)
{
    const struct cnn_normalization *n = &model->normalization;
    struct cnn_text text = {0};
    bool plain = true;
    for (size_t c = 0; c < n->channels; c++)
        plain = plain && n->mean[c] == 0 && n->std[c] == 1;
    if (plain)
        return "none";
    for (int list = 0; list < 2; list++)
        for (size_t c = 0; c < n->channels; c++) {
            cnn_text_printf(&text, "%s", c > 0 ? ", " : list == 0 ? "{mean: [" : "], std: [");
            write_number(list == 0 ? n->mean[c] : n->std[c], &text);
        }
    cnn_text_printf(&text, "]}");
    const char *out = text.failed ? NULL : cnn_arena_strdup(arena, text.data);
    cnn_text_free(&text);
    return out;
}

/* That the first layer learns at FIRST_RATE of the last one's rate. */
static double choose_decay(const cnn_model *model)
{
    size_t weighted = 0;
    for (size_t i = 0; i < model->graph.count; i++)
        weighted += is_weighted(&model->graph.nodes[i]);
    double decay = weighted > 1 ? pow(FIRST_RATE, 1 / ((double)weighted - 1)) : 1;
    return round(1000 * decay) / 1000;
}

/* batch_norm bears higher rates; files that have it folded into their weights do not. */
static double choose_rate(const cnn_model *model)
{
    for (size_t i = 0; i < model->graph.count; i++)
        if (strcmp(model->graph.nodes[i].type->variant.name, "batch_norm") == 0)
            return 0.002;
    return 0.0002;
}

static cnn_status fail_head(const cnn_model *model, cnn_diag *diag)
{
    return cnn_fail(diag, CNN_INVALID, NULL,
                    "%s does not end in a layer with one number of each class, behind which a new "
                    "one could begin",
                    model->source);
}

static cnn_status describe_backbone(const cnn_model *model, size_t classes, struct cnn_arena *arena,
                                    struct cnn_backbone *out, cnn_diag *diag)
{
    const struct head head = {find_head(model), classes, free_name(model, arena)};
    if (head.node == SIZE_MAX || head.node == 0)
        return fail_head(model, diag);
    out->channels = model->graph.input.c;
    out->side = model->graph.input.h;
    out->head = head.name;
    out->layers = head.name ? describe(model, &head, arena) : NULL;
    out->normalize = describe_normalization(model, arena);
    out->stated = model->has_data;
    if (!out->stated) {
        cnn_warn(diag, NULL,
                 "%s does not say what its images went through: pixels go in as numbers "
                 "from 0 to 1",
                 model->source);
        cnn_hint(diag, "`cnn import` with --normalize says it, imagenet for the networks of "
                       "torchvision");
    }
    out->freeze = cnn_arena_strdup(arena, model->graph.nodes[head.node - 1].name);
    out->decay = choose_decay(model);
    out->rate = choose_rate(model);
    return out->layers && out->normalize && out->freeze
               ? CNN_OK
               : cnn_fail_memory(diag, 0, "the description");
}

cnn_status cnn_backbone_open(const cnn_init_options *options, size_t classes,
                             struct cnn_arena *arena, cnn_model **model, struct cnn_backbone *out,
                             cnn_diag *diag)
{
    cnn_model *opened = NULL;
    cnn_status status = open_model(options, &opened, diag);
    if (status == CNN_OK)
        status = describe_backbone(opened, classes, arena, out, diag);
    if (status == CNN_OK)
        *model = opened;
    else
        cnn_model_free(opened);
    return status;
}
