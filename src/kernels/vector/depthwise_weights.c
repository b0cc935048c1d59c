/* The gradients of weights and bias of a depthwise convolution: dw[f][tap] is the sum over all
 * pixels of x[pixel + tap][f / multiplier] * dy[pixel][f].
 *
 * The lines of each part of the batch (util/parts.h) are cut into chunks, fixed by shapes, each
 * with sums of its own, [vector of filters][tap][VLEN]. At the end a part's sums are added in
 * order, and then those of the parts. Lines are passed a few pixels at a time, for one vector of
 * filters after the other. */
#include <string.h>

#include "kernels/runs.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/depthwise_axis.h"
#include "kernels/vector/tree.h"
#include "kernels/vector/windows.h"
#include "util/parallel.h"

struct weights_gradient {
    struct cnn_axis rows, columns;
    size_t channels, filters, multiplier, taps;
    struct cnn_runs runs;      /* chunks of lines */
    size_t chunk_floats, bias; /* a chunk's sums, of which those of dy begin at bias */
    const cnn_number *x, *dy;
    float *dw, *db, *sums;
};

static struct weights_gradient plan(const struct cnn_conv *c, const struct cnn_parts *parts)
{
    struct weights_gradient k = {.rows = {.size = c->in_h,
                                          .count = c->out_h,
                                          .taps = c->kernel_h,
                                          .stride = c->stride_h,
                                          .dilation = c->dilation_h},
                                 .columns = {.size = c->in_w,
                                             .count = c->out_w,
                                             .taps = c->kernel_w,
                                             .stride = c->stride_w,
                                             .dilation = c->dilation_w},
                                 .channels = c->in_c,
                                 .filters = c->out_c,
                                 .multiplier = c->out_c / c->in_c,
                                 .taps = c->kernel_h * c->kernel_w,
                                 .runs = {.parts = *parts, .image = c->out_h}};
    k.rows.pad = (ptrdiff_t)c->pad_top;
    k.columns.pad = (ptrdiff_t)c->pad_left;
    cnn_axis_finish(&k.rows, false);
    cnn_axis_finish(&k.columns, cnn_whole_filters(c->out_c, k.multiplier) == c->out_c);
    /* of the whole batch, whoever has it */
    size_t lines = parts->images * c->out_h,
           wanted = cnn_tasks_wanted(cnn_size_times(cnn_size_times(2 * lines, c->out_w),
                                                    cnn_size_times(k.taps, c->out_c)));
    k.runs.length = cnn_size_divide_up(lines, cnn_size_min(wanted, lines));
    k.bias = cnn_depthwise_bias_place(c);
    k.chunk_floats = cnn_depthwise_chunk_floats(c);
    return k;
}

/* One line of dy, and the image that it comes from. */
struct line {
    const cnn_number *x, *dy;
    size_t output;         /* the line's number in its image */
    struct cnn_range rows; /* the kernel rows that lie on the image */
    float *sums;
};

/* CNN_PIXELS pixels of dy, of which the first `skip` are not to count, and the pixel of x at their
 * first tap of the first kernel row. Where cut, the first or last tap lies outside. */
struct pixels {
    const cnn_number *x, *dy;
    size_t skip;
    bool cut_first, cut_last;
};

/* One vector's part of the gradients of kernels of 3 columns that some pixels give. sums is at the
 * first tap of the first kernel row; stride: of pixels, 1 or 2. */
CNN_INLINE void add_pixels_3_taps(const struct weights_gradient *k, size_t rows,
                                  struct pixels pixels, size_t stride, float *sums)
{
    const cnn_number *x = pixels.x;
    size_t columns = (CNN_PIXELS - 1) * stride + 3, tap = k->channels,
           x_row = k->rows.dilation * k->columns.size * k->channels;
    vfloat column[CNN_PIXELS * 2 + 1], gradient[CNN_PIXELS];
#pragma GCC unroll 4
    for (size_t p = 0; p < CNN_PIXELS; p++)
        gradient[p] = p < pixels.skip ? vset(0) : vload_number(pixels.dy + p * k->filters);
    for (size_t i = 0; i < rows; i++, x += x_row, sums += 3 * VLEN) {
#pragma GCC unroll 9
        for (size_t j = 0; j < columns; j++)
            column[j] = (j == 0 && pixels.cut_first) || (j == columns - 1 && pixels.cut_last)
                            ? vset(0)
                            : vload_number(x + j * tap);
#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++) {
            vfloat sum = vload(sums + j * VLEN);
#pragma GCC unroll 4
            for (size_t p = 0; p < CNN_PIXELS; p++)
                sum += column[j + p * stride] * gradient[p];
            vstore(sums + j * VLEN, sum);
        }
    }
}

/* A line's part, for the pixels that are computed together and the first `filters` filters. What
 * does not change is copied, so that the compiler knows that no store changes it. */
CNN_INLINE void add_line_3_taps(const struct weights_gradient *gradient, const struct line *line,
                                size_t filters, size_t stride)
{
    const struct weights_gradient k = *gradient;
    const struct line l = *line;
    const struct cnn_axis *h = &k.columns;
    size_t rows = l.rows.end - l.rows.begin;
    const cnn_number *image =
        l.x + cnn_axis_pixel(&k.rows, l.output, l.rows.begin) * (ptrdiff_t)(h->size * k.channels);
    for (size_t next = h->begin; next < h->end; next += CNN_PIXELS) {
        size_t o = cnn_size_min(next, h->end - CNN_PIXELS);
        struct pixels pixels = {.x = image + cnn_axis_pixel(h, o, 0) * (ptrdiff_t)k.channels,
                                .dy = l.dy + o * k.filters,
                                .skip = next - o,
                                .cut_first = h->cut_first && o == h->begin,
                                .cut_last = h->cut_last && o + CNN_PIXELS == h->end};
        float *sums = l.sums + l.rows.begin * 3 * VLEN;
        for (size_t filter = 0; filter < filters;
             filter += VLEN, pixels.x += VLEN, pixels.dy += VLEN, sums += k.taps * VLEN)
            add_pixels_3_taps(&k, rows, pixels, stride, sums);
    }
}

static void add_line_3_taps_near(const struct weights_gradient *k, const struct line *l,
                                 size_t filters)
{
    add_line_3_taps(k, l, filters, 1);
}

static void add_line_3_taps_apart(const struct weights_gradient *k, const struct line *l,
                                  size_t filters)
{
    add_line_3_taps(k, l, filters, 2);
}

/* `count` outputs of a line, and what they read at one tap. */
struct run {
    const cnn_number *x, *dy;
    size_t count;
};

/* A line's part of the gradient of one tap. Four sums do not wait for each other. some: NULL where
 * every filter has a channel of its own and the vector is whole. */
CNN_INLINE void add_tap(const struct weights_gradient *k, size_t filter, struct run run,
                        const struct cnn_filters *some, float *to)
{
    const cnn_number *x = run.x, *dy = run.dy;
    size_t x_step = k->columns.stride * k->channels, left = run.count;
    vfloat sum[4] = {{0}};
    for (; left > 0; left -= cnn_size_min(left, 4), x += 4 * x_step, dy += 4 * k->filters) {
#pragma GCC unroll 4
        for (size_t p = 0; p < 4; p++)
            if (p < left) {
                if (some)
                    sum[p] += cnn_filters_load(some, x + p * x_step) *
                              cnn_filters_load_own(some, dy + p * k->filters);
                else
                    sum[p] += vload_number(x + p * x_step + filter) *
                              vload_number(dy + p * k->filters + filter);
            }
    }
    vstore(to, vload(to) + ((sum[0] + sum[1]) + (sum[2] + sum[3])));
}

/* The part of the line's outputs [begin, end), for the filters from `first` on. */
static void add_taps(const struct weights_gradient *k, const struct line *l, size_t begin,
                     size_t end, size_t first)
{
    const struct cnn_axis *v = &k->rows, *h = &k->columns;
    size_t whole = cnn_whole_filters(k->filters, k->multiplier);
    for (size_t i = l->rows.begin; i < l->rows.end; i++)
        for (size_t j = 0; j < h->taps; j++) {
            struct cnn_range outputs = cnn_axis_outputs(h, j);
            outputs.begin = outputs.begin > begin ? outputs.begin : begin;
            outputs.end = cnn_size_min(outputs.end, end);
            if (outputs.begin >= outputs.end)
                continue;
            size_t pixel = (size_t)cnn_axis_pixel(v, l->output, i) * h->size +
                           (size_t)cnn_axis_pixel(h, outputs.begin, j);
            const struct run run = {l->x + pixel * k->channels, l->dy + outputs.begin * k->filters,
                                    outputs.end - outputs.begin};
            float *to = l->sums + (i * h->taps + j) * VLEN;
            size_t filter = first;
            for (; filter < whole; filter += VLEN)
                add_tap(k, filter, run, NULL, to + filter * k->taps);
            for (; filter < k->filters; filter += VLEN) {
                struct cnn_filters some = cnn_filters_at(filter, k->filters, k->multiplier);
                add_tap(k, filter, run, &some, to + filter * k->taps);
            }
        }
}

static void add_bias(const struct weights_gradient *k, const cnn_number *dy, float *sums)
{
    for (size_t filter = 0; filter < k->filters; filter += VLEN) {
        size_t left = k->filters - filter;
        vfloat sum = {0};
        for (size_t o = 0; o < k->columns.count; o++)
            sum += left >= VLEN ? vload_number(dy + o * k->filters + filter)
                                : vload_number_tail(dy + o * k->filters + filter, left);
        vstore(sums + filter, vload(sums + filter) + sum);
    }
}

/* Task: a chunk of lines. */
static void add_chunk(void *context, size_t chunk, size_t thread)
{
    (void)thread;
    const struct weights_gradient *k = context;
    const struct cnn_axis *h = &k->columns;
    size_t whole = h->three > 0 && h->end - h->begin >= CNN_PIXELS
                       ? cnn_whole_filters(k->filters, k->multiplier)
                       : 0;
    float *sums = k->sums + chunk * k->chunk_floats;
    memset(sums, 0, k->chunk_floats * sizeof *sums);
    struct cnn_run run = cnn_runs_chunk(&k->runs, chunk);
    for (size_t i = run.begin; i < run.end; i++) {
        size_t output = i % k->rows.count;
        struct line l = {.x = k->x +
                              i / k->rows.count * k->rows.size * k->columns.size * k->channels,
                         .dy = k->dy + i * k->columns.count * k->filters,
                         .output = output,
                         .rows = cnn_axis_taps(&k->rows, output),
                         .sums = sums};
        if (whole > 0) {
            (h->three == 1 ? add_line_3_taps_near : add_line_3_taps_apart)(k, &l, whole);
            add_taps(k, &l, 0, h->begin, 0);
            add_taps(k, &l, h->end, h->count, 0);
            add_taps(k, &l, h->begin, h->end, whole);
        } else {
            add_taps(k, &l, 0, h->count, 0);
        }
        if (k->db)
            add_bias(k, l.dy, sums + k->bias);
    }
}

/* Of one vector of filters, the sums at `from` of the first chunk. */
static vfloat add_chunks(const struct weights_gradient *k, const float *from)
{
    struct cnn_vector_tree tree;
    tree.depth = 0;
    for (size_t part = k->runs.parts.first; part < k->runs.parts.end; part++) {
        struct cnn_run run = cnn_runs_part(&k->runs, part);
        vfloat sum = vload(from);
        from += k->chunk_floats;
        for (; run.begin + k->runs.length < run.end; run.begin += k->runs.length) {
            sum += vload(from);
            from += k->chunk_floats;
        }
        cnn_vector_tree_add(&tree, part - k->runs.parts.first, sum);
    }
    return tree.sums[0];
}

/* Task: one vector of filters. Adds the chunks' sums and puts them where dw and db have them. */
static void reduce_vector(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct weights_gradient *k = context;
    size_t filter = task * VLEN, used = cnn_size_min(VLEN, k->filters - filter);
    for (size_t tap = 0; tap < k->taps + (k->db != NULL); tap++) {
        const float *from =
            k->sums + (tap < k->taps ? filter * k->taps + tap * VLEN : k->bias + filter);
        vfloat sum = add_chunks(k, from);
        for (size_t i = 0; i < used; i++)
            *(tap < k->taps ? k->dw + (filter + i) * k->taps + tap : k->db + filter + i) = sum[i];
    }
}

void CNN_VALUE_NAME(cnn_depthwise_backward_weights)(const struct cnn_conv *c,
                                                    const struct cnn_conv_backward_weights *pass)
{
    struct cnn_parts all = cnn_parts_of(pass->n, 0, 1);
    struct weights_gradient k = plan(c, pass->parts ? pass->parts : &all);
    k.x = (const cnn_number *)pass->x;
    k.dy = (const cnn_number *)pass->dy;
    k.dw = pass->dw;
    k.db = pass->db;
    k.sums = pass->scratch;
    cnn_parallel_for(cnn_runs_count(&k.runs), add_chunk, &k);
    cnn_parallel_for(cnn_size_divide_up(k.filters, VLEN), reduce_vector, &k);
}
