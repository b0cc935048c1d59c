/* The gradient of the weights by the same transforms (winograd.h): dw = G' [sum over tiles of (B' x B) (A dy A')] G. Each of the 36 points is a GEMM whose
 * rows are channels of x, whose columns are channels of dy and whose k runs over tiles. The tiles are cut into chunks, fixed by shapes, each with sums
 * of its own, which are added in order before the transform back. */
#include "kernels/vector/winograd.h"

#include <string.h>

#include "kernels/vector/windows.h"
#include "kernels/vector/winograd_tile.h"
#include "util/parallel.h"

#define BLOCK_FLOATS  ((size_t)220 << 10)
#define BLOCK_TILES   ((size_t)24)
#define PART_CHANNELS ((size_t)128) /* of x and of dy that one task works on: its sums stay in the cache */
#define CHUNKS        ((size_t)8)
#define CHUNK_TILES   ((size_t)128)     /* at least: far more products per sum than adding the chunks up costs */
#define SUMS_MAX      ((size_t)1 << 22) /* floats of all chunks' sums */

struct weights_gradient {
    struct cnn_tiles in, out; /* over x and over dy */
    const float *x, *dy, *zeros;
    float *dw, *db, *sums, *bias_sums, *scratch;
    size_t in_parts, out_parts, chunks, block;
    size_t in_slot, out_slot, chunk_sums, zero_floats, bias_floats, thread_floats;
};

static size_t round_up(size_t value, size_t step)
{
    return cnn_size_divide_up(value, step) * step;
}

static struct weights_gradient plan(const struct cnn_conv *c, size_t n)
{
    size_t rows = cnn_size_divide_up(c->out_h, 4), columns = cnn_size_divide_up(c->out_w, 4);
    struct weights_gradient k = {
        .in = {n, c->in_h, c->in_w, c->in_c, (ptrdiff_t)c->pad_top, (ptrdiff_t)c->pad_left, rows, columns},
        .out = {n, c->out_h, c->out_w, c->out_c, 0, 0, rows, columns},
        .in_parts = cnn_size_divide_up(c->in_c, PART_CHANNELS),
        .out_parts = cnn_size_divide_up(c->out_c, PART_CHANNELS),
    };
    size_t tiles = cnn_tiles_count(&k.in), in_c = cnn_size_min(c->in_c, PART_CHANNELS), out_c = cnn_size_min(c->out_c, PART_CHANNELS);
    size_t fitting = BLOCK_FLOATS / (CNN_POINTS * (in_c + out_c)) / 8 * 8;
    k.block = cnn_size_min(fitting < 8 ? 8 : fitting, BLOCK_TILES);
    k.chunk_sums = cnn_size_times(CNN_POINTS, cnn_size_times(c->in_c, c->out_c));
    k.chunks = cnn_size_min(cnn_size_min(CHUNKS, SUMS_MAX / k.chunk_sums), tiles / CHUNK_TILES);
    k.chunks = k.chunks > 0 ? k.chunks : 1;
    k.in_slot = k.block * in_c + 16;
    k.out_slot = k.block * out_c + 16;
    k.zero_floats = round_up(c->in_c > c->out_c ? c->in_c : c->out_c, 16);
    k.bias_floats = round_up(c->out_c, 16);
    k.thread_floats = CNN_POINTS * (k.in_slot + k.out_slot);
    return k;
}

struct part {
    size_t chunk, in, in_count, out, out_count; /* channels of x and of dy */
    float *v, *d;                               /* transformed tiles */
};

/* One array after the other: the 36 places that a transform writes to are pages of their own, and few pages are at hand at a time. */
static void transform_tiles(const struct weights_gradient *k, const struct part *p, size_t first, size_t tiles)
{
    const float *points[CNN_POINTS];
    float *bias = k->bias_sums + p->chunk * k->bias_floats;
    for (size_t t = 0; t < tiles; t++) {
        cnn_tile_point(&k->in, first + t, 6, k->x, k->zeros, points);
        for (size_t c = 0; c < p->in_count; c += VLEN)
            cnn_input_transform(points, p->in + c, p->v + t * p->in_count + c, k->in_slot);
    }
    for (size_t t = 0; t < tiles; t++) {
        cnn_tile_point(&k->out, first + t, 4, k->dy, k->zeros, points);
        for (size_t c = 0; c < p->out_count; c += VLEN) {
            cnn_gradient_transform(points, p->out + c, p->d + t * p->out_count + c, k->out_slot);
            if (!k->db || p->in > 0)
                continue;
            vfloat sum = vload(bias + p->out + c);
            for (size_t i = 0; i < 16; i++)
                sum += vload(points[i] + p->out + c);
            vstore(bias + p->out + c, sum);
        }
    }
}

static void multiply_tiles(const struct weights_gradient *k, const struct part *p, size_t tiles, bool accumulate)
{
    size_t in_c = k->in.channels, out_c = k->out.channels;
    for (size_t point = 0; point < CNN_POINTS; point++) {
        struct cnn_gemm g = {.a = p->v + point * k->in_slot,
                             .rows = {{p->in_count, 1, 1}, {1, 0, 0}},
                             .depth = {{tiles, 1, 1}, {(ptrdiff_t)p->in_count, 0, 0}},
                             .b_step = p->out_count,
                             .c_stride = {(ptrdiff_t)out_c, 0, 0},
                             .accumulate = accumulate};
        float *sums = k->sums + p->chunk * k->chunk_sums + (point * in_c + p->in) * out_c + p->out;
        for (size_t column = 0; column < p->out_count; column += CNN_PANEL) {
            g.columns = cnn_size_min(CNN_PANEL, p->out_count - column);
            g.b = p->d + point * k->out_slot + column;
            g.c = sums + column;
            CNN_ISA_NAME(cnn_gemm)(&g);
        }
    }
}

/* Task: a part of the channels of x and of dy, for one chunk of the tiles. */
static void run_part(void *context, size_t task, size_t thread)
{
    const struct weights_gradient *k = context;
    size_t in_part = task % k->in_parts, out_part = task / k->in_parts % k->out_parts, tiles = cnn_tiles_count(&k->in);
    struct part p = {.chunk = task / k->in_parts / k->out_parts, .in = in_part * PART_CHANNELS, .out = out_part * PART_CHANNELS};
    p.in_count = cnn_size_min(PART_CHANNELS, k->in.channels - p.in);
    p.out_count = cnn_size_min(PART_CHANNELS, k->out.channels - p.out);
    p.v = k->scratch + thread * k->thread_floats;
    p.d = p.v + CNN_POINTS * k->in_slot;
    size_t begin = p.chunk * tiles / k->chunks, end = (p.chunk + 1) * tiles / k->chunks;
    for (size_t first = begin; first < end; first += k->block) {
        size_t count = cnn_size_min(k->block, end - first);
        transform_tiles(k, &p, first, count);
        multiply_tiles(k, &p, count, first > begin);
    }
}

static void filter_line(const vfloat m[6], vfloat o[3])
{
    vfloat near = m[1] + m[2], far = m[3] + m[4];
    o[0] = m[0] * 0.25f - near * (1.0f / 6) + far * (1.0f / 24);
    o[1] = (m[2] - m[1]) * (1.0f / 6) + (m[3] - m[4]) * (1.0f / 12);
    o[2] = (far - near) * (1.0f / 6) + m[5];
}

/* The 9 taps of VLEN filters for one channel of x: the chunks' sums in order, transformed back. */
static void reduce_vector(const struct weights_gradient *k, const float *from, vfloat out[9])
{
    const size_t point = k->in.channels * k->out.channels;
    vfloat half[6][3];
    for (size_t j = 0; j < 6; j++) {
        vfloat m[6];
        for (size_t i = 0; i < 6; i++) {
            const float *sum = from + (i * 6 + j) * point;
            m[i] = vload(sum);
            for (size_t chunk = 1; chunk < k->chunks; chunk++)
                m[i] += vload(sum + chunk * k->chunk_sums);
        }
        filter_line(m, half[j]);
    }
    for (size_t i = 0; i < 3; i++) {
        vfloat row[6];
        for (size_t j = 0; j < 6; j++)
            row[j] = half[j][i];
        filter_line(row, out + i * 3);
    }
}

/* Task: VLEN filters. */
static void reduce_filters(void *context, size_t task, size_t thread)
{
    const struct weights_gradient *k = context;
    size_t in_c = k->in.channels, out_c = k->out.channels;
    (void)thread;
    for (size_t channel = 0; channel < in_c; channel++) {
        vfloat out[9];
        float *to = k->dw + (task * VLEN * in_c + channel) * 9;
        reduce_vector(k, k->sums + channel * out_c + task * VLEN, out);
        for (size_t filter = 0; filter < VLEN; filter++, to += in_c * 9)
            for (size_t tap = 0; tap < 9; tap++)
                to[tap] = out[tap][filter];
    }
}

void CNN_ISA_NAME(cnn_winograd_backward_weights)(const struct cnn_conv *c, size_t n, const float *x, const float *dy, float *dw, float *db,
                                                 float *scratch)
{
    struct weights_gradient k = plan(c, n);
    k.x = x;
    k.dy = dy;
    k.dw = dw;
    k.db = db;
    k.zeros = scratch;
    k.bias_sums = scratch + k.zero_floats;
    k.sums = k.bias_sums + k.chunks * k.bias_floats;
    k.scratch = k.sums + k.chunks * k.chunk_sums;
    memset(scratch, 0, (k.zero_floats + k.chunks * k.bias_floats) * sizeof *scratch);
    cnn_parallel_for(k.chunks * k.in_parts * k.out_parts, run_part, &k);
    cnn_parallel_for(k.out.channels / VLEN, reduce_filters, &k);
    for (size_t chunk = 0; db && chunk < k.chunks; chunk++)
        for (size_t f = 0; f < k.out.channels; f++)
            db[f] = chunk ? db[f] + k.bias_sums[chunk * k.bias_floats + f] : k.bias_sums[f];
}

size_t CNN_ISA_NAME(cnn_winograd_weights_scratch)(const struct cnn_conv *c, size_t n)
{
    struct weights_gradient k = plan(c, n);
    size_t chunks = cnn_size_times(k.chunks, cnn_size_plus(k.chunk_sums, k.bias_floats));
    return cnn_size_plus(cnn_size_plus(chunks, k.zero_floats), cnn_size_times(k.thread_floats, (size_t)cnn_parallel_threads()));
}
