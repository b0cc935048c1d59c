/* See gradient.h. */
#include "viz/gradient.h"

#include <string.h>

cnn_status cnn_gradient_open(cnn_model *model, size_t value, size_t batch, struct cnn_gradient *out,
                             cnn_diag *diag)
{
    *out = (struct cnn_gradient){.graph = cnn_graph_until(&model->graph, value), .value = value};
    return cnn_plan_new(
        &out->graph, model->parameters,
        &(struct cnn_plan_options){.batch = batch, .mode = CNN_PLAN_WATCH, .input_gradient = true},
        &out->plan, diag);
}

void cnn_gradient_close(struct cnn_gradient *gradient)
{
    cnn_plan_free(gradient->plan);
    gradient->plan = NULL;
}

void cnn_gradient_run(struct cnn_gradient *gradient, size_t n, size_t channel)
{
    cnn_shape shape = cnn_graph_shape(&gradient->graph, gradient->value);
    size_t positions = shape.h * shape.w;
    cnn_plan_forward(gradient->plan, n, false, 0);
    float *dy = cnn_plan_gradient(gradient->plan, gradient->value);
    memset(dy, 0, n * positions * shape.c * sizeof *dy);
    for (size_t i = 0; i < n * positions; i++)
        dy[i * shape.c + channel] = 1 / (float)positions;
    cnn_plan_backward(gradient->plan, n, gradient->value);
}

cnn_status cnn_class_value(const cnn_model *model, size_t class, size_t *value, cnn_diag *diag)
{
    const struct cnn_graph *graph = &model->graph;
    const struct cnn_where *where = &graph->nodes[graph->count - 1].where;
    cnn_shape shape = cnn_graph_shape(graph, graph->logits);
    if (shape.h * shape.w != 1) {
        cnn_fail(diag, CNN_INVALID, where,
                 "the last layer gives %zu x %zu x %zu numbers; to explain a class takes one "
                 "number per class",
                 shape.c, shape.h, shape.w);
        cnn_hint(diag, "end with {type: flatten} and {type: dense, units: CLASSES}, or with {type: "
                       "global_pool} after a conv of CLASSES filters");
        return CNN_INVALID;
    }
    if (graph->logits == 0)
        return cnn_fail(diag, CNN_INVALID, where,
                        "the softmax reads the network's input: there is no layer to explain");
    if (class >= shape.c)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "there is no class %zu: the network has %zu class%s, counted from 0", class,
                        shape.c, shape.c == 1 ? "" : "es");
    *value = graph->logits;
    return CNN_OK;
}
