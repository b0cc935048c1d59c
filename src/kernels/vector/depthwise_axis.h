/* What the passes of a depthwise convolution share: which taps and pixels meet along one axis, and
 * vectors of filters of which several read the same channel. */
#ifndef CNN_KERNELS_VECTOR_DEPTHWISE_AXIS_H
#define CNN_KERNELS_VECTOR_DEPTHWISE_AXIS_H

#include <stdbool.h>

#include "kernels/internal.h"
#include "kernels/kernels.h"
#include "kernels/vector/vector.h"
#include "kernels/vector/windows.h"

#define CNN_DEPTHWISE_STRIDE 4 /* beyond it, convolutions go by the general way */

/* A line of y before pooling or folding, of either direction, or where its sums are until they are
 * stored; a vector beyond its end may be read. */
static inline size_t cnn_depthwise_line_floats(const struct cnn_conv *c)
{
    size_t width = c->in_w > c->out_w ? c->in_w : c->out_w;
    return cnn_size_plus(cnn_size_times(width, c->out_c), VLEN + 15) / 16 * 16;
}

/* Sums of a chunk of the gradients: of the weights, where those of the bias begin, and all. */
static inline size_t cnn_depthwise_bias_place(const struct cnn_conv *c)
{
    return cnn_size_times(cnn_size_times(c->kernel_h, c->kernel_w), cnn_packed_columns(c->out_c));
}

static inline size_t cnn_depthwise_chunk_floats(const struct cnn_conv *c)
{
    return cnn_size_plus(cnn_size_plus(cnn_depthwise_bias_place(c), cnn_packed_columns(c->out_c)),
                         15) /
           16 * 16;
}

/* One axis: output o reads, at tap t, pixel o * stride + t * dilation - pad of `size`, or a zero
 * where that is none of them. */
struct cnn_axis {
    size_t size, count; /* pixels, outputs */
    size_t taps, stride, dilation;
    ptrdiff_t pad;
    /* the outputs that are computed together: those whose taps all lie on pixels and, where cut,
     * their neighbours */
    size_t begin, end;
    /* 1 or 2: there are three taps next to each other, and outputs are so many pixels apart; 0:
     * others */
    size_t three;
    /* output begin lacks its first tap, output end - 1 its last one; three is then not 0 */
    bool cut_first, cut_last;
};

#define CNN_PIXELS ((size_t)4) /* computed together: their sums do not wait for each other */

struct cnn_range {
    size_t begin, end;
};

/* The i with 0 <= start + i * step < size, among the first count. */
static inline struct cnn_range cnn_range_inside(ptrdiff_t start, size_t step, size_t size,
                                                size_t count)
{
    struct cnn_range r = {0, count};
    if (start < 0)
        r.begin = cnn_size_divide_up((size_t)-start, step);
    if (start + (ptrdiff_t)((count - 1) * step) >= (ptrdiff_t)size)
        r.end = start < (ptrdiff_t)size ? (size_t)((ptrdiff_t)size - 1 - start) / step + 1 : 0;
    r.begin = cnn_size_min(r.begin, r.end);
    return r;
}

/* The taps of an output that lie on pixels; the outputs of a tap. */
static inline struct cnn_range cnn_axis_taps(const struct cnn_axis *a, size_t output)
{
    return a->taps ? cnn_range_inside((ptrdiff_t)(output * a->stride) - a->pad, a->dilation,
                                      a->size, a->taps)
                   : (struct cnn_range){0};
}

static inline struct cnn_range cnn_axis_outputs(const struct cnn_axis *a, size_t tap)
{
    return cnn_range_inside((ptrdiff_t)(tap * a->dilation) - a->pad, a->stride, a->size, a->count);
}

/* Fills in what follows from the rest. cuts: whether there may be any. */
static inline void cnn_axis_finish(struct cnn_axis *a, bool cuts)
{
    if (a->taps == 0 || a->count == 0)
        return;
    a->begin = cnn_axis_outputs(a, 0).begin;
    a->end = cnn_axis_outputs(a, a->taps - 1).end;
    a->end = a->end > a->begin ? a->end : a->begin;
    a->three = a->taps == 3 && a->dilation == 1 && a->stride <= 2 ? a->stride : 0;
    if (!cuts || a->three == 0 || a->end - a->begin < CNN_PIXELS)
        return;
    a->cut_first = a->begin > 0 && cnn_axis_taps(a, a->begin - 1).begin == 1;
    a->cut_last = a->end < a->count && cnn_axis_taps(a, a->end).end == 2;
    a->begin -= a->cut_first;
    a->end += a->cut_last;
}

/* The filters in whole vectors that each have a channel of their own. */
static inline size_t cnn_whole_filters(size_t filters, size_t multiplier)
{
    return multiplier == 1 ? filters / VLEN * VLEN : 0;
}

/* The pixel that an output reads at a tap; it may lie outside. */
static inline ptrdiff_t cnn_axis_pixel(const struct cnn_axis *a, size_t output, size_t tap)
{
    return (ptrdiff_t)(output * a->stride + tap * a->dilation) - a->pad;
}

/* Up to VLEN filters from `filter` on: filter f reads channel f / multiplier. */
struct cnn_filters {
    size_t filter, used;
    size_t channel, channels; /* that they read */
    vint lane;                /* of these, the one that each filter reads */
};

static inline struct cnn_filters cnn_filters_at(size_t filter, size_t filters, size_t multiplier)
{
    struct cnn_filters f = {.filter = filter,
                            .used = cnn_size_min(VLEN, filters - filter),
                            .channel = filter / multiplier};
    size_t first = filter % multiplier;
    f.channels = (first + f.used - 1) / multiplier + 1;
    for (int i = 0; i < VLEN; i++)
        f.lane[i] = i;
    if (multiplier > 1) /* by halves no quotient lies near a whole number */
        f.lane = __builtin_convertvector(
            (__builtin_convertvector(f.lane, vfloat) + ((float)first + 0.5f)) / (float)multiplier,
            vint);
    return f;
}

/* The filters' own numbers, and their own biases. */
CNN_INLINE vfloat cnn_filters_load_own(const struct cnn_filters *f, const cnn_number *p)
{
    return vload_number_lanes(p + f->filter, f->used);
}

CNN_INLINE vfloat cnn_filters_load_bias(const struct cnn_filters *f, const float *p)
{
    return vload_lanes(p + f->filter, f->used);
}

CNN_INLINE void cnn_filters_store(const struct cnn_filters *f, float *p, vfloat v)
{
    if (f->used == VLEN)
        vstore(p + f->filter, v);
    else
        vstore_tail(p + f->filter, f->used, v);
}

/* The numbers that the filters read, of one pixel. */
CNN_INLINE vfloat cnn_filters_load(const struct cnn_filters *f, const cnn_number *pixel)
{
    vfloat v = vload_number_tail(pixel + f->channel, f->channels);
#if defined(__AVX512F__)
    return _mm512_permutexvar_ps((__m512i)f->lane, v);
#elif defined(__AVX2__)
    return _mm256_permutevar8x32_ps(v, (__m256i)f->lane);
#else
    vfloat spread;
    for (int i = 0; i < VLEN; i++)
        spread[i] = v[f->lane[i]];
    return spread;
#endif
}

#endif
