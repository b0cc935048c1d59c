/* Steps of exported C that slide windows, in float32: convolutions, dense layers, pooling. */
#include "formats/c_export.h"

#define BLOCK ((size_t)16) /* filters of a block of weights (c_kernels/float.c) */

/* ---- Weights ---- */

/* Row k of a dense layer's weights, which are those of channels, rows and columns, as it stands in
 * memory: rows, columns and channels. */
size_t cnn_c_dense_source(const struct cnn_c_value *x, size_t k)
{
    const cnn_shape map = x->map;
    if (map.c == 0)
        return k;
    return k % map.c * map.h * map.w + k / map.c;
}

/* Whether each channel has one filter of its own. */
bool cnn_c_is_depthwise(const struct cnn_conv *c)
{
    return c->groups == c->in_c && c->out_c == c->in_c && c->groups > 1;
}

struct packing {
    const struct cnn_conv *c;
    const struct cnn_c_value *x;
    const float *w, *scale;
    float *to;
};

static float weight_at(const struct packing *p, size_t filter, size_t channel, size_t tap)
{
    const size_t taps = p->c->kernel_h * p->c->kernel_w, channels = p->c->in_c / p->c->groups;
    return p->w[(filter * channels + channel) * taps + tap] * p->scale[filter];
}

/* [block of filters][tap][channel][filter] */
static void pack_blocks(const struct packing *p)
{
    const struct cnn_conv *c = p->c;
    const size_t filters = c->out_c / c->groups, channels = c->in_c / c->groups;
    float *to = p->to;
    for (size_t f = 0, n; f < c->out_c; f += n) {
        const size_t left = filters - f % filters;
        n = left < BLOCK ? left : BLOCK;
        for (size_t tap = 0; tap < c->kernel_h * c->kernel_w; tap++)
            for (size_t k = 0; k < channels; k++)
                for (size_t i = 0; i < n; i++)
                    *to++ = weight_at(p, f + i, cnn_c_dense_source(p->x, k), tap);
    }
}

static void pack_depthwise(const struct packing *p)
{
    for (size_t tap = 0; tap < p->c->kernel_h * p->c->kernel_w; tap++)
        for (size_t f = 0; f < p->c->out_c; f++)
            p->to[tap * p->c->out_c + f] = weight_at(p, f, 0, tap);
}

/* Of a transposed convolution: [tap][channel of x][channel of y in the group] */
static void pack_back(const struct packing *p)
{
    const struct cnn_conv *c = p->c;
    const size_t taps = c->kernel_h * c->kernel_w, channels = c->in_c / c->groups;
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t f = 0; f < c->out_c; f++)
            for (size_t k = 0; k < channels; k++)
                p->to[(tap * c->out_c + f) * channels + k] = p->w[(f * channels + k) * taps + tap];
}

/* Writes weights and biases as constants; c is a copy of the step's, or that of a dense layer. */
static void write_weights(struct cnn_c_net *net, const struct cnn_c_step *step,
                          const struct cnn_conv *c, const char *names[2])
{
    const bool back = step->operation.kind == CNN_OPERATION_DECONVOLVE;
    const size_t size = c->out_c * (c->in_c / c->groups) * c->kernel_h * c->kernel_w,
                 filters = back ? c->in_c : c->out_c;
    float *scale, *bias, *packed = cnn_arena_array(net->e->arena, size, sizeof *packed);
    net->failed = net->failed || !packed;
    if (!cnn_c_fold(net, step, filters, &scale, &bias))
        return;
    const struct packing p = {.c = c,
                              .x = &net->values[step->node->inputs[0]],
                              .w = cnn_c_tensor(net, step->lead, "weight"),
                              .scale = scale,
                              .to = packed};
    if (back)
        pack_back(&p);
    else if (cnn_c_is_depthwise(c))
        pack_depthwise(&p);
    else
        pack_blocks(&p);
    names[0] = cnn_c_floats(net, step, "weight", packed, size);
    names[1] = cnn_c_floats(net, step, "bias", bias, filters);
}

/* ---- Functions ---- */

/* The loop over the rows of the output: all of them, or those that can be computed now. */
void cnn_c_begin_rows(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    if (net->streams && step == net->steps)
        cnn_c_line(net, "for (int32_t i = begin; i < end; i++) {");
    else
        cnn_c_line(net, "for (int32_t i = 0; i < %zu; i++) {", net->values[step->y].shape.h);
}

static void write_pointers(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    cnn_c_write_pointer(net, "const float", "x", net->values[step->node->inputs[0]].array);
    cnn_c_write_pointer(net, "float", "y", net->values[step->y].array);
}

size_t cnn_c_ring_of(const struct cnn_c_net *net, const struct cnn_c_step *step, size_t rows)
{
    return net->streams && step == net->steps ? net->ring : rows;
}

static const char *pool_piece(const struct cnn_pool *p)
{
    return p->average ? "average_pool_f32" : "max_pool_f32";
}

/* Two rows of sums, which then become one of the output. */
static void write_pooled(struct cnn_c_net *net, const struct cnn_c_step *step, const char *call)
{
    const struct cnn_conv *c = &step->operation.conv;
    const size_t row = c->out_w * c->out_c;
    cnn_c_line(net, "    for (int32_t u = 0; u < 2; u++) {");
    cnn_c_line(net, "        rows_f32(&k, x, 2 * i + u, rows);");
    cnn_c_line(net, "        %s sums + u * %zu);", call, row);
    cnn_c_line(net, "    }");
    if (step->activation.kind != CNN_ACT_NONE)
        cnn_text_printf(&net->code, "    ");
    cnn_c_write_activation(net, step, "sums", 2 * c->out_w, c->out_c);
    cnn_c_need(net, pool_piece(&step->pool));
    cnn_c_line(net,
               step->pool.average ? "    %s(&p, pooled, i, 0, y + i * %zu);"
                                  : "    %s(&p, pooled, y + i * %zu);",
               pool_piece(&step->pool), step->pool.out_w * c->out_c);
}

static void write_rows(struct cnn_c_net *net, const struct cnn_c_step *step,
                       const struct cnn_conv *c, const char *call)
{
    const size_t row = c->out_w * c->out_c;
    cnn_c_begin_rows(net, step);
    if (step->pools) {
        write_pooled(net, step, call);
    } else {
        cnn_c_line(net, "    rows_f32(&k, x, i, rows);");
        cnn_c_line(net, "    %s y + i * %zu);", call, row);
        if (step->activation.kind != CNN_ACT_NONE)
            cnn_text_printf(&net->code, "    ");
        cnn_c_write_activation(net, step, cnn_c_text(net, "y + i * %zu", row), c->out_w, c->out_c);
    }
    cnn_c_line(net, "}");
}

static void write_conv(struct cnn_c_net *net, const struct cnn_c_step *step,
                       const struct cnn_conv *c)
{
    const char *names[2] = {"", ""}, *call;
    const char *piece = cnn_c_is_depthwise(c) ? "depthwise_f32" : "conv_f32";
    write_weights(net, step, c, names);
    cnn_c_need(net, "rows_f32");
    cnn_c_need(net, piece);
    cnn_c_write_conv_window(net, c, cnn_c_ring_of(net, step, c->in_h));
    write_pointers(net, step);
    cnn_c_line(net, "const float *rows[%zu];", c->kernel_h);
    if (step->pools) {
        cnn_c_write_pool_window(net, "p", &step->pool, 2);
        cnn_c_write_pointer(net, "float", "sums", step->scratch);
        cnn_c_line(net, "const float *pooled[2] = {sums, sums + %zu};", c->out_w * c->out_c);
    }
    call = cnn_c_text(net, "%s(&k, rows, %s, %s,", piece, names[0], names[1]);
    write_rows(net, step, c, call);
}

static void write_deconv(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_conv *c = &step->operation.conv;
    const char *names[2] = {"", ""};
    write_weights(net, step, c, names);
    cnn_c_need(net, "deconv_f32");
    cnn_c_write_conv_window(net, c, c->in_h);
    write_pointers(net, step);
    cnn_c_line(net, "deconv_f32(&k, x, %s, %s, y);", names[0], names[1]);
    cnn_c_write_activation(net, step, "y", c->in_h * c->in_w, c->in_c);
}

static void write_pool(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_pool *p = &step->operation.pool;
    const char *y = cnn_c_text(net, "y + i * %zu", p->out_w * p->channels);
    cnn_c_need(net, "rows_f32");
    cnn_c_need(net, pool_piece(p));
    cnn_c_write_pool_window(net, "k", p, cnn_c_ring_of(net, step, p->in_h));
    write_pointers(net, step);
    cnn_c_line(net, "const float *rows[%zu];", p->kernel_h);
    cnn_c_begin_rows(net, step);
    cnn_c_line(net, "    rows_f32(&k, x, i, rows);");
    if (p->average)
        cnn_c_line(net, "    average_pool_f32(&k, rows, i, %d, %s);", p->count_include_pad, y);
    else
        cnn_c_line(net, "    max_pool_f32(&k, rows, %s);", y);
    if (step->activation.kind != CNN_ACT_NONE)
        cnn_text_printf(&net->code, "    ");
    cnn_c_write_activation(net, step, y, p->out_w, p->channels);
    cnn_c_line(net, "}");
}

void cnn_c_write_windows(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_node *node = step->node;
    struct cnn_conv dense;
    switch (step->operation.kind) {
    case CNN_OPERATION_DENSE:
        dense = cnn_conv_dense(cnn_shape_count(node->in[0]), step->lead->out.c, false);
        write_conv(net, step, &dense);
        break;
    case CNN_OPERATION_CONVOLVE:
        write_conv(net, step, &step->operation.conv);
        break;
    case CNN_OPERATION_DECONVOLVE:
        write_deconv(net, step);
        break;
    default:
        write_pool(net, step);
    }
}
