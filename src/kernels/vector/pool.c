/* Max and average pooling, vectors along the channels. Forward's tasks are runs of output rows.
 * Backward's are runs of output rows, too, where windows do not overlap: each input pixel is
 * written once. Else they are runs of input rows: each collects from the windows that cover it, in
 * a fixed order. */
#include <math.h>

#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/parallel.h"

/* floats of dx, at most, that are added up at a time where windows overlap */
#define STRETCH ((size_t)2048)

struct pool_work {
    const struct cnn_pool *p;
    size_t rows, block; /* rows of all images together, rows of one task */
    const cnn_number *x, *dy;
    const unsigned short *chosen;
    cnn_number *y, *dx;
    unsigned short *choice;
};

typedef unsigned short vshort __attribute__((vector_size(VLEN * sizeof(unsigned short))));

static inline void store_choice(unsigned short *choice, size_t lanes, vint at)
{
    vshort v = __builtin_convertvector(at, vshort);
    if (lanes == VLEN) {
        memcpy(choice, &v, sizeof v);
        return;
    }
#if defined(__AVX512BW__)
    _mm256_mask_storeu_epi16(choice, (__mmask16)((1u << lanes) - 1), (__m256i)v);
#else
    for (size_t i = 0; i < lanes; i++)
        choice[i] = v[i];
#endif
}

static inline vint load_choice(const unsigned short *choice, size_t lanes)
{
    vshort v = {0};
    if (lanes == VLEN)
        memcpy(&v, choice, sizeof v);
    else
#if defined(__AVX512BW__)
        v = (vshort)_mm256_maskz_loadu_epi16((__mmask16)((1u << lanes) - 1), choice);
#else
        for (size_t i = 0; i < lanes; i++)
            v[i] = choice[i];
#endif
    return __builtin_convertvector(v, vint);
}

/* Where v beats the best so far, takes it and its position. The first maximum is kept, a NaN beats
 * all. */
CNN_INLINE void take_larger(vfloat v, int position, vfloat *best, vint *at)
{
/* written out: gcc would make vectors of the masks, and masks of these again */
#if defined(__AVX512F__)
    __mmask16 keep =
        _mm512_mask_cmp_ps_mask(_mm512_cmp_ps_mask(v, *best, _CMP_NGT_UQ), v, v, _CMP_ORD_Q);
    *best = _mm512_mask_mov_ps(v, keep, *best);
    *at = (vint)_mm512_mask_mov_epi32(_mm512_set1_epi32(position), keep, (__m512i)*at);
#else
    vint better = (v > *best) | (v != v);
    *best = vselect(better, v, *best);
    *at = (better & position) | (~better & *at);
#endif
}

/* The pixels that a window covers: their rows and columns. */
struct window {
    struct cnn_pool_window rows, columns;
};

/* The same as numbers: height x width pixels, the first one's position in the window. */
struct inside {
    size_t height, width;
    int position;
};

static inline struct inside inside_of(const struct cnn_pool *p, const struct window *w)
{
    return (struct inside){w->rows.end - w->rows.begin, w->columns.end - w->columns.begin,
                           (int)(w->rows.skipped * p->kernel_w + w->columns.skipped)};
}

/* The floats from an image to the first pixel that a window covers. */
static inline size_t first_pixel(const struct cnn_pool *p, const struct window *w)
{
    return (w->rows.begin * p->in_w + w->columns.begin) * p->channels;
}

/* lanes channels of the pixels of a window, from x on. */
CNN_INLINE void pixels_max(const struct cnn_pool *p, struct inside w, const cnn_number *x,
                           size_t lanes, cnn_number *y, unsigned short *choice)
{
    vfloat best = w.height * w.width > 0 ? vload_number_lanes(x, lanes) : vset(-INFINITY);
    vint at = (vint){0} + w.position;
    for (size_t i = 0; i < w.height; i++)
#pragma GCC unroll 3
        for (size_t j = i == 0; j < w.width; j++)
            take_larger(vload_number_lanes(x + (i * p->in_w + j) * p->channels, lanes),
                        w.position + (int)(i * p->kernel_w + j), &best, &at);
    vstore_number_lanes(y, lanes, best);
    if (choice)
        store_choice(choice, lanes, at);
}

/* lanes channels of one window; x: the image, from the first of these channels on. The usual
 * windows have their own copy of the loops. */
CNN_INLINE void window_max(const struct cnn_pool *p, const struct window *window,
                           const cnn_number *x, size_t lanes, cnn_number *y, unsigned short *choice)
{
    struct inside w = inside_of(p, window);
    x += first_pixel(p, window);
    if (w.height == 2 && w.width == 2)
        pixels_max(p, (struct inside){2, 2, w.position}, x, lanes, y, choice);
    else if (w.height == 3 && w.width == 3)
        pixels_max(p, (struct inside){3, 3, w.position}, x, lanes, y, choice);
    else
        pixels_max(p, w, x, lanes, y, choice);
}

/* Summed row by row, so that a global pool over a large image does not lose digits. */
static inline void window_average(const struct cnn_pool *p, const struct window *w,
                                  const cnn_number *x, size_t lanes, cnn_number *y)
{
    vfloat sum = {0};
    for (size_t iy = w->rows.begin; iy < w->rows.end; iy++) {
        vfloat row = {0};
        for (size_t ix = w->columns.begin; ix < w->columns.end; ix++)
            row += vload_number_lanes(x + (iy * p->in_w + ix) * p->channels, lanes);
        sum += row;
    }
    vstore_number_lanes(y, lanes, sum * cnn_window_scale(p, w->rows, w->columns));
}

CNN_INLINE void forward_lanes(const struct pool_work *k, const struct cnn_pool *p,
                              const struct window *w, const cnn_number *x, size_t out, size_t lanes)
{
    if (p->average)
        window_average(p, w, x, lanes, k->y + out);
    else
        window_max(p, w, x, lanes, k->y + out, k->choice ? k->choice + out : NULL);
}

static void forward_rows(void *context, size_t task, size_t thread)
{
    (void)thread;
    /* copies, which no store can change: they stay in registers */
    const struct pool_work work = *(const struct pool_work *)context, *k = &work;
    const struct cnn_pool pool = *k->p, *p = &pool;
    size_t full = p->channels / VLEN * VLEN;
    for (size_t row = task * k->block; row < cnn_size_min(k->rows, (task + 1) * k->block); row++) {
        const cnn_number *x = k->x + row / p->out_h * p->in_h * p->in_w * p->channels;
        struct window w = {.rows = cnn_window_rows(p, row % p->out_h)};
        for (size_t ox = 0; ox < p->out_w; ox++) {
            w.columns = cnn_window_columns(p, ox);
            size_t out = (row * p->out_w + ox) * p->channels;
            for (size_t ch = 0; ch < full; ch += VLEN)
                forward_lanes(k, p, &w, x + ch, out + ch, VLEN);
            if (full < p->channels)
                forward_lanes(k, p, &w, x + full, out + full, p->channels - full);
        }
    }
}

void CNN_VALUE_NAME(cnn_pool_forward)(const struct cnn_pool *p, size_t n, const float *x, float *y,
                                      unsigned short *choice)
{
    struct pool_work k = {.p = p,
                          .rows = n * p->out_h,
                          .x = (const cnn_number *)x,
                          .y = (cnn_number *)y,
                          .choice = choice};
    k.block = cnn_block_rows(p->in_w * p->channels * cnn_size_min(p->stride_h, p->in_h));
    cnn_parallel_for(cnn_size_divide_up(k.rows, k.block), forward_rows, &k);
}

/* Adds to input pixel dx its part of the gradient of an output pixel: an equal part, or all where
 * it was chosen. Plain loops, which the compiler turns into vectors: with few channels that is
 * faster than tails by mask. */
static inline void collect_average(size_t channels, const cnn_number *restrict dy, float scale,
                                   float *restrict dx)
{
    for (size_t ch = 0; ch < channels; ch++)
        dx[ch] += cnn_number_float(dy[ch]) * scale;
}

static inline void collect_max(size_t channels, const cnn_number *restrict dy,
                               const unsigned short *restrict choice, unsigned short position,
                               float *restrict dx)
{
    for (size_t ch = 0; ch < channels; ch++)
        dx[ch] += choice[ch] == position ? cnn_number_float(dy[ch]) : 0.0f;
}

/* A run of pixels of one row of dx, or some channels of a single one. */
struct stretch {
    size_t begin, end; /* pixels */
    size_t channel, channels;
};

/* The pixels of a stretch that a window's columns cover. */
static inline struct cnn_pool_window covered(struct cnn_pool_window columns,
                                             const struct stretch *s)
{
    if (columns.begin < s->begin) {
        columns.skipped += s->begin - columns.begin;
        columns.begin = s->begin;
    }
    columns.end = cnn_size_min(columns.end, s->end);
    return columns;
}

/* The first window, of those that lie `stride` apart, that reaches to this pixel, or beyond it. */
static inline size_t first_window(size_t pixel, size_t pad, size_t kernel, size_t stride)
{
    const size_t padded = pixel + pad;
    return padded < kernel ? 0 : (padded - kernel) / stride + 1;
}

/* The part of a stretch of dx's row iy that comes from row `out_row` of all outputs; window rows:
 * that output row's. */
static void collect_row(const struct pool_work *k, size_t iy, size_t out_row,
                        struct cnn_pool_window rows, const struct stretch *s, float *dx)
{
    const struct cnn_pool *p = k->p;
    size_t ky = rows.skipped + iy - rows.begin;
    size_t ox = first_window(s->begin, p->pad_left, p->kernel_w, p->stride_w);
    for (; ox < p->out_w && ox * p->stride_w < s->end + p->pad_left; ox++) {
        const struct cnn_pool_window whole = cnn_window_columns(p, ox), columns = covered(whole, s);
        size_t out = (out_row * p->out_w + ox) * p->channels + s->channel,
               position = ky * p->kernel_w + columns.skipped;
        float scale = p->average ? cnn_window_scale(p, rows, whole) : 0.0f,
              *to = dx + (columns.begin - s->begin) * s->channels;
        for (size_t ix = columns.begin; ix < columns.end; ix++, position++, to += s->channels) {
            if (p->average)
                collect_average(s->channels, k->dy + out, scale, to);
            else
                collect_max(s->channels, k->dy + out, k->chosen + out, (unsigned short)position,
                            to);
        }
    }
}

/* A stretch of row `row` of all images. */
static void backward_stretch(const struct pool_work *k, size_t row, const struct stretch *s)
{
    const struct cnn_pool *p = k->p;
    float buffer[STRETCH];
    size_t size = (s->end - s->begin) * s->channels, image = row / p->in_h, iy = row % p->in_h,
           oy = first_window(iy, p->pad_top, p->kernel_h, p->stride_h);
    cnn_number *to = k->dx + (row * p->in_w + s->begin) * p->channels + s->channel;
    float *dx = cnn_place_numbers(to, buffer);
    memset(dx, 0, size * sizeof *dx);
    for (; oy < p->out_h && oy * p->stride_h <= iy + p->pad_top; oy++)
        collect_row(k, iy, image * p->out_h + oy, cnn_window_rows(p, oy), s, dx);
    cnn_write_numbers(dx, size, to);
}

static void backward_rows(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct pool_work *k = context;
    const size_t channels = cnn_size_min(k->p->channels, STRETCH), pixels = STRETCH / channels;
    for (size_t row = task * k->block; row < cnn_size_min(k->rows, (task + 1) * k->block); row++)
        for (size_t ix = 0; ix < k->p->in_w; ix += pixels)
            for (size_t ch = 0; ch < k->p->channels; ch += channels) {
                const struct stretch s = {ix, cnn_size_min(k->p->in_w, ix + pixels), ch,
                                          cnn_size_min(channels, k->p->channels - ch)};
                backward_stretch(k, row, &s);
            }
}

/* The gradient of lanes channels of the pixels of a window, from dx on. */
CNN_INLINE void scatter_pixels(const struct cnn_pool *p, struct inside w, vfloat dy, vint chosen,
                               size_t lanes, cnn_number *dx)
{
    for (size_t i = 0; i < w.height; i++)
        for (size_t j = 0; j < w.width; j++) {
            vfloat part = p->average ? dy
                                     : vselect(chosen == w.position + (int)(i * p->kernel_w + j),
                                               dy, (vfloat){0});
            vstore_number_lanes(dx + (i * p->in_w + j) * p->channels, lanes, part);
        }
}

/* Writes the gradient of every input pixel of one window. dx: the image, from the first of these
 * channels on. */
CNN_INLINE void scatter_window(const struct pool_work *k, const struct cnn_pool *p,
                               const struct window *window, size_t out, size_t lanes,
                               cnn_number *dx)
{
    struct inside w = inside_of(p, window);
    vfloat dy = vload_number_lanes(k->dy + out, lanes);
    vint chosen = {0};
    if (p->average)
        dy *= cnn_window_scale(p, window->rows, window->columns);
    else
        chosen = load_choice(k->chosen + out, lanes);
    dx += first_pixel(p, window);
    if (w.height == 2 && w.width == 2)
        scatter_pixels(p, (struct inside){2, 2, w.position}, dy, chosen, lanes, dx);
    else
        scatter_pixels(p, w, dy, chosen, lanes, dx);
}

/* The input rows from output row oy's window on to the next one's. */
static size_t owned_row(const struct cnn_pool *p, size_t oy)
{
    size_t start = oy * p->stride_h;
    return oy == 0              ? 0
           : oy == p->out_h     ? p->in_h
           : start < p->pad_top ? 0
                                : cnn_size_min(start - p->pad_top, p->in_h);
}

static void backward_apart(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct pool_work work = *(const struct pool_work *)context, *k = &work;
    const struct cnn_pool pool = *k->p, *p = &pool;
    size_t row_size = p->in_w * p->channels, full = p->channels / VLEN * VLEN;
    bool tiled = p->in_h == p->out_h * p->kernel_h && p->in_w == p->out_w * p->kernel_w &&
                 p->pad_top == 0 && p->pad_left == 0;
    for (size_t row = task * k->block; row < cnn_size_min(k->rows, (task + 1) * k->block); row++) {
        size_t oy = row % p->out_h, begin = owned_row(p, oy), end = owned_row(p, oy + 1);
        cnn_number *dx = k->dx + row / p->out_h * p->in_h * row_size;
        struct window w = {.rows = cnn_window_rows(p, oy)};
        if (!tiled)
            memset(dx + begin * row_size, 0, (end - begin) * row_size * sizeof *dx);
        for (size_t ox = 0; ox < p->out_w; ox++) {
            w.columns = cnn_window_columns(p, ox);
            size_t out = (row * p->out_w + ox) * p->channels;
            for (size_t ch = 0; ch < full; ch += VLEN)
                scatter_window(k, p, &w, out + ch, VLEN, dx + ch);
            if (full < p->channels)
                scatter_window(k, p, &w, out + full, p->channels - full, dx + full);
        }
    }
}

void CNN_VALUE_NAME(cnn_pool_backward)(const struct cnn_pool *p, size_t n, const float *dy,
                                       const unsigned short *choice, float *dx)
{
    struct pool_work k = {
        .p = p, .dy = (const cnn_number *)dy, .chosen = choice, .dx = (cnn_number *)dx};
    bool apart = p->stride_h >= p->kernel_h && p->stride_w >= p->kernel_w;
    k.rows = n * (apart ? p->out_h : p->in_h);
    k.block =
        cnn_block_rows(p->in_w * p->channels * (apart ? cnn_size_min(p->stride_h, p->in_h) : 1));
    cnn_parallel_for(cnn_size_divide_up(k.rows, k.block), apart ? backward_apart : backward_rows,
                     &k);
}
