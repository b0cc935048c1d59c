/* Vectors run along the channels. Four taps of a channel are one element of 32 bits, so that the
 * product of fours that convolutions use sums over taps here (depthwise_int8.h). */
#include "kernels/vector/depthwise_int8.h"

#include "kernels/internal.h"
#include "util/parallel.h"

#define TAPS 64 /* of a kernel, at most */

bool CNN_ISA_NAME(cnn_depthwise_int8_fits)(const struct cnn_conv *c)
{
    return c->groups > 1 && c->groups == c->in_c && c->out_c == c->in_c && c->kernel_h <= TAPS &&
           c->kernel_h * c->kernel_w <= TAPS;
}

static size_t quads_of(const struct cnn_conv *c)
{
    return cnn_size_divide_up(c->kernel_h * c->kernel_w, 4);
}

/* For each vector of channels: what the sums begin with, then the quads of taps. */
size_t CNN_ISA_NAME(cnn_depthwise_int8_packed_floats)(const struct cnn_conv *c)
{
    return cnn_size_divide_up(c->in_c, VLEN) * (quads_of(c) + 1) * VLEN;
}

void CNN_ISA_NAME(cnn_depthwise_int8_pack)(const struct cnn_conv *c,
                                           const struct cnn_integers *integers,
                                           const signed char *codes, float *packed)
{
    const size_t taps = c->kernel_h * c->kernel_w, quads = quads_of(c);
    int *to = (int *)(void *)packed;
    for (size_t j = 0; j < cnn_size_divide_up(c->in_c, VLEN) * VLEN; j++) {
        int *first = to + j / VLEN * (quads + 1) * VLEN + j % VLEN, sum = 0;
        for (size_t q = 0; q < quads; q++) {
            unsigned bits = 0;
            for (size_t i = 0; i < 4 && j < c->in_c && 4 * q + i < taps; i++) {
                const int code = codes[j * taps + 4 * q + i];
                sum += code;
                bits |= ((unsigned)code & 255) << (8 * i);
            }
            first[(q + 1) * VLEN] = (int)bits;
        }
        first[0] = j < c->in_c ? integers->bias[j] - integers->x->zero * sum : 0;
    }
}

struct work {
    const struct cnn_conv *c;
    const struct cnn_conv_int8_forward *pass;
    size_t row, taps, quads; /* row: bytes of a pixel */
    struct vfinish finish;
    unsigned char zeros[4 * VLEN]; /* what padding reads */
};

/* Where the taps of an output read: `moves` says whether they go on from channel to channel, as
 * padding does not. */
struct sources {
    const unsigned char *at[TAPS + 3];
    size_t moves[TAPS + 3];
};

static void find_sources(const struct work *k, const unsigned char *x, size_t oy, size_t ox,
                         struct sources *s)
{
    const struct cnn_conv *c = k->c;
    for (size_t t = 0; t < 4 * k->quads; t++) {
        const ptrdiff_t row = (ptrdiff_t)(oy * c->stride_h + t / c->kernel_w * c->dilation_h) -
                              (ptrdiff_t)c->pad_top,
                        column = (ptrdiff_t)(ox * c->stride_w + t % c->kernel_w * c->dilation_w) -
                                 (ptrdiff_t)c->pad_left;
        size_t iy, ix;
        s->at[t] = k->zeros;
        s->moves[t] = 0;
        if (t < k->taps && cnn_padded_source(row, c->in_h, c->padding_mode, &iy) &&
            cnn_padded_source(column, c->in_w, c->padding_mode, &ix)) {
            s->at[t] = x + (iy * c->in_w + ix) * k->row;
            s->moves[t] = 1;
        }
    }
}

/* The same one pixel further on, where no tap touches the border. */
static bool move_sources(const struct work *k, size_t ox, struct sources *s)
{
    const struct cnn_conv *c = k->c;
    const size_t left = ox * c->stride_w, last = left + (c->kernel_w - 1) * c->dilation_w;
    if (ox == 0 || left < c->pad_left + c->stride_w || last >= c->pad_left + c->in_w)
        return false;
    for (size_t t = 0; t < k->taps; t++)
        s->at[t] += s->moves[t] * c->stride_w * k->row;
    return true;
}

static inline vint sum_at(const struct work *k, const struct sources *s, size_t j, size_t lanes)
{
    const int *w = (const int *)(const void *)k->pass->packed + j * (k->quads + 1);
    vint sum, quad;
    memcpy(&sum, w, sizeof sum);
    for (size_t q = 0; q < k->quads; q++) {
        const unsigned char *const *at = s->at + 4 * q;
        const size_t *moves = s->moves + 4 * q;
        const vint a = vload_bytes(at[0] + moves[0] * j, lanes),
                   b = vload_bytes(at[1] + moves[1] * j, lanes),
                   c = vload_bytes(at[2] + moves[2] * j, lanes),
                   d = vload_bytes(at[3] + moves[3] * j, lanes);
        memcpy(&quad, w + (q + 1) * VLEN, sizeof quad);
        sum = vdot_int8(sum, a | b << 8 | c << 16 | d << 24, quad);
    }
    return sum;
}

/* One pixel of y: the codes of one output, or of the largest of four. */
static void store_pixel(const struct work *k, const struct sources *s, size_t outputs,
                        unsigned char *y)
{
    for (size_t j = 0; j < k->row; j += VLEN) {
        const size_t lanes = cnn_size_min(VLEN, k->row - j);
        const int *multiplier = k->pass->integers->multiplier + j;
        const vint by = (vint)vload_lanes((const float *)(const void *)multiplier,
                                          cnn_size_min(VLEN, k->c->in_c - j));
        vint sum = sum_at(k, s, j, lanes);
        for (size_t i = 1; i < outputs; i++)
            sum = vmax_int(sum, sum_at(k, s + i, j, lanes));
        vrequantize(&k->finish, sum, by, lanes, y + j);
    }
}

/* Task: one row of y. */
static void forward_row(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct work *k = context;
    const struct cnn_conv *c = k->c;
    const struct cnn_pool *pool = k->pass->pool;
    const size_t rows = pool ? pool->out_h : c->out_h, columns = pool ? pool->out_w : c->out_w,
                 step = pool ? 2 : 1, oy = task % rows * step;
    const unsigned char *x = k->pass->x + task / rows * c->in_h * c->in_w * k->row,
                        *table = k->pass->integers->table;
    unsigned char *y = (unsigned char *)k->pass->y + task * columns * k->row;
    struct sources s[4];
    for (size_t ox = 0; ox < columns; ox++) {
        for (size_t i = 0; i < step * step; i++)
            if (pool || !move_sources(k, ox, s))
                find_sources(k, x, oy + i / 2, ox * step + i % 2, s + i);
        store_pixel(k, s, step * step, y + ox * k->row);
    }
    for (size_t i = 0; table && i < columns * k->row; i++)
        y[i] = table[y[i]];
}

void CNN_ISA_NAME(cnn_depthwise_int8_forward)(const struct cnn_conv *c,
                                              const struct cnn_conv_int8_forward *pass)
{
    struct work k = {.c = c,
                     .pass = pass,
                     .row = cnn_code_channels(c->in_c),
                     .taps = c->kernel_h * c->kernel_w,
                     .quads = quads_of(c),
                     .finish = vfinish(pass->integers)};
    memset(k.zeros, pass->integers->x->zero, sizeof k.zeros);
    cnn_parallel_for(pass->n * (pass->pool ? pass->pool->out_h : c->out_h), forward_row, &k);
}
