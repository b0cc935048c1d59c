/* The sum of arrays and its gradient, for residual connections: activated on the way, so that every
 * value passes memory once. */
#include <stdint.h>

#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/parallel.h"

/* elements that are worked on in a buffer, because outputs may be one of the inputs */
#define RUN ((size_t)512)

struct sum_work {
    size_t count, size;
    struct cnn_activation activation;
    const float *const *x;
    const float *dy;
    float *y, *const *dx;
};

static void sum_run(const struct sum_work *s, size_t begin, size_t size)
{
    float total[RUN];
    for (size_t k = 0; k < s->count; k++)
        cnn_prefetch(s->x[k] + begin, size);
    memcpy(total, s->x[0] + begin, size * sizeof *total);
    for (size_t k = 1; k < s->count; k++) {
        const float *x = s->x[k] + begin;
        for (size_t i = 0; i < size; i++)
            total[i] += x[i];
    }
    if (s->activation.kind == CNN_ACT_NONE)
        memcpy(s->y + begin, total, size * sizeof *total);
    else
        CNN_ISA_NAME(cnn_activate)(s->activation, size, total, s->y + begin);
}

static void backward_run(const struct sum_work *s, size_t begin, size_t size)
{
    float g[RUN];
    cnn_prefetch(s->dy + begin, size);
    if (s->activation.kind != CNN_ACT_NONE)
        cnn_prefetch(s->y + begin, size);
    if (s->activation.kind == CNN_ACT_NONE)
        memcpy(g, s->dy + begin, size * sizeof *g);
    else
        CNN_ISA_NAME(cnn_activate_backward)
    (s->activation, size, NULL, s->y + begin, s->dy + begin, g);
    for (size_t k = 0; k < s->count; k++)
        if (s->dx[k])
            memcpy(s->dx[k] + begin, g, size * sizeof *g);
}

static void run_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct sum_work *s = context;
    size_t end = cnn_size_min(s->size, (task + 1) * CNN_BLOCK);
    for (size_t begin = task * CNN_BLOCK; begin < end; begin += RUN)
        (s->dx ? backward_run : sum_run)(s, begin, cnn_size_min(RUN, end - begin));
}

void CNN_ISA_NAME(cnn_sum)(size_t count, size_t size, const float *const *x,
                           struct cnn_activation activation, float *y)
{
    struct sum_work s = {.count = count, .size = size, .activation = activation, .x = x, .y = y};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), run_block, &s);
}

void CNN_ISA_NAME(cnn_sum_backward)(size_t count, size_t size, struct cnn_activation activation,
                                    const float *y, const float *dy, float *const *dx)
{
    struct sum_work s = {.count = count,
                         .size = size,
                         .activation = activation,
                         .y = (float *)(uintptr_t)y,
                         .dy = dy,
                         .dx = dx};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), run_block, &s);
}
