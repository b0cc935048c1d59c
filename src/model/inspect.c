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

struct cnn_inspector {
    const cnn_model *model;
    struct cnn_plan *plan; /* in which every value of one image survives */
    bool has_run;
};

cnn_status cnn_inspector_new(const cnn_model *model, cnn_inspector **out, cnn_diag *diag)
{
    if (!model || !out)
        return cnn_fail_missing(diag, "cnn_inspector_new", "model or out");
    cnn_inspector *inspector = cnn_calloc(1, sizeof *inspector);
    if (!inspector)
        return cnn_fail_memory(diag, sizeof *inspector, "an inspector");
    inspector->model = model;
    cnn_status status = cnn_plan_new(&model->graph, model->parameters,
                                     &(struct cnn_plan_options){.batch = 1, .mode = CNN_PLAN_KEEP},
                                     &inspector->plan, diag);
    if (status != CNN_OK) {
        cnn_inspector_free(inspector);
        return status;
    }
    *out = inspector;
    return CNN_OK;
}

void cnn_inspector_free(cnn_inspector *inspector)
{
    if (!inspector)
        return;
    cnn_plan_free(inspector->plan);
    cnn_free(inspector);
}

cnn_status cnn_inspector_run(cnn_inspector *inspector, const float *image, cnn_diag *diag)
{
    if (!inspector || !image)
        return cnn_fail_missing(diag, "cnn_inspector_run", "inspector or image");
    const cnn_shape in = inspector->model->graph.input;
    cnn_transpose(1, in.c, in.h * in.w, image, cnn_plan_input(inspector->plan));
    cnn_plan_forward(inspector->plan, 1, false, 0);
    inspector->has_run = true;
    return CNN_OK;
}

static cnn_status check_has_run(const cnn_inspector *inspector, cnn_diag *diag)
{
    return inspector->has_run ? CNN_OK
                              : cnn_fail(diag, CNN_INVALID, NULL,
                                         "the inspector has run no image yet: cnn_inspector_run");
}

cnn_status cnn_inspector_get(const cnn_inspector *inspector, size_t layer, float *values,
                             cnn_diag *diag)
{
    if (!inspector || !values)
        return cnn_fail_missing(diag, "cnn_inspector_get", "inspector or values");
    const struct cnn_graph *graph = &inspector->model->graph;
    if (layer >= graph->count)
        return cnn_fail_index(diag, "layer", layer, graph->count);
    cnn_status status = check_has_run(inspector, diag);
    const cnn_shape out = graph->nodes[layer].out;
    if (status == CNN_OK)
        cnn_transpose(1, out.h * out.w, out.c, cnn_plan_value(inspector->plan, layer + 1), values);
    return status;
}

/* An inspector that has run one image. */
static cnn_status inspect(const cnn_model *model, const float *image, cnn_inspector **out,
                          cnn_diag *diag)
{
    cnn_status status = cnn_inspector_new(model, out, diag);
    return status == CNN_OK ? cnn_inspector_run(*out, image, diag) : status;
}

cnn_status cnn_model_activations(const cnn_model *model, const float *image, float *const *values,
                                 cnn_diag *diag)
{
    if (!model || !image || !values)
        return cnn_fail_missing(diag, "cnn_model_activations", "model, image or values");
    cnn_inspector *inspector = NULL;
    cnn_status status = inspect(model, image, &inspector, diag);
    for (size_t i = 0; status == CNN_OK && i < model->graph.count; i++)
        if (values[i])
            status = cnn_inspector_get(inspector, i, values[i], diag);
    cnn_inspector_free(inspector);
    return status;
}

cnn_status cnn_model_activation(const cnn_model *model, const float *image, size_t layer,
                                float *values, cnn_diag *diag)
{
    if (!model || !image || !values)
        return cnn_fail_missing(diag, "cnn_model_activation", "model, image or values");
    if (layer >= model->graph.count)
        return cnn_fail_index(diag, "layer", layer, model->graph.count);
    cnn_inspector *inspector = NULL;
    cnn_status status = inspect(model, image, &inspector, diag);
    if (status == CNN_OK)
        status = cnn_inspector_get(inspector, layer, values, diag);
    cnn_inspector_free(inspector);
    return status;
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

/* What the options ask of a model: the layer, and the number in it. */
static cnn_status read_question(const cnn_model *model, const cnn_explain_options *o,
                                struct cnn_question *out, cnn_diag *diag)
{
    if (o->version > CNN_EXPLAIN_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_explain_options", o->version,
                                CNN_EXPLAIN_OPTIONS_VERSION);
    if (o->layer >= model->graph.count)
        return cnn_fail_index(diag, "layer", o->layer, model->graph.count);
    *out = (struct cnn_question){.channel = o->channel,
                                 .row = o->row,
                                 .column = o->column,
                                 .input = o->has_input_channel ? o->input_channel : CNN_NO_INDEX,
                                 .nodes = model->graph.nodes};
    return check_question(&model->graph.nodes[o->layer], out, diag);
}

cnn_status cnn_inspector_explain(const cnn_inspector *inspector, const cnn_explain_options *options,
                                 cnn_explanation **out, cnn_diag *diag)
{
    const cnn_explain_options o = options ? *options : (cnn_explain_options){0};
    struct cnn_question question;
    struct cnn_text text = {0};
    if (!inspector || !out)
        return cnn_fail_missing(diag, "cnn_inspector_explain", "inspector or out");
    cnn_status status = read_question(inspector->model, &o, &question, diag);
    if (status == CNN_OK)
        status = check_has_run(inspector, diag);
    if (status != CNN_OK)
        return status;
    const struct cnn_node *node = &inspector->model->graph.nodes[o.layer];
    double value = node->type->explain(cnn_plan_call(inspector->plan, o.layer), &question, &text);
    float activation = cnn_plan_value(
        inspector->plan, o.layer + 1)[(o.row * node->out.w + o.column) * node->out.c + o.channel];
    cnn_explanation *explanation = text.failed ? NULL : cnn_malloc(sizeof *explanation);
    if (!explanation) {
        cnn_text_free(&text);
        return cnn_fail_memory(diag, text.size, "an explanation");
    }
    *explanation = (cnn_explanation){.text = text.data, .value = value, .activation = activation};
    *out = explanation;
    return CNN_OK;
}

cnn_status cnn_explain(const cnn_model *model, const float *image,
                       const cnn_explain_options *options, cnn_explanation **out, cnn_diag *diag)
{
    const cnn_explain_options o = options ? *options : (cnn_explain_options){0};
    struct cnn_question question;
    cnn_inspector *inspector = NULL;
    if (!model || !image || !out)
        return cnn_fail_missing(diag, "cnn_explain", "model, image or out");
    cnn_status status = read_question(model, &o, &question, diag);
    if (status == CNN_OK)
        status = inspect(model, image, &inspector, diag);
    if (status == CNN_OK)
        status = cnn_inspector_explain(inspector, &o, out, diag);
    cnn_inspector_free(inspector);
    return status;
}

void cnn_explanation_free(cnn_explanation *explanation)
{
    if (!explanation)
        return;
    cnn_free((void *)(uintptr_t)explanation->text);
    cnn_free(explanation);
}
