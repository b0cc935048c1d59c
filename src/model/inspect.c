/* Looking inside a model: its layers by name, what they give for one image, and the arithmetic
 * behind one of those numbers. */
#include <string.h>

#include "model/model.h"
#include "util/allocate.h"

cnn_status cnn_model_find_layer(const cnn_model *model, const char *name, size_t *layer,
                                cnn_diag *diag)
{
    if (!model || !name || !layer)
        return cnn_fail_missing(diag, "cnn_model_find_layer", "model, name or layer");
    size_t count = model->graph.count;
    for (size_t i = 0; i < count; i++)
        if (strcmp(model->graph.nodes[i].name, name) == 0) {
            *layer = i;
            return CNN_OK;
        }
    const char **names = cnn_calloc(count + 1, sizeof *names);
    for (size_t i = 0; names && i < count; i++)
        names[i] = model->graph.nodes[i].name;
    const char *nearest = names ? cnn_nearest_word(name, names, count) : NULL;
    cnn_status status =
        cnn_fail(diag, CNN_INVALID, NULL, "%s has no layer '%s'", model->source, name);
    if (nearest)
        cnn_hint(diag, "did you mean '%s'?", nearest);
    cnn_free(names);
    return status;
}

/* A plan in which every value of one image survives, and its forward in evaluation mode. */
static cnn_status run_image(const cnn_model *model, const float *image, struct cnn_plan **out,
                            cnn_diag *diag)
{
    const cnn_shape in = model->graph.input;
    struct cnn_plan *plan = NULL;
    cnn_status status =
        cnn_plan_new(&model->graph, model->parameters,
                     &(struct cnn_plan_options){.batch = 1, .mode = CNN_PLAN_KEEP}, &plan, diag);
    if (status != CNN_OK)
        return status;
    cnn_transpose(1, in.c, in.h * in.w, image, cnn_plan_input(plan));
    cnn_plan_forward(plan, 1, false, 0);
    *out = plan;
    return CNN_OK;
}

cnn_status cnn_model_activations(const cnn_model *model, const float *image, float *const *values,
                                 cnn_diag *diag)
{
    if (!model || !image || !values)
        return cnn_fail_missing(diag, "cnn_model_activations", "model, image or values");
    struct cnn_plan *plan = NULL;
    cnn_status status = run_image(model, image, &plan, diag);
    for (size_t i = 0; status == CNN_OK && i < model->graph.count; i++) {
        const cnn_shape out = model->graph.nodes[i].out;
        if (values[i])
            cnn_transpose(1, out.h * out.w, out.c, cnn_plan_value(plan, i + 1), values[i]);
    }
    cnn_plan_free(plan);
    return status;
}

cnn_status cnn_model_activation(const cnn_model *model, const float *image, size_t layer,
                                float *values, cnn_diag *diag)
{
    if (!model || !image || !values)
        return cnn_fail_missing(diag, "cnn_model_activation", "model, image or values");
    if (layer >= model->graph.count)
        return cnn_fail_index(diag, "layer", layer, model->graph.count);
    const cnn_shape out = model->graph.nodes[layer].out;
    struct cnn_plan *plan = NULL;
    cnn_status status = run_image(model, image, &plan, diag);
    if (status != CNN_OK)
        return status;
    cnn_transpose(1, out.h * out.w, out.c, cnn_plan_value(plan, layer + 1), values);
    cnn_plan_free(plan);
    return CNN_OK;
}

static cnn_status check_question(const struct cnn_node *node, const struct cnn_question *q,
                                 cnn_diag *diag)
{
    const cnn_shape s = node->out;
    bool inside = q->channel < s.c && q->row < s.h && q->column < s.w;
    if (inside && q->input != CNN_NO_INDEX && node->input_count == 1 && q->input >= node->in[0].c)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s reads input channels 0 to %zu; there is no %zu", node->name,
                        node->in[0].c - 1, q->input);
    if (inside)
        return CNN_OK;
    if (s.rank != 3 && q->channel < s.c)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s is flat: row and column of its numbers are 0; not row %zu, column %zu",
                        node->name, q->row, q->column);
    if (s.rank != 3)
        return cnn_fail(diag, CNN_INVALID, NULL, "%s gives %zu numbers: 0 to %zu, not %zu",
                        node->name, s.c, s.c - 1, q->channel);
    return cnn_fail(diag, CNN_INVALID, NULL,
                    "%s gives %zu x %zu x %zu numbers: channel 0 to %zu, row 0 to %zu, column 0 to "
                    "%zu; not channel %zu, row %zu, column %zu",
                    node->name, s.c, s.h, s.w, s.c - 1, s.h - 1, s.w - 1, q->channel, q->row,
                    q->column);
}

cnn_status cnn_explain(const cnn_model *model, const float *image,
                       const cnn_explain_options *options, cnn_explanation **out, cnn_diag *diag)
{
    const cnn_explain_options o = options ? *options : (cnn_explain_options){0};
    if (!model || !image || !out)
        return cnn_fail_missing(diag, "cnn_explain", "model, image or out");
    if (o.version > CNN_EXPLAIN_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_explain_options", o.version,
                                CNN_EXPLAIN_OPTIONS_VERSION);
    if (o.layer >= model->graph.count)
        return cnn_fail_index(diag, "layer", o.layer, model->graph.count);
    const struct cnn_node *node = &model->graph.nodes[o.layer];
    const struct cnn_question question = {.channel = o.channel,
                                          .row = o.row,
                                          .column = o.column,
                                          .input =
                                              o.has_input_channel ? o.input_channel : CNN_NO_INDEX,
                                          .nodes = model->graph.nodes};
    struct cnn_plan *plan = NULL;
    struct cnn_text text = {0};
    cnn_status status = check_question(node, &question, diag);
    if (status == CNN_OK)
        status = run_image(model, image, &plan, diag);
    if (status != CNN_OK)
        return status;
    double value = node->type->explain(cnn_plan_call(plan, o.layer), &question, &text);
    float activation = cnn_plan_value(
        plan, o.layer + 1)[(o.row * node->out.w + o.column) * node->out.c + o.channel];
    cnn_plan_free(plan);
    cnn_explanation *explanation = text.failed ? NULL : cnn_malloc(sizeof *explanation);
    if (!explanation) {
        cnn_text_free(&text);
        return cnn_fail_memory(diag, text.size, "an explanation");
    }
    *explanation = (cnn_explanation){.text = text.data, .value = value, .activation = activation};
    *out = explanation;
    return CNN_OK;
}

void cnn_explanation_free(cnn_explanation *explanation)
{
    if (!explanation)
        return;
    cnn_free((void *)(uintptr_t)explanation->text);
    cnn_free(explanation);
}
