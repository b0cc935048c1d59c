/* Local response normalisation across channels, Krizhevsky et al. 2012, with PyTorch's 1/size: y = x / (k + alpha / size * sum of x^2 over `size` channels)^beta. */
#include "layers/window.h"

enum { SLOT_SUMS };

struct settings {
    size_t size;
    double alpha, beta, k;
};

#define FIELD(member) offsetof(struct settings, member)

static const struct cnn_key keys[] = {{"size", CNN_KEY_SIZE, FIELD(size), "5", 1, 65535, 0, NULL, "channels that are summed over"},
                                      {"alpha", CNN_KEY_NUMBER, FIELD(alpha), "1e-4", 0, 1e6, 0, NULL, "weight of the sum of squares"},
                                      {"beta", CNN_KEY_NUMBER, FIELD(beta), "0.75", 0, 100, 0, NULL, "exponent"},
                                      {"k", CNN_KEY_NUMBER, FIELD(k), "1", 0, 1e6, CNN_KEY_OPEN_MIN, NULL, "added to the sum"},
                                      CNN_KEY_END};

static struct cnn_lrn geometry(const struct cnn_call *call)
{
    const struct settings *s = call->node->settings;
    const cnn_shape shape = call->node->out;
    return (struct cnn_lrn){call->n * shape.h * shape.w, shape.c, s->size, (float)s->alpha, (float)s->beta, (float)s->k};
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    (void)arena;
    cnn_status status = cnn_require_image(node, diag);
    node->out = node->in[0];
    cnn_node_declare_saved(node, SLOT_SUMS, cnn_shape_count(node->out), 0);
    node->reads_x = true;
    return status;
}

static void forward(const struct cnn_call *call)
{
    struct cnn_lrn lrn = geometry(call);
    cnn_lrn_forward(&lrn, call->x[0], call->y, call->value[SLOT_SUMS]);
}

static void backward(const struct cnn_call *call)
{
    struct cnn_lrn lrn = geometry(call);
    if (call->dx[0])
        cnn_lrn_backward(&lrn, call->x[0], call->value[SLOT_SUMS], call->dy, call->dx[0]);
}

const struct cnn_layer_type cnn_layer_lrn = {
    .variant = {"lrn", "local response normalisation across neighbouring channels", keys, sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .forward = forward,
    .backward = backward,
};
