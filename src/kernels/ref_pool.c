/* Max and average pooling in plain C. */
#include <math.h>
#include <string.h>

#include "kernels/internal.h"
#include "kernels/ref.h"
#include "util/parallel.h"

struct pool_work {
    const struct cnn_pool *p;
    const float *x, *dy;
    const unsigned short *chosen;
    float *y, *dx;
    unsigned short *choice;
};

/* The largest pixel of one channel in a window. The first wins a tie; a NaN wins over all. */
static float window_max(const struct cnn_pool *p, struct cnn_pool_window rows,
                        struct cnn_pool_window columns, const float *x, unsigned short *choice)
{
    float best = -INFINITY;
    size_t at = rows.skipped * p->kernel_w + columns.skipped;
    for (size_t iy = rows.begin; iy < rows.end; iy++)
        for (size_t ix = columns.begin; ix < columns.end; ix++) {
            float value = x[(iy * p->in_w + ix) * p->channels];
            if (value > best || isnan(value)) {
                best = value;
                at = (rows.skipped + iy - rows.begin) * p->kernel_w + columns.skipped + ix -
                     columns.begin;
            }
        }
    if (choice)
        *choice = (unsigned short)at;
    return best;
}

static float window_average(const struct cnn_pool *p, struct cnn_pool_window rows,
                            struct cnn_pool_window columns, const float *x)
{
    double sum = 0;
    for (size_t iy = rows.begin; iy < rows.end; iy++)
        for (size_t ix = columns.begin; ix < columns.end; ix++)
            sum += (double)x[(iy * p->in_w + ix) * p->channels];
    return (float)sum * cnn_window_scale(p, rows, columns);
}

/* Task: one row of one output image. */
static void forward_row(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct pool_work *k = context;
    const struct cnn_pool *p = k->p;
    const float *x = k->x + task / p->out_h * p->in_h * p->in_w * p->channels;
    struct cnn_pool_window rows = cnn_window_rows(p, task % p->out_h);
    for (size_t ox = 0; ox < p->out_w; ox++) {
        struct cnn_pool_window columns = cnn_window_columns(p, ox);
        for (size_t ch = 0; ch < p->channels; ch++) {
            size_t out = (task * p->out_w + ox) * p->channels + ch;
            if (p->average)
                k->y[out] = window_average(p, rows, columns, x + ch);
            else
                k->y[out] =
                    window_max(p, rows, columns, x + ch, k->choice ? k->choice + out : NULL);
        }
    }
}

void cnn_pool_forward_ref(const struct cnn_pool *p, size_t n, const float *x, float *y,
                          unsigned short *choice)
{
    struct pool_work k = {.p = p, .x = x, .y = y, .choice = choice};
    cnn_parallel_for(n * p->out_h, forward_row, &k);
}

/* Gives the gradient of one output element back to its window: all to the maximum, or equal
 * parts. */
static void backward_element(const struct pool_work *k, struct cnn_pool_window rows,
                             struct cnn_pool_window columns, size_t out, float *dx)
{
    const struct cnn_pool *p = k->p;
    float scale = cnn_window_scale(p, rows, columns);
    for (size_t iy = rows.begin; iy < rows.end; iy++)
        for (size_t ix = columns.begin; ix < columns.end; ix++) {
            size_t position = (rows.skipped + iy - rows.begin) * p->kernel_w + columns.skipped +
                              ix - columns.begin;
            if (p->average)
                dx[(iy * p->in_w + ix) * p->channels] += k->dy[out] * scale;
            else if (k->chosen[out] == position)
                dx[(iy * p->in_w + ix) * p->channels] += k->dy[out];
        }
}

/* Task: one image. */
static void backward_image(void *context, size_t image, size_t thread)
{
    (void)thread;
    const struct pool_work *k = context;
    const struct cnn_pool *p = k->p;
    size_t image_size = p->in_h * p->in_w * p->channels;
    float *dx = k->dx + image * image_size;
    memset(dx, 0, image_size * sizeof *dx);
    for (size_t oy = 0; oy < p->out_h; oy++)
        for (size_t ox = 0; ox < p->out_w; ox++)
            for (size_t ch = 0; ch < p->channels; ch++)
                backward_element(k, cnn_window_rows(p, oy), cnn_window_columns(p, ox),
                                 ((image * p->out_h + oy) * p->out_w + ox) * p->channels + ch,
                                 dx + ch);
}

void cnn_pool_backward_ref(const struct cnn_pool *p, size_t n, const float *dy,
                           const unsigned short *choice, float *dx)
{
    struct pool_work k = {.p = p, .dy = dy, .chosen = choice, .dx = dx};
    cnn_parallel_for(n, backward_image, &k);
}
