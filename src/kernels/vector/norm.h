/* What the passes of batch_norm share: how rows are cut into tasks, and what is known of each
 * column. */
#ifndef CNN_KERNELS_VECTOR_NORM_H
#define CNN_KERNELS_VECTOR_NORM_H

#include "kernels/runs.h"
#include "kernels/vector/ops.h"

#define CNN_NORM_STRIP ((size_t)1024) /* columns of a strip, at most */
/* floats between such rows of a struct: not a power of two, or they meet in one set of the cache */
#define CNN_NORM_ROW (CNN_NORM_STRIP + 48)

/* Where there are few channels, several rows are treated as one wide row of whole vectors; what is
 * known per channel is repeated along it. A chunk is a run of wide rows, the last one perhaps
 * short; with pooling, a run of output lines. In passes that add up, it is of one part. A task does
 * one strip of columns of one chunk. */
struct cnn_norm {
    struct cnn_batch_norm b;
    size_t wide, together; /* wide rows that a tile has */
    struct cnn_runs runs;  /* of rows, or output lines */
    size_t chunks, strips;
    struct cnn_batch_norm_arrays a;
    const cnn_number *x, *dy; /* those of a, as they are stored */
    cnn_number *y, *dx;
    float *first, *second; /* two sums for each chunk and channel */
    double *own;           /* two for each part and channel */
};

/* The cut without pooling, for passes that add up and for those that write; and with b->pool, for
 * the one and the other. */
struct cnn_norm CNN_VALUE_NAME(cnn_norm_sums)(const struct cnn_batch_norm *b);
struct cnn_norm CNN_VALUE_NAME(cnn_norm_rows)(const struct cnn_batch_norm *b);
struct cnn_norm CNN_VALUE_NAME(cnn_norm_lines)(const struct cnn_batch_norm *b, bool sums);

static inline void cnn_norm_take_arrays(struct cnn_norm *k, const struct cnn_batch_norm_arrays *a)
{
    k->a = *a;
    k->x = (const cnn_number *)a->x;
    k->dy = (const cnn_number *)a->dy;
    k->y = (cnn_number *)a->y;
    k->dx = (cnn_number *)a->dx;
}

static inline void cnn_norm_place_sums(struct cnn_norm *k, float *scratch)
{
    k->first = scratch;
    k->second = scratch + k->chunks * k->b.channels;
    k->own = (double *)(scratch + 2 * k->chunks * k->b.channels);
}

/* Wide row i of the strip is elements begin + i * wide ... up to width of them, not beyond end.
 * With pooling: lines begin to end. */
struct cnn_norm_strip {
    size_t begin, end, width;
    size_t channel, channels; /* that the strip has: the first, and how many */
    size_t sums;              /* where the chunk's sums begin */
};

struct cnn_norm_strip CNN_VALUE_NAME(cnn_norm_strip_at)(const struct cnn_norm *k, size_t task);

/* Some wide rows of a strip that are worked on together, vector by vector of columns: sums are
 * loaded and stored once for all. Passes that write go by single rows, as memory takes one stream
 * best. */
struct cnn_norm_tile {
    size_t at, rows, width;
};

/* Some columns of a tile or a strip that make a vector, or the rest of one: from `first` on. */
struct cnn_norm_lanes {
    size_t first, count;
};

static inline struct cnn_norm_tile cnn_norm_tile_at(const struct cnn_norm *k,
                                                    const struct cnn_norm_strip *s, size_t at)
{
    size_t width = cnn_size_min(s->width, s->end - at), whole = (s->end - at - width) / k->wide + 1;
    return (struct cnn_norm_tile){at, cnn_size_min(k->together, whole), width};
}

/* Prefetches as many numbers of an array as tile t of it has. */
static inline void cnn_norm_prefetch(const struct cnn_norm *k, struct cnn_norm_tile t,
                                     const cnn_number *array)
{
    cnn_prefetch(array + t.at, (t.rows - 1) * k->wide + t.width);
}

/* v = x * scale + shift; dx = scale * (g - offset - (x - mean) * slope), with g the gradient at v.
 * Lanes beyond the strip's width are 0. */
struct cnn_norm_columns {
    _Alignas(64) float scale[CNN_NORM_ROW], shift[CNN_NORM_ROW], mean[CNN_NORM_ROW],
        offset[CNN_NORM_ROW], slope[CNN_NORM_ROW];
};

/* Fills in scale, shift and mean. */
void CNN_VALUE_NAME(cnn_norm_columns)(const struct cnn_norm *k, const struct cnn_norm_strip *s,
                                      struct cnn_norm_columns *columns);

/* And offset and slope, from dgamma and dbeta. */
void CNN_VALUE_NAME(cnn_norm_gradient_columns)(const struct cnn_norm *k,
                                               const struct cnn_norm_strip *s,
                                               struct cnn_norm_columns *columns);

/* Adds the elements of each channel along the strip's row. */
void CNN_VALUE_NAME(cnn_norm_fold)(const struct cnn_norm_strip *s, const float *row, float *sums);

/* y = a(v) for a tile of one row, as floats. */
void CNN_VALUE_NAME(cnn_norm_values)(const struct cnn_norm *k,
                                     const struct cnn_norm_columns *columns,
                                     struct cnn_activation a, struct cnn_norm_tile t, float *y);

/* Sums of g and of g * (x - mean). */
struct cnn_norm_partial {
    _Alignas(64) float sum[CNN_NORM_ROW], products[CNN_NORM_ROW];
};

/* Gradients of a tile, still to be taken back through a cut, but through no other activation: as
 * floats; where that is NULL, as they are stored. */
struct cnn_norm_gradients {
    const float *floats;
    const cnn_number *numbers;
};

/* What is stored as floats takes one way for both: a choice in the loops would be seen. */
static inline struct cnn_norm_gradients cnn_norm_stored(const cnn_number *dy)
{
#ifdef CNN_HALVES
    return (struct cnn_norm_gradients){NULL, dy};
#else
    return (struct cnn_norm_gradients){dy, NULL};
#endif
}

static inline vfloat cnn_norm_gradient(struct cnn_norm_gradients dy, size_t i, size_t lanes)
{
#ifdef CNN_HALVES
    if (!dy.floats)
        return vload_number_lanes(dy.numbers + i, lanes);
#endif
    return vload_lanes(dy.floats + i, lanes);
}

/* Writes dx for a tile of one row. */
void CNN_VALUE_NAME(cnn_norm_dx_tile)(const struct cnn_norm *k,
                                      const struct cnn_norm_columns *columns,
                                      struct cnn_norm_tile t, struct cnn_norm_gradients dy);

/* With pooling; the tasks of the three passes. */
void CNN_VALUE_NAME(cnn_norm_pool_forward)(void *context, size_t task, size_t thread);
void CNN_VALUE_NAME(cnn_norm_pool_sums)(void *context, size_t task, size_t thread);
void CNN_VALUE_NAME(cnn_norm_pool_backward)(void *context, size_t task, size_t thread);

/* In double and rounded once, as PyTorch. */
float CNN_VALUE_NAME(cnn_norm_inverse_deviation)(const struct cnn_norm *k, size_t channel);

/* y = x * scale + shift: one rounding after the product, where (x - mean) * scale + beta has two.
 * What matters is that PyTorch computes it so: a sum that is zero but for rounding then falls on
 * the same side of a cut behind it. Backward computes it again, to the same bits. */
static inline vfloat cnn_norm_value(const struct cnn_norm_columns *columns, size_t i, vfloat x)
{
    return x * vload(columns->scale + i) + vload(columns->shift + i);
}

static inline vfloat cnn_norm_dx(const struct cnn_norm_columns *columns, size_t i, vfloat x,
                                 vfloat g)
{
    return vload(columns->scale + i) * (g - vload(columns->offset + i) -
                                        (x - vload(columns->mean + i)) * vload(columns->slope + i));
}

/* Whether the activation does more than to cut, which the loops do themselves. */
static inline bool cnn_norm_calls(struct cnn_activation a)
{
    return !cnn_activation_cuts(a);
}

/* The cut of an activation: none where it does more, or nothing. */
struct cnn_norm_cut {
    vfloat low, high;
    bool below, above; /* whether there is anything to cut on this side */
};

static inline struct cnn_norm_cut cnn_norm_cut(struct cnn_activation a)
{
    const struct cnn_limits limits = cnn_activation_limits(a);
    return (struct cnn_norm_cut){.low = vset(limits.low),
                                 .high = vset(limits.high),
                                 .below = limits.low > -__builtin_inff(),
                                 .above = limits.high < __builtin_inff()};
}

static inline vfloat cnn_norm_between(const struct cnn_norm_cut *cut, vfloat v)
{
    return vmin(cut->high, vmax(cut->low, v));
}

static inline vfloat cnn_norm_masked(vint mask, vfloat v)
{
    return (vfloat)(mask & (vint)v);
}

/* Takes g back through the cut, whose input is v. */
static inline vfloat cnn_norm_through(const struct cnn_norm_cut *cut, vfloat v, vfloat g)
{
    if (cut->below)
        g = cnn_norm_masked(v > cut->low, g);
    if (cut->above)
        g = cnn_norm_masked(v < cut->high, g);
    return g;
}

#endif
