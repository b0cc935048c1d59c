/* Pooling, sums, products and scales of bytes, vectors along the channels. What is left of four
 * channels is computed as they are, so rows are whole fours of bytes. */
#include "kernels/internal.h"
#include "kernels/vector/int8.h"
#include "util/parallel.h"

/* ---- Pooling ---- */

#define RUN ((size_t)256) /* channels whose sums are kept at a time */

struct pool_work {
    const struct cnn_pool *p;
    size_t row; /* bytes of a pixel */
    const unsigned char *x;
    const struct cnn_integers *integers;
    void *y;
};

struct window {
    struct cnn_pool_window rows, columns;
};

/* Plain loops, which compilers make vectors of. */
static void take_max(size_t size, const unsigned char *restrict x, unsigned char *restrict y)
{
    for (size_t i = 0; i < size; i++)
        y[i] = x[i] > y[i] ? x[i] : y[i];
}

static void take_sum(size_t size, const unsigned char *restrict x, int *restrict sums)
{
    for (size_t i = 0; i < size; i++)
        sums[i] += x[i];
}

static void window_max(const struct pool_work *k, const struct window *w, const unsigned char *x,
                       unsigned char *y)
{
    memset(y, 0, k->row);
    for (size_t iy = w->rows.begin; iy < w->rows.end; iy++)
        for (size_t ix = w->columns.begin; ix < w->columns.end; ix++)
            take_max(k->row, x + (iy * k->p->in_w + ix) * k->row, y);
}

static void store_sums(const struct pool_work *k, size_t which, size_t size, int *sums,
                       size_t pixel, size_t first)
{
    const struct cnn_integers *n = k->integers;
    if (n->y.scale > 0) {
        unsigned char *y = (unsigned char *)k->y + pixel * k->row + first;
        const struct vfinish finish = vfinish(n);
        const vint multiplier = (vint){0} + n->multiplier[which];
        for (size_t i = 0; i < size; i += VLEN) {
            vint sum;
            memcpy(&sum, sums + i, sizeof sum);
            vrequantize(&finish, sum, multiplier, cnn_size_min(VLEN, size - i), y + i);
        }
        return;
    }
    float *y = (float *)k->y + pixel * k->p->channels + first;
    for (size_t i = 0; i < cnn_size_min(size, k->p->channels - first); i++)
        y[i] = (float)sums[i] * n->scale[which];
}

static void window_mean(const struct pool_work *k, const struct window *w, const unsigned char *x,
                        size_t pixel)
{
    const size_t divisor = cnn_window_divisor(k->p, w->rows, w->columns),
                 pixels = (w->rows.end - w->rows.begin) * (w->columns.end - w->columns.begin),
                 which = k->integers->count > 1 && divisor > 0 ? divisor - 1 : 0;
    int sums[RUN + VLEN];
    for (size_t first = 0; first < k->row; first += RUN) {
        const size_t size = cnn_size_min(RUN, k->row - first);
        for (size_t i = 0; i < size; i++)
            sums[i] = -(int)pixels * k->integers->x->zero;
        for (size_t iy = w->rows.begin; iy < w->rows.end; iy++)
            for (size_t ix = w->columns.begin; ix < w->columns.end; ix++)
                take_sum(size, x + (iy * k->p->in_w + ix) * k->row + first, sums);
        memset(sums + size, 0, VLEN * sizeof *sums);
        store_sums(k, which, size, sums, pixel, first);
    }
}

/* Task: one row of one output image. */
static void pool_row(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct pool_work *k = context;
    const struct cnn_pool *p = k->p;
    const unsigned char *x = k->x + task / p->out_h * p->in_h * p->in_w * k->row;
    struct window w = {.rows = cnn_window_rows(p, task % p->out_h)};
    for (size_t ox = 0; ox < p->out_w; ox++) {
        const size_t pixel = task * p->out_w + ox;
        w.columns = cnn_window_columns(p, ox);
        if (p->average)
            window_mean(k, &w, x, pixel);
        else
            window_max(k, &w, x, (unsigned char *)k->y + pixel * k->row);
    }
    const struct cnn_integers *n = k->integers;
    const size_t line = p->out_w * k->row;
    if (p->average && n->y.scale > 0)
        CNN_ISA_NAME(cnn_look_up)(n->table, line, (unsigned char *)k->y + task * line);
}

void CNN_ISA_NAME(cnn_pool_bytes)(const struct cnn_pool *p, size_t n, const unsigned char *x,
                                  const struct cnn_integers *integers, void *y)
{
    struct pool_work k = {p, cnn_code_channels(p->channels), x, integers, y};
    cnn_parallel_for(n * p->out_h, pool_row, &k);
}

/* ---- Sums and products ---- */

struct element_work {
    size_t size;
    const unsigned char *const *x;
    const struct cnn_integers *integers;
    unsigned char *y;
};

static void add_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct element_work *k = context;
    const struct cnn_integers *n = k->integers;
    const struct vfinish finish = vfinish(n);
    const size_t begin = task * CNN_BLOCK, end = cnn_size_min(k->size, begin + CNN_BLOCK);
    vint first = {0};
    for (size_t j = 0; j < n->inputs; j++)
        first -= n->x[j].zero * n->multiplier[j];
    size_t i = begin;
    for (; i + 4 * VLEN <= end; i += 4 * VLEN) {
        vint sums[4] = {first, first, first, first};
        for (size_t j = 0; j < n->inputs; j++)
            for (size_t v = 0; v < 4; v++)
                sums[v] += vload_bytes(k->x[j] + i + v * VLEN, VLEN) * n->multiplier[j];
        vround_shift_four(&finish, sums, k->y + i);
    }
    for (; i < end; i += VLEN) {
        const size_t lanes = cnn_size_min(VLEN, end - i);
        vint sum = first;
        for (size_t j = 0; j < n->inputs; j++)
            sum += vload_bytes(k->x[j] + i, lanes) * n->multiplier[j];
        vround_shift(&finish, sum, lanes, k->y + i);
    }
    CNN_ISA_NAME(cnn_look_up)(n->table, end - begin, k->y + begin);
}

void CNN_ISA_NAME(cnn_add_bytes)(size_t size, const unsigned char *const *x,
                                 const struct cnn_integers *integers, unsigned char *y)
{
    struct element_work k = {.size = size, .x = x, .integers = integers, .y = y};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), add_block, &k);
}

struct multiply_work {
    size_t row, pixels, block, blocks; /* bytes of a pixel; pixels of an image, of a task */
    const unsigned char *const *x;
    const struct cnn_integers *integers;
    unsigned char *y;
};

/* What is to be rounded, of VLEN channels of a pixel and their factors. */
CNN_INLINE vint multiplied(const struct cnn_integers *n, const struct vfinish *finish,
                           const unsigned char *a, const unsigned char *b, size_t lanes)
{
    const vint product =
        (vload_bytes(a, lanes) - n->x[0].zero) * (vload_bytes(b, lanes) - n->x[1].zero);
    return vmultiply(finish, product, (vint){0} + n->multiplier[0]);
}

static void multiply_pixel(const struct cnn_integers *n, const struct vfinish *finish, size_t row,
                           const unsigned char *a, const unsigned char *b, unsigned char *y)
{
    size_t c = 0;
    for (; c + 4 * VLEN <= row; c += 4 * VLEN) {
        vint numbers[4];
        for (size_t i = 0; i < 4; i++)
            numbers[i] = multiplied(n, finish, a + c + i * VLEN, b + c + i * VLEN, VLEN);
        vround_shift_four(finish, numbers, y + c);
    }
    for (; c < row; c += VLEN) {
        const size_t lanes = cnn_size_min(VLEN, row - c);
        vround_shift(finish, multiplied(n, finish, a + c, b + c, lanes), lanes, y + c);
    }
}

/* Task: some pixels of an image. */
static void multiply_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct multiply_work *k = context;
    const size_t image = task / k->blocks, first = task % k->blocks * k->block,
                 count = cnn_size_min(k->block, k->pixels - first), row = k->row,
                 begin = (image * k->pixels + first) * row;
    const struct cnn_integers n = *k->integers;
    const struct vfinish finish = vfinish(&n);
    for (size_t at = begin; at < begin + count * row; at += row)
        multiply_pixel(&n, &finish, row, k->x[0] + at, k->x[1] + image * row, k->y + at);
    CNN_ISA_NAME(cnn_look_up)(n.table, count * row, k->y + begin);
}

void CNN_ISA_NAME(cnn_multiply_bytes)(const struct cnn_scale *c, const unsigned char *const *x,
                                      const struct cnn_integers *integers, unsigned char *y)
{
    struct multiply_work k = {.row = cnn_code_channels(c->channels),
                              .pixels = c->pixels,
                              .x = x,
                              .integers = integers,
                              .y = y};
    k.block = cnn_block_rows(k.row);
    k.blocks = cnn_size_divide_up(k.pixels, k.block);
    cnn_parallel_for(c->images * k.blocks, multiply_block, &k);
}

/* ---- Channels times numbers ---- */

struct scale_work {
    struct cnn_rows pixels;
    const unsigned char *x;
    const struct cnn_integers *integers;
    unsigned char *y;
    size_t block; /* pixels of a task */
};

static vint load_wholes(const int32_t *p, size_t lanes)
{
    return (vint)vload_lanes((const float *)(const void *)p, lanes);
}

/* One pixel. Lanes that fill up the last four channels have multipliers of 0. */
static void scale_pixel(const struct scale_work *k, const struct vfinish *finish,
                        const unsigned char *x, unsigned char *y)
{
    const struct cnn_integers *n = k->integers;
    const size_t channels = k->pixels.channels;
    size_t c = 0;
    for (; c + 4 * VLEN <= channels; c += 4 * VLEN) {
        vint sums[4];
        for (size_t i = 0; i < 4; i++) {
            const size_t at = c + i * VLEN;
            sums[i] = load_wholes(n->bias + at, VLEN) +
                      vload_bytes(x + at, VLEN) * load_wholes(n->multiplier + at, VLEN);
        }
        vround_shift_four(finish, sums, y + c);
    }
    for (; c < channels; c += VLEN) {
        const size_t used = cnn_size_min(VLEN, channels - c), lanes = cnn_code_channels(used);
        vround_shift(finish,
                     load_wholes(n->bias + c, used) +
                         vload_bytes(x + c, lanes) * load_wholes(n->multiplier + c, used),
                     lanes, y + c);
    }
}

static void scale_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct scale_work *k = context;
    const size_t row = cnn_code_channels(k->pixels.channels), begin = task * k->block,
                 end = cnn_size_min(k->pixels.count, begin + k->block);
    const struct vfinish finish = vfinish(k->integers);
    for (size_t at = begin * row; at < end * row; at += row)
        scale_pixel(k, &finish, k->x + at, k->y + at);
    CNN_ISA_NAME(cnn_look_up)(k->integers->table, (end - begin) * row, k->y + begin * row);
}

void CNN_ISA_NAME(cnn_scale_bytes)(struct cnn_rows pixels, const unsigned char *x,
                                   const struct cnn_integers *integers, unsigned char *y)
{
    struct scale_work k = {pixels, x, integers, y, cnn_block_rows(pixels.channels)};
    cnn_parallel_for(cnn_size_divide_up(pixels.count, k.block), scale_block, &k);
}
