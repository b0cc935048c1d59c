/* The activation behind a multiplication of channels (scaling.h). */
#include "layers/scaling.h"

cnn_status cnn_scaling_infer(struct cnn_node *node, int activation, struct cnn_arena *arena,
                             cnn_diag *diag)
{
    struct cnn_scaling *state = cnn_arena_alloc(arena, sizeof *state);
    if (!state)
        return cnn_fail_memory(diag, sizeof *state, "a layer");
    state->activation = cnn_activation_of(activation);
    node->state = state;
    node->activation = state->activation;
    node->reads_x = true;
    if (cnn_activation_needs_input(state->activation))
        cnn_node_declare_linear(node, CNN_SLOT_PRODUCTS);
    else
        node->reads_y = state->activation.kind != CNN_ACT_NONE;
    return CNN_OK;
}

struct cnn_scale cnn_scaling_geometry(const struct cnn_node *node, size_t n, bool together)
{
    const cnn_shape s = node->out;
    return (struct cnn_scale){.images = together ? 1 : n,
                              .pixels = s.h * s.w * (together ? n : 1),
                              .channels = s.c,
                              .activation = {.kind = CNN_ACT_NONE}};
}

void cnn_scaling_forward(const struct cnn_call *call, struct cnn_scale scale, const float *s,
                         const float *b)
{
    const struct cnn_scaling *state = call->node->state;
    float *saved = call->value[CNN_SLOT_PRODUCTS], *products = saved ? saved : call->y;
    bool separate = saved || state->activation.kind == CNN_ACT_SOFTMAX;
    if (!separate)
        scale.activation = state->activation;
    call->kernels->scale_forward(&scale, call->x[0], s, b, products);
    if (separate)
        call->kernels->activation_forward(state->activation, cnn_call_rows(call), products,
                                          call->y);
}

void cnn_scaling_backward(const struct cnn_call *call)
{
    const struct cnn_scaling *state = call->node->state;
    if (state->activation.kind != CNN_ACT_NONE)
        call->kernels->activation_backward(state->activation, cnn_call_rows(call),
                                           call->value[CNN_SLOT_PRODUCTS], call->y, call->dy,
                                           call->dy);
}

bool cnn_scaling_fuse(struct cnn_node *node, const struct cnn_node *next, enum cnn_fusion fusion)
{
    struct cnn_scaling *state = node->state;
    const struct cnn_activation activation = next->effect.activation;
    if (next->effect.kind == CNN_EFFECT_NONE)
        return fusion != CNN_FUSE_TRAINING;
    if (next->effect.kind != CNN_EFFECT_ACTIVATE || state->activation.kind != CNN_ACT_NONE ||
        activation.kind == CNN_ACT_SOFTMAX ||
        (fusion == CNN_FUSE_TRAINING && cnn_activation_needs_input(activation)))
        return false;
    state->activation = activation;
    node->reads_y = true;
    return true;
}
