/* The forward pass and the gradient of the data, phase by phase (conv_internal.h) the same
 * correlation of dy with the kernels turned round:
 *
 *   y[pixel][f] = activation(bias[f] + sum over taps of x[pixel + tap][f / multiplier] * w[f][tap])
 *
 * Lines of y are computed a few pixels at a time, for one vector of filters after the other; where
 * a window reaches beyond the image, those of its taps that do are left out. */
#include "kernels/vector/depthwise.h"

#include "kernels/vector/conv_internal.h"
#include "kernels/vector/depthwise_axis.h"
#include "kernels/vector/ops.h"
#include "util/parallel.h"

#define CACHED ((size_t)1 << 18) /* floats that a core's own cache holds, about */

/* One axis of a correlation. Its outputs lie at first, first + step, ... of the line; tap t's
 * weight is number tap + t * tap_step of the kernel's. */
struct phase {
    struct cnn_axis axis;
    size_t first, step;
    ptrdiff_t tap, tap_step;
};

struct depthwise {
    struct phase rows[CNN_DEPTHWISE_STRIDE], columns[CNN_DEPTHWISE_STRIDE];
    size_t phases_h, phases_w, pad_top; /* line i belongs to phase (i + pad_top) % phases_h */
    size_t height, width;               /* of y, before pooling */
    size_t taps, kernel_w;
    size_t filters, multiplier, channels; /* channels: of x */
    size_t fold;                          /* so many neighbouring sums make one number of y */
    bool cold;                            /* x is larger than a core's own cache */
    const cnn_number *x;
    const float *packed;
    struct cnn_epilogue epilogue;
    cnn_number *y;
    float *scratch;
    size_t rows_all, task_rows; /* rows of y, all images together; of one task */
    size_t line_floats;         /* of scratch, of which each thread has two lines */
};

/* A line of y, or those of its pixels that belong to one phase. Steps are in floats. */
struct line {
    size_t x_row, x_tap, x_pixel; /* in x, from tap to tap and from pixel to pixel */
    ptrdiff_t w_row, w_tap;
    size_t w_filter; /* from filter to filter, in steps of VLEN */
    size_t rows;     /* of taps that lie on the image */
    const float *bias;
    struct cnn_limits limits; /* of y */
    bool cold;                /* x is not in the cache */
    size_t y_pixel;
};

/* Neighbouring pixels of a line that all have the same taps, but for the first tap of the very
 * first pixel where that is cut, and the last of the very last. x and w are at the first tap of the
 * first pixel, for filter 0. */
struct span {
    const cnn_number *x;
    const float *w;
    float *y;
    size_t taps, pixels, three;
    bool cut_first, cut_last;
};

CNN_INLINE void sums_begin(const float *bias, size_t pixels, const struct cnn_filters *some,
                           vfloat sum[CNN_PIXELS])
{
    vfloat first = {0};
    if (bias)
        first = some ? cnn_filters_load_bias(some, bias) : vload(bias);
#pragma GCC unroll 4
    for (size_t p = 0; p < pixels; p++)
        sum[p] = first;
}

CNN_INLINE void sums_end(const struct line *l, size_t pixels, const struct cnn_filters *some,
                         vfloat sum[CNN_PIXELS], float *y)
{
    const vfloat low = vset(l->limits.low), high = vset(l->limits.high);
#pragma GCC unroll 4
    for (size_t p = 0; p < pixels; p++, y += l->y_pixel) {
        vfloat v = vmin(high, vmax(low, sum[p]));
        if (some)
            cnn_filters_store(some, y, v);
        else
            vstore(y, v);
    }
}

/* Where one vector of filters reads and writes. */
struct place {
    const cnn_number *x;
    const float *w, *bias; /* bias may be NULL */
    float *y;
};

/* One vector of filters of `pixels` pixels. some: NULL where every filter has a channel of its own
 * and the vector is whole. */
CNN_INLINE void multiply(const struct line *l, struct place at, size_t pixels, size_t taps,
                         const struct cnn_filters *some)
{
    const cnn_number *x = at.x;
    const float *w = at.w;
    vfloat sum[CNN_PIXELS];
    sums_begin(at.bias, pixels, some, sum);
    for (size_t i = 0; i < l->rows; i++, x += l->x_row, w += l->w_row) {
        const cnn_number *tap = x;
        const float *weights = w;
        for (size_t j = 0; j < taps; j++, tap += l->x_tap, weights += l->w_tap) {
            vfloat weight = vload(weights);
#pragma GCC unroll 4
            for (size_t p = 0; p < pixels; p++)
                sum[p] += (some ? cnn_filters_load(some, tap + p * l->x_pixel)
                                : vload_number(tap + p * l->x_pixel)) *
                          weight;
        }
    }
    if (l->cold) /* of the line below */
        for (size_t p = 0; p < pixels; p++)
            __builtin_prefetch(x + p * l->x_pixel);
    sums_end(l, pixels, some, sum, at.y);
}

/* Likewise, of whole vectors and kernels of 3 columns, next to each other: each number of x is
 * loaded once. stride: of pixels, 1 or 2. */
CNN_INLINE void multiply_3_taps(const struct line *l, struct place at, size_t stride,
                                bool cut_first, bool cut_last)
{
    const cnn_number *x = at.x;
    const float *w = at.w;
    size_t columns = (CNN_PIXELS - 1) * stride + 3;
    vfloat sum[CNN_PIXELS], column[CNN_PIXELS * 2 + 1];
    sums_begin(at.bias, CNN_PIXELS, NULL, sum);
    for (size_t i = 0; i < l->rows; i++, x += l->x_row, w += l->w_row) {
        vfloat weight[3] = {vload(w), vload(w + l->w_tap), vload(w + 2 * l->w_tap)};
#pragma GCC unroll 9
        for (size_t j = 0; j < columns; j++)
            column[j] = (j == 0 && cut_first) || (j == columns - 1 && cut_last)
                            ? vset(0)
                            : vload_number(x + j * l->x_tap);
#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++)
#pragma GCC unroll 4
            for (size_t p = 0; p < CNN_PIXELS; p++)
                sum[p] += column[j + p * stride] * weight[j];
    }
    if (l->cold) /* of the line below, which comes next */
#pragma GCC unroll 8
        for (size_t j = 1; j <= CNN_PIXELS * stride; j++)
            __builtin_prefetch(x + j * l->x_tap);
    sums_end(l, CNN_PIXELS, NULL, sum, at.y);
}

/* The first `filters` filters, whole vectors, of a span, `pixels` pixels at a time. stride: 0, or 1
 * or 2 for kernels of 3 columns. What does not change is copied, so that the compiler knows that no
 * store changes it. */
CNN_INLINE void multiply_whole(const struct line *line, const struct span *span, size_t filters,
                               size_t pixels, size_t stride)
{
    const struct line l = *line;
    const struct span s = *span;
    for (size_t p = 0; p < s.pixels; p += pixels) {
        p = cnn_size_min(p, s.pixels - pixels); /* some are computed once more */
        struct place at = {s.x + p * l.x_pixel, s.w, l.bias, s.y + p * l.y_pixel};
        bool cut_first = s.cut_first && p == 0, cut_last = s.cut_last && p + pixels == s.pixels;
        for (size_t filter = 0; filter < filters;
             filter += VLEN, at.x += VLEN, at.w += VLEN * l.w_filter, at.y += VLEN) {
            if (stride)
                multiply_3_taps(&l, at, stride, cut_first, cut_last);
            else
                multiply(&l, at, pixels, s.taps, NULL);
            if (at.bias)
                at.bias += VLEN;
        }
    }
}

#define MULTIPLY_WHOLE(name, pixels, stride)                                                       \
    static void name(const struct line *l, const struct span *s, size_t filters)                   \
    {                                                                                              \
        multiply_whole(l, s, filters, pixels, stride);                                             \
    }
MULTIPLY_WHOLE(multiply_pixel, 1, 0)
MULTIPLY_WHOLE(multiply_pixels, CNN_PIXELS, 0)
MULTIPLY_WHOLE(multiply_pixels_3_taps, CNN_PIXELS, 1)
MULTIPLY_WHOLE(multiply_pixels_3_taps_apart, CNN_PIXELS, 2)

/* The other filters, from `filter` on. */
CNN_INLINE void multiply_rest(const struct depthwise *k, const struct line *l, const struct span *s,
                              size_t filter, size_t pixels)
{
    for (; filter < k->filters; filter += VLEN) {
        struct cnn_filters some = cnn_filters_at(filter, k->filters, k->multiplier);
        for (size_t p = 0; p < s->pixels; p += pixels) {
            p = cnn_size_min(p, s->pixels - pixels);
            multiply(l,
                     (struct place){s->x + p * l->x_pixel, s->w + filter * l->w_filter, l->bias,
                                    s->y + p * l->y_pixel},
                     pixels, s->taps, &some);
        }
    }
}

static void multiply_span(const struct depthwise *k, const struct line *l, const struct span *s)
{
    size_t whole = cnn_whole_filters(k->filters, k->multiplier);
    if (s->pixels < CNN_PIXELS)
        multiply_pixel(l, s, whole);
    else if (s->three == 1)
        multiply_pixels_3_taps(l, s, whole);
    else if (s->three == 2)
        multiply_pixels_3_taps_apart(l, s, whole);
    else
        multiply_pixels(l, s, whole);
    if (whole == k->filters)
        return;
    if (s->pixels < CNN_PIXELS)
        multiply_rest(k, l, s, whole, 1);
    else
        multiply_rest(k, l, s, whole, CNN_PIXELS);
}

/* Some outputs of a phase. s: the line's, for output 0 and tap 0 of a window
 * at column 0 of x. */
static void multiply_part(const struct depthwise *k, const struct phase *h, const struct line *l,
                          const struct span *s, struct cnn_range outputs, struct cnn_range taps)
{
    size_t pixels = outputs.end - outputs.begin;
    struct span part = {.x = s->x,
                        .w = s->w + (ptrdiff_t)taps.begin * l->w_tap,
                        .y = s->y + outputs.begin * l->y_pixel,
                        .taps = taps.end - taps.begin,
                        .pixels = pixels,
                        .three = h->axis.three,
                        .cut_first = pixels > 1 && h->axis.cut_first,
                        .cut_last = pixels > 1 && h->axis.cut_last};
    if (part.taps > 0)
        part.x += cnn_axis_pixel(&h->axis, outputs.begin, taps.begin) * (ptrdiff_t)k->channels;
    multiply_span(k, l, &part);
}

/* The outputs of two phases in line `output`; image: of x. */
static void correlate_phase(const struct depthwise *k, const struct phase *v, size_t output,
                            const struct phase *h, const cnn_number *image, float *y)
{
    const struct cnn_axis *a = &h->axis;
    struct cnn_range rows = cnn_axis_taps(&v->axis, output);
    size_t x_line = a->size * k->channels;
    ptrdiff_t kernel_row = (ptrdiff_t)k->kernel_w * VLEN;
    const struct line l = {.x_row = v->axis.dilation * x_line,
                           .x_tap = a->dilation * k->channels,
                           .x_pixel = a->stride * k->channels,
                           .w_row = v->tap_step * kernel_row,
                           .w_tap = h->tap_step * VLEN,
                           .w_filter = k->taps,
                           .rows = rows.end - rows.begin,
                           .bias = k->epilogue.bias,
                           .limits = cnn_activation_limits(k->epilogue.activation),
                           .cold = k->cold,
                           .y_pixel = h->step * k->filters};
    struct span s = {.x = image,
                     .w = k->packed + (v->tap + (ptrdiff_t)rows.begin * v->tap_step) * kernel_row +
                          h->tap * VLEN,
                     .y = y + h->first * k->filters};
    if (l.rows > 0)
        s.x += cnn_axis_pixel(&v->axis, output, rows.begin) * (ptrdiff_t)x_line;
    for (size_t o = 0; o < a->begin; o++)
        multiply_part(k, h, &l, &s, (struct cnn_range){o, o + 1}, cnn_axis_taps(a, o));
    if (a->begin < a->end)
        multiply_part(k, h, &l, &s, (struct cnn_range){a->begin, a->end},
                      (struct cnn_range){0, a->taps});
    for (size_t o = a->end; o < a->count; o++)
        multiply_part(k, h, &l, &s, (struct cnn_range){o, o + 1}, cnn_axis_taps(a, o));
}

static void correlate_line(const struct depthwise *k, size_t image, size_t line, float *y)
{
    const struct phase *v = &k->rows[(line + k->pad_top) % k->phases_h];
    const cnn_number *x = k->x + image * v->axis.size * k->columns[0].axis.size * k->channels;
    struct cnn_activation activation = k->epilogue.activation;
    for (size_t i = 0; i < k->phases_w; i++)
        correlate_phase(k, v, line / k->phases_h, &k->columns[i], x, y);
    if (!cnn_activation_cuts(activation))
        CNN_ISA_NAME(cnn_activate)(activation, k->width * k->filters, y, y);
}

static void fold_line(const struct depthwise *k, const float *sums, float *y)
{
    for (size_t i = 0; i < k->width * k->filters / k->fold; i++, sums += k->fold) {
        float sum = sums[0];
        for (size_t j = 1; j < k->fold; j++)
            sum += sums[j];
        y[i] = sum;
    }
}

/* A row of y, as floats. lines: memory for two. `row` may be the first of them: what is pooled or
 * folded never lies before what it is made of. */
static void make_row(const struct depthwise *k, size_t image, size_t line, float *const lines[2],
                     float *row)
{
    const struct cnn_pool *pool = k->epilogue.pool;
    if (pool) {
        correlate_line(k, image, 2 * line, lines[0]);
        correlate_line(k, image, 2 * line + 1, lines[1]);
        const struct cnn_line_pair pair = {lines[0], lines[1], k->width, k->filters};
        CNN_BF16_NAME(cnn_pool_lines)(pool->average, &pair, row, (ptrdiff_t)k->filters);
    } else if (k->fold > 1) {
        correlate_line(k, image, line, lines[0]);
        fold_line(k, lines[0], row);
    } else {
        correlate_line(k, image, line, row);
    }
}

/* Task: rows of y, made where they go, or in scratch where they are rounded on the way there. */
static void correlate_rows(void *context, size_t task, size_t thread)
{
    const struct depthwise *k = context;
    const struct cnn_pool *pool = k->epilogue.pool;
    size_t height = pool ? pool->out_h : k->height,
           size = (pool ? pool->out_w : k->width) * (k->filters / k->fold);
    float *line = k->scratch + 2 * thread * k->line_floats;
    for (size_t row = task * k->task_rows;
         row < cnn_size_min(k->rows_all, (task + 1) * k->task_rows); row++) {
        cnn_number *y = k->y + row * size;
        float *sums = cnn_place_numbers(y, line);
        make_row(k, row / height, row % height, (float *const[2]){line, line + k->line_floats},
                 sums);
        cnn_write_numbers(sums, size, y);
    }
}

static void run(struct depthwise *k, size_t images)
{
    const size_t x_floats = images * k->rows[0].axis.size * k->columns[0].axis.size * k->channels;
    k->cold = x_floats > CACHED;
    cnn_parallel_for(cnn_size_divide_up(k->rows_all, k->task_rows), correlate_rows, k);
}

/* What both directions share. rows: of y, all images together. */
static struct depthwise plan(const struct cnn_conv *c, size_t height, size_t width, size_t rows)
{
    struct depthwise k = {.height = height,
                          .width = width,
                          .taps = c->kernel_h * c->kernel_w,
                          .kernel_w = c->kernel_w,
                          .filters = c->out_c,
                          .multiplier = 1,
                          .channels = c->out_c,
                          .fold = 1,
                          .rows_all = rows};
    /* A multiply-add takes several times as long as in a matrix product. */
    size_t tasks = cnn_tasks_wanted(
        cnn_size_times(cnn_size_times(8 * rows, width), cnn_size_times(k.taps, c->out_c)));
    k.task_rows = cnn_size_divide_up(rows, cnn_size_min(rows, tasks));
    return k;
}

/* The axes of the forward pass; begin, end and what follows them are not filled in. */
static struct cnn_axis rows_of(const struct cnn_conv *c)
{
    return (struct cnn_axis){.size = c->in_h,
                             .count = c->out_h,
                             .taps = c->kernel_h,
                             .stride = c->stride_h,
                             .dilation = c->dilation_h,
                             .pad = (ptrdiff_t)c->pad_top};
}

static struct cnn_axis columns_of(const struct cnn_conv *c)
{
    return (struct cnn_axis){.size = c->in_w,
                             .count = c->out_w,
                             .taps = c->kernel_w,
                             .stride = c->stride_w,
                             .dilation = c->dilation_w,
                             .pad = (ptrdiff_t)c->pad_left};
}

static struct phase forward_phase(struct cnn_axis axis, bool whole)
{
    struct phase p = {.axis = axis, .step = 1, .tap_step = 1};
    cnn_axis_finish(&p.axis, whole);
    return p;
}

/* forward: the axis of the forward pass. */
static struct phase backward_phase(size_t residue, const struct cnn_axis *forward, bool whole)
{
    struct cnn_phase phase =
        CNN_BF16_NAME(cnn_phase_at)(residue, forward->size, forward->taps, forward->stride,
                                    forward->dilation, (size_t)forward->pad);
    struct phase p = {.axis = {.size = forward->count,
                               .count = phase.count,
                               .taps = phase.taps,
                               .stride = 1,
                               .dilation = phase.dilation,
                               .pad = phase.pad},
                      .first = phase.first,
                      .step = forward->stride,
                      .tap = (ptrdiff_t)phase.last_tap,
                      .tap_step = -(ptrdiff_t)phase.between};
    cnn_axis_finish(&p.axis, whole);
    return p;
}

void CNN_VALUE_NAME(cnn_depthwise_forward)(const struct cnn_conv *c,
                                           const struct cnn_conv_forward *pass)
{
    const struct cnn_pool *pool = pass->epilogue->pool;
    bool whole = cnn_whole_filters(c->out_c, c->out_c / c->in_c) == c->out_c;
    struct depthwise k = plan(c, c->out_h, c->out_w, pass->n * (pool ? pool->out_h : c->out_h));
    k.rows[0] = forward_phase(rows_of(c), whole);
    k.columns[0] = forward_phase(columns_of(c), whole);
    k.phases_h = k.phases_w = 1;
    k.multiplier = c->out_c / c->in_c;
    k.channels = c->in_c;
    k.x = (const cnn_number *)pass->x;
    k.packed = pass->packed;
    k.epilogue = *pass->epilogue;
    k.y = (cnn_number *)pass->y;
    k.scratch = pass->scratch;
    k.line_floats = cnn_depthwise_line_floats(c);
    run(&k, pass->n);
}

void CNN_VALUE_NAME(cnn_depthwise_backward_data)(const struct cnn_conv *c,
                                                 const struct cnn_conv_backward_data *pass)
{
    bool whole = cnn_whole_filters(c->out_c, 1) == c->out_c;
    const struct cnn_axis rows = rows_of(c), columns = columns_of(c);
    struct depthwise k = plan(c, c->in_h, c->in_w, pass->n * c->in_h);
    k.phases_h = c->stride_h;
    k.phases_w = c->stride_w;
    for (size_t i = 0; i < c->stride_h; i++)
        k.rows[i] = backward_phase(i, &rows, whole);
    for (size_t i = 0; i < c->stride_w; i++)
        k.columns[i] = backward_phase(i, &columns, whole);
    k.pad_top = c->pad_top;
    k.fold = c->out_c / c->in_c;
    k.x = (const cnn_number *)pass->dy;
    k.packed = pass->packed;
    k.y = (cnn_number *)pass->dx;
    k.scratch = pass->scratch;
    k.line_floats = cnn_depthwise_line_floats(c);
    run(&k, pass->n);
}
