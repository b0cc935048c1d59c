/* The walk over the layers of a Caffe network: from the input on, each becomes ONNX operators by
 * the rules of caffe_weighted.c, caffe_pointwise.c and caffe_maps.c. */
#include <string.h>

#include "formats/caffe.h"
#include "util/text.h"

/* What trains or measures, and has no place in a network that is run. */
static bool is_left_out(const struct cnn_caffe_layer *layer)
{
    static const char *const types[] = {"Accuracy", "Silence", "HDF5Output", NULL};
    size_t length = strlen(layer->type);
    return cnn_word_among(layer->type, types) ||
           (length > 4 && strcmp(layer->type + length - 4, "Loss") == 0) ||
           strcmp(layer->type, "SoftmaxWithLoss") == 0;
}

static const struct cnn_caffe_rule *find_rule(const char *type)
{
    const struct cnn_caffe_rule *const lists[] = {cnn_caffe_weighted_rules,
                                                  cnn_caffe_pointwise_rules, cnn_caffe_map_rules};
    for (size_t i = 0; i < 3; i++)
        for (const struct cnn_caffe_rule *rule = lists[i]; rule->type; rule++)
            if (strcmp(rule->type, type) == 0)
                return rule;
    return NULL;
}

/* Whether all that the layer reads is there; what could not be translated is no new mistake. */
static bool inputs_known(struct cnn_caffe *c, const struct cnn_caffe_layer *layer)
{
    bool known = true;
    for (size_t i = 0; i < layer->bottom_count; i++) {
        struct cnn_caffe_value *v = cnn_caffe_value(c, layer->bottoms[i]);
        if (!v)
            cnn_caffe_refuse(c, layer, "no layer before it has the top '%s', which it reads",
                             layer->bottoms[i]);
        known = known && v && v->value;
    }
    return known;
}

/* Settings that nobody has asked for mean something that is not known here; those that only matter
 * in training are passed over. */
static void check_settings(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                           const struct cnn_prototxt_field *parameters)
{
    static const char *const training[] = {"weight_filler",    "bias_filler",
                                           "filler",           "engine",
                                           "dropout_ratio",    "moving_average_fraction",
                                           "scale_train",      "force_nd_im2col",
                                           "stable_prod_grad", NULL};
    const struct cnn_prototxt_field *field = parameters ? parameters->first : NULL;
    for (; field; field = field->next) {
        size_t i = 0;
        while (training[i] && strcmp(training[i], field->name) != 0)
            i++;
        if (field->seen || training[i])
            continue;
        c->wrong = true;
        cnn_fail(c->diag, CNN_INVALID, &field->where, "layer '%s' (%s): '%s' is not supported",
                 layer->name, layer->type, field->name);
    }
}

/* Weights are found by names. */
static bool has_own_name(struct cnn_caffe *c, const struct cnn_caffe_layer *layer)
{
    for (const struct cnn_caffe_layer *other = c->layers; other < layer; other++)
        if (strcmp(other->name, layer->name) == 0 && !is_left_out(other) &&
            !cnn_caffe_is_data(other)) {
            cnn_caffe_refuse(c, layer, "one before it has the same name");
            return false;
        }
    return true;
}

/* Its tops, with what the rule makes of its bottoms. */
static void apply_rule(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                       const struct cnn_caffe_rule *rule)
{
    const struct cnn_prototxt_field *parameters =
        rule->parameters ? cnn_prototxt_find(layer->field, rule->parameters) : NULL;
    const size_t errors = cnn_diag_errors(c->diag);
    for (size_t i = 0; i < layer->bottom_count; i++)
        cnn_caffe_value(c, layer->bottoms[i])->read = true;
    rule->translate(c, layer, parameters);
    if (cnn_diag_errors(c->diag) == errors)
        check_settings(c, layer, parameters);
}

static void translate_layer(struct cnn_caffe *c, const struct cnn_caffe_layer *layer)
{
    const struct cnn_caffe_rule *rule = find_rule(layer->type);
    if (!rule)
        cnn_caffe_refuse(c, layer, "no layer computes this");
    else if (layer->bottom_count < rule->least || layer->bottom_count > rule->most)
        cnn_caffe_refuse(c, layer, "it has %zu bottoms", layer->bottom_count);
    else if (has_own_name(c, layer) && inputs_known(c, layer))
        apply_rule(c, layer, rule);
    /* what the rule has not given is unknown from here on */
    for (size_t i = 0; c->wrong && i < layer->top_count; i++)
        if (!cnn_caffe_value(c, layer->tops[i]))
            cnn_caffe_give(c, layer, i, NULL, 4);
}

static cnn_status make_room(struct cnn_caffe *c)
{
    size_t values = 1, reads = 0;
    for (size_t i = 0; i < c->count; i++) {
        values += c->layers[i].top_count;
        reads += c->layers[i].bottom_count;
    }
    if (values > 4 * CNN_CAFFE_LAYERS || reads > CNN_CAFFE_READS)
        return cnn_fail(c->diag, CNN_FAILED, NULL,
                        "the layers have more than %d tops or %d bottoms", 4 * CNN_CAFFE_LAYERS,
                        CNN_CAFFE_READS);
    c->values = cnn_arena_array(c->draft.arena, values, sizeof *c->values);
    return c->values ? CNN_OK : cnn_fail_memory(c->diag, values * sizeof *c->values, "blobs");
}

cnn_status cnn_caffe_translate(struct cnn_caffe *c)
{
    cnn_status status = make_room(c);
    if (status != CNN_OK)
        return status;
    c->values[c->value_count++] =
        (struct cnn_caffe_value){.blob = c->input, .value = c->input, .rank = 4};
    for (c->number = 0; c->number < c->count; c->number++) {
        const struct cnn_caffe_layer *layer = &c->layers[c->number];
        if (layer->done) /* by the BatchNorm before it */
            check_settings(c, layer, cnn_prototxt_find(layer->field, "scale_param"));
        else if (cnn_caffe_is_data(layer))
            continue;
        else if (is_left_out(layer))
            c->dropped++;
        else
            translate_layer(c, layer);
    }
    return c->damaged ? CNN_FAILED : c->wrong ? CNN_INVALID : CNN_OK;
}
