/* The arithmetic of conv, depthwise_conv and dense behind one number:
 * activation(bias + sum over the filter's input channels and taps of input * weight), as
 * kernels/ref_conv.c has it. */
#include <math.h>
#include <string.h>

#include "kernels/internal.h"
#include "layers/explain.h"
#include "layers/weighted.h"

#define FULL_CHANNELS   4  /* products of all channels are written out up to this many */
#define PARTIAL_LINES   16 /* channels' sums stand in one column up to this many, else in eight */
#define PARTIAL_COLUMNS 8
/* contributions to a dense layer's unit that are listed where there are many */
#define LISTED 10

/* One window of one filter; channels count from the first of the filter's group. */
struct window {
    const struct cnn_conv *c;
    const float *x, *w, *bias; /* of the image; of the filter; NULL: none */
    size_t row, column, first, channels;
    size_t channel; /* the one that a grid shows */
};

static struct window window_at(const struct cnn_call *call, const struct cnn_question *q,
                               size_t filter)
{
    const struct cnn_weighted *weighted = call->node->state;
    const struct cnn_conv *c = &weighted->conv;
    size_t channels = c->in_c / c->groups, first = filter / (c->out_c / c->groups) * channels;
    const float *bias = call->value[CNN_SLOT_BIAS];
    return (struct window){
        .c = c,
        .x = call->x[0],
        .w = call->value[CNN_SLOT_WEIGHT] + filter * channels * c->kernel_h * c->kernel_w,
        .bias = bias ? bias + filter : NULL,
        .row = q->row,
        .column = q->column,
        .first = first,
        .channels = channels,
    };
}

static double weight_at(const struct window *v, size_t channel, size_t ky, size_t kx)
{
    return (double)v->w[(channel * v->c->kernel_h + ky) * v->c->kernel_w + kx];
}

/* The first row or column of the input under the window; negative in the padding. */
static ptrdiff_t first_row(const struct window *v)
{
    return (ptrdiff_t)(v->row * v->c->stride_h) - (ptrdiff_t)v->c->pad_top;
}

static ptrdiff_t first_column(const struct window *v)
{
    return (ptrdiff_t)(v->column * v->c->stride_w) - (ptrdiff_t)v->c->pad_left;
}

/* The number that a tap multiplies; false where that is a zero of the padding. */
static bool input_at(const struct window *v, size_t channel, size_t ky, size_t kx, double *value)
{
    const struct cnn_conv *c = v->c;
    size_t iy, ix;
    *value = 0;
    if (!cnn_padded_source(first_row(v) + (ptrdiff_t)(ky * c->dilation_h), c->in_h, c->padding_mode,
                           &iy) ||
        !cnn_padded_source(first_column(v) + (ptrdiff_t)(kx * c->dilation_w), c->in_w,
                           c->padding_mode, &ix))
        return false;
    *value = (double)v->x[(iy * c->in_w + ix) * c->in_c + v->first + channel];
    return true;
}

static double channel_sum(const struct window *v, size_t channel)
{
    double sum = 0, x;
    for (size_t ky = 0; ky < v->c->kernel_h; ky++)
        for (size_t kx = 0; kx < v->c->kernel_w; kx++)
            if (input_at(v, channel, ky, kx, &x))
                sum += x * weight_at(v, channel, ky, kx);
    return sum;
}

static double window_sum(const struct window *v)
{
    double sum = 0;
    for (size_t channel = 0; channel < v->channels; channel++)
        sum += channel_sum(v, channel);
    return sum;
}

static struct cnn_number patch_cell(const void *context, size_t row, size_t column)
{
    const struct window *v = context;
    double x;
    return input_at(v, v->channel, row, column, &x) ? cnn_explain_number(x)
                                                    : (struct cnn_number){"."};
}

static struct cnn_number kernel_cell(const void *context, size_t row, size_t column)
{
    const struct window *v = context;
    return cnn_explain_number(weight_at(v, v->channel, row, column));
}

/* The patch beside the kernel, and every product. */
static double write_products(struct window *v, size_t channel, struct cnn_text *out)
{
    const struct cnn_conv *c = v->c;
    const struct cnn_grid grids[2] = {
        {"input",
         c->kernel_h,
         c->kernel_w,
         true,
         {first_row(v), first_column(v)},
         {c->dilation_h, c->dilation_w},
         patch_cell,
         v},
        {"kernel", c->kernel_h, c->kernel_w, false, {0, 0}, {1, 1}, kernel_cell, v},
    };
    double total = channel_sum(v, channel), x;
    v->channel = channel;
    if (v->channels > 1)
        cnn_text_printf(out, "input channel %zu:\n", v->first + channel);
    cnn_explain_grids(grids, 2, out);
    struct cnn_sum sum = cnn_sum_begin(out);
    for (size_t ky = 0; ky < c->kernel_h; ky++)
        for (size_t kx = 0; kx < c->kernel_w; kx++) {
            input_at(v, channel, ky, kx, &x);
            cnn_sum_add(&sum, "%sx%s", cnn_explain_factor(x).text,
                        cnn_explain_factor(weight_at(v, channel, ky, kx)).text);
        }
    cnn_sum_end(&sum, total);
    return total;
}

static struct cnn_number partial_cell(const void *context, size_t row, size_t column)
{
    const struct window *v = context;
    size_t channel = row * PARTIAL_COLUMNS + column;
    return channel < v->channels ? cnn_explain_number(channel_sum(v, channel))
                                 : (struct cnn_number){""};
}

static void write_partial_sums(const struct window *v, struct cnn_text *out)
{
    const struct cnn_grid grid = {.title = "",
                                  .rows = (v->channels + PARTIAL_COLUMNS - 1) / PARTIAL_COLUMNS,
                                  .columns = PARTIAL_COLUMNS,
                                  .labelled = true,
                                  .first = {(ptrdiff_t)v->first, 0},
                                  .step = {PARTIAL_COLUMNS, 1},
                                  .cell = partial_cell,
                                  .context = v};
    if (v->channels > PARTIAL_LINES) {
        cnn_text_printf(out, "what each input channel adds (its number is that of the row plus "
                             "that of the column):\n");
        cnn_explain_grids(&grid, 1, out);
        return;
    }
    cnn_text_printf(out, "what each input channel adds:\n");
    for (size_t channel = 0; channel < v->channels; channel++)
        cnn_text_printf(out, "  channel %zu: %s\n", v->first + channel,
                        cnn_explain_number(channel_sum(v, channel)).text);
}

/* How much a part of a sum counts: what is no number makes the sum none, so it counts most. */
static double magnitude(double part)
{
    return isnan(part) ? INFINITY : fabs(part);
}

static size_t largest_channel(const struct window *v)
{
    size_t largest = 0;
    double most = -1;
    for (size_t channel = 0; channel < v->channels; channel++) {
        double here = magnitude(channel_sum(v, channel));
        if (here > most)
            most = here, largest = channel;
    }
    return largest;
}

static void write_unread(const struct window *v, size_t channel, struct cnn_text *out)
{
    cnn_text_printf(out, "input channel %zu is not read by this filter; it reads ", channel);
    cnn_explain_range("channel", (ptrdiff_t)v->first, 1, v->channels, out);
    cnn_text_printf(out, "\n");
}

/* The channels whose products are written out: the one that was asked for, all where they are few,
 * else the one that counts most. */
static void write_channels(struct window *v, const struct cnn_question *q, struct cnn_text *out)
{
    bool wanted = q->input != CNN_NO_INDEX,
         read = wanted && q->input >= v->first && q->input - v->first < v->channels;
    if (wanted && !read)
        write_unread(v, q->input, out);
    if (read || v->channels > FULL_CHANNELS) {
        size_t channel = read ? q->input - v->first : largest_channel(v);
        if (!read)
            cnn_text_printf(out, "the channel that counts most of %zu, ", v->channels);
        write_products(v, channel, out);
    } else {
        for (size_t channel = 0; channel < v->channels; channel++)
            write_products(v, channel, out);
    }
}

/* A filter's sum with its bias. */
static double linear_at(const struct cnn_call *call, const struct cnn_question *q, size_t filter)
{
    const struct window v = window_at(call, q, filter);
    return window_sum(&v) + (v.bias ? (double)*v.bias : 0);
}

static double write_bias_and_activation(const struct cnn_call *call, const struct cnn_question *q,
                                        const struct window *v, struct cnn_text *out)
{
    const struct cnn_weighted *weighted = call->node->state;
    if (v->bias)
        cnn_text_printf(out, "%s + %s (bias) = %s\n", cnn_explain_number(window_sum(v)).text,
                        cnn_explain_factor((double)*v->bias).text,
                        cnn_explain_number(linear_at(call, q, q->channel)).text);
    return cnn_explain_activation(call, q, weighted->activation, linear_at, out);
}

/* What the dots and the numbers beyond the border are. */
static void write_padding(const struct window *v, struct cnn_text *out)
{
    static const char *const notes[] = {
        [CNN_PAD_ZEROS] = "a dot is padding and counts as 0",
        [CNN_PAD_REFLECT] = "beyond the border the input is reflected",
        [CNN_PAD_REPLICATE] = "beyond the border the outermost numbers are repeated",
    };
    const struct cnn_conv *c = v->c;
    ptrdiff_t last_row = first_row(v) + (ptrdiff_t)((c->kernel_h - 1) * c->dilation_h);
    ptrdiff_t last_column = first_column(v) + (ptrdiff_t)((c->kernel_w - 1) * c->dilation_w);
    if (first_row(v) < 0 || first_column(v) < 0 || last_row >= (ptrdiff_t)c->in_h ||
        last_column >= (ptrdiff_t)c->in_w)
        cnn_text_printf(out, "%s\n", notes[c->padding_mode]);
}

double cnn_convolution_explain(const struct cnn_call *call, const struct cnn_question *q,
                               struct cnn_text *out)
{
    struct window v = window_at(call, q, q->channel);
    const struct cnn_conv *c = v.c;
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "kernel %zu over ", q->channel);
    cnn_explain_range("row", first_row(&v), c->dilation_h, c->kernel_h, out);
    cnn_text_printf(out, ", ");
    cnn_explain_range("column", first_column(&v), c->dilation_w, c->kernel_w, out);
    cnn_text_printf(out, " of %s", cnn_explain_source(call->node, q, 0));
    if (c->in_c > 1) {
        cnn_text_printf(out, ", ");
        cnn_explain_range("channel", (ptrdiff_t)v.first, 1, v.channels, out);
    }
    cnn_text_printf(out, "\n");
    write_padding(&v, out);
    write_channels(&v, q, out);
    if (v.channels > 1) {
        write_partial_sums(&v, out);
        cnn_text_printf(out, "sum of the %zu = %s\n", v.channels,
                        cnn_explain_number(window_sum(&v)).text);
    }
    return write_bias_and_activation(call, q, &v, out);
}

/* The sum of the weights that the operand, a number of the input, is multiplied with: more than one
 * where it stands in the padding, too. */
static double weights_on(const struct window *v, const struct cnn_operand *operand)
{
    const struct cnn_conv *c = v->c;
    const size_t channel = operand->channel - v->first;
    double sum = 0;
    if (operand->channel < v->first || channel >= v->channels)
        return 0;
    for (size_t ky = 0; ky < c->kernel_h; ky++) {
        size_t row, column;
        if (!cnn_padded_source(first_row(v) + (ptrdiff_t)(ky * c->dilation_h), c->in_h,
                               c->padding_mode, &row) ||
            row != operand->row)
            continue;
        for (size_t kx = 0; kx < c->kernel_w; kx++)
            if (cnn_padded_source(first_column(v) + (ptrdiff_t)(kx * c->dilation_w), c->in_w,
                                  c->padding_mode, &column) &&
                column == operand->column)
                sum += weight_at(v, channel, ky, kx);
    }
    return sum;
}

static double linear_slope(const struct cnn_call *call, const struct cnn_question *q,
                           const struct cnn_operand *operand, size_t filter, struct cnn_text *out)
{
    const struct window v = window_at(call, q, filter);
    const size_t taps = v.c->kernel_h * v.c->kernel_w,
                 inside = operand->index % (v.channels * taps);
    double x;
    if (!operand->parameter) {
        double weight = weights_on(&v, operand);
        return weight != 0 ? cnn_slope_factor(weight, "weight", out) : 0;
    }
    if (operand->slot == CNN_SLOT_BIAS)
        return operand->index == filter ? 1 : 0;
    if (operand->index / (v.channels * taps) != filter)
        return 0;
    input_at(&v, inside / taps, inside % taps / v.c->kernel_w, inside % v.c->kernel_w, &x);
    return x != 0 ? cnn_slope_factor(x, "input", out) : 0;
}

double cnn_weighted_slope(const struct cnn_call *call, const struct cnn_question *q,
                          struct cnn_operand *operand, struct cnn_text *out)
{
    static const struct cnn_linear linear = {linear_at, linear_slope};
    const struct cnn_weighted *weighted = call->node->state;
    return cnn_slope_through(call, q, operand, weighted->activation, &linear, out);
}

/* The map that a dense layer's inputs were before they were flattened, and whose; false where they
 * were none. What lies between keeps their order. */
static bool find_map(const struct cnn_node *node, const struct cnn_question *q, cnn_shape *map,
                     const char **name)
{
    while (node->inputs[0] > 0) {
        const struct cnn_node *from = &q->nodes[node->inputs[0] - 1];
        if (from->input_count != 1 || from->sees_all)
            return false;
        if (from->in[0].rank == 3) {
            *map = from->in[0];
            *name = cnn_explain_source(from, q, 0);
            return map->h * map->w > 1;
        }
        node = from;
    }
    return false;
}

static double product_at(const struct window *v, size_t i)
{
    return (double)v->x[i] * (double)v->w[i];
}

/* Whether input i counts more than input k: by the magnitude of what it adds, then by its place. */
static bool counts_more(const struct window *v, size_t i, size_t k)
{
    double a = magnitude(product_at(v, i)), b = magnitude(product_at(v, k));
    return a != b ? a > b : i < k;
}

/* The inputs that count most, most first, in listed. */
static void pick_inputs(const struct window *v, size_t count, size_t *listed)
{
    for (size_t n = 0; n < count; n++) {
        size_t best = CNN_NO_INDEX;
        for (size_t i = 0; i < v->channels; i++)
            if ((n == 0 || counts_more(v, listed[n - 1], i)) &&
                (best == CNN_NO_INDEX || counts_more(v, i, best)))
                best = i;
        listed[n] = best;
    }
}

static void write_input(const struct window *v, const cnn_shape *map, size_t i,
                        struct cnn_text *out)
{
    cnn_text_printf(out, "  input %*zu",
                    (int)strlen(cnn_explain_number((double)(v->channels - 1)).text), i);
    if (map) {
        size_t pixels = map->h * map->w, channel = i / pixels, row = i % pixels / map->w,
               column = i % map->w;
        cnn_text_printf(out, " (channel %*zu, row %*zu, column %*zu)",
                        (int)strlen(cnn_explain_number((double)(map->c - 1)).text), channel,
                        (int)strlen(cnn_explain_number((double)(map->h - 1)).text), row,
                        (int)strlen(cnn_explain_number((double)(map->w - 1)).text), column);
    }
    cnn_text_printf(out, "  %sx%s = %s\n", cnn_explain_factor((double)v->x[i]).text,
                    cnn_explain_factor((double)v->w[i]).text,
                    cnn_explain_number(product_at(v, i)).text);
}

/* Inputs that count most, then what all the others come to. */
static void write_largest(const struct window *v, const cnn_shape *map, struct cnn_text *out)
{
    size_t listed[LISTED];
    double others = 0;
    pick_inputs(v, LISTED, listed);
    cnn_text_printf(out, "the %d that count most:\n", LISTED);
    for (size_t n = 0; n < LISTED; n++)
        write_input(v, map, listed[n], out);
    for (size_t i = 0; i < v->channels; i++)
        others += counts_more(v, listed[LISTED - 1], i) ? product_at(v, i) : 0;
    cnn_text_printf(out, "and %zu others: %s\n", v->channels - LISTED,
                    cnn_explain_number(others).text);
}

double cnn_dense_explain(const struct cnn_call *call, const struct cnn_question *q,
                         struct cnn_text *out)
{
    const struct window v = window_at(call, q, q->channel);
    const char *origin = NULL;
    double total = window_sum(&v);
    char shape[64];
    cnn_shape map;
    bool mapped = find_map(call->node, q, &map, &origin);
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "the %zu number%s of %s, each times its weight", v.channels,
                    v.channels == 1 ? "" : "s", cnn_explain_source(call->node, q, 0));
    if (mapped)
        cnn_text_printf(out, "; they were the %s of %s", cnn_shape_format(map, shape, sizeof shape),
                        origin);
    cnn_text_printf(out, "\n");
    if (v.channels <= CNN_EXPLAIN_ALL && !mapped) {
        struct cnn_sum sum = cnn_sum_begin(out);
        for (size_t i = 0; i < v.channels; i++)
            cnn_sum_add(&sum, "%sx%s", cnn_explain_factor((double)v.x[i]).text,
                        cnn_explain_factor((double)v.w[i]).text);
        cnn_sum_end(&sum, total);
        return write_bias_and_activation(call, q, &v, out);
    }
    for (size_t i = 0; v.channels <= CNN_EXPLAIN_ALL && i < v.channels; i++)
        write_input(&v, &map, i, out);
    if (v.channels > CNN_EXPLAIN_ALL)
        write_largest(&v, mapped ? &map : NULL, out);
    cnn_text_printf(out, "sum of all %zu = %s\n", v.channels, cnn_explain_number(total).text);
    return write_bias_and_activation(call, q, &v, out);
}
