/* Counting products and bytes (demand.h). Weights that are packed for inference are counted as they
 * are packed; elsewhere as files have them, as what is packed there is made in each step. */
#include "train/demand.h"

#include "graph/bytes.h"

static void add_work(struct cnn_demand *d, const struct cnn_call *call, enum cnn_conv_pass pass,
                     size_t n)
{
    const struct cnn_node *node = call->node;
    if (!node->execution->work)
        return;
    const struct cnn_work work = node->execution->work(node, call->kernels, pass);
    d->products[work.factors] += work.products * (double)n;
}

/* Floats of an image's inputs that forward reads; of bytes there are four in each. */
static double input_floats(const struct cnn_plan *plan, const struct cnn_node *node)
{
    double floats = 0;
    for (size_t k = 0; k < node->input_count; k++) {
        const double value = (double)cnn_graph_value_floats(cnn_plan_graph(plan), node->inputs[k]),
                     unread = k == 0 ? (double)node->unread : 0;
        floats += value * (1 - unread / (double)cnn_shape_count(node->in[k]));
    }
    return floats;
}

/* Floats of tensors that forward reads whatever the number of images. */
static double parameter_floats(const struct cnn_call *call)
{
    const struct cnn_node *node = call->node;
    double packed = 0, stored = 0;
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *t = &node->tensors[slot];
        if (cnn_role_stored(t->role))
            stored += (double)t->count;
        if (t->role == CNN_ROLE_PACKED && call->value[slot] && node->execution->packed)
            packed += (double)node->execution->packed(node, call->kernels, false);
    }
    return packed > 0 && node->forward_only ? packed : stored;
}

/* Floats of what forward saves of an image for backward. */
static double saved_floats(const struct cnn_call *call)
{
    double floats = 0;
    for (size_t slot = 0; cnn_slot_find(call->node, &slot); slot++)
        if (call->value[slot])
            floats += (double)cnn_node_saved_floats(call->node, slot);
    return floats;
}

/* Whether a call only gives what it has read another name: flat, or not dropped. */
static bool moves_nothing(const struct cnn_call *call, const float *from, const float *to)
{
    return call->node->renames && from == to && !(call->node->random && call->training);
}

static struct cnn_demand in_bytes(struct cnn_demand d, double image, double fixed, size_t n,
                                  size_t slice)
{
    d.bytes = (image * (double)n + fixed) * (double)sizeof(float);
    d.together = (image * (double)slice + fixed) * (double)sizeof(float);
    return d;
}

struct cnn_demand cnn_demand_forward(const struct cnn_plan *plan, size_t i, size_t n)
{
    const struct cnn_call *call = cnn_plan_step(plan, i);
    struct cnn_demand d = {.bytes = 0};
    if (moves_nothing(call, call->x[0], call->y))
        return d;
    add_work(&d, call, CNN_CONV_FORWARD, n);
    const double image = input_floats(plan, call->node) +
                         (double)cnn_graph_value_floats(cnn_plan_graph(plan), i + 1) +
                         saved_floats(call);
    const size_t slice = cnn_plan_slice(plan, i);
    return in_bytes(d, image, parameter_floats(call), n, slice < n ? slice : n);
}

struct cnn_demand cnn_demand_backward(const struct cnn_plan *plan, size_t i, size_t n)
{
    const struct cnn_call *call = cnn_plan_step(plan, i);
    const struct cnn_node *node = call->node;
    struct cnn_demand d = {.bytes = 0};
    if (!call->dy || moves_nothing(call, call->dy, call->dx[0]))
        return d;
    const struct cnn_graph *graph = cnn_plan_graph(plan);
    const double out = (double)cnn_graph_value_floats(graph, i + 1);
    double image = out + (node->reads_y ? out : 0) + saved_floats(call) +
                   (node->reads_x ? input_floats(plan, node) : 0),
           fixed = 0;
    bool gives = false;
    for (size_t k = 0; k < node->input_count; k++)
        if (call->dx[k]) {
            image += (double)cnn_graph_value_floats(graph, node->inputs[k]);
            gives = true;
        }
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++)
        if (cnn_role_trained(node->tensors[slot].role))
            fixed += (double)node->tensors[slot].count * (gives ? 2 : 1);
    add_work(&d, call, CNN_CONV_BACKWARD_WEIGHTS, n);
    if (gives)
        add_work(&d, call, CNN_CONV_BACKWARD_DATA, n);
    return in_bytes(d, image, fixed, n, n);
}
