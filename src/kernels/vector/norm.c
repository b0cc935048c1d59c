/* Batch normalisation: statistics, and what all passes share. Memory-bound, so x is read once for
 * the statistics, once forward and twice for the gradient.
 *
 * Statistics are taken per chunk of rows, of d = x - shift with shift the chunk's first row, so
 * that no cancellation hurts. The chunks of a part are then combined in double, in order, and after
 * that the parts (kernels/part_sums.h): Chan, Golub, LeVeque, "Updating Formulae and a Pairwise
 * Algorithm for Computing Sample Variances", 1979. */
#include <math.h>
#include <stdint.h>

#include "kernels/part_sums.h"
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

/* Chunks of so many rows or lines, of which an image has `image` and all have `all`: of the parts,
 * where they are added up, or of all together. */
static struct cnn_runs runs(const struct cnn_batch_norm *b, bool sums, size_t image, size_t all,
                            size_t length)
{
    bool parts = sums && b->parts;
    return (struct cnn_runs){.parts = parts ? *b->parts
                                            : (struct cnn_parts){.images = 1, .count = 1, .end = 1},
                             .image = parts ? image : all,
                             .length = length};
}

/* Chunks of at most `most` rows, of parts where that is not SIZE_MAX; rows: those that make a wide
 * one. */
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
        .runs = runs(b, most != SIZE_MAX, b->image, b->rows, chunk_rows),
        .strips = cnn_size_divide_up(wide, CNN_NORM_STRIP),
    };
    k.chunks = cnn_runs_count(&k.runs);
    k.b.pool = NULL;
    return k;
}

struct cnn_norm CNN_VALUE_NAME(cnn_norm_rows)(const struct cnn_batch_norm *b)
{
    return cut(b, rows_together(b->channels, WIDE), SIZE_MAX);
}

struct cnn_norm CNN_VALUE_NAME(cnn_norm_sums)(const struct cnn_batch_norm *b)
{
    if (cnn_norm_calls(b->activation))
        return cut(b, rows_together(b->channels, WIDE),
                   SUMMED * (WIDE / cnn_size_min(b->channels, WIDE)));
    struct cnn_norm k = cut(b, rows_together(b->channels, 1), SUMMED);
    if (k.wide < TILE)
        k.together = TILE / k.wide;
    return k;
}

struct cnn_norm CNN_VALUE_NAME(cnn_norm_lines)(const struct cnn_batch_norm *b, bool sums)
{
    const struct cnn_pool *p = b->pool;
    size_t line = 2 * p->in_w * cnn_size_min(b->channels, CNN_NORM_STRIP),
           lines = b->rows / (p->in_h * p->in_w) * p->out_h;
    size_t chunk_rows = cnn_size_min(line < CHUNK ? CHUNK / line : 1,
                                     cnn_size_divide_up(SUMMED, 2 * p->in_w)),
           wide = rows_together(b->channels, WIDE) * b->channels;
    struct cnn_norm k = {
        .b = *b,
        .wide = wide,
        .together = 1,
        .runs = runs(b, sums, p->out_h, lines, chunk_rows),
        .strips = cnn_size_divide_up(wide, CNN_NORM_STRIP),
    };
    k.chunks = cnn_runs_count(&k.runs);
    return k;
}

/* Chunks of a run of as many images, whatever parts they are. */
static size_t chunks_bound(const struct cnn_batch_norm *b, const struct cnn_norm *k)
{
    size_t lines =
        b->pool && k->b.pool ? b->rows / (b->pool->in_h * b->pool->in_w) * b->pool->out_h : b->rows;
    return lines / k->runs.length + cnn_batch_norm_parts_bound(b);
}

size_t CNN_VALUE_NAME(cnn_batch_norm_scratch_floats)(const struct cnn_batch_norm *b)
{
    struct cnn_norm k = CNN_VALUE_NAME(cnn_norm_sums)(b);
    size_t chunks = chunks_bound(b, &k), lines = 0;
    if (b->pool) {
        k = CNN_VALUE_NAME(cnn_norm_lines)(b, true);
        lines = chunks_bound(b, &k);
    }
    chunks = lines > chunks ? lines : chunks;
    return 2 * b->channels *
           (chunks + cnn_batch_norm_parts_bound(b) * sizeof(double) / sizeof(float));
}

struct cnn_norm_strip CNN_VALUE_NAME(cnn_norm_strip_at)(const struct cnn_norm *k, size_t task)
{
    size_t chunk = task / k->strips, column = task % k->strips * CNN_NORM_STRIP, c = k->b.channels,
           width = cnn_size_min(CNN_NORM_STRIP, k->wide - column);
    struct cnn_run run = cnn_runs_chunk(&k->runs, chunk);
    bool lines = k->b.pool != NULL;
    return (struct cnn_norm_strip){.begin = lines ? run.begin : run.begin * c + column,
                                   .end = lines ? run.end : run.end * c,
                                   .width = width,
                                   .channel = column,
                                   .channels = cnn_size_min(c, width),
                                   .sums = chunk * c + column};
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

void CNN_VALUE_NAME(cnn_norm_fold)(const struct cnn_norm_strip *s, const float *row, float *sums)
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
static inline void statistics_lanes(const cnn_number *x, size_t rows, size_t wide,
                                    struct cnn_norm_lanes lanes, struct statistics *s)
{
    vfloat from = vload_lanes(s->shift + lanes.first, lanes.count), first = vset(0),
           second = vset(0);
    float *sum = s->sum + lanes.first, *squares = s->squares + lanes.first;
    for (size_t row = 0; row < rows; row++) {
        vfloat d = vload_number_lanes(x + lanes.first + row * wide, lanes.count) - from;
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
    struct cnn_norm_strip s = CNN_VALUE_NAME(cnn_norm_strip_at)(k, task);
    struct statistics sums;
    memset(sums.sum, 0, sizeof sums.sum + sizeof sums.squares);
    for (size_t i = 0; i < s.channels; i++)
        sums.shift[i] = cnn_number_float(k->x[s.begin + i]);
    repeat(&s, sums.shift);
    struct cnn_norm_tile t;
    for (size_t at = s.begin; at < s.end; at += t.rows * k->wide) {
        t = cnn_norm_tile_at(k, &s, at);
        size_t i = 0;
        cnn_norm_prefetch(k, t, k->x);
        for (; i + VLEN <= t.width; i += VLEN)
            statistics_lanes(k->x + at, t.rows, k->wide, (struct cnn_norm_lanes){i, VLEN}, &sums);
        if (i < t.width)
            statistics_lanes(k->x + at, t.rows, k->wide, (struct cnn_norm_lanes){i, t.width - i},
                             &sums);
    }
    CNN_VALUE_NAME(cnn_norm_fold)(&s, sums.sum, k->first + s.sums);
    CNN_VALUE_NAME(cnn_norm_fold)(&s, sums.squares, k->second + s.sums);
}

/* A group of channels of a part: the mean, from its chunks' sums. */
static void combine_means(const struct cnn_norm *k, struct cnn_run part, size_t chunk,
                          size_t channel, size_t count, double *mean)
{
    size_t c = k->b.channels;
    double rows = (double)(part.end - part.begin);
    for (size_t row = part.begin; row < part.end; row += k->runs.length, chunk++) {
        double chunk_rows = (double)cnn_size_min(k->runs.length, part.end - row);
        for (size_t i = 0; i < count; i++)
            mean[i] += (chunk_rows * (double)cnn_number_float(k->x[row * c + channel + i]) +
                        (double)k->first[chunk * c + channel + i]) /
                       rows;
    }
}

/* And the sum of the squared distances from it. */
static void combine_squares(const struct cnn_norm *k, struct cnn_run part, size_t chunk,
                            size_t channel, size_t count, double *mean)
{
    size_t c = k->b.channels;
    double *squares = mean + c;
    for (size_t row = part.begin; row < part.end; row += k->runs.length, chunk++) {
        double chunk_rows = (double)cnn_size_min(k->runs.length, part.end - row);
        for (size_t i = 0; i < count; i++) {
            /* the chunk's mean from its shift, then from the mean of all */
            double d = (double)k->first[chunk * c + channel + i] / chunk_rows;
            double from_mean = (double)cnn_number_float(k->x[row * c + channel + i]) + d - mean[i];
            squares[i] += (double)k->second[chunk * c + channel + i] - chunk_rows * d * d +
                          chunk_rows * from_mean * from_mean;
        }
    }
}

/* Task: a group of channels of a part. */
static void statistics_combine(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    size_t groups = cnn_size_divide_up(k->b.channels, GROUP), channel = task % groups * GROUP,
           count = cnn_size_min(GROUP, k->b.channels - channel),
           part = k->runs.parts.first + task / groups, chunk = cnn_runs_before(&k->runs, part);
    double *mean = k->own + task / groups * 2 * k->b.channels + channel;
    memset(mean, 0, count * sizeof *mean);
    memset(mean + k->b.channels, 0, count * sizeof *mean);
    combine_means(k, cnn_runs_part(&k->runs, part), chunk, channel, count, mean);
    combine_squares(k, cnn_runs_part(&k->runs, part), chunk, channel, count, mean);
}

void CNN_VALUE_NAME(cnn_batch_norm_statistics)(const struct cnn_batch_norm *b, const float *x,
                                               float *mean, float *var, float *scratch)
{
    struct cnn_norm k = CNN_VALUE_NAME(cnn_norm_sums)(b);
    size_t parts = k.runs.parts.end - k.runs.parts.first, c = b->channels;
    cnn_norm_place_sums(&k, scratch);
    k.x = (const cnn_number *)x;
    cnn_parallel_for(k.chunks * k.strips, statistics_strip, &k);
    cnn_parallel_for(parts * cnn_size_divide_up(c, GROUP), statistics_combine, &k);
    const struct cnn_part_sums sums = {.b = b, .moments = true, .own = k.own};
    const double *total = cnn_part_sums_total(&sums);
    for (size_t i = 0; i < c; i++) {
        mean[i] = (float)total[i];
        var[i] = total[c + i] < 0 ? 0.0f : (float)(total[c + i] / cnn_batch_norm_rows(b));
    }
}

float CNN_VALUE_NAME(cnn_norm_inverse_deviation)(const struct cnn_norm *k, size_t channel)
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

void CNN_VALUE_NAME(cnn_norm_columns)(const struct cnn_norm *k, const struct cnn_norm_strip *s,
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

void CNN_VALUE_NAME(cnn_norm_gradient_columns)(const struct cnn_norm *k,
                                               const struct cnn_norm_strip *s,
                                               struct cnn_norm_columns *columns)
{
    CNN_VALUE_NAME(cnn_norm_columns)(k, s, columns);
    const float *dgamma = k->a.dgamma + s->channel, *dbeta = k->a.dbeta + s->channel;
    float rows = (float)cnn_batch_norm_rows(&k->b), *restrict offset = columns->offset,
          *restrict slope = columns->slope;
    inverse_deviations(k, s, slope);
    for (size_t i = 0; i < s->channels; i++) {
        offset[i] = dbeta[i] / rows;
        slope[i] = slope[i] * dgamma[i] / rows;
    }
    repeat(s, columns->offset), repeat(s, columns->slope);
}

void CNN_VALUE_NAME(cnn_norm_values)(const struct cnn_norm *k,
                                     const struct cnn_norm_columns *columns,
                                     struct cnn_activation a, struct cnn_norm_tile t, float *y)
{
    const struct cnn_norm_cut cut = cnn_norm_cut(a);
    const cnn_number *x = k->x + t.at;
    size_t i = 0;
    for (; i + VLEN <= t.width; i += VLEN)
        vstore(y + i, cnn_norm_between(&cut, cnn_norm_value(columns, i, vload_number(x + i))));
    if (i < t.width)
        vstore_tail(y + i, t.width - i,
                    cnn_norm_between(
                        &cut, cnn_norm_value(columns, i, vload_number_tail(x + i, t.width - i))));
    if (cnn_norm_calls(a))
        CNN_ISA_NAME(cnn_activate)(a, t.width, y, y);
}

void CNN_VALUE_NAME(cnn_norm_dx_tile)(const struct cnn_norm *k,
                                      const struct cnn_norm_columns *columns,
                                      struct cnn_norm_tile t, struct cnn_norm_gradients dy)
{
    const cnn_number *x = k->x + t.at;
    cnn_number *dx = k->dx + t.at;
    const struct cnn_norm_cut cut = cnn_norm_cut(k->b.activation);
    size_t i = 0, rest = t.width % VLEN;
    for (; i + VLEN <= t.width; i += VLEN) {
        vfloat value = vload_number(x + i);
        vstore_number(dx + i, cnn_norm_dx(columns, i, value,
                                          cnn_norm_through(&cut, cnn_norm_value(columns, i, value),
                                                           cnn_norm_gradient(dy, i, VLEN))));
    }
    if (rest) {
        vfloat value = vload_number_tail(x + i, rest);
        vstore_number_tail(dx + i, rest,
                           cnn_norm_dx(columns, i, value,
                                       cnn_norm_through(&cut, cnn_norm_value(columns, i, value),
                                                        cnn_norm_gradient(dy, i, rest))));
    }
}
