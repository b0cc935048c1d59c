/* The gradients of batch_norm, in two passes over x and dy: the sums that are dgamma and dbeta,
 * then dx. The formulas are those of ref_norm.c. What the activation does to the gradient is found
 * from x again in both passes, which is cheaper than to store what the first one found, or to read
 * y; but for a few, see left_gradients. */
#include "kernels/part_sums.h"
#include "kernels/vector/norm.h"
#include "util/parallel.h"

#define GROUP ((size_t)64) /* channels whose chunks are combined by one task */

/* The dy of a tile taken back through an activation that the loops do not do themselves, in the
 * buffer `gradient`; else dy itself. */
static struct cnn_norm_gradients gradient_tile(const struct cnn_norm *k,
                                               const struct cnn_norm_columns *columns,
                                               struct cnn_norm_tile t, float *gradient)
{
    const cnn_number *dy = k->dy + t.at;
    const struct cnn_activation a = k->b.activation, none = {.kind = CNN_ACT_NONE};
    if (!cnn_norm_calls(a))
        return cnn_norm_stored(dy);
    float v[CNN_NORM_STRIP]; /* the activation's input, or its output */
    CNN_VALUE_NAME(cnn_norm_values)(k, columns, cnn_activation_needs_input(a) ? none : a, t, v);
    CNN_ISA_NAME(cnn_activate_backward)
    (a, t.width, v, v, cnn_read_numbers(dy, t.width, gradient), gradient);
    return (struct cnn_norm_gradients){gradient, NULL};
}

/* Some columns of a tile. */
static inline void sum_lanes(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                             struct cnn_norm_tile t, struct cnn_norm_lanes lanes,
                             struct cnn_norm_gradients dy, struct cnn_norm_partial *sums)
{
    size_t i = lanes.first;
    /* sums of few, then of those: less is rounded away */
    vfloat mean = vload(columns->mean + i), sum = vset(0), products = vset(0);
    const struct cnn_norm_cut cut = cnn_norm_cut(k->b.activation);
    for (size_t at = i; at < t.rows * k->wide; at += k->wide) {
        vfloat x = vload_number_lanes(k->x + t.at + at, lanes.count),
               v = cnn_norm_value(columns, i, x);
        vfloat g = cnn_norm_through(&cut, v, cnn_norm_gradient(dy, at, lanes.count));
        sum += g;
        products += g * (x - mean);
    }
    vstore(sums->sum + i, vload(sums->sum + i) + sum);
    vstore(sums->products + i, vload(sums->products + i) + products);
}

static void sum_tile(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                     struct cnn_norm_tile t, struct cnn_norm_gradients dy,
                     struct cnn_norm_partial *sums)
{
    size_t i = 0;
    for (; i + VLEN <= t.width; i += VLEN)
        sum_lanes(k, columns, t, (struct cnn_norm_lanes){i, VLEN}, dy, sums);
    if (i < t.width)
        sum_lanes(k, columns, t, (struct cnn_norm_lanes){i, t.width - i}, dy, sums);
}

/* Whether the first pass leaves the gradients before the activation in dx, for the second: those
 * of activations that backward needs the input of are dear. NULL where not: numbers of two bytes
 * would round them. */
static float *left_gradients(const struct cnn_norm *k)
{
#ifdef CNN_HALVES
    (void)k;
    return NULL;
#else
    return cnn_activation_needs_input(k->b.activation) ? k->dx : NULL;
#endif
}

static void sums_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    struct cnn_norm_strip s = CNN_VALUE_NAME(cnn_norm_strip_at)(k, task);
    struct cnn_norm_columns columns;
    struct cnn_norm_tile t;
    struct cnn_norm_partial sums = {{0}, {0}};
    float buffer[CNN_NORM_STRIP], *left = left_gradients(k);
    CNN_VALUE_NAME(cnn_norm_columns)(k, &s, &columns);
    for (size_t at = s.begin; at < s.end; at += t.rows * k->wide) {
        t = cnn_norm_tile_at(k, &s, at);
        float *gradient = left ? left + t.at : buffer;
        cnn_norm_prefetch(k, t, k->x), cnn_norm_prefetch(k, t, k->dy);
        sum_tile(k, &columns, t, gradient_tile(k, &columns, t, gradient), &sums);
    }
    CNN_VALUE_NAME(cnn_norm_fold)(&s, sums.sum, k->first + s.sums);
    CNN_VALUE_NAME(cnn_norm_fold)(&s, sums.products, k->second + s.sums);
}

/* Task: a group of channels of a part. */
static void sums_combine(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    size_t c = k->b.channels, groups = cnn_size_divide_up(c, GROUP),
           channel = task % groups * GROUP, count = cnn_size_min(GROUP, c - channel),
           part = k->runs.parts.first + task / groups, chunk = cnn_runs_before(&k->runs, part),
           end = cnn_runs_before(&k->runs, part + 1);
    double *sum = k->own + task / groups * 2 * c + channel, *products = sum + c;
    memset(sum, 0, count * sizeof *sum);
    memset(products, 0, count * sizeof *products);
    for (; chunk < end; chunk++)
        for (size_t i = 0; i < count; i++) {
            sum[i] += (double)k->first[chunk * c + channel + i];
            products[i] += (double)k->second[chunk * c + channel + i];
        }
}

/* dgamma and dbeta, from the sums of all parts. */
static void write_sums(const struct cnn_norm *k)
{
    size_t c = k->b.channels;
    const struct cnn_part_sums sums = {.b = &k->b, .own = k->own};
    const double *total = cnn_part_sums_total(&sums);
    for (size_t i = 0; i < c; i++) {
        k->a.dbeta[i] = (float)total[i];
        k->a.dgamma[i] =
            (float)(total[c + i] * (double)CNN_VALUE_NAME(cnn_norm_inverse_deviation)(k, i));
    }
}

static void backward_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    struct cnn_norm_strip s = CNN_VALUE_NAME(cnn_norm_strip_at)(k, task);
    struct cnn_norm_columns columns;
    struct cnn_norm_tile t;
    float buffer[CNN_NORM_STRIP];
    const float *left = left_gradients(k);
    CNN_VALUE_NAME(cnn_norm_gradient_columns)(k, &s, &columns);
    for (size_t at = s.begin; at < s.end; at += k->wide) {
        t = cnn_norm_tile_at(k, &s, at);
        cnn_norm_prefetch(k, t, k->x), cnn_norm_prefetch(k, t, left ? k->dx : k->dy);
        CNN_VALUE_NAME(cnn_norm_dx_tile)
        (k, &columns, t,
         left ? (struct cnn_norm_gradients){left + at, NULL}
              : gradient_tile(k, &columns, t, buffer));
    }
}

void CNN_VALUE_NAME(cnn_batch_norm_backward)(const struct cnn_batch_norm *b,
                                             const struct cnn_batch_norm_arrays *arrays)
{
    struct cnn_norm k =
        b->pool ? CNN_VALUE_NAME(cnn_norm_lines)(b, true) : CNN_VALUE_NAME(cnn_norm_sums)(b);
    size_t parts = k.runs.parts.end - k.runs.parts.first;
    cnn_norm_place_sums(&k, arrays->scratch);
    cnn_norm_take_arrays(&k, arrays);
    cnn_parallel_for(k.chunks * k.strips, b->pool ? CNN_VALUE_NAME(cnn_norm_pool_sums) : sums_strip,
                     &k);
    cnn_parallel_for(parts * cnn_size_divide_up(b->channels, GROUP), sums_combine, &k);
    write_sums(&k);
    if (!arrays->dx)
        return;
    k = b->pool ? CNN_VALUE_NAME(cnn_norm_lines)(b, false) : CNN_VALUE_NAME(cnn_norm_rows)(b);
    cnn_norm_take_arrays(&k, arrays);
    cnn_parallel_for(k.chunks * k.strips,
                     b->pool ? CNN_VALUE_NAME(cnn_norm_pool_backward) : backward_strip, &k);
}
