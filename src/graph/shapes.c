/* Shapes, receptive fields and the parameter slab of a graph whose nodes are connected; first
 * values of its parameters. */
#include "graph/graph.h"

static void infer_receptive_field(const struct cnn_graph *graph, struct cnn_node *node)
{
    for (int d = 0; d < 2; d++) {
        size_t field = 1, jump = 1, positions = 1, size = d == 0 ? graph->input.h : graph->input.w;
        double centre = 0; /* several inputs lie alike: the last one's */
        for (size_t k = 0; k < node->input_count; k++) {
            const struct cnn_node *from =
                node->inputs[k] ? &graph->nodes[node->inputs[k] - 1] : NULL;
            size_t f = from ? from->receptive_field[d] : 1, j = from ? from->jump[d] : 1,
                   p = from ? from->positions[d] : size;
            field = f > field ? f : field;
            jump = j > jump ? j : jump;
            positions = p > positions ? p : positions;
            centre = from ? from->centre[d] : 0;
        }
        size_t window = node->sees_all
                            ? positions
                            : node->window.dilation[d] * (node->window.kernel[d] - 1) + 1;
        field += (window - 1) * jump;
        node->receptive_field[d] = field < size ? field : size;
        node->centre[d] =
            node->sees_all
                ? (double)(size - 1) / 2
                : centre + ((double)(window - 1) / 2 - (double)node->window.pad_before[d]) *
                               (double)jump;
        node->jump[d] = jump * node->window.stride[d];
        node->positions[d] = node->sees_all        ? 1
                             : node->out.rank == 3 ? (d == 0 ? node->out.h : node->out.w)
                                                   : positions;
    }
}

static cnn_status fail_tensor_size(const struct cnn_node *node, const struct cnn_tensor *t,
                                   cnn_diag *diag)
{
    struct cnn_text dims = {0};
    for (size_t i = 0; i < t->rank; i++)
        cnn_text_printf(&dims, "%s%zu", i > 0 ? " x " : "", t->dims[i]);
    cnn_status status = cnn_fail(diag, CNN_INVALID, &node->where,
                                 "layer '%s': its %s of %s is more than 2^31 numbers", node->name,
                                 t->suffix ? t->suffix : "working memory",
                                 dims.data ? dims.data : "so many numbers");
    cnn_text_free(&dims);
    return status;
}

static cnn_status check_sizes(const struct cnn_node *node, cnn_diag *diag)
{
    char shape[64];
    size_t count;
    if (!cnn_size_mul(node->out.c, node->out.h, &count) ||
        !cnn_size_mul(count, node->out.w, &count) || count > CNN_MAX_VALUE)
        return cnn_fail(diag, CNN_INVALID, &node->where,
                        "layer '%s': an output of %s is more than 2^31 numbers", node->name,
                        cnn_shape_format(node->out, shape, sizeof shape));
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *t = &node->tensors[slot];
        if (t->role != CNN_ROLE_NONE && t->count > CNN_MAX_VALUE)
            return fail_tensor_size(node, t, diag);
    }
    return CNN_OK;
}

/* What `trainable` says of the layer's tensors. */
static cnn_status freeze_tensors(struct cnn_node *node, cnn_diag *diag)
{
    bool bias = false;
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        struct cnn_tensor *t = &node->tensors[slot];
        bias = bias || t->role == CNN_ROLE_BIAS;
        t->frozen = cnn_role_trained(t->role) && node->trainable != CNN_TRAINABLE &&
                    (node->trainable == CNN_TRAINABLE_NOT || t->role != CNN_ROLE_BIAS);
    }
    if (bias || node->trainable != CNN_TRAINABLE_BIAS)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s' has no bias, which `trainable: bias` is to train", node->name);
    cnn_hint(diag, "trainable: false leaves the whole layer as it is");
    return CNN_INVALID;
}

void cnn_graph_freeze(struct cnn_graph *graph, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        graph->nodes[i].trainable = CNN_TRAINABLE_NOT;
        freeze_tensors(&graph->nodes[i], NULL);
    }
}

static void place_parameters(struct cnn_graph *graph, struct cnn_node *node)
{
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        struct cnn_tensor *t = &node->tensors[slot];
        if (!cnn_role_stored(t->role))
            continue;
        t->offset = graph->parameter_floats;
        graph->parameter_floats += cnn_round_floats(t->count);
    }
}

static cnn_status infer_node(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct cnn_quantization *quantization = node->type->quantization;
    node->execution = node->type->execution;
    cnn_status status = node->type->infer(node, arena, diag);
    if (status != CNN_OK || !quantization || node->precision != CNN_PRECISION_INT8 ||
        node->literal || !quantization->fits(node))
        return status;
    node->quantization = quantization;
    if (quantization->declare)
        quantization->declare(node);
    return CNN_OK;
}

/* A layer whose input is unknown because of a mistake above is passed over: one mistake, one
 * message. */
cnn_status cnn_graph_infer(struct cnn_arena *arena, struct cnn_graph *graph, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < graph->count; i++) {
        struct cnn_node *node = &graph->nodes[i];
        cnn_shape *in = cnn_arena_array(arena, node->input_count + 1, sizeof *in);
        if (!in)
            return cnn_fail_memory(diag, 0, "the graph");
        bool known = true;
        for (size_t k = 0; k < node->input_count; k++) {
            in[k] = cnn_graph_shape(graph, node->inputs[k]);
            known = known && in[k].rank != 0;
        }
        node->in = in;
        for (int d = 0; d < 2; d++)
            node->window.kernel[d] = node->window.stride[d] = node->window.dilation[d] = 1;
        cnn_status one = known ? infer_node(node, arena, diag) : CNN_OK;
        if (one == CNN_OK && known)
            one = check_sizes(node, diag);
        if (one == CNN_OK && known)
            one = freeze_tensors(node, diag);
        if (one != CNN_OK || !known) {
            node->out = (cnn_shape){0, 0, 0, 0};
            status = one != CNN_OK ? one : status;
            continue;
        }
        infer_receptive_field(graph, node);
        place_parameters(graph, node);
    }
    return status;
}

/* of random numbers that lie side by side for each layer: of its first slots */
#define STREAMS 6

/* Those of the other slots lie behind all of these, so no two tensors draw the same numbers. (First
 * weights depend on this order.) */
static uint64_t stream_of(size_t node, size_t slot)
{
    return slot < STREAMS ? node * STREAMS + slot
                          : CNN_MAX_LAYERS * STREAMS + node * CNN_MAX_TENSORS + slot;
}

void cnn_graph_init(const struct cnn_graph *graph, uint64_t seed, float *parameters)
{
    for (size_t i = 0; i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
            const struct cnn_tensor *t = &node->tensors[slot];
            if (!cnn_role_stored(t->role))
                continue;
            struct cnn_rng rng = cnn_rng_at(seed, CNN_STREAM_INIT, stream_of(i, slot));
            float *values = parameters + t->offset;
            for (size_t k = 0; k < t->count; k++)
                values[k] = 0;
            if (t->init)
                t->init(node, t, &rng, values);
        }
    }
}

const struct cnn_node *cnn_graph_needs_two(const struct cnn_graph *graph)
{
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].needs_two && !cnn_node_frozen(&graph->nodes[i]))
            return &graph->nodes[i];
    return NULL;
}

struct cnn_graph cnn_graph_until(const struct cnn_graph *graph, size_t value)
{
    struct cnn_graph part = *graph;
    part.count = value;
    part.logits = value;
    return part;
}
