/* Batch normalisation in plain C: Ioffe and Szegedy, "Batch Normalization", 2015. With g the
 * gradient before the activation, xhat the normalised input and R the number of rows:
 *
 *   dbeta = sum of g,  dgamma = sum of g * xhat,  dx = gamma / sqrt(var + eps) * (g - dbeta / R -
 * xhat * dgamma / R)
 *
 * Activation and pooling behind it are taken element by element, as if they were operations of
 * their own. */
#include <math.h>

#include "kernels/part_sums.h"
#include "kernels/ref.h"
#include "kernels/runs.h"
#include "util/parallel.h"

struct norm_work {
    const struct cnn_batch_norm *b;
    struct cnn_batch_norm_arrays a;
    double *own; /* two for each part and channel */
};

size_t cnn_batch_norm_scratch_floats_ref(const struct cnn_batch_norm *b)
{
    return cnn_batch_norm_parts_bound(b) * 2 * b->channels * sizeof(double) / sizeof(float);
}

/* The rows of one part. */
static struct cnn_run part_rows(const struct cnn_batch_norm *b, size_t part)
{
    struct cnn_runs runs = {.parts = cnn_batch_norm_parts(b),
                            .image = b->parts ? b->image : b->rows};
    return cnn_runs_part(&runs, part);
}

/* Tasks are channels, here and below. */
static void channel_statistics(void *context, size_t ch, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    const struct cnn_parts parts = cnn_batch_norm_parts(k->b);
    size_t c = k->b->channels;
    double *own = k->own + ch;
    for (size_t part = parts.first; part < parts.end; part++, own += 2 * c) {
        struct cnn_run run = part_rows(k->b, part);
        double sum = 0, squares = 0, rows = (double)(run.end - run.begin);
        for (size_t i = run.begin; i < run.end; i++)
            sum += (double)k->a.x[i * c + ch];
        for (size_t i = run.begin; i < run.end; i++)
            squares += ((double)k->a.x[i * c + ch] - sum / rows) *
                       ((double)k->a.x[i * c + ch] - sum / rows);
        own[0] = sum / rows;
        own[c] = squares;
    }
}

void cnn_batch_norm_statistics_ref(const struct cnn_batch_norm *b, const float *x, float *mean,
                                   float *var, float *scratch)
{
    struct norm_work k = {.b = b, .a = {.x = x}, .own = (double *)scratch};
    cnn_parallel_for(b->channels, channel_statistics, &k);
    const struct cnn_part_sums sums = {.b = b, .moments = true, .own = k.own};
    const double *total = cnn_part_sums_total(&sums);
    for (size_t i = 0; i < b->channels; i++) {
        mean[i] = (float)total[i];
        var[i] = (float)(total[b->channels + i] / cnn_batch_norm_rows(b));
    }
}

/* batch_norm(x) at one row. */
static float linear_at(const struct norm_work *k, size_t row, size_t ch)
{
    double scale = (double)k->a.gamma[ch] / sqrt((double)k->a.var[ch] + (double)k->b->eps);
    return (float)(((double)k->a.x[row * k->b->channels + ch] - (double)k->a.mean[ch]) * scale +
                   (double)k->a.beta[ch]);
}

static float value_at(const struct norm_work *k, size_t row, size_t ch)
{
    return cnn_activate_ref(k->b->activation, linear_at(k, row, ch));
}

/* The values at the pixels of pooled row `out`'s window, in row order, and the row of the first
 * pixel. */
static size_t window_values(const struct norm_work *k, size_t out, size_t ch, float value[4])
{
    const struct cnn_pool *p = k->b->pool;
    size_t line = out / p->out_w,
           first = (line / p->out_h * p->in_h + line % p->out_h * 2) * p->in_w + out % p->out_w * 2;
    for (size_t i = 0; i < 4; i++)
        value[i] = value_at(k, first + i / 2 * p->in_w + i % 2, ch);
    return first;
}

/* The position of a window's maximum: the first of several, the last NaN where there is one. */
static size_t largest_of(const float value[4])
{
    size_t best = 0;
    for (size_t i = 1; i < 4; i++)
        if (value[i] > value[best] || isnan(value[i]))
            best = i;
    return best;
}

static void channel_forward(void *context, size_t ch, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    const struct cnn_pool *p = k->b->pool;
    size_t rows = p ? k->b->rows / (p->in_h * p->in_w) * p->out_h * p->out_w : k->b->rows;
    for (size_t row = 0; row < rows; row++) {
        float value[4], *y = k->a.y + row * k->b->channels + ch;
        if (!p) {
            *y = value_at(k, row, ch);
            continue;
        }
        window_values(k, row, ch, value);
        *y = p->average ? (value[0] + value[1] + (value[2] + value[3])) / 4
                        : value[largest_of(value)];
    }
}

void cnn_batch_norm_forward_ref(const struct cnn_batch_norm *b,
                                const struct cnn_batch_norm_arrays *arrays)
{
    struct norm_work k = {.b = b, .a = *arrays};
    cnn_parallel_for(b->channels, channel_forward, &k);
}

/* The gradient at the output of the activation, from that at the output of the pooling. */
static double unpooled_at(const struct norm_work *k, size_t row, size_t ch)
{
    const struct cnn_pool *p = k->b->pool;
    if (!p)
        return (double)k->a.dy[row * k->b->channels + ch];
    size_t image = row / (p->in_h * p->in_w), oy = row / p->in_w % p->in_h / 2,
           ox = row % p->in_w / 2;
    if (oy >= p->out_h || ox >= p->out_w)
        return 0;
    float value[4];
    size_t out = (image * p->out_h + oy) * p->out_w + ox, first = window_values(k, out, ch, value),
           best = largest_of(value);
    double dy = (double)k->a.dy[out * k->b->channels + ch];
    return p->average ? dy / 4 : row == first + best / 2 * p->in_w + best % 2 ? dy : 0;
}

/* The gradient before the activation, and the normalised input, of a row. */
struct row_gradient {
    double g, xhat;
};

static struct row_gradient row_gradient(const struct norm_work *k, size_t row, size_t ch)
{
    double inverse = 1.0 / sqrt((double)k->a.var[ch] + (double)k->b->eps),
           x = (double)k->a.x[row * k->b->channels + ch];
    return (struct row_gradient){.g = unpooled_at(k, row, ch) *
                                      cnn_activation_slope_ref(k->b->activation,
                                                               (double)linear_at(k, row, ch),
                                                               (double)value_at(k, row, ch)),
                                 .xhat = (x - (double)k->a.mean[ch]) * inverse};
}

static void channel_sums(void *context, size_t ch, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    const struct cnn_parts parts = cnn_batch_norm_parts(k->b);
    double *own = k->own + ch;
    for (size_t part = parts.first; part < parts.end; part++, own += 2 * k->b->channels) {
        struct cnn_run run = part_rows(k->b, part);
        own[0] = own[k->b->channels] = 0;
        for (size_t row = run.begin; row < run.end; row++) {
            struct row_gradient at = row_gradient(k, row, ch);
            own[0] += at.g;
            own[k->b->channels] += at.g * at.xhat;
        }
    }
}

static void channel_backward(void *context, size_t ch, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    double rows = cnn_batch_norm_rows(k->b),
           scale = (double)k->a.gamma[ch] / sqrt((double)k->a.var[ch] + (double)k->b->eps),
           dbeta = (double)k->a.dbeta[ch], dgamma = (double)k->a.dgamma[ch];
    for (size_t row = 0; row < k->b->rows; row++) {
        struct row_gradient at = row_gradient(k, row, ch);
        k->a.dx[row * k->b->channels + ch] =
            (float)(scale * (at.g - dbeta / rows - at.xhat * dgamma / rows));
    }
}

void cnn_batch_norm_backward_ref(const struct cnn_batch_norm *b,
                                 const struct cnn_batch_norm_arrays *arrays)
{
    struct norm_work k = {.b = b, .a = *arrays, .own = (double *)arrays->scratch};
    cnn_parallel_for(b->channels, channel_sums, &k);
    const struct cnn_part_sums sums = {.b = b, .own = k.own};
    const double *total = cnn_part_sums_total(&sums);
    for (size_t i = 0; i < b->channels; i++) {
        k.a.dbeta[i] = (float)total[i];
        k.a.dgamma[i] = (float)total[b->channels + i];
    }
    if (k.a.dx)
        cnn_parallel_for(b->channels, channel_backward, &k);
}
