/* The gradient of the weights by the same transforms (winograd.h): dw = G' [sum over tiles of (B' x
 * B) (A dy A')] G. Each of the 36 points is a GEMM whose rows are channels of x, whose columns are
 * channels of dy and whose k runs over the tiles of a part of the batch (util/parts.h). A task
 * takes a piece of the channels of both, so that the sums of all its points stay in the cache, and
 * a chunk of the batch: a complete subtree of parts. It transforms their tiles block by block,
 * twelve points at a time, and the sums of each part back; those then wait for their neighbours.
 * The chunks' sums are the rest of the tree. */
#include "kernels/vector/winograd.h"

#include <string.h>

#include "kernels/vector/pairs.h"
#include "kernels/vector/tree.h"
#include "kernels/vector/winograd_cut.h"
#include "util/parallel.h"

/* TILES: of one step of k. Of values that are stored as bfloat16 products are of pairs, whose
 * transforms are rounded to bfloat16, too. */
#ifdef CNN_HALVES
enum { TILES = 2 };
#define PRODUCTS (&CNN_BF16_NAME(cnn_products_bf16))
#define NODES    cnn_rounding_nodes
#else
enum { TILES = 1 };
#define PRODUCTS NULL
#define NODES    cnn_plain_nodes
#endif

struct weights_gradient {
    struct cnn_winograd_weights_cut cut;
    size_t first; /* of the filters whose gradients are wanted */
    const cnn_number *x, *dy, *zeros;
    float *dw, *db, *sums, *bias_sums, *scratch;
};

/* What one task works on: in_count channels of x from `in` on, which is channel `group_channel` of
 * its group, and out_count of dy from `out` on. */
struct part {
    size_t first, tiles, next; /* of the block at hand: its first tile, its tiles, the next one's */
    size_t in, in_count, group_channel, out, out_count;
    /* transformed tiles of a block, of one pair of rows: [point][VLEN channels][step],
     * [point][panel][step] */
    float *v, *d;
    float *sums; /* [point, pair by pair][panel][channel of x][column] */
    float *bias;
    /* of parts, [vector of filters][channel of x][tap][VLEN]: of the chunk, and those that wait */
    float *pieces[CNN_PARTS_DEPTH];
    const cnn_number *in_points[TILES * CNN_DEEP_STEPS][CNN_POINTS],
        *out_points[TILES * CNN_DEEP_STEPS][16];
};

/* Steps of k of the block at hand. */
static size_t steps(const struct part *p)
{
    return cnn_size_divide_up(p->tiles, TILES);
}

/* A pair of rows of the transforms of one step's tiles. */
CNN_INLINE void store_step(vfloat rows[TILES][2][6], float *to, size_t slot)
{
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++)
#pragma GCC unroll 6
        for (size_t j = 0; j < 6; j++)
            vstore(to + (i * 6 + j) * slot,
                   TILES == 2 ? vpair_bf16(rows[0][i][j], rows[TILES - 1][i][j]) : rows[0][i][j]);
}

CNN_INLINE void input_step(const cnn_number *const (*tiles)[CNN_POINTS], size_t channel,
                           size_t pair, float *to, size_t slot)
{
    vfloat rows[TILES][2][6];
#pragma GCC unroll 2
    for (size_t t = 0; t < TILES; t++)
        cnn_input_transform(NODES, tiles[t], channel, pair, rows[t]);
    store_step(rows, to, slot);
}

CNN_INLINE void gradient_step(const cnn_number *const (*tiles)[16], size_t channel, size_t pair,
                              float *to, size_t slot)
{
    vfloat rows[TILES][2][6];
#pragma GCC unroll 2
    for (size_t t = 0; t < TILES; t++)
        cnn_gradient_transform(NODES, tiles[t], channel, pair, rows[t]);
    store_step(rows, to, slot);
}

/* Calls for each vector: with the loop around them, the compiler would carry more pointers than it
 * has registers. */
static __attribute__((noinline)) void transform_input(const cnn_number *const (*tiles)[CNN_POINTS],
                                                      size_t channel, size_t pair, float *to,
                                                      size_t slot)
{
    if (pair == 0)
        input_step(tiles, channel, 0, to, slot);
    else if (pair == 1)
        input_step(tiles, channel, 1, to, slot);
    else
        input_step(tiles, channel, 2, to, slot);
}

static __attribute__((noinline)) void transform_gradient(const cnn_number *const (*tiles)[16],
                                                         size_t channel, size_t pair, float *to,
                                                         size_t slot)
{
    if (pair == 0)
        gradient_step(tiles, channel, 0, to, slot);
    else if (pair == 1)
        gradient_step(tiles, channel, 1, to, slot);
    else
        gradient_step(tiles, channel, 2, to, slot);
}

/* One array after the other: the places that a transform writes to are pages of their own, and few
 * pages are at hand at a time. */
static void transform_tiles(const struct weights_gradient *k, const struct part *p, size_t pair)
{
    for (size_t s = 0; s < steps(p); s++)
        for (size_t c = 0; c < p->in_count; c += VLEN)
            transform_input(p->in_points + s * TILES, p->in + c, pair,
                            p->v + c * k->cut.block + s * VLEN, k->cut.in_slot);
    for (size_t s = 0; s < steps(p); s++)
        for (size_t c = 0; c < p->out_count; c += VLEN) {
            size_t panel = c / CNN_PANEL * CNN_PANEL, width = cnn_panel_width(p->out_count, panel);
            transform_gradient(p->out_points + s * TILES, p->out + c, pair,
                               p->d + panel * k->cut.block + s * width + c - panel,
                               k->cut.out_slot);
        }
}

/* Meanwhile, asks for the tiles of the next block. */
static void multiply_tiles(const struct weights_gradient *k, const struct part *p, size_t pair,
                           bool accumulate)
{
    size_t first = p->first + p->tiles, next = p->next;
    for (size_t point = 0; point < CNN_PAIR_POINTS; point++) {
        size_t step = pair * CNN_PAIR_POINTS + point;
        for (size_t t = next * step / CNN_POINTS; t < next * (step + 1) / CNN_POINTS; t++) {
            cnn_tile_prefetch(&k->cut.in, first + t, k->x, p->in, p->in_count);
            cnn_tile_prefetch(&k->cut.out, first + t, k->dy, p->out, p->out_count);
        }
        for (size_t column = 0; column < p->out_count; column += CNN_PANEL) {
            size_t width = cnn_panel_width(p->out_count, column);
            struct cnn_gemm g = {
                .products = PRODUCTS,
                .a = p->v + point * k->cut.in_slot,
                .rows = {{VLEN, p->in_count / VLEN, 1}, {1, (ptrdiff_t)(k->cut.block * VLEN), 0}},
                .depth = {{steps(p), 1, 1}, {VLEN, 0, 0}},
                .b = p->d + point * k->cut.out_slot + column * k->cut.block,
                .columns = width,
                .c = p->sums + step * k->cut.point + column * p->in_count,
                .c_stride = {(ptrdiff_t)width, (ptrdiff_t)(width * VLEN), 0},
                .accumulate = accumulate};
            CNN_ISA_NAME(cnn_gemm)(&g);
        }
    }
}

CNN_INLINE vfloat tile_sum(const cnn_number *const *points, size_t channel)
{
    vfloat column[4];
    for (size_t j = 0; j < 4; j++)
        column[j] =
            vload_number(points[j] + channel) + vload_number(points[8 + j] + channel) +
            (vload_number(points[4 + j] + channel) + vload_number(points[12 + j] + channel));
    return column[0] + column[2] + (column[1] + column[3]);
}

static void add_bias(const struct weights_gradient *k, const struct part *p)
{
    for (size_t c = 0; c < p->out_count; c += VLEN) {
        vfloat sum = vload(p->bias + p->out - k->first + c);
        for (size_t t = 0; t < p->tiles; t++)
            sum += tile_sum(p->out_points[t], p->out + c);
        vstore(p->bias + p->out - k->first + c, sum);
    }
}

/* Where, pair by pair, row r of the points lies. */
static const size_t row_place[6] = {0, 2, 3, 4, 5, 1};

static void filter_line(const vfloat m[6], vfloat o[3])
{
    const struct cnn_winograd_nodes at = NODES;
    const float near = at.near * at.near, far = at.far * at.far,
                of_near = 1 / (2 * near * (near - far)), of_far = 1 / (2 * far * (far - near));
    vfloat near_sum = (m[1] + m[2]) * of_near, far_sum = (m[3] + m[4]) * of_far;
    o[0] = m[0] * (1 / (near * far)) + near_sum + far_sum;
    o[1] = (m[1] - m[2]) * (at.near * of_near) + (m[3] - m[4]) * (at.far * of_far);
    o[2] = near_sum * near + far_sum * far + m[5];
}

/* The 9 taps of VLEN filters for one channel of x: the sums of the points, transformed back. */
CNN_INLINE void transform_back(const struct weights_gradient *k, const float *from, vfloat out[9])
{
    vfloat half[6][3];
    for (size_t j = 0; j < 6; j++) {
        vfloat m[6];
        for (size_t i = 0; i < 6; i++)
            m[i] = vload(from + (row_place[i] * 6 + j) * k->cut.point);
        filter_line(m, half[j]);
    }
    for (size_t i = 0; i < 3; i++) {
        vfloat row[6];
        for (size_t j = 0; j < 6; j++)
            row[j] = half[j][i];
        filter_line(row, out + i * 3);
    }
}

/* A part's sums, to a piece of dw. */
static void write_piece(const struct weights_gradient *k, const struct part *p, float *to)
{
    for (size_t column = 0; column < p->out_count; column += VLEN) {
        size_t panel = column / CNN_PANEL * CNN_PANEL, width = cnn_panel_width(p->out_count, panel);
        const float *from = p->sums + panel * p->in_count + column - panel;
        for (size_t channel = 0; channel < p->in_count; channel++, to += 9 * VLEN) {
            vfloat out[9];
            transform_back(k, from + channel * width, out);
            for (size_t tap = 0; tap < 9; tap++)
                vstore(to + tap * VLEN, out[tap]);
        }
    }
}

static void add_piece(const struct part *p, const float *from, float *to)
{
    for (size_t i = 0; i < 9 * p->in_count * p->out_count; i += VLEN)
        vstore(to + i, vload(to + i) + vload(from + i));
}

/* VLEN filters of a piece, of all chunks, to dw. */
static void reduce_filters(const struct weights_gradient *k, const struct part *p, size_t column)
{
    const float *from = p->pieces[0] + column * p->in_count * 9;
    for (size_t channel = 0; channel < p->in_count; channel++) {
        float *to =
            k->dw +
            ((p->out - k->first + column) * k->cut.group_in + p->group_channel + channel) * 9;
        for (size_t tap = 0; tap < 9; tap++, from += VLEN) {
            vfloat sum = cnn_tree_sum(from, k->cut.chunks, k->cut.parts * k->cut.piece);
            for (size_t filter = 0; filter < VLEN; filter++)
                to[filter * k->cut.group_in * 9 + tap] = sum[filter];
        }
    }
}

static void part_at(const struct weights_gradient *k, size_t task, size_t thread, struct part *p)
{
    size_t in = task % k->cut.in_parts * k->cut.part_in,
           out = task / k->cut.in_parts % k->cut.out_parts * k->cut.part_out;
    size_t group = task % k->cut.parts / k->cut.in_parts / k->cut.out_parts;
    p->in = group * k->cut.group_in + in;
    p->in_count = cnn_size_min(k->cut.part_in, k->cut.group_in - in);
    p->group_channel = in;
    p->out = k->first + group * k->cut.group_out + out;
    p->out_count = cnn_size_min(k->cut.part_out, k->cut.group_out - out);
    p->v = k->scratch + thread * k->cut.thread_floats;
    p->d = p->v + CNN_PAIR_POINTS * k->cut.in_slot;
    p->sums = p->d + CNN_PAIR_POINTS * k->cut.out_slot;
    float *piece = p->sums + CNN_POINTS * k->cut.point;
    p->pieces[0] = k->sums + task * k->cut.piece;
    if (k->cut.chunks == 1) {
        p->pieces[0] = piece;
        piece += k->cut.piece;
    }
    for (size_t i = 1; i <= k->cut.waiting; i++, piece += k->cut.piece)
        p->pieces[i] = piece;
}

/* The sums over one part of the batch. */
static void run_tiles(const struct weights_gradient *k, struct part *p, size_t part)
{
    size_t from = cnn_parts_image(&k->cut.run, k->cut.run.first),
           begin = (cnn_parts_image(&k->cut.run, part) - from) * k->cut.image_tiles,
           end = (cnn_parts_image(&k->cut.run, part + 1) - from) * k->cut.image_tiles;
    p->bias = k->bias_sums + (part - k->cut.run.first) * k->cut.bias_floats;
    const size_t block = k->cut.block * TILES;
    for (p->first = begin; p->first < end; p->first += block) {
        p->tiles = cnn_size_min(block, end - p->first);
        p->next = cnn_size_min(block, end - p->first - p->tiles);
        for (size_t t = 0; t < p->tiles; t++) {
            cnn_tile_point(&k->cut.in, p->first + t, 6, k->x, k->zeros, p->in_points[t]);
            cnn_tile_point(&k->cut.out, p->first + t, 4, k->dy, k->zeros, p->out_points[t]);
        }
        for (size_t t = p->tiles; t < steps(p) * TILES; t++) {
            for (size_t i = 0; i < CNN_POINTS; i++)
                p->in_points[t][i] = k->zeros;
            for (size_t i = 0; i < 16; i++)
                p->out_points[t][i] = k->zeros;
        }
        if (k->db && p->group_channel == 0)
            add_bias(k, p);
        for (size_t pair = 0; pair < CNN_PAIRS; pair++) {
            transform_tiles(k, p, pair);
            multiply_tiles(k, p, pair, p->first > begin);
        }
    }
}

/* Task: a piece of the channels of x and of dy, for one chunk of the batch. */
static void run_part(void *context, size_t task, size_t thread)
{
    const struct weights_gradient *k = context;
    struct part p;
    struct cnn_tree tree = {0};
    part_at(k, task, thread, &p);
    for (size_t i = 0, into; i < k->cut.chunk_parts; i++) {
        size_t place = cnn_tree_push(&tree, i, 1);
        run_tiles(k, &p, k->cut.run.first + task / k->cut.parts * k->cut.chunk_parts + i);
        write_piece(k, &p, p.pieces[place]);
        while (cnn_tree_merge(&tree, &into))
            add_piece(&p, p.pieces[into + 1], p.pieces[into]);
    }
    for (size_t c = 0; k->cut.chunks == 1 && c < p.out_count; c += VLEN)
        reduce_filters(k, &p, c);
}

/* Task: VLEN filters of a part. */
static void reduce_part(void *context, size_t task, size_t thread)
{
    const struct weights_gradient *k = context;
    size_t columns = k->cut.part_out / VLEN;
    struct part p;
    part_at(k, task / columns, thread, &p);
    if (task % columns * VLEN < p.out_count)
        reduce_filters(k, &p, task % columns * VLEN);
}

void CNN_VALUE_NAME(cnn_winograd_backward_weights)(const struct cnn_conv *c,
                                                   const struct cnn_conv_backward_weights *pass)
{
    struct cnn_parts all = cnn_parts_of(pass->n, 0, 1);
    struct weights_gradient k = {.cut = CNN_ISA_NAME(cnn_winograd_weights_cut)(
                                     c, pass->n, pass->parts ? pass->parts : &all, pass->count)};
    size_t parts = k.cut.run.end - k.cut.run.first;
    float *db = pass->db, *scratch = pass->scratch;
    k.first = pass->first;
    k.x = (const cnn_number *)pass->x;
    k.dy = (const cnn_number *)pass->dy;
    k.dw = pass->dw;
    k.db = db;
    k.zeros = (const cnn_number *)scratch;
    k.bias_sums = scratch + k.cut.zero_floats;
    k.sums = k.bias_sums + parts * k.cut.bias_floats;
    k.scratch = k.sums + (k.cut.chunks == 1 ? 0 : k.cut.chunks * k.cut.parts * k.cut.piece);
    memset(scratch, 0, (k.cut.zero_floats + parts * k.cut.bias_floats) * sizeof *scratch);
    cnn_parallel_for(k.cut.chunks * k.cut.parts, run_part, &k);
    if (k.cut.chunks > 1)
        cnn_parallel_for(k.cut.parts * k.cut.part_out / VLEN, reduce_part, &k);
    if (db)
        cnn_tree_rows(k.cut.own, k.bias_sums, parts, k.cut.bias_floats, db);
}
