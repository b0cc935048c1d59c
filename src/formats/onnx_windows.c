/* Operators with windows: convolution, its transpose, pooling. One, two or three dimensions are
 * three, of which the first may be 1. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "formats/onnx_operator.h"
#include "util/parallel.h"

enum { SPACE = 3, LARGEST = 1 << 20 /* of kernels, strides, pads */ };

struct geometry {
    size_t rank; /* given dimensions: 1 to 3; they are the last ones */
    size_t kernel[SPACE], stride[SPACE], dilation[SPACE], in[SPACE], out[SPACE];
    int64_t before[SPACE], behind[SPACE]; /* padding */
    bool ceil;
};

static size_t volume(const size_t *sizes)
{
    return sizes[0] * sizes[1] * sizes[2];
}

/* Attribute `name` into the last dimensions of out; what is absent stays as it is. */
static bool get_sizes(const struct cnn_onnx_call *call, const char *name, int64_t least,
                      size_t rank, size_t *out)
{
    const int64_t *values;
    size_t count;
    if (!cnn_onnx_get_ints(call, name, &values, &count))
        return false;
    if (count != 0 && count != rank) {
        cnn_onnx_call_fail(call, "%s has %zu numbers for %zu dimensions", name, count, rank);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (values[i] < least || values[i] > LARGEST) {
            cnn_onnx_call_fail(call, "%s has %" PRId64, name, values[i]);
            return false;
        }
        out[SPACE - rank + i] = (size_t)values[i];
    }
    return true;
}

static bool get_pads(const struct cnn_onnx_call *call, struct geometry *g)
{
    const int64_t *values;
    size_t count;
    if (!cnn_onnx_get_ints(call, "pads", &values, &count))
        return false;
    if (count != 0 && count != 2 * g->rank) {
        cnn_onnx_call_fail(call, "pads has %zu numbers for %zu dimensions", count, g->rank);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (values[i] < 0 || values[i] > LARGEST) {
            cnn_onnx_call_fail(call, "pads has %" PRId64, values[i]);
            return false;
        }
        size_t axis = SPACE - g->rank + i % g->rank;
        *(i < g->rank ? &g->before[axis] : &g->behind[axis]) = values[i];
    }
    return true;
}

static const char *const pad_words[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};

static bool read_geometry(const struct cnn_onnx_call *call, struct geometry *g, size_t *word)
{
    const struct cnn_onnx_array *x = call->in[0];
    int64_t ceil_mode;
    *g = (struct geometry){.rank = x->rank - 2};
    if (x->rank < 3 || x->rank > 5) {
        cnn_onnx_call_fail(call, "its input has %zu dimensions", x->rank);
        return false;
    }
    for (size_t i = 0; i < SPACE; i++) {
        bool given = i + g->rank >= SPACE;
        g->kernel[i] = g->stride[i] = g->dilation[i] = 1;
        g->in[i] = given ? x->dims[2 + i - (SPACE - g->rank)] : 1;
    }
    if (!get_sizes(call, "kernel_shape", 1, g->rank, g->kernel) ||
        !get_sizes(call, "strides", 1, g->rank, g->stride) ||
        !get_sizes(call, "dilations", 1, g->rank, g->dilation) || !get_pads(call, g) ||
        !cnn_onnx_get_int(call, "ceil_mode", 0, &ceil_mode) ||
        !cnn_onnx_get_word(call, "auto_pad", pad_words, word))
        return false;
    g->ceil = ceil_mode != 0;
    return true;
}

/* Output sizes of windows that go over the input; with auto_pad SAME the padding, too. */
static bool place_windows(const struct cnn_onnx_call *call, struct geometry *g, size_t word)
{
    for (size_t i = 0; i < SPACE; i++) {
        int64_t in = (int64_t)g->in[i], stride = (int64_t)g->stride[i];
        int64_t span = (int64_t)((g->kernel[i] - 1) * g->dilation[i] + 1);
        if (word == 1 || word == 2) {
            int64_t out = (in + stride - 1) / stride, total = (out - 1) * stride + span - in;
            total = total > 0 ? total : 0;
            g->before[i] = word == 1 ? total / 2 : total - total / 2;
            g->behind[i] = total - g->before[i];
        } else if (word == 3) {
            g->before[i] = g->behind[i] = 0;
        }
        int64_t room = in + g->before[i] + g->behind[i] - span;
        if (room < 0) {
            cnn_onnx_call_fail(call, "a window of %" PRId64 " does not fit into %" PRId64, span,
                               in + g->before[i] + g->behind[i]);
            return false;
        }
        int64_t out = (g->ceil ? room + stride - 1 : room) / stride + 1;
        if (g->ceil && (out - 1) * stride >= in + g->before[i]) /* begins behind the input */
            out--;
        g->out[i] = (size_t)out;
    }
    return true;
}

static bool window_output(struct cnn_onnx_call *call, const struct geometry *g, size_t channels)
{
    const struct cnn_onnx_array *x = call->in[0];
    size_t dims[5] = {x->dims[0], channels};
    memcpy(dims + 2, g->out + SPACE - g->rank, g->rank * sizeof *dims);
    return cnn_onnx_output(call, 0, x->type, x->rank, dims);
}

/* ---- Convolution ---- */

struct convolution {
    struct geometry g;
    const double *x, *w, *b;
    double *y;
    size_t channels, filters, groups; /* of the input, of the output */
};

/* The outputs [first, last) along the axis whose window number k lies on the input. */
static void valid_range(const struct geometry *g, size_t axis, size_t k, size_t *first,
                        size_t *last)
{
    int64_t stride = (int64_t)g->stride[axis], out = (int64_t)g->out[axis];
    int64_t shift = (int64_t)(k * g->dilation[axis]) - g->before[axis];
    int64_t low = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
    int64_t room = (int64_t)g->in[axis] - 1 - shift;
    int64_t high = room < 0 ? 0 : room / stride + 1;
    high = high < out ? high : out;
    *first = (size_t)low;
    *last = (size_t)(high > low ? high : low);
}

/* y += weight * the input's map, moved to where weight (k) of the kernel stands. */
static void add_moved(const struct geometry *g, const double *x, double weight, const size_t *k,
                      double *y)
{
    size_t first[SPACE], last[SPACE], at[SPACE];
    for (size_t i = 0; i < SPACE; i++)
        valid_range(g, i, k[i], &first[i], &last[i]);
    const int64_t shift = (int64_t)(k[2] * g->dilation[2]) - g->before[2];
    const size_t stride = g->stride[2];
    for (size_t d = first[0]; d < last[0]; d++)
        for (size_t r = first[1]; r < last[1]; r++) {
            at[0] = (size_t)((int64_t)(d * g->stride[0] + k[0] * g->dilation[0]) - g->before[0]);
            at[1] = (size_t)((int64_t)(r * g->stride[1] + k[1] * g->dilation[1]) - g->before[1]);
            const double *from = x + (at[0] * g->in[1] + at[1]) * g->in[2];
            double *to = y + (d * g->out[1] + r) * g->out[2];
            if (stride == 1)
                for (size_t c = first[2]; c < last[2]; c++)
                    to[c] += weight * from[(size_t)((int64_t)c + shift)];
            else
                for (size_t c = first[2]; c < last[2]; c++)
                    to[c] += weight * from[(size_t)((int64_t)(c * stride) + shift)];
        }
}

static void convolve_map(void *context, size_t task, size_t thread)
{
    const struct convolution *c = context;
    const size_t in = volume(c->g.in), out = volume(c->g.out), kernel = volume(c->g.kernel);
    const size_t filter = task % c->filters, image = task / c->filters;
    const size_t each = c->channels / c->groups;
    const size_t group = filter / (c->filters / c->groups);
    double *y = c->y + task * out;
    (void)thread;
    for (size_t i = 0; i < out; i++)
        y[i] = c->b ? c->b[filter] : 0;
    for (size_t ic = 0; ic < each; ic++) {
        const double *x = c->x + (image * c->channels + group * each + ic) * in;
        const double *w = c->w + (filter * each + ic) * kernel;
        size_t k[SPACE] = {0}, i = 0;
        do
            add_moved(&c->g, x, w[i++], k, y);
        while (cnn_onnx_next(SPACE, c->g.kernel, k));
    }
}

/* Sizes of the weights must go with the input and the attributes. */

static bool check_weights(const struct cnn_onnx_call *call, struct geometry *g, size_t groups,
                          bool transposed)
{
    const struct cnn_onnx_array *x = call->in[0], *w = call->in[1];
    if (w->rank != x->rank) {
        cnn_onnx_call_fail(call, "its weights have %zu dimensions, its input %zu", w->rank,
                           x->rank);
        return false;
    }
    for (size_t i = 0; i < g->rank; i++) {
        size_t axis = SPACE - g->rank + i;
        const bool given = cnn_onnx_attribute(call->node, "kernel_shape") != NULL;
        if (w->dims[2 + i] == 0 || w->dims[2 + i] > LARGEST ||
            (given && g->kernel[axis] != w->dims[2 + i])) {
            cnn_onnx_call_fail(call, "kernel_shape and the shape of the weights differ");
            return false;
        }
        g->kernel[axis] = w->dims[2 + i];
    }
    size_t channels = transposed ? w->dims[0] : w->dims[1] * groups;
    size_t divided = w->dims[0];
    if (channels != x->dims[1] || groups == 0 || divided % groups != 0 || divided == 0 ||
        w->dims[1] == 0) {
        cnn_onnx_call_fail(call, "weights of %zu x %zu and %zu groups do not go with %zu channels",
                           w->dims[0], w->dims[1], groups, x->dims[1]);
        return false;
    }
    return true;
}

static bool check_bias(const struct cnn_onnx_call *call, size_t filters)
{
    const struct cnn_onnx_array *b = cnn_onnx_in(call, 2);
    if (!b || b->count == filters)
        return true;
    cnn_onnx_call_fail(call, "its bias has %zu numbers for %zu filters", b->count, filters);
    return false;
}

static struct convolution make_convolution(struct cnn_onnx_call *call, const struct geometry *g,
                                           size_t filters, size_t groups)
{
    const struct cnn_onnx_array *b = cnn_onnx_in(call, 2);
    return (struct convolution){.g = *g,
                                .x = call->in[0]->data,
                                .w = call->in[1]->data,
                                .b = b ? b->data : NULL,
                                .y = call->out[0].data,
                                .channels = call->in[0]->dims[1],
                                .filters = filters,
                                .groups = groups};
}

static bool get_groups(const struct cnn_onnx_call *call, size_t *groups)
{
    int64_t given;
    if (!cnn_onnx_get_int(call, "group", 1, &given))
        return false;
    if (given < 1 || given > LARGEST) {
        cnn_onnx_call_fail(call, "group is %" PRId64, given);
        return false;
    }
    *groups = (size_t)given;
    return true;
}

cnn_status cnn_onnx_conv(struct cnn_onnx_call *call)
{
    struct geometry g;
    size_t word, groups;
    if (!read_geometry(call, &g, &word) || !get_groups(call, &groups) ||
        !check_weights(call, &g, groups, false) || !place_windows(call, &g, word))
        return CNN_FAILED;
    size_t filters = call->in[1]->dims[0];
    if (!check_bias(call, filters) || !window_output(call, &g, filters))
        return CNN_FAILED;
    struct convolution c = make_convolution(call, &g, filters, groups);
    if (c.y)
        cnn_parallel_for(call->in[0]->dims[0] * filters, convolve_map, &c);
    return CNN_OK;
}

/* ---- Its transpose: in and out have changed places in the geometry ---- */

/* Sizes of the output: (in - 1) * stride + output_padding + span - pads. */
static bool place_transposed(const struct cnn_onnx_call *call, struct geometry *g, size_t word)
{
    size_t extra[SPACE] = {0}, wanted[SPACE] = {0};
    if (!get_sizes(call, "output_padding", 0, g->rank, extra) ||
        !get_sizes(call, "output_shape", 1, g->rank, wanted))
        return false;
    for (size_t i = 0; i < SPACE; i++) {
        int64_t stride = (int64_t)g->stride[i];
        int64_t span = (int64_t)((g->kernel[i] - 1) * g->dilation[i] + 1);
        int64_t full = ((int64_t)g->in[i] - 1) * stride + (int64_t)extra[i] + span;
        int64_t out = full - g->before[i] - g->behind[i];
        if (wanted[i] > 0 || word == 1 || word == 2) {
            out = wanted[i] > 0 ? (int64_t)wanted[i] : (int64_t)g->in[i] * stride;
            int64_t total = full - out > 0 ? full - out : 0;
            g->before[i] = word == 1 ? total / 2 : total - total / 2;
            g->behind[i] = total - g->before[i];
        }
        if (out < 1 || out > LARGEST) {
            cnn_onnx_call_fail(call, "its output would have size %" PRId64, out);
            return false;
        }
        g->out[i] = (size_t)out;
    }
    return true;
}

static void scatter_row(const struct convolution *c, const double *x, double weight,
                        const size_t *k, double *y)
{
    const struct geometry *g = &c->g;
    for (size_t d = 0; d < g->in[0]; d++)
        for (size_t r = 0; r < g->in[1]; r++) {
            int64_t to_d = (int64_t)(d * g->stride[0] + k[0] * g->dilation[0]) - g->before[0];
            int64_t to_r = (int64_t)(r * g->stride[1] + k[1] * g->dilation[1]) - g->before[1];
            if (to_d < 0 || to_d >= (int64_t)g->out[0] || to_r < 0 || to_r >= (int64_t)g->out[1])
                continue;
            const double *from = x + (d * g->in[1] + r) * g->in[2];
            double *to = y + ((size_t)to_d * g->out[1] + (size_t)to_r) * g->out[2];
            for (size_t i = 0; i < g->in[2]; i++) {
                int64_t at = (int64_t)(i * g->stride[2] + k[2] * g->dilation[2]) - g->before[2];
                if (at >= 0 && at < (int64_t)g->out[2])
                    to[at] += weight * from[i];
            }
        }
}

static void transpose_map(void *context, size_t task, size_t thread)
{
    const struct convolution *c = context;
    const size_t in = volume(c->g.in), out = volume(c->g.out), kernel = volume(c->g.kernel);
    const size_t filter = task % c->filters, image = task / c->filters;
    const size_t each = c->channels / c->groups, per_group = c->filters / c->groups;
    const size_t group = filter / per_group;
    double *y = c->y + task * out;
    (void)thread;
    for (size_t i = 0; i < out; i++)
        y[i] = c->b ? c->b[filter] : 0;
    for (size_t ic = group * each; ic < (group + 1) * each; ic++) {
        const double *w = c->w + (ic * per_group + filter % per_group) * kernel;
        size_t k[SPACE] = {0}, i = 0;
        do
            scatter_row(c, c->x + (image * c->channels + ic) * in, w[i++], k, y);
        while (cnn_onnx_next(SPACE, c->g.kernel, k));
    }
}

cnn_status cnn_onnx_conv_transpose(struct cnn_onnx_call *call)
{
    struct geometry g;
    size_t word, groups;
    if (!read_geometry(call, &g, &word) || !get_groups(call, &groups) ||
        !check_weights(call, &g, groups, true) || !place_transposed(call, &g, word))
        return CNN_FAILED;
    size_t filters = call->in[1]->dims[1] * groups;
    if (!check_bias(call, filters) || !window_output(call, &g, filters))
        return CNN_FAILED;
    struct convolution c = make_convolution(call, &g, filters, groups);
    if (c.y)
        cnn_parallel_for(call->in[0]->dims[0] * filters, transpose_map, &c);
    return CNN_OK;
}

/* ---- Pooling ---- */

struct pooling {
    struct geometry g;
    bool max, count_pad;
};

/* Cells of the window that count where padding does: all but those behind the padding. */
static size_t cells_counted(const struct geometry *g, const size_t *at)
{
    size_t cells = 1;
    for (size_t i = 0; i < SPACE; i++) {
        size_t here = 0;
        for (size_t k = 0; k < g->kernel[i]; k++)
            here += (int64_t)(at[i] * g->stride[i] + k * g->dilation[i]) <
                    (int64_t)g->in[i] + g->before[i] + g->behind[i];
        cells *= here;
    }
    return cells;
}

static double pool_window(const struct pooling *p, const double *x, const size_t *at)
{
    const struct geometry *g = &p->g;
    double result = p->max ? -INFINITY : 0;
    size_t k[SPACE] = {0}, cells = 0;
    do {
        int64_t place = 0;
        bool inside = true;
        for (size_t i = 0; i < SPACE; i++) {
            int64_t here = (int64_t)(at[i] * g->stride[i] + k[i] * g->dilation[i]) - g->before[i];
            inside = inside && here >= 0 && here < (int64_t)g->in[i];
            place = place * (int64_t)g->in[i] + here;
        }
        if (!inside)
            continue;
        double value = x[place];
        cells++;
        result = !p->max ? result + value : value > result || isnan(value) ? value : result;
    } while (cnn_onnx_next(SPACE, g->kernel, k));
    if (p->max)
        return result;
    return result / (double)(p->count_pad ? cells_counted(g, at) : cells);
}

cnn_status cnn_onnx_pool(struct cnn_onnx_call *call)
{
    struct pooling p = {.max = strcmp(call->node->op_type, "MaxPool") == 0};
    const struct cnn_onnx_array *x = call->in[0];
    size_t word, at[SPACE] = {0};
    int64_t count_pad, order;
    if (!read_geometry(call, &p.g, &word) || !place_windows(call, &p.g, word) ||
        !cnn_onnx_get_int(call, "count_include_pad", 0, &count_pad) ||
        !cnn_onnx_get_int(call, "storage_order", 0, &order))
        return CNN_FAILED;
    if (!cnn_onnx_attribute(call->node, "kernel_shape"))
        return cnn_onnx_call_fail(call, "it has no kernel_shape");
    if (call->out_count > 1)
        return cnn_onnx_call_fail(call, "its second output, indices, is not supported");
    p.count_pad = count_pad != 0;
    if (!window_output(call, &p.g, x->dims[1]))
        return CNN_FAILED;
    double *y = call->out[0].data;
    for (size_t map = 0; y && map < x->dims[0] * x->dims[1]; map++)
        do
            *y++ = pool_window(&p, x->data + map * volume(p.g.in), at);
        while (cnn_onnx_next(SPACE, p.g.out, at));
    return CNN_OK;
}
