/* Output sizes after Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
 * 2016: out = (in + before + after - dilation * (kernel - 1) - 1) / stride + 1, rounded down (or up
 * with ceil_mode). */
#include "layers/window.h"

#include <stdio.h>

static size_t axis_extent(const struct cnn_axis *a)
{
    return a->dilation * (a->kernel - 1) + 1;
}

/* The left side of the arithmetic. slash is "/" or " / ". */
static void axis_expression(const struct cnn_axis *a, const char *slash, char *buffer, size_t size)
{
    char pad[64] = "", kernel[64];
    if (a->before == a->after && a->before > 0)
        snprintf(pad, sizeof pad, " + 2*%zu", a->before);
    else if (a->before || a->after)
        snprintf(pad, sizeof pad, " + %zu + %zu", a->before, a->after);
    if (a->dilation == 1)
        snprintf(kernel, sizeof kernel, "%zu", a->kernel);
    else
        snprintf(kernel, sizeof kernel, "%zu*(%zu - 1) - 1", a->dilation, a->kernel);
    snprintf(buffer, size, "(%zu%s - %s)%s%zu + 1", a->in, pad, kernel, slash, a->stride);
}

/* The number of windows before it is rounded; below 1 where the window is larger than its input. */
static double axis_exact(const struct cnn_axis *a)
{
    return ((double)a->in + (double)a->before + (double)a->after - (double)axis_extent(a)) /
               (double)a->stride +
           1;
}

/* The right side: whole, or with two decimals. */
static void axis_value(const struct cnn_axis *a, char *buffer, size_t size)
{
    double value = axis_exact(a);
    if (value == (double)(long long)value)
        snprintf(buffer, size, "%.0f", value);
    else
        snprintf(buffer, size, "%.2f", value);
}

static void axis_pad_same(struct cnn_axis *a)
{
    size_t out = (a->in + a->stride - 1) / a->stride,
           needed = (out - 1) * a->stride + axis_extent(a);
    size_t total = needed > a->in ? needed - a->in : 0;
    a->before = total / 2;
    a->after = total - total / 2;
}

/* The largest extent of which there is a window. Rounded up, it may reach beyond the padding, by
 * less than a stride. */
static size_t axis_room(const struct cnn_axis *a)
{
    return a->in + a->before + a->after + (a->ceil ? a->stride - 1 : 0);
}

static bool axis_fits(struct cnn_axis *a)
{
    size_t room = axis_room(a), extent = axis_extent(a);
    if (extent > room)
        return false;
    a->out = (room - extent) / a->stride + 1;
    /* Rounding up adds a window only where it starts inside the image or its padding before, as in
     * PyTorch. */
    if (a->ceil && (a->out - 1) * a->stride >= a->in + a->before)
        a->out--;
    return true;
}

static cnn_status fail_fit(const struct cnn_node *node, const struct cnn_axis *a,
                           const char *direction, cnn_diag *diag)
{
    char expression[192], value[64];
    axis_expression(a, " / ", expression, sizeof expression);
    axis_value(a, value, sizeof value);
    cnn_status status = cnn_fail(diag, CNN_INVALID, &node->where,
                                 "layer '%s': the window does not fit the %s of its input: %s = %s",
                                 node->name, direction, expression, value);
    size_t largest = (axis_room(a) - 1) / a->dilation + 1;
    size_t unpadded = axis_room(a) - a->before - a->after;
    size_t padding = (axis_extent(a) - unpadded + 1) / 2;           /* on either side */
    if (node->window.border == CNN_PAD_REFLECT && padding >= a->in) /* which cannot be */
        cnn_hint(diag, "kernel_size of at most %zu", largest);
    else
        cnn_hint(diag, "kernel_size of at most %zu, or padding of at least %zu", largest, padding);
    return status;
}

/* "(7 - 3) / 3 + 1 = 2.33" */
static const char *size_text(const struct cnn_axis *a, struct cnn_arena *arena)
{
    char expression[192], value[64];
    axis_expression(a, " / ", expression, sizeof expression);
    axis_value(a, value, sizeof value);
    return cnn_arena_printf(arena, "%s = %s", expression, value);
}

/* Pixels that windows see, at most. Windows that are further apart than they are large leave some
 * out. */
static size_t pixels_read(const struct cnn_sliding *sliding)
{
    size_t pixels = 1;
    for (int i = 0; i < 2; i++) {
        const struct cnn_axis *a = &sliding->axis[i];
        pixels *= a->out * a->kernel < a->in ? a->out * a->kernel : a->in;
    }
    return pixels;
}

cnn_status cnn_sliding_infer(struct cnn_sliding *sliding, struct cnn_node *node,
                             const struct cnn_window_settings *settings, struct cnn_arena *arena,
                             cnn_diag *diag)
{
    const struct cnn_padding *padding = &settings->padding;
    const size_t in[2] = {node->in[0].h, node->in[0].w};
    const size_t before[2] = {padding->top, padding->left},
                 after[2] = {padding->bottom, padding->right};
    for (int i = 0; i < 2; i++) {
        struct cnn_axis *a = &sliding->axis[i];
        *a = (struct cnn_axis){.in = in[i],
                               .kernel = settings->kernel[i],
                               .stride = settings->stride[i],
                               .dilation = settings->dilation[i],
                               .before = before[i],
                               .after = after[i],
                               .ceil = settings->ceil};
        if (padding->same)
            axis_pad_same(a);
        if (!axis_fits(a))
            return fail_fit(node, a, i == 0 ? "height" : "width", diag);
        node->window.kernel[i] = a->kernel;
        node->window.stride[i] = a->stride;
        node->window.dilation[i] = a->dilation;
        node->window.pad_before[i] = a->before;
        node->sizes[i] = size_text(a, arena);
        if (!node->sizes[i])
            return cnn_fail_memory(diag, 0, "a layer");
    }
    node->unread = (in[0] * in[1] - pixels_read(sliding)) * node->in[0].c;
    node->out.rank = 3;
    node->out.h = sliding->axis[0].out;
    node->out.w = sliding->axis[1].out;
    return CNN_OK;
}

void cnn_sliding_describe(const struct cnn_sliding *sliding, struct cnn_text *out)
{
    for (int i = 0; i < 2; i++) {
        char expression[192], value[64];
        const struct cnn_axis *a = &sliding->axis[i];
        axis_expression(a, "/", expression, sizeof expression);
        axis_value(a, value, sizeof value);
        cnn_text_printf(out, "%s: %s = %s", i == 0 ? "height" : "width", expression, value);
        double exact = axis_exact(a), rounded = (double)a->out;
        if (rounded < exact || rounded > exact)
            cnn_text_printf(out, ", rounded %s to %zu", rounded > exact ? "up" : "down", a->out);
        cnn_text_printf(out, "\n");
    }
}

cnn_status cnn_require_image(const struct cnn_node *node, cnn_diag *diag)
{
    if (node->in[0].rank == 3)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s' (%s) needs channels x height x width; its input is flat (%zu numbers)",
             node->name, node->type->variant.name, node->in[0].c);
    cnn_hint(diag, "put it above the flatten");
    return CNN_INVALID;
}
