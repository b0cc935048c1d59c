/* The walk over the sections of a Darknet network: each takes its numbers from the .weights file,
 * which names nothing, and becomes ONNX operators, by the rules of darknet_weighted.c and
 * darknet_maps.c. */
#include <string.h>

#include "formats/darknet_internal.h"

/* Options that nobody has asked for mean something that is not known here; those that only matter
 * in training are passed over. */
static cnn_status check_options(struct cnn_darknet_net *n, const struct cnn_darknet_layer *layer)
{
    static const char *const training[] = {"stopbackward", "learning_rate", "learning_scale",
                                           "train",        "burnin_update", "train_only_bn",
                                           "noloss",       "dontsave",      NULL};
    cnn_status status = CNN_OK;
    for (const struct cnn_darknet_option *o = layer->section->first; o; o = o->next) {
        size_t i = 0;
        while (training[i] && strcmp(training[i], o->key) != 0)
            i++;
        if (!o->seen && !training[i])
            status =
                cnn_fail(n->diag, CNN_INVALID, &o->where, "layer %zu [%s]: '%s' is not supported",
                         n->number, layer->section->name, o->key);
    }
    return status;
}

static const struct cnn_darknet_rule *find_rule(const char *name)
{
    const struct cnn_darknet_rule *const lists[] = {cnn_darknet_weighted_rules,
                                                    cnn_darknet_map_rules};
    for (size_t i = 0; i < 2; i++)
        for (const struct cnn_darknet_rule *rule = lists[i]; rule->name; rule++)
            if (strcmp(rule->name, name) == 0)
                return rule;
    return NULL;
}

/* All layers that are no layers here are named. Behind one whose sizes are unknown nothing can be
 * said. */
static void name_unknown(struct cnn_darknet_net *n)
{
    for (n->number = 0; n->number + 1 < n->file->count; n->number++) {
        const struct cnn_darknet_layer layer = {.section = &n->file->sections[n->number + 1]};
        if (find_rule(layer.section->name))
            continue;
        n->wrong = true;
        cnn_darknet_refuse(n, &layer, "no layer computes this");
    }
}

static cnn_status translate_layer(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
{
    const struct cnn_darknet_rule *rule = find_rule(layer->section->name);
    if (!layer->in.value && strcmp(rule->name, "route") != 0)
        return cnn_darknet_refuse(n, layer, "it reads the output of a head");
    cnn_status status = rule->translate(n, layer);
    return status == CNN_OK ? check_options(n, layer) : status;
}

static cnn_status walk(struct cnn_darknet_net *n)
{
    struct cnn_darknet_value before = n->input;
    for (n->number = 0; n->number + 1 < n->file->count; n->number++) {
        struct cnn_darknet_layer layer = {.section = &n->file->sections[n->number + 1],
                                          .in = before};
        layer.name = cnn_arena_printf(n->draft.arena, "%s%zu", layer.section->name, n->number);
        if (!layer.name)
            return cnn_fail_memory(n->diag, 100, "a layer");
        cnn_status status = translate_layer(n, &layer);
        if (status != CNN_OK)
            return status;
        if (layer.out.c * layer.out.h > CNN_DARKNET_COUNT / layer.out.w)
            return cnn_darknet_refuse(n, &layer, "it gives more than 2^28 numbers");
        before = n->values[n->number] = layer.out;
    }
    if (n->output_count == 0)
        n->outputs[n->output_count++] = before.value;
    return CNN_OK;
}

/* A network of other layers may have no images. */
static cnn_status check_input(struct cnn_darknet_net *n)
{
    const struct cnn_darknet_value *input = &n->input;
    const struct cnn_where *where = &n->file->sections[0].where;
    if (n->wrong)
        return CNN_INVALID;
    if (input->h == 0 || input->w == 0)
        return cnn_fail(n->diag, CNN_INVALID, where,
                        "it does not say how many rows and columns an image has: height, width");
    if (input->c * input->h > CNN_DARKNET_COUNT / input->w)
        return cnn_fail(n->diag, CNN_INVALID, where, "an image has more than 2^28 numbers");
    return CNN_OK;
}

cnn_status cnn_darknet_translate(struct cnn_darknet_net *n)
{
    n->values = cnn_arena_array(n->draft.arena, n->file->count, sizeof *n->values);
    n->outputs = cnn_arena_array(n->draft.arena, n->file->count + 1, sizeof *n->outputs);
    if (!n->values || !n->outputs)
        return cnn_fail_memory(n->diag, n->file->count * sizeof *n->values, "layers");
    if (n->file->count < 2)
        return cnn_fail(n->diag, CNN_FAILED, &n->file->sections[0].where, "there are no layers");
    name_unknown(n);
    cnn_status status = check_input(n);
    if (status == CNN_OK)
        status = walk(n);
    if (status == CNN_OK && n->weights.at != n->weights.size) {
        status = cnn_fail(n->diag, CNN_FAILED, NULL,
                          "%s has %zu bytes more than the layers of the .cfg have weights for",
                          n->weights.name, n->weights.size - n->weights.at);
        cnn_hint(n->diag, "it belongs to another .cfg");
    }
    return status;
}
