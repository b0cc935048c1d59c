/* Batch normalisation: statistics, and what all passes share. Memory-bound, so x is read once for
 * the statistics, once forward and twice for the gradient.
 *
 * Statistics are taken per chunk of rows, of d = x - shift with shift the chunk's first row, so
 * that no cancellation hurts; the chunks are then combined in double, in order: Chan, Golub,
 * LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979. */
#include <math.h>
#include <stdint.h>

#include "kernels/vector/norm.h"
#include "util/arena.h"
#include "util/parallel.h"

#define FEW   ((size_t)64)    /* fewer channels than this make wide rows, of a strip at most */
#define WIDE  ((size_t)256)   /* floats of a wide row, at least, in passes that write */
#define TILE  ((size_t)256)   /* floats of a tile, about, in passes that add up */
#define CHUNK ((size_t)32768) /* floats of a strip of a chunk, about */
/* rows that a chunk adds up in float, at most: chunks are added in double */
#define SUMMED ((size_t)512)
#define GROUP  ((size_t)64) /* channels whose chunks are combined by one task */

/* Rows that make a wide row of at least `floats`; of whole vectors, where that keeps it within a
 * strip. */
static size_t rows_together(size_t channels, size_t floats)
{
    size_t rows = 1;
    while (rows * channels < floats || (channels < FEW && rows * channels % 16 != 0))
        rows *= 2;
    return rows;
}

/* Chunks of at most `most` rows; rows: those that make a wide one. */
static struct cnn_norm cut(const struct cnn_batch_norm *b, size_t rows, size_t most)
{
    size_t wide = rows * b->channels,
           chunk_rows = rows * (CHUNK / cnn_size_min(wide, CNN_NORM_STRIP));
    if (chunk_rows > most)
        chunk_rows = cnn_size_divide_up(most, rows) * rows;
    struct cnn_norm k = {
        .b = *b,
        .wide = wide,
        .together = 1,
        .chunk_rows = chunk_rows,
        .chunks = cnn_size_divide_up(b->rows, chunk_rows),
        .strips = cnn_size_divide_up(wide, CNN_NORM_STRIP),
    };
    k.b.pool = NULL;
    return k;
}

struct cnn_norm CNN_ISA_NAME(cnn_norm_rows)(const struct cnn_batch_norm *b)
{
    return cut(b, rows_together(b->channels, WIDE), SIZE_MAX);
}

struct cnn_norm CNN_ISA_NAME(cnn_norm_sums)(const struct cnn_batch_norm *b)
{
    if (cnn_norm_calls(b->activation))
        return cut(b, rows_together(b->channels, WIDE),
                   SUMMED * (WIDE / cnn_size_min(b->channels, WIDE)));
    struct cnn_norm k = cut(b, rows_together(b->channels, 1), SUMMED);
    if (k.wide < TILE)
        k.together = TILE / k.wide;
    return k;
}

struct cnn_norm CNN_ISA_NAME(cnn_norm_lines)(const struct cnn_batch_norm *b)
{
    const struct cnn_pool *p = b->pool;
    size_t line = 2 * p->in_w * cnn_size_min(b->channels, CNN_NORM_STRIP),
           lines = b->rows / (p->in_h * p->in_w) * p->out_h;
    size_t chunk_rows = cnn_size_min(line < CHUNK ? CHUNK / line : 1,
                                     cnn_size_divide_up(SUMMED, 2 * p->in_w)),
           wide = rows_together(b->channels, WIDE) * b->channels;
    return (struct cnn_norm){
        .b = *b,
        .wide = wide,
        .together = 1,
        .chunk_rows = chunk_rows,
        .chunks = cnn_size_divide_up(lines, chunk_rows),
        .strips = cnn_size_divide_up(wide, CNN_NORM_STRIP),
    };
}

size_t CNN_ISA_NAME(cnn_batch_norm_scratch_floats)(const struct cnn_batch_norm *b)
{
    size_t chunks = CNN_ISA_NAME(cnn_norm_sums)(b).chunks,
           lines = b->pool ? CNN_ISA_NAME(cnn_norm_lines)(b).chunks : 0;
    return 2 * (lines > chunks ? lines : chunks) * b->channels;
}

struct cnn_norm_strip CNN_ISA_NAME(cnn_norm_strip_at)(const struct cnn_norm *k, size_t task)
{
    size_t chunk = task / k->strips, column = task % k->strips * CNN_NORM_STRIP,
           row = chunk * k->chunk_rows, c = k->b.channels;
    size_t width = cnn_size_min(CNN_NORM_STRIP, k->wide - column), rows = k->b.rows;
    struct cnn_norm_strip s = {.width = width,
                               .channel = column,
                               .channels = cnn_size_min(c, width),
                               .sums = chunk * c + column};
    if (k->b.pool) {
        s.begin = row;
        s.end = cnn_size_min(rows / (k->b.pool->in_h * k->b.pool->in_w) * k->b.pool->out_h,
                             row + k->chunk_rows);
    } else {
        s.begin = row * c + column;
        s.end = cnn_size_min(rows, row + k->chunk_rows) * c;
    }
    return s;
}

/* Fills the strip's row with copies of its first channels elements, and with zeros up to whole
 * vectors. */
static void repeat(const struct cnn_norm_strip *s, float *row)
{
    for (size_t i = s->channels; i < s->width; i++)
        row[i] = row[i - s->channels];
    for (size_t i = s->width; i < cnn_round_floats(s->width); i++)
        row[i] = 0;
}

void CNN_ISA_NAME(cnn_norm_fold)(const struct cnn_norm_strip *s, const float *row, float *sums)
{
    memcpy(sums, row, s->channels * sizeof *sums);
    for (size_t i = s->channels; i < s->width; i += s->channels)
        for (size_t ch = 0; ch < s->channels; ch++)
            sums[ch] += row[i + ch];
}

/* Of each column: what is taken off its numbers, their sum and that of their squares. */
struct statistics {
    _Alignas(64) float shift[CNN_NORM_STRIP], sum[CNN_NORM_STRIP], squares[CNN_NORM_STRIP];
};

/* Adds the tile's rows, from x on, to the sums of some columns. */
static inline void statistics_lanes(const float *x, size_t rows, size_t wide,
                                    struct cnn_norm_lanes lanes, struct statistics *s)
{
    vfloat from = vload_lanes(s->shift + lanes.first, lanes.count), first = vset(0),
           second = vset(0);
    float *sum = s->sum + lanes.first, *squares = s->squares + lanes.first;
    for (size_t row = 0; row < rows; row++) {
        vfloat d = vload_lanes(x + lanes.first + row * wide, lanes.count) - from;
        first += d;
        second += d * d;
    }
    vstore(sum, vload(sum) + first); /* sums of few, then of those: less is rounded away */
    vstore(squares, vload(squares) + second);
}

static void statistics_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    struct cnn_norm_strip s = CNN_ISA_NAME(cnn_norm_strip_at)(k, task);
    struct statistics sums;
    memset(sums.sum, 0, sizeof sums.sum + sizeof sums.squares);
    memcpy(sums.shift, k->a.x + s.begin, s.channels * sizeof *sums.shift);
    repeat(&s, sums.shift);
    struct cnn_norm_tile t;
    for (size_t at = s.begin; at < s.end; at += t.rows * k->wide) {
        t = cnn_norm_tile_at(k, &s, at);
        size_t i = 0;
        for (; i + VLEN <= t.width; i += VLEN)
            statistics_lanes(k->a.x + at, t.rows, k->wide, (struct cnn_norm_lanes){i, VLEN}, &sums);
        if (i < t.width)
            statistics_lanes(k->a.x + at, t.rows, k->wide, (struct cnn_norm_lanes){i, t.width - i},
                             &sums);
    }
    CNN_ISA_NAME(cnn_norm_fold)(&s, sums.sum, k->first + s.sums);
    CNN_ISA_NAME(cnn_norm_fold)(&s, sums.squares, k->second + s.sums);
}

/* Mean and variance of a group of channels from all chunks' sums. */
static void statistics_combine(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    size_t c = k->b.channels, channel = task * GROUP, count = cnn_size_min(GROUP, c - channel);
    double mean[GROUP] = {0}, squares[GROUP] = {0}, rows = (double)k->b.rows;
    for (size_t chunk = 0, row = 0; chunk < k->chunks; chunk++, row += k->chunk_rows) {
        double chunk_rows = (double)cnn_size_min(k->chunk_rows, k->b.rows - row);
        for (size_t i = 0; i < count; i++)
            mean[i] += (chunk_rows * (double)k->a.x[row * c + channel + i] +
                        (double)k->first[chunk * c + channel + i]) /
                       rows;
    }
    for (size_t chunk = 0, row = 0; chunk < k->chunks; chunk++, row += k->chunk_rows) {
        double chunk_rows = (double)cnn_size_min(k->chunk_rows, k->b.rows - row);
        for (size_t i = 0; i < count; i++) {
            /* the chunk's mean from its shift, then from the mean of all */
            double d = (double)k->first[chunk * c + channel + i] / chunk_rows;
            double from_mean = (double)k->a.x[row * c + channel + i] + d - mean[i];
            squares[i] += (double)k->second[chunk * c + channel + i] - chunk_rows * d * d +
                          chunk_rows * from_mean * from_mean;
        }
    }
    for (size_t i = 0; i < count; i++) {
        k->out_mean[channel + i] = (float)mean[i];
        k->out_var[channel + i] = squares[i] < 0 ? 0.0f : (float)(squares[i] / rows);
    }
}

void CNN_ISA_NAME(cnn_batch_norm_statistics)(const struct cnn_batch_norm *b, const float *x,
                                             float *mean, float *var, float *scratch)
{
    struct cnn_norm k = CNN_ISA_NAME(cnn_norm_sums)(b);
    cnn_norm_place_sums(&k, scratch);
    k.a.x = x, k.out_mean = mean, k.out_var = var;
    cnn_parallel_for(k.chunks * k.strips, statistics_strip, &k);
    cnn_parallel_for(cnn_size_divide_up(b->channels, GROUP), statistics_combine, &k);
}

float CNN_ISA_NAME(cnn_norm_inverse_deviation)(const struct cnn_norm *k, size_t channel)
{
    return (float)(1.0 / sqrt((double)k->a.var[channel] + (double)k->b.eps));
}

/* Those of the strip's channels; a loop that the compiler makes vectors of. */
static void inverse_deviations(const struct cnn_norm *k, const struct cnn_norm_strip *s,
                               float *restrict inverse)
{
    const float *var = k->a.var + s->channel;
    double eps = (double)k->b.eps;
    for (size_t i = 0; i < s->channels; i++)
        inverse[i] = (float)(1.0 / sqrt((double)var[i] + eps));
}

void CNN_ISA_NAME(cnn_norm_columns)(const struct cnn_norm *k, const struct cnn_norm_strip *s,
                                    struct cnn_norm_columns *columns)
{
    const float *gamma = k->a.gamma + s->channel, *beta = k->a.beta + s->channel,
                *mean = k->a.mean + s->channel;
    float *restrict scale = columns->scale, *restrict shift = columns->shift;
    inverse_deviations(k, s, scale);
    for (size_t i = 0; i < s->channels; i++) {
        scale[i] *= gamma[i];
        shift[i] = beta[i] - mean[i] * scale[i];
    }
    memcpy(columns->mean, mean, s->channels * sizeof *mean);
    repeat(s, columns->scale), repeat(s, columns->shift), repeat(s, columns->mean);
}

void CNN_ISA_NAME(cnn_norm_gradient_columns)(const struct cnn_norm *k,
                                             const struct cnn_norm_strip *s,
                                             struct cnn_norm_columns *columns)
{
    CNN_ISA_NAME(cnn_norm_columns)(k, s, columns);
    const float *dgamma = k->a.dgamma + s->channel, *dbeta = k->a.dbeta + s->channel;
    float rows = (float)k->b.rows, *restrict offset = columns->offset,
          *restrict slope = columns->slope;
    inverse_deviations(k, s, slope);
    for (size_t i = 0; i < s->channels; i++) {
        offset[i] = dbeta[i] / rows;
        slope[i] = slope[i] * dgamma[i] / rows;
    }
    repeat(s, columns->offset), repeat(s, columns->slope);
}

void CNN_ISA_NAME(cnn_norm_values)(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                                   struct cnn_norm_tile t, float *y)
{
    vfloat floor = cnn_norm_floor(k->b.activation);
    const float *x = k->a.x + t.at;
    size_t i = 0;
    for (; i + VLEN <= t.width; i += VLEN)
        vstore(y + i, vmax(floor, cnn_norm_value(columns, i, vload(x + i))));
    if (i < t.width)
        vstore_tail(y + i, t.width - i,
                    vmax(floor, cnn_norm_value(columns, i, vload_tail(x + i, t.width - i))));
    if (cnn_norm_calls(k->b.activation))
        CNN_ISA_NAME(cnn_activate)(k->b.activation, t.width, y, y);
}

void CNN_ISA_NAME(cnn_norm_dx_tile)(const struct cnn_norm *k,
                                    const struct cnn_norm_columns *columns, struct cnn_norm_tile t,
                                    const float *dy)
{
    const float *x = k->a.x + t.at;
    float *dx = k->a.dx + t.at;
    bool relu = k->b.activation.kind == CNN_ACT_RELU;
    size_t i = 0, rest = t.width % VLEN;
    for (; i + VLEN <= t.width; i += VLEN) {
        vfloat value = vload(x + i);
        vstore(dx + i, cnn_norm_dx(columns, i, value,
                                   cnn_norm_through(relu, cnn_norm_value(columns, i, value),
                                                    vload(dy + i))));
    }
    if (rest) {
        vfloat value = vload_tail(x + i, rest);
        vstore_tail(dx + i, rest,
                    cnn_norm_dx(columns, i, value,
                                cnn_norm_through(relu, cnn_norm_value(columns, i, value),
                                                 vload_tail(dy + i, rest))));
    }
}
