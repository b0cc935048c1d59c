/* The product of floats, and the loops around its tiles and all others' (gemm_tile.h). Every
 * element of c is one running sum in the order of k, or one for each piece of k, whatever the tile.
 */
#include <stdint.h>

#include "kernels/internal.h"
#include "kernels/vector/gemm_tile.h"
#include "util/parts.h"

/* k is cut into blocks of about DEPTH steps, so that a panel's block of b stays in the cache while
 * all rows pass. */
#define DEPTH ((size_t)1024)

CNN_INLINE void tile_clear(size_t rows, size_t vectors, vfloat acc[MAX_ROWS][2])
{
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vectors; j++)
            acc[r][j] = (vfloat){0};
}

CNN_INLINE void tile_add_up(size_t rows, size_t vectors, vfloat from[MAX_ROWS][2],
                            vfloat to[MAX_ROWS][2])
{
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vectors; j++)
            to[r][j] = from[r][j] + to[r][j];
}

CNN_INLINE void tile_copy(size_t rows, size_t vectors, vfloat from[MAX_ROWS][2],
                          vfloat to[MAX_ROWS][2])
{
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vectors; j++)
            to[r][j] = from[r][j];
}

/* Sums of pieces of k, which are added up by the tree of util/parts.h while they are at hand: c is
 * written once, however short the pieces are. */
CNN_INLINE void tile_multiply_pieces(const struct tile *t, size_t rows, size_t vectors)
{
    vfloat acc[MAX_ROWS][2], waiting[CNN_PARTS_DEPTH][MAX_ROWS][2];
    const float *a[MAX_ROWS], *b = t->b;
    const ptrdiff_t step = t->step;
    const size_t b_step = t->b_step, pieces = t->pieces;
    ptrdiff_t k = 0;
    size_t depth = 0, i = 0;
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
        a[r] = t->a[r];
    while (true) {
        tile_clear(rows, vectors, acc);
        for (const float *end = t->b + t->ends[i] * b_step; b != end; b += b_step, k += step)
#pragma GCC unroll 8
            for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
                for (size_t j = 0; j < vectors; j++)
                    acc[r][j] = add_product(FLOATS, acc[r][j], a[r] + k, vload(b + j * VLEN));
        for (size_t odd = i; odd % 2 == 1; odd /= 2)
            tile_add_up(rows, vectors, waiting[--depth], acc);
        if (++i >= pieces)
            break;
        tile_copy(rows, vectors, acc, waiting[depth++]);
    }
    tile_store_all(t, rows, vectors, acc);
}

#if defined(__AVX512F__)
/* Eight rows of at most eight columns, as few filters or channels give them: half vectors, of which
 * most CPUs multiply twice as many at a time. */
static void multiply_narrow(const struct tile *t)
{
    typedef float half __attribute__((vector_size(VLEN / 2 * sizeof(float))));
    const __mmask8 mask = (__mmask8)((1u << t->tail) - 1);
    const ptrdiff_t step = t->step;
    const size_t b_step = t->b_step;
    const float *a[MAX_ROWS], *b = t->b;
    const __m256 low = _mm256_set1_ps(t->limits.low), high = _mm256_set1_ps(t->limits.high);
    half acc[MAX_ROWS], first = {0};
    if (t->bias)
        first = (half)_mm256_maskz_loadu_ps(mask, t->bias);
#pragma GCC unroll 8
    for (size_t r = 0; r < MAX_ROWS; r++) {
        acc[r] = t->load ? (half)_mm256_maskz_loadu_ps(mask, t->c[r]) : first;
        a[r] = t->a[r];
    }
    for (size_t s = 0; s < t->segments; s++) {
        ptrdiff_t k = t->segment[s];
        for (const float *end = b + t->depth * b_step; b != end; b += b_step, k += step) {
            half column = _mm256_loadu_ps(b);
#pragma GCC unroll 8
            for (size_t r = 0; r < MAX_ROWS; r++)
                /* fused, as elsewhere: clang would not do so by itself */
                acc[r] = (half)_mm256_fmadd_ps(_mm256_set1_ps(a[r][k]), column, acc[r]);
        }
    }
#pragma GCC unroll 8
    for (size_t r = 0; r < MAX_ROWS; r++)
        _mm256_mask_storeu_ps(t->c[r], mask,
                              t->cut ? _mm256_min_ps(high, _mm256_max_ps(low, acc[r]))
                                     : (__m256)acc[r]);
}
#endif

TILES(floats, FLOATS, STORED)
TILES(floats_added, FLOATS, ADDED)
TILES(channels, BY_CHANNEL, STORED)
#if defined(__AVX512F__)
TILES(floats_rounded, FLOATS, ROUNDED)
TILES(floats_added_rounded, FLOATS, ADDED_ROUNDED)
#endif

static const struct cnn_products products_floats = {.tiles =
                                                        {
                                                            [STORED] = SHAPES(floats),
                                                            [ADDED] = SHAPES(floats_added),
#if defined(__AVX512F__)
                                                            [ROUNDED] = SHAPES(floats_rounded),
                                                            [ADDED_ROUNDED] =
                                                                SHAPES(floats_added_rounded),
#endif
                                                        }},
                                 products_channels = {.tiles = {SHAPES(channels)}};

#define PIECES(name, rows, vectors)                                                                \
    static void name(const struct tile *t)                                                         \
    {                                                                                              \
        tile_multiply_pieces(t, rows, vectors);                                                    \
    }
PIECES(pieces_1x1, 1, 1)
PIECES(pieces_4x1, 4, 1)
PIECES(pieces_8x1, MAX_ROWS, 1)
PIECES(pieces_1x2, 1, 2)
PIECES(pieces_4x2, 4, 2)
PIECES(pieces_8x2, TILE_ROWS, 2)

static const struct cnn_products products_pieces = {.tiles = {SHAPES(pieces)}};

/* Where the loops over rows stand. */
struct cursor {
    const float *a;
    float *c;
    size_t i, j;
};

static void cursor_advance(struct cursor *at, const struct cnn_gemm *g)
{
    const struct cnn_nest *rows = &g->rows;
    at->a += rows->stride[0];
    at->c += g->c_stride[0];
    if (++at->i < rows->count[0])
        return;
    at->i = 0;
    at->a += rows->stride[1] - (ptrdiff_t)rows->count[0] * rows->stride[0];
    at->c += g->c_stride[1] - (ptrdiff_t)rows->count[0] * g->c_stride[0];
    if (++at->j < rows->count[1])
        return;
    at->j = 0;
    at->a += rows->stride[2] - (ptrdiff_t)rows->count[1] * rows->stride[1];
    at->c += g->c_stride[2] - (ptrdiff_t)rows->count[1] * g->c_stride[1];
}

/* Takes the next `rows` rows of the nest; a tile of more rows repeats the last one, which computes
 * and stores the same numbers again. */
static void tile_take_rows(struct tile *t, const struct cnn_gemm *g, struct cursor *at, size_t rows)
{
    if (at->i + rows < g->rows.count[0]) {
        for (size_t r = 0; r < rows; r++) {
            t->a[r] = at->a + (ptrdiff_t)r * g->rows.stride[0];
            t->c[r] = at->c + (ptrdiff_t)r * g->c_stride[0];
        }
        at->a += (ptrdiff_t)rows * g->rows.stride[0];
        at->c += (ptrdiff_t)rows * g->c_stride[0];
        at->i += rows;
    } else {
        for (size_t r = 0; r < rows; r++) {
            t->a[r] = at->a;
            t->c[r] = at->c;
            cursor_advance(at, g);
        }
    }
    for (size_t r = rows; r < MAX_ROWS; r++) {
        t->a[r] = t->a[rows - 1];
        t->c[r] = t->c[rows - 1];
    }
    for (size_t r = 0; t->add && r < MAX_ROWS; r++)
        t->addend[r] = g->addend + (t->c[r] - g->c);
}

/* All rows of one panel, for the block of k that t describes. */
static void panel_multiply(struct tile *t, const struct cnn_gemm *g, size_t column, size_t width)
{
    const struct cnn_products *products = g->products     ? g->products
                                          : g->by_channel ? &products_channels
                                          : g->pieces     ? &products_pieces
                                                          : &products_floats;
    const enum ending ending =
        t->halves ? (t->add ? ADDED_ROUNDED : ROUNDED) : (t->add ? ADDED : STORED);
    cnn_tile_function *const *functions = products->tiles[ending][width > VLEN];
    size_t largest = width > VLEN ? TILE_ROWS : MAX_ROWS;
    struct cursor at = {.a = g->by_channel ? g->a + column : g->a,
                        .c = g->c + (g->halves ? column / 2 : column)};
#if defined(__AVX512F__)
    bool narrow =
        products == &products_floats && ending == STORED && g->columns - column <= VLEN / 2;
#endif
    t->tail = g->columns - column < width ? (g->columns - column) % VLEN : 0;
    for (size_t left = cnn_nest_size(&g->rows); left > 0;) {
        size_t kind = left == 1 ? 0 : left <= 4 ? 1 : 2;
        size_t rows = cnn_size_min(left, kind == 0 ? 1 : kind == 1 ? 4 : largest);
        tile_take_rows(t, g, &at, rows);
        cnn_tile_function *multiply = functions[kind];
#if defined(__AVX512F__)
        if (kind == 2 && narrow)
            multiply = multiply_narrow;
#endif
        multiply(t);
        left -= rows;
    }
}

/* Describes the block of k, of about `most` steps, that begins at step k of total; returns its
 * steps. */
static size_t tile_take_depth(struct tile *t, const struct cnn_nest *depth, size_t k, size_t total,
                              size_t most)
{
    if (total == 0)
        return t->segments = t->depth = 0;
    size_t run = depth->count[0], first = k / run, inside = k % run;
    t->step = depth->stride[0];
    t->depth = cnn_size_min(run - inside, most);
    t->segments =
        run > most ? 1 : cnn_size_min(cnn_size_min(most / run, CNN_GEMM_RUNS), total / run - first);
    for (size_t s = 0; s < t->segments; s++)
        t->segment[s] = (ptrdiff_t)inside * depth->stride[0] +
                        (ptrdiff_t)((first + s) % depth->count[1]) * depth->stride[1] +
                        (ptrdiff_t)((first + s) / depth->count[1]) * depth->stride[2];
    return t->segments * t->depth;
}

/* Joins loops that run on as one, so that the inner ones are long. c_stride: where the same loops
 * step through a second array; may be NULL. */
static void nest_join(struct cnn_nest *nest, ptrdiff_t *c_stride)
{
    for (int joins = 0; joins < 2; joins++) {
        for (int i = 0; i < 2; i++) {
            ptrdiff_t count = (ptrdiff_t)nest->count[i];
            bool go_on = nest->stride[i + 1] == count * nest->stride[i] &&
                         (!c_stride || c_stride[i + 1] == count * c_stride[i]);
            if (count != 1 && nest->count[i + 1] != 1 && !go_on)
                continue;
            if (count == 1) {
                nest->stride[i] = nest->stride[i + 1];
                if (c_stride)
                    c_stride[i] = c_stride[i + 1];
            }
            nest->count[i] *= nest->count[i + 1];
            nest->count[i + 1] = 1;
        }
    }
}

void CNN_ISA_NAME(cnn_gemm)(const struct cnn_gemm *request)
{
    struct cnn_gemm g = *request;
    struct tile t;
    size_t total = cnn_nest_size(&g.depth), k = 0, steps;
    nest_join(&g.rows, g.c_stride);
    nest_join(&g.depth, NULL);
    t.limits = g.limits ? *g.limits : (struct cnn_limits){0};
    t.ends = g.ends;
    t.pieces = g.pieces;
    t.halves = g.halves;
    /* where all rows are one tile, nobody uses b again; a sum is not rounded before it is whole */
    size_t most =
        cnn_nest_size(&g.rows) > TILE_ROWS && g.pieces == 0 && !g.halves ? DEPTH : SIZE_MAX;
    do {
        steps = tile_take_depth(&t, &g.depth, k, total, most);
        t.load = g.accumulate || k > 0;
        t.add = g.addend && k + steps == total;
        t.cut = g.limits && k + steps == total;
        for (size_t column = 0; column < g.columns; column += CNN_PANEL) {
            size_t width = cnn_panel_width(g.columns, column);
            t.b_step = g.b_step ? g.b_step : width;
            t.b = g.b + column * total + k * t.b_step;
            t.bias = g.bias ? g.bias + column : NULL;
            panel_multiply(&t, &g, column, width);
        }
        k += steps;
    } while (k < total);
}
