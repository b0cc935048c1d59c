/* The gradients of batch_norm, in two passes over x and dy: the sums that are dgamma and dbeta,
 * then dx. The formulas are those of ref_norm.c. What the activation does to the gradient is found
 * from x again in both passes, which is cheaper than to store what the first one found, or to read
 * y. */
#include "kernels/vector/norm.h"
#include "util/parallel.h"

#define GROUP ((size_t)64) /* channels whose chunks are combined by one task */

/* The dy of a tile taken back through an activation that the loops do not do themselves; else dy
 * itself. */
static const float *gradient_tile(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                                  struct cnn_norm_tile t, float *gradient)
{
    const float *dy = k->a.dy + t.at;
    if (!cnn_norm_calls(k->b.activation))
        return dy;
    float y[CNN_NORM_STRIP];
    CNN_ISA_NAME(cnn_norm_values)(k, columns, t, y);
    CNN_ISA_NAME(cnn_activate_backward)(k->b.activation, t.width, NULL, y, dy, gradient);
    return gradient;
}

/* Some columns of a tile. */
static inline void sum_lanes(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                             struct cnn_norm_tile t, struct cnn_norm_lanes lanes, const float *dy,
                             struct cnn_norm_partial *sums)
{
    size_t i = lanes.first;
    /* sums of few, then of those: less is rounded away */
    vfloat mean = vload(columns->mean + i), sum = vset(0), products = vset(0);
    bool relu = k->b.activation.kind == CNN_ACT_RELU;
    for (size_t at = i; at < t.rows * k->wide; at += k->wide) {
        vfloat x = vload_lanes(k->a.x + t.at + at, lanes.count), v = cnn_norm_value(columns, i, x);
        vfloat g = cnn_norm_through(relu, v, vload_lanes(dy + at, lanes.count));
        sum += g;
        products += g * (x - mean);
    }
    vstore(sums->sum + i, vload(sums->sum + i) + sum);
    vstore(sums->products + i, vload(sums->products + i) + products);
}

static void sum_tile(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                     struct cnn_norm_tile t, const float *dy, struct cnn_norm_partial *sums)
{
    size_t i = 0;
    for (; i + VLEN <= t.width; i += VLEN)
        sum_lanes(k, columns, t, (struct cnn_norm_lanes){i, VLEN}, dy, sums);
    if (i < t.width)
        sum_lanes(k, columns, t, (struct cnn_norm_lanes){i, t.width - i}, dy, sums);
}

static void sums_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    struct cnn_norm_strip s = CNN_ISA_NAME(cnn_norm_strip_at)(k, task);
    struct cnn_norm_columns columns;
    struct cnn_norm_tile t;
    struct cnn_norm_partial sums = {{0}, {0}};
    float buffer[CNN_NORM_STRIP];
    CNN_ISA_NAME(cnn_norm_columns)(k, &s, &columns);
    for (size_t at = s.begin; at < s.end; at += t.rows * k->wide) {
        t = cnn_norm_tile_at(k, &s, at);
        const float *dy = gradient_tile(k, &columns, t, buffer);
        sum_tile(k, &columns, t, dy, &sums);
    }
    CNN_ISA_NAME(cnn_norm_fold)(&s, sums.sum, k->first + s.sums);
    CNN_ISA_NAME(cnn_norm_fold)(&s, sums.products, k->second + s.sums);
}

static void sums_combine(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    size_t channel = task * GROUP, count = cnn_size_min(GROUP, k->b.channels - channel);
    double sum[GROUP] = {0}, products[GROUP] = {0};
    for (size_t chunk = 0; chunk < k->chunks; chunk++)
        for (size_t i = 0; i < count; i++) {
            sum[i] += (double)k->first[chunk * k->b.channels + channel + i];
            products[i] += (double)k->second[chunk * k->b.channels + channel + i];
        }
    for (size_t i = 0; i < count; i++) {
        k->a.dbeta[channel + i] = (float)sum[i];
        k->a.dgamma[channel + i] =
            (float)(products[i] * (double)CNN_ISA_NAME(cnn_norm_inverse_deviation)(k, channel + i));
    }
}

static void backward_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    struct cnn_norm_strip s = CNN_ISA_NAME(cnn_norm_strip_at)(k, task);
    struct cnn_norm_columns columns;
    struct cnn_norm_tile t;
    float buffer[CNN_NORM_STRIP];
    CNN_ISA_NAME(cnn_norm_gradient_columns)(k, &s, &columns);
    for (size_t at = s.begin; at < s.end; at += k->wide) {
        t = cnn_norm_tile_at(k, &s, at);
        CNN_ISA_NAME(cnn_norm_dx_tile)(k, &columns, t, gradient_tile(k, &columns, t, buffer));
    }
}

void CNN_ISA_NAME(cnn_batch_norm_backward)(const struct cnn_batch_norm *b,
                                           const struct cnn_batch_norm_arrays *arrays)
{
    struct cnn_norm k = b->pool ? CNN_ISA_NAME(cnn_norm_lines)(b) : CNN_ISA_NAME(cnn_norm_sums)(b);
    cnn_norm_place_sums(&k, arrays->scratch);
    k.a = *arrays;
    cnn_parallel_for(k.chunks * k.strips, b->pool ? CNN_ISA_NAME(cnn_norm_pool_sums) : sums_strip,
                     &k);
    cnn_parallel_for(cnn_size_divide_up(b->channels, GROUP), sums_combine, &k);
    if (!arrays->dx)
        return;
    k = b->pool ? CNN_ISA_NAME(cnn_norm_lines)(b) : CNN_ISA_NAME(cnn_norm_rows)(b);
    k.a = *arrays;
    cnn_parallel_for(k.chunks * k.strips,
                     b->pool ? CNN_ISA_NAME(cnn_norm_pool_backward) : backward_strip, &k);
}
