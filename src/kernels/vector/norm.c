/* Batch normalisation. Memory-bound, so x is read once for the statistics and twice for the gradient.
 *
 * Statistics are taken per chunk of rows, of d = x - shift with shift the chunk's first row, so that no cancellation hurts; the chunks are then
 * combined in double, in order: Chan, Golub, LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979.
 *
 * Where there are few channels, several rows are treated as one wide row, so that the inner loops are long; what is known per channel is repeated
 * along it. A chunk is a run of wide rows, the last one perhaps short. A task does one strip of columns of one chunk. */
#include <math.h>

#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/arena.h"
#include "util/parallel.h"

#define FEW   ((size_t)64)    /* fewer channels than this make wide rows */
#define WIDE  ((size_t)256)   /* floats of a wide row, at least; less than STRIP */
#define STRIP ((size_t)1024)  /* columns of a strip, at most */
#define CHUNK ((size_t)32768) /* floats of a strip of a chunk, about */
#define GROUP ((size_t)64)    /* channels whose chunks are combined by one task */

struct norm_work {
    struct cnn_batch_norm b;
    size_t wide, chunk_rows, chunks, strips;
    const float *x, *y_in, *mean, *var, *gamma, *beta, *dgamma_in, *dbeta_in;
    float *y, *dy, *dx, *out_mean, *out_var, *dgamma, *dbeta;
    float *first, *second; /* two sums for each chunk and channel */
    struct cnn_activation activation;
};

static struct norm_work norm_work(const struct cnn_batch_norm *b)
{
    size_t together = b->channels < FEW ? cnn_round_floats(cnn_size_divide_up(WIDE, b->channels)) : 1;
    size_t wide = together * b->channels, chunk_rows = together * (CHUNK / cnn_size_min(wide, STRIP));
    return (struct norm_work){
        .b = *b,
        .wide = wide,
        .chunk_rows = chunk_rows,
        .chunks = cnn_size_divide_up(b->rows, chunk_rows),
        .strips = cnn_size_divide_up(wide, STRIP),
    };
}

static void sums_place(struct norm_work *k, float *scratch)
{
    k->first = scratch;
    k->second = scratch + k->chunks * k->b.channels;
}

size_t CNN_ISA_NAME(cnn_batch_norm_scratch_floats)(const struct cnn_batch_norm *b)
{
    return 2 * norm_work(b).chunks * b->channels;
}

/* The strip's wide row i is elements begin + i * wide ... up to width of them, not beyond end. */
struct strip {
    size_t begin, end, width;
    size_t channel, channels; /* that the strip has: the first, and how many */
    size_t sums;              /* where the chunk's sums begin */
};

static struct strip strip_at(const struct norm_work *k, size_t task)
{
    size_t chunk = task / k->strips, column = task % k->strips * STRIP, row = chunk * k->chunk_rows, c = k->b.channels;
    size_t width = cnn_size_min(STRIP, k->wide - column);
    return (struct strip){
        .begin = row * c + column,
        .end = cnn_size_min(k->b.rows, row + k->chunk_rows) * c,
        .width = width,
        .channel = column,
        .channels = cnn_size_min(c, width),
        .sums = chunk * c + column,
    };
}

/* Fills the strip's row with copies of its first channels elements. */
static void repeat(const struct strip *s, float *row)
{
    for (size_t i = s->channels; i < s->width; i++)
        row[i] = row[i - s->channels];
}

/* The reverse: adds all elements of a channel. */
static void fold(const struct strip *s, const float *row, float *sums)
{
    memcpy(sums, row, s->channels * sizeof *sums);
    for (size_t i = s->channels; i < s->width; i += s->channels)
        for (size_t ch = 0; ch < s->channels; ch++)
            sums[ch] += row[i + ch];
}

static void statistics_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    struct strip s = strip_at(k, task);
    float shift[STRIP], sum[STRIP] = {0}, squares[STRIP] = {0};
    memcpy(shift, k->x + s.begin, s.channels * sizeof *shift);
    repeat(&s, shift);
    for (size_t at = s.begin; at < s.end; at += k->wide) {
        const float *x = k->x + at;
        size_t width = cnn_size_min(s.width, s.end - at);
        for (size_t i = 0; i < width; i++) {
            float d = x[i] - shift[i];
            sum[i] += d;
            squares[i] += d * d;
        }
    }
    fold(&s, sum, k->first + s.sums);
    fold(&s, squares, k->second + s.sums);
}

/* Mean and variance of a group of channels from all chunks' sums. */
static void statistics_combine(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    size_t c = k->b.channels, channel = task * GROUP, count = cnn_size_min(GROUP, c - channel);
    double mean[GROUP] = {0}, squares[GROUP] = {0}, rows = (double)k->b.rows;
    for (size_t chunk = 0, row = 0; chunk < k->chunks; chunk++, row += k->chunk_rows) {
        double chunk_rows = (double)cnn_size_min(k->chunk_rows, k->b.rows - row);
        for (size_t i = 0; i < count; i++)
            mean[i] += (chunk_rows * (double)k->x[row * c + channel + i] + (double)k->first[chunk * c + channel + i]) / rows;
    }
    for (size_t chunk = 0, row = 0; chunk < k->chunks; chunk++, row += k->chunk_rows) {
        double chunk_rows = (double)cnn_size_min(k->chunk_rows, k->b.rows - row);
        for (size_t i = 0; i < count; i++) {
            double d = (double)k->first[chunk * c + channel + i] / chunk_rows; /* the chunk's mean from its shift, then from the mean of all */
            double from_mean = (double)k->x[row * c + channel + i] + d - mean[i];
            squares[i] += (double)k->second[chunk * c + channel + i] - chunk_rows * d * d + chunk_rows * from_mean * from_mean;
        }
    }
    for (size_t i = 0; i < count; i++) {
        k->out_mean[channel + i] = (float)mean[i];
        k->out_var[channel + i] = squares[i] < 0 ? 0.0f : (float)(squares[i] / rows);
    }
}

void CNN_ISA_NAME(cnn_batch_norm_statistics)(const struct cnn_batch_norm *b, const float *x, float *mean, float *var, float *scratch)
{
    struct norm_work k = norm_work(b);
    sums_place(&k, scratch);
    k.x = x, k.out_mean = mean, k.out_var = var;
    cnn_parallel_for(k.chunks * k.strips, statistics_strip, &k);
    cnn_parallel_for(cnn_size_divide_up(b->channels, GROUP), statistics_combine, &k);
}

/* In double and rounded once, as PyTorch. */
static float inverse_deviation(const struct norm_work *k, size_t channel)
{
    return (float)(1.0 / sqrt((double)k->var[channel] + (double)k->b.eps));
}

/* y = x * scale + shift: one rounding after the product, where (x - mean) * scale + beta has two. What matters is that PyTorch computes it so: a sum
 * that is zero but for rounding then falls on the same side of a relu behind it. */
static void forward_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    struct strip s = strip_at(k, task);
    float scale[STRIP], shift[STRIP];
    for (size_t i = 0; i < s.channels; i++) {
        scale[i] = k->gamma[s.channel + i] * inverse_deviation(k, s.channel + i);
        shift[i] = k->beta[s.channel + i] - k->mean[s.channel + i] * scale[i];
    }
    repeat(&s, scale), repeat(&s, shift);
    enum cnn_activation_kind kind = k->activation.kind;
    float least = kind == CNN_ACT_RELU ? 0.0f : -INFINITY;
    for (size_t at = s.begin; at < s.end; at += k->wide) {
        const float *x = k->x + at;
        float *y = k->y + at;
        size_t width = cnn_size_min(s.width, s.end - at);
        for (size_t i = 0; i < width; i++) {
            float v = x[i] * scale[i] + shift[i];
            y[i] = v < least ? least : v;
        }
        if (kind != CNN_ACT_NONE && kind != CNN_ACT_RELU)
            CNN_ISA_NAME(cnn_activate)(k->activation, width, y, y);
    }
}

void CNN_ISA_NAME(cnn_batch_norm_forward)(const struct cnn_batch_norm *b, const float *x, const float *mean, const float *var, const float *gamma,
                                          const float *beta, struct cnn_activation activation, float *y)
{
    struct norm_work k = norm_work(b);
    k.x = x, k.mean = mean, k.var = var, k.gamma = gamma, k.beta = beta, k.activation = activation, k.y = y;
    cnn_parallel_for(k.chunks * k.strips, forward_strip, &k);
}

/* Takes dy back through the activation, and sums it and its product with x - mean. */
static void gradient_sums_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    struct strip s = strip_at(k, task);
    float mean[STRIP], sum[STRIP] = {0}, products[STRIP] = {0};
    memcpy(mean, k->mean + s.channel, s.channels * sizeof *mean);
    repeat(&s, mean);
    for (size_t at = s.begin; at < s.end; at += k->wide) {
        const float *x = k->x + at, *dy = k->dy + at;
        size_t width = cnn_size_min(s.width, s.end - at);
        if (k->activation.kind != CNN_ACT_NONE)
            CNN_ISA_NAME(cnn_activate_backward)(k->activation, width, NULL, k->y_in + at, dy, k->dy + at);
        for (size_t i = 0; i < width; i++) {
            sum[i] += dy[i];
            products[i] += dy[i] * (x[i] - mean[i]);
        }
    }
    fold(&s, sum, k->first + s.sums);
    fold(&s, products, k->second + s.sums);
}

static void gradient_sums_combine(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    size_t channel = task * GROUP, count = cnn_size_min(GROUP, k->b.channels - channel);
    double sum[GROUP] = {0}, products[GROUP] = {0};
    for (size_t chunk = 0; chunk < k->chunks; chunk++)
        for (size_t i = 0; i < count; i++) {
            sum[i] += (double)k->first[chunk * k->b.channels + channel + i];
            products[i] += (double)k->second[chunk * k->b.channels + channel + i];
        }
    for (size_t i = 0; i < count; i++) {
        k->dbeta[channel + i] = (float)sum[i];
        k->dgamma[channel + i] = (float)(products[i] * (double)inverse_deviation(k, channel + i));
    }
}

/* dx = scale * (g - dbeta / R - (x - mean) * inverse * dgamma / R) */
static void backward_strip(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    struct strip s = strip_at(k, task);
    float mean[STRIP], scale[STRIP], offset[STRIP], slope[STRIP], rows = (float)k->b.rows;
    for (size_t i = 0; i < s.channels; i++) {
        size_t ch = s.channel + i;
        float inverse = inverse_deviation(k, ch);
        mean[i] = k->mean[ch];
        scale[i] = k->gamma[ch] * inverse;
        offset[i] = k->dbeta_in[ch] / rows;
        slope[i] = inverse * k->dgamma_in[ch] / rows;
    }
    repeat(&s, mean), repeat(&s, scale), repeat(&s, offset), repeat(&s, slope);
    for (size_t at = s.begin; at < s.end; at += k->wide) {
        const float *x = k->x + at, *g = k->dy + at;
        float *dx = k->dx + at;
        size_t width = cnn_size_min(s.width, s.end - at);
        for (size_t i = 0; i < width; i++)
            dx[i] = scale[i] * (g[i] - offset[i] - (x[i] - mean[i]) * slope[i]);
    }
}

void CNN_ISA_NAME(cnn_batch_norm_backward)(const struct cnn_batch_norm *b, const float *x, const float *y, float *dy, const float *mean,
                                           const float *var, const float *gamma, struct cnn_activation activation, float *dx, float *dgamma,
                                           float *dbeta, float *scratch)
{
    struct norm_work k = norm_work(b);
    sums_place(&k, scratch);
    k.x = x, k.y_in = y, k.dy = dy, k.mean = mean, k.var = var, k.gamma = gamma, k.activation = activation, k.dx = dx;
    k.dgamma = dgamma, k.dbeta = dbeta, k.dgamma_in = dgamma, k.dbeta_in = dbeta;
    cnn_parallel_for(k.chunks * k.strips, gradient_sums_strip, &k);
    cnn_parallel_for(cnn_size_divide_up(b->channels, GROUP), gradient_sums_combine, &k);
    cnn_parallel_for(k.chunks * k.strips, backward_strip, &k);
}
