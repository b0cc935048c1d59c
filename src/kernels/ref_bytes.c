/* Layers on bytes by their formulas (bytes.h). Channels that fill up the last four are computed as
 * the others are, where they can be: nobody reads them. */
#include <string.h>

#include "kernels/internal.h"
#include "kernels/ref.h"
#include "util/parallel.h"

struct pool_work {
    const struct cnn_pool *p;
    size_t row; /* bytes of a pixel */
    const unsigned char *x;
    const struct cnn_integers *integers;
    void *y;
};

static unsigned char window_max(const struct pool_work *k, struct cnn_pool_window rows,
                                struct cnn_pool_window columns, const unsigned char *x)
{
    unsigned char most = 0;
    for (size_t iy = rows.begin; iy < rows.end; iy++)
        for (size_t ix = columns.begin; ix < columns.end; ix++)
            most = x[(iy * k->p->in_w + ix) * k->row] > most ? x[(iy * k->p->in_w + ix) * k->row]
                                                             : most;
    return most;
}

static int32_t window_sum(const struct pool_work *k, struct cnn_pool_window rows,
                          struct cnn_pool_window columns, const unsigned char *x)
{
    int32_t sum = 0;
    for (size_t iy = rows.begin; iy < rows.end; iy++)
        for (size_t ix = columns.begin; ix < columns.end; ix++)
            sum += x[(iy * k->p->in_w + ix) * k->row] - k->integers->x->zero;
    return sum;
}

static void store_average(const struct pool_work *k, struct cnn_pool_window rows,
                          struct cnn_pool_window columns, const unsigned char *x, size_t pixel,
                          size_t channel)
{
    const struct cnn_integers *i = k->integers;
    size_t which = i->count == 1 ? 0 : cnn_window_divisor(k->p, rows, columns);
    int32_t sum = window_sum(k, rows, columns, x + channel);
    which = i->count > 1 && which > 0 ? which - 1 : 0;
    if (i->y.scale > 0)
        ((unsigned char *)k->y)[pixel * k->row + channel] = cnn_requantize(i, sum, which);
    else
        ((float *)k->y)[pixel * k->p->channels + channel] = (float)sum * i->scale[which];
}

/* Task: one row of one output image. */
static void pool_row(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct pool_work *k = context;
    const struct cnn_pool *p = k->p;
    const unsigned char *x = k->x + task / p->out_h * p->in_h * p->in_w * k->row;
    struct cnn_pool_window rows = cnn_window_rows(p, task % p->out_h);
    for (size_t ox = 0; ox < p->out_w; ox++) {
        struct cnn_pool_window columns = cnn_window_columns(p, ox);
        size_t pixel = task * p->out_w + ox;
        for (size_t ch = 0; ch < p->channels; ch++)
            if (p->average)
                store_average(k, rows, columns, x, pixel, ch);
            else
                ((unsigned char *)k->y)[pixel * k->row + ch] = window_max(k, rows, columns, x + ch);
    }
}

void cnn_pool_bytes_ref(const struct cnn_pool *p, size_t n, const unsigned char *x,
                        const struct cnn_integers *integers, void *y)
{
    struct pool_work k = {p, cnn_code_channels(p->channels), x, integers, y};
    cnn_parallel_for(n * p->out_h, pool_row, &k);
}

static bool same_sizes(const struct cnn_pool *p, bool rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct cnn_pool_window a = rows ? cnn_window_rows(p, i) : cnn_window_columns(p, i),
                                     b = rows ? cnn_window_rows(p, 0) : cnn_window_columns(p, 0);
        if (a.end <= a.begin || (p->count_include_pad && a.padded != b.padded) ||
            (!p->count_include_pad && a.end - a.begin != b.end - b.begin))
            return false;
    }
    return true;
}

size_t cnn_pool_divisors(const struct cnn_pool *p, size_t *only)
{
    if (!same_sizes(p, true, p->out_h) || !same_sizes(p, false, p->out_w))
        return p->kernel_h * p->kernel_w;
    *only = cnn_window_divisor(p, cnn_window_rows(p, 0), cnn_window_columns(p, 0));
    return 1;
}

struct element_work {
    size_t size, row, pixels;
    const unsigned char *const *x;
    const struct cnn_integers *integers;
    unsigned char *y;
};

static void add_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct element_work *k = context;
    const struct cnn_integers *n = k->integers;
    for (size_t i = task * CNN_BLOCK; i < cnn_size_min(k->size, (task + 1) * CNN_BLOCK); i++) {
        int32_t sum = 0;
        for (size_t j = 0; j < n->inputs; j++)
            sum += (k->x[j][i] - n->x[j].zero) * n->multiplier[j];
        k->y[i] = cnn_round_shift(n, sum);
    }
}

void cnn_add_bytes_ref(size_t size, const unsigned char *const *x,
                       const struct cnn_integers *integers, unsigned char *y)
{
    struct element_work k = {.size = size, .x = x, .integers = integers, .y = y};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), add_block, &k);
}

/* Task: one pixel. */
static void multiply_pixel(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct element_work *k = context;
    const struct cnn_integers *n = k->integers;
    const unsigned char *a = k->x[0] + task * k->row, *b = k->x[1] + task / k->pixels * k->row;
    for (size_t c = 0; c < k->row; c++)
        k->y[task * k->row + c] =
            cnn_requantize(n, (a[c] - n->x[0].zero) * (b[c] - n->x[1].zero), 0);
}

void cnn_multiply_bytes_ref(const struct cnn_scale *c, const unsigned char *const *x,
                            const struct cnn_integers *integers, unsigned char *y)
{
    struct element_work k = {.row = cnn_code_channels(c->channels),
                             .pixels = c->pixels,
                             .x = x,
                             .integers = integers,
                             .y = y};
    cnn_parallel_for(c->images * c->pixels, multiply_pixel, &k);
}

struct scale_work {
    struct cnn_rows pixels;
    const unsigned char *x;
    const struct cnn_integers *integers;
    unsigned char *y;
};

/* Task: one pixel. What fills up the last four channels stays as it is. */
static void scale_pixel(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct scale_work *k = context;
    const struct cnn_integers *n = k->integers;
    const size_t first = task * cnn_code_channels(k->pixels.channels);
    for (size_t c = 0; c < k->pixels.channels; c++)
        k->y[first + c] = cnn_round_shift(n, n->bias[c] + k->x[first + c] * n->multiplier[c]);
}

void cnn_scale_bytes_ref(struct cnn_rows pixels, const unsigned char *x,
                         const struct cnn_integers *integers, unsigned char *y)
{
    struct scale_work k = {pixels, x, integers, y};
    cnn_parallel_for(pixels.count, scale_pixel, &k);
}
