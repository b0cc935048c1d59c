/* The sum of arrays and its gradient, for residual connections: activated on the way, so that every
 * value passes memory once. */
#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/parallel.h"

/* elements that are worked on in a buffer, because outputs may be one of the inputs */
#define RUN ((size_t)512)

struct sum_work {
    size_t count, size;
    struct cnn_activation activation;
    const cnn_number *const *x;
    const cnn_number *y, *dy;
    cnn_number *to, *const *dx;
};

static void sum_run(const struct sum_work *s, size_t begin, size_t size)
{
    float total[RUN], buffer[RUN];
    for (size_t k = 0; k < s->count; k++)
        cnn_prefetch(s->x[k] + begin, size);
    memcpy(total, cnn_read_numbers(s->x[0] + begin, size, buffer), size * sizeof *total);
    for (size_t k = 1; k < s->count; k++) {
        const float *x = cnn_read_numbers(s->x[k] + begin, size, buffer);
        for (size_t i = 0; i < size; i++)
            total[i] += x[i];
    }
    float *to = total;
    if (s->activation.kind != CNN_ACT_NONE) {
        to = cnn_place_numbers(s->to + begin, buffer);
        CNN_ISA_NAME(cnn_activate)(s->activation, size, total, to);
    }
    cnn_write_numbers(to, size, s->to + begin);
}

static void backward_run(const struct sum_work *s, size_t begin, size_t size)
{
    float g[RUN], y[RUN], dy[RUN];
    cnn_prefetch(s->dy + begin, size);
    const float *gradient = cnn_read_numbers(s->dy + begin, size, dy);
    if (s->activation.kind == CNN_ACT_NONE) {
        memcpy(g, gradient, size * sizeof *g); /* dx may be dy */
    } else {
        cnn_prefetch(s->y + begin, size);
        CNN_ISA_NAME(cnn_activate_backward)
        (s->activation, size, NULL, cnn_read_numbers(s->y + begin, size, y), gradient, g);
    }
    for (size_t k = 0; k < s->count; k++)
        if (s->dx[k])
            cnn_write_numbers(g, size, s->dx[k] + begin);
}

static void run_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct sum_work *s = context;
    size_t end = cnn_size_min(s->size, (task + 1) * CNN_BLOCK);
    for (size_t begin = task * CNN_BLOCK; begin < end; begin += RUN)
        (s->dx ? backward_run : sum_run)(s, begin, cnn_size_min(RUN, end - begin));
}

void CNN_VALUE_NAME(cnn_sum)(size_t count, size_t size, const float *const *x,
                             struct cnn_activation activation, float *y)
{
    struct sum_work s = {.count = count,
                         .size = size,
                         .activation = activation,
                         .x = (const cnn_number *const *)x,
                         .to = (cnn_number *)y};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), run_block, &s);
}

void CNN_VALUE_NAME(cnn_sum_backward)(size_t count, size_t size, struct cnn_activation activation,
                                      const float *y, const float *dy, float *const *dx)
{
    struct sum_work s = {.count = count,
                         .size = size,
                         .activation = activation,
                         .y = (const cnn_number *)y,
                         .dy = (const cnn_number *)dy,
                         .dx = (cnn_number *const *)dx};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), run_block, &s);
}
