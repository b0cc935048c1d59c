/* Batch normalisation forward, with the pooling that is fused. */
#include "kernels/vector/norm.h"
#include "util/parallel.h"

/* A tile of one row. buffer: for outputs of activations that are called. */
static void forward_tile(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                         struct cnn_norm_tile t, float *buffer)
{
    const struct cnn_activation a = k->b.activation;
    const struct cnn_norm_cut cut = cnn_norm_cut(a);
    const cnn_number *x = k->x + t.at;
    cnn_number *y = k->y + t.at;
    if (cnn_norm_calls(a)) {
        float *floats = cnn_place_numbers(y, buffer);
        CNN_VALUE_NAME(cnn_norm_values)(k, columns, a, t, floats);
        cnn_write_numbers(floats, t.width, y);
        return;
    }
    size_t i = 0, rest = t.width % VLEN;
    for (; i + VLEN <= t.width; i += VLEN)
        vstore_number(y + i,
                      cnn_norm_between(&cut, cnn_norm_value(columns, i, vload_number(x + i))));
    if (rest)
        vstore_number_tail(
            y + i, rest,
            cnn_norm_between(&cut, cnn_norm_value(columns, i, vload_number_tail(x + i, rest))));
}

static void forward_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    struct cnn_norm_strip s = CNN_VALUE_NAME(cnn_norm_strip_at)(k, task);
    struct cnn_norm_columns columns;
    struct cnn_norm_tile t;
    float buffer[CNN_NORM_STRIP];
    CNN_VALUE_NAME(cnn_norm_columns)(k, &s, &columns);
    for (size_t at = s.begin; at < s.end; at += t.rows * k->wide) {
        t = cnn_norm_tile_at(k, &s, at);
        cnn_norm_prefetch(k, t, k->x);
        forward_tile(k, &columns, t, buffer);
    }
}

void CNN_VALUE_NAME(cnn_batch_norm_forward)(const struct cnn_batch_norm *b,
                                            const struct cnn_batch_norm_arrays *arrays)
{
    struct cnn_norm k =
        b->pool ? CNN_VALUE_NAME(cnn_norm_lines)(b, false) : CNN_VALUE_NAME(cnn_norm_rows)(b);
    cnn_norm_take_arrays(&k, arrays);
    cnn_parallel_for(k.chunks * k.strips,
                     b->pool ? CNN_VALUE_NAME(cnn_norm_pool_forward) : forward_strip, &k);
}
