/* Local response normalisation across channels, vectors along the channels: the formulas of
 * ref_lrn.c. What the windows of a pixel sum up is written to a row in scratch, with zeros on both
 * sides, and read from there at each position of the window. Windows are summed anew for every
 * channel: a running sum would keep the rounding of large numbers that have left it. */
#include <float.h>
#include <math.h>

#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/arena.h"
#include "util/parallel.h"

/* Pixels whose rows are written before the first is read: a load that overlaps a store waits until
 * that has left the store buffer. */
#define GROUP ((size_t)4)

struct lrn_work {
    struct cnn_lrn l;
    size_t before, after; /* of the window: channels on either side */
    float scale;          /* of its sum */
    size_t block;         /* pixels of one task */
    const float *x, *s_in, *dy;
    float *y, *s, *dx, *scratch;
};

/* A window never has to reach further than the channels do. Whole cache lines, so that channel 0
 * stands at the beginning of one. */
static size_t margin(const struct cnn_lrn *l)
{
    return cnn_round_floats(cnn_size_min(l->size / 2, l->channels));
}

static size_t padded_row(const struct cnn_lrn *l)
{
    return cnn_round_floats(l->channels) + 2 * margin(l);
}

size_t CNN_ISA_NAME(cnn_lrn_scratch_floats)(const struct cnn_lrn *l)
{
    return GROUP * padded_row(l) * (size_t)cnn_parallel_threads();
}

/* This thread's rows, all zeros: where channel 0 of the first one goes. */
static float *rows_of(const struct lrn_work *k, size_t thread)
{
    size_t floats = GROUP * padded_row(&k->l);
    float *rows = k->scratch + thread * floats;
    memset(rows, 0, floats * sizeof *rows);
    return rows + margin(&k->l);
}

static inline vfloat window_sum(const struct lrn_work *k, const float *row)
{
    vfloat sum = vload(row - k->before);
    for (size_t j = 1; j <= k->before + k->after; j++)
        sum += vload(row - k->before + j);
    return sum;
}

/* s^-beta; s: positive, or NaN. */
static inline vfloat power(vfloat s, float beta)
{
    if (beta == 0.75f) {
        vfloat root = vrsqrt(vmin(vset(FLT_MAX), s));
        return root * (root * vrsqrt(root));
    }
    vfloat result = {0};
    for (size_t lane = 0; lane < VLEN; lane++)
        result[lane] = powf(s[lane], -beta);
    return result;
}

static inline void write_squares(const struct lrn_work *k, size_t at, float *row)
{
    for (size_t i = 0; i < k->l.channels; i += VLEN) {
        vfloat x = vload_lanes(k->x + at + i, cnn_size_min(k->l.channels - i, VLEN));
        vstore(row + i, x * x);
    }
}

static inline void forward_lanes(const struct lrn_work *k, const float *row, size_t at,
                                 size_t lanes)
{
    vfloat s = k->l.k + k->scale * window_sum(k, row);
    vstore_lanes(k->y + at, lanes, vload_lanes(k->x + at, lanes) * power(s, k->l.beta));
    if (k->s)
        vstore_lanes(k->s + at, lanes, s);
}

static inline void forward_pixel(const struct lrn_work *k, const float *row, size_t at)
{
    size_t full = k->l.channels / VLEN * VLEN;
    for (size_t i = 0; i < full; i += VLEN)
        forward_lanes(k, row + i, at + i, VLEN);
    if (full < k->l.channels)
        forward_lanes(k, row + full, at + full, k->l.channels - full);
}

static void forward_block(void *context, size_t task, size_t thread)
{
    /* a copy, which no store can change: it stays in registers */
    const struct lrn_work work = *(const struct lrn_work *)context, *k = &work;
    size_t floats = padded_row(&k->l), end = cnn_size_min(k->l.rows, (task + 1) * k->block);
    float *rows = rows_of(k, thread);
    for (size_t first = task * k->block; first < end; first += GROUP) {
        size_t pixels = cnn_size_min(GROUP, end - first);
        for (size_t p = 0; p < pixels; p++)
            write_squares(k, (first + p) * k->l.channels, rows + p * floats);
        for (size_t p = 0; p < pixels; p++)
            forward_pixel(k, rows + p * floats, (first + p) * k->l.channels);
    }
}

void CNN_ISA_NAME(cnn_lrn_forward)(const struct cnn_lrn *l, const float *x, float *y, float *s,
                                   float *scratch)
{
    struct lrn_work k = {
        .l = *l, .x = x, .y = y, .s = s, .scratch = scratch, .block = cnn_block_rows(l->channels)};
    k.scale = l->alpha / (float)l->size;
    k.before = cnn_size_min(l->size / 2, l->channels);
    k.after = cnn_size_min((l->size - 1) / 2, l->channels);
    cnn_parallel_for(cnn_size_divide_up(l->rows, k.block), forward_block, &k);
}

/* dx = dy * s^-beta for now, and the terms that these channels give to the sums of others. */
static inline void term_lanes(const struct lrn_work *k, size_t at, size_t lanes, float *row)
{
    vfloat s = vload_lanes(k->s_in + at, lanes),
           own = vload_lanes(k->dy + at, lanes) * power(s, k->l.beta);
    vstore_lanes(row, lanes, own * vload_lanes(k->x + at, lanes) / s);
    vstore_lanes(k->dx + at, lanes, own);
}

static inline void write_terms(const struct lrn_work *k, size_t at, float *row)
{
    size_t full = k->l.channels / VLEN * VLEN;
    for (size_t i = 0; i < full; i += VLEN)
        term_lanes(k, at + i, VLEN, row + i);
    if (full < k->l.channels)
        term_lanes(k, at + full, k->l.channels - full, row + full);
}

static inline void backward_pixel(const struct lrn_work *k, const float *row, size_t at)
{
    for (size_t i = 0; i < k->l.channels; i += VLEN) {
        size_t lanes = cnn_size_min(k->l.channels - i, VLEN);
        vfloat others = k->scale * window_sum(k, row + i) * vload_lanes(k->x + at + i, lanes);
        vstore_lanes(k->dx + at + i, lanes, vload_lanes(k->dx + at + i, lanes) - others);
    }
}

static void backward_block(void *context, size_t task, size_t thread)
{
    const struct lrn_work work = *(const struct lrn_work *)context, *k = &work;
    size_t floats = padded_row(&k->l), end = cnn_size_min(k->l.rows, (task + 1) * k->block);
    float *rows = rows_of(k, thread);
    for (size_t first = task * k->block; first < end; first += GROUP) {
        size_t pixels = cnn_size_min(GROUP, end - first);
        for (size_t p = 0; p < pixels; p++)
            write_terms(k, (first + p) * k->l.channels, rows + p * floats);
        for (size_t p = 0; p < pixels; p++)
            backward_pixel(k, rows + p * floats, (first + p) * k->l.channels);
    }
}

void CNN_ISA_NAME(cnn_lrn_backward)(const struct cnn_lrn *l, const float *x, const float *s,
                                    const float *dy, float *dx, float *scratch)
{
    struct lrn_work k = {.l = *l,
                         .x = x,
                         .s_in = s,
                         .dy = dy,
                         .dx = dx,
                         .scratch = scratch,
                         .block = cnn_block_rows(l->channels)};
    k.scale = 2 * l->alpha * l->beta / (float)l->size;
    k.before = cnn_size_min((l->size - 1) / 2, l->channels);
    k.after = cnn_size_min(l->size / 2, l->channels);
    cnn_parallel_for(cnn_size_divide_up(l->rows, k.block), backward_block, &k);
}
