/* Batch normalisation forward, with the pooling that is fused. */
#include "kernels/vector/norm.h"
#include "util/parallel.h"

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
        float *y = cnn_place_numbers(k->y + at, buffer);
        CNN_VALUE_NAME(cnn_norm_values)(k, &columns, k->b.activation, t, y);
        cnn_write_numbers(y, t.width, k->y + at);
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
