/* What functions of an exported network's steps are made of (c_export.h): lines, windows,
 * activations, parameters. */
#include <stdarg.h>
#include <string.h>

#include "formats/c_export.h"

void cnn_c_line(struct cnn_c_net *net, const char *format, ...)
{
    va_list arguments;
    cnn_text_printf(&net->code, "    ");
    va_start(arguments, format);
    cnn_text_vprintf(&net->code, format, arguments);
    va_end(arguments);
    cnn_text_printf(&net->code, "\n");
}

void cnn_c_write_pointer(struct cnn_c_net *net, const char *type, const char *name, size_t array)
{
    cnn_c_line(net, "%s *%s = (%s *)(void *)(arena + %zu);", type, name, type,
               net->arrays[array].offset);
}

/* ---- Windows ---- */

void cnn_c_write_conv_window(struct cnn_c_net *net, const struct cnn_conv *c, size_t ring)
{
    cnn_c_need(net, "window");
    cnn_c_line(net, "static const struct window k = {");
    cnn_c_line(net, "    %zu, %zu, %zu, /* input: rows, columns, channels */", c->in_h, c->in_w,
               c->in_c);
    cnn_c_line(net, "    %zu, %zu, %zu, /* output */", c->out_h, c->out_w, c->out_c);
    cnn_c_line(net, "    %zu, %zu, %zu, %zu, %zu, %zu, /* kernel, stride, dilation */", c->kernel_h,
               c->kernel_w, c->stride_h, c->stride_w, c->dilation_h, c->dilation_w);
    cnn_c_line(net, "    %zu, %zu, 0, 0, %zu, %d, %zu /* padding, groups, mode, ring */",
               c->pad_top, c->pad_left, c->groups, (int)c->padding_mode, ring);
    cnn_c_line(net, "};");
}

void cnn_c_write_pool_window(struct cnn_c_net *net, const char *name, const struct cnn_pool *p,
                             size_t ring)
{
    cnn_c_need(net, "window");
    cnn_c_line(net, "static const struct window %s = {", name);
    cnn_c_line(net, "    %zu, %zu, %zu, %zu, %zu, %zu, /* input, output */", p->in_h, p->in_w,
               p->channels, p->out_h, p->out_w, p->channels);
    cnn_c_line(net, "    %zu, %zu, %zu, %zu, 1, 1, /* kernel, stride, dilation */", p->kernel_h,
               p->kernel_w, p->stride_h, p->stride_w);
    cnn_c_line(net, "    %zu, %zu, %zu, %zu, 1, 0, %zu /* padding, groups, mode, ring */",
               p->pad_top, p->pad_left, p->pad_bottom, p->pad_right, ring);
    cnn_c_line(net, "};");
}

/* ---- Activations ---- */

static const struct {
    const char *piece;
    bool math;
} activations[] = {
    [CNN_ACT_RELU] = {"relu_f32", false},
    [CNN_ACT_RELU6] = {"relu6_f32", false},
    [CNN_ACT_LEAKY_RELU] = {"leaky_relu_f32", false},
    [CNN_ACT_ELU] = {"elu_f32", true},
    [CNN_ACT_SIGMOID] = {"sigmoid_f32", true},
    [CNN_ACT_TANH] = {"tanh_f32", true},
    [CNN_ACT_GELU] = {"gelu_f32", true},
    [CNN_ACT_SILU] = {"silu_f32", true},
    [CNN_ACT_HARDSWISH] = {"hardswish_f32", false},
    [CNN_ACT_HARD_SIGMOID] = {"hard_sigmoid_f32", false},
    [CNN_ACT_MISH] = {"mish_f32", true},
    [CNN_ACT_SOFTMAX] = {"softmax_f32", true},
    [CNN_ACT_CLIP] = {"clip_f32", false},
};

/* That of a network of bytes is the same on every machine. */
static const char *piece_of(const struct cnn_c_net *net, enum cnn_activation_kind kind)
{
    return net->int8 && kind == CNN_ACT_SOFTMAX ? "softmax_exact" : activations[kind].piece;
}

void cnn_c_write_activation(struct cnn_c_net *net, const struct cnn_c_step *step, const char *y,
                            size_t pixels, size_t channels)
{
    const struct cnn_activation a = step->activation;
    if (a.kind == CNN_ACT_NONE)
        return;
    const char *piece = piece_of(net, a.kind);
    cnn_c_need(net, piece);
    net->math = net->math || (activations[a.kind].math && strcmp(piece, "softmax_exact") != 0);
    if (a.kind == CNN_ACT_SOFTMAX)
        cnn_c_line(net, "%s(%s, %zu, %zu);", piece, y, pixels, channels);
    else if (a.kind == CNN_ACT_LEAKY_RELU)
        cnn_c_line(net, "%s(%s, %zu, %s);", piece, y, pixels * channels,
                   cnn_c_number(a.slope).text);
    else if (a.kind == CNN_ACT_CLIP)
        cnn_c_line(net, "%s(%s, %zu, %s, %s);", piece, y, pixels * channels,
                   cnn_c_number(a.min).text, cnn_c_number(a.max).text);
    else
        cnn_c_line(net, "%s(%s, %zu);", piece, y, pixels * channels);
}

/* ---- Parameters ---- */

const float *cnn_c_tensor(const struct cnn_c_net *net, const struct cnn_node *node,
                          const char *suffix)
{
    const struct cnn_tensor *tensor = cnn_node_tensor(node, suffix);
    return tensor ? net->e->model->parameters + tensor->offset : NULL;
}

bool cnn_c_fold(struct cnn_c_net *net, const struct cnn_c_step *step, size_t filters, float **scale,
                float **bias)
{
    const struct cnn_node *norm = step->norm;
    const float *own = cnn_c_tensor(net, step->lead, "bias");
    *scale = cnn_arena_array(net->e->arena, filters, sizeof **scale);
    *bias = cnn_arena_array(net->e->arena, filters, sizeof **bias);
    net->failed = net->failed || !*scale || !*bias;
    if (net->failed)
        return false;
    if (step->operation.kind == CNN_OPERATION_BATCH_NORM) {
        norm = step->lead;
        own = NULL;
    }
    struct cnn_batch_norm_arrays arrays = {0};
    if (norm)
        arrays = (struct cnn_batch_norm_arrays){.gamma = cnn_c_tensor(net, norm, "weight"),
                                                .beta = cnn_c_tensor(net, norm, "bias"),
                                                .mean = cnn_c_tensor(net, norm, "running_mean"),
                                                .var = cnn_c_tensor(net, norm, "running_var")};
    const float eps = norm ? norm->type->operation(norm).eps : 0;
    cnn_kernels()->batch_norm_fold(filters, norm ? &arrays : NULL, eps, own, *scale, *bias);
    return true;
}
