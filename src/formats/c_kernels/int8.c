/* The arithmetic of exported int8 networks (see float.c for how pieces are found). A number is a
 * byte q that stands for (q - zero) * scale; what is computed is whole numbers alone, the same as
 * `cnn predict` computes and the same on every machine.
 *
 * NULL stands for a row of padding, which is made of zeros: it adds nothing. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "float.c"
#include "float_more.c"

/* piece requantize */
/* From sums to bytes: y = clamp(zero + ((high word of (sum * 2^left * multiplier) + half) >>
 * shift), low, high), rounded to the nearest, halves upwards. */
struct requantize {
    int32_t left, shift, zero, low, high;
};

static int32_t clamp(int32_t y, int32_t low, int32_t high)
{
    return y < low ? low : y > high ? high : y;
}

static uint8_t requantize(const struct requantize *q, int32_t sum, int32_t multiplier)
{
    const int64_t product = (int64_t)(sum * ((int32_t)1 << q->left)) * multiplier;
    const int32_t y = ((int32_t)(product >> 32) + ((int32_t)1 << (q->shift - 1))) >> q->shift;
    return (uint8_t)clamp(q->zero + y, q->low, q->high);
}

/* piece rows_u8: window source */
/* The rows of x under the windows of output row i. */
static void rows_u8(const struct window *k, const uint8_t *x, int32_t i, const uint8_t **rows)
{
    for (int32_t u = 0; u < k->kernel_h; u++) {
        const int32_t r =
            source(i * k->stride_h + u * k->dilation_h - k->pad_top, k->in_h, k->mode);
        rows[u] = r < 0 ? NULL : x + (size_t)(r % k->ring) * (size_t)(k->in_w * k->in_c);
    }
}

/* piece dense_u8: common */
/* The sums of a dense layer; weight: [unit][input]. */
struct dense {
    const int8_t *weight;
    const int32_t *bias;
    int32_t zero, inputs, units;
};

static void dense_u8(const struct dense *w, const uint8_t *RESTRICT x, int32_t *RESTRICT y)
{
    const int8_t *RESTRICT weight = w->weight;
    for (int32_t f = 0; f < w->units; f++, weight += w->inputs) {
        int32_t sum = w->bias[f];
        for (int32_t i = 0; i < w->inputs; i++)
            sum += (x[i] - w->zero) * weight[i];
        y[f] = sum;
    }
}

/* piece bytes_s32: requantize */
/* Sums to bytes; each channel has its multiplier. */
static void bytes_s32(const struct requantize *q, const int32_t *sum, const int32_t *multiplier,
                      int32_t pixels, int32_t channels, uint8_t *y)
{
    for (int32_t i = 0; i < pixels; i++, sum += channels, y += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c] = requantize(q, sum[c], multiplier[c]);
}

/* piece floats_s32 */
/* Sums to numbers; each channel has its scale. */
static void floats_s32(const int32_t *sum, const float *scale, int32_t pixels, int32_t channels,
                       float *y)
{
    for (int32_t i = 0; i < pixels; i++, sum += channels, y += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c] = (float)sum[c] * scale[c];
}

/* piece mean_bytes: requantize */
/* Sums of a window to bytes, all with one multiplier. */
static void mean_bytes(const struct requantize *q, const int32_t *sum, int32_t multiplier,
                       int32_t channels, uint8_t *y)
{
    for (int32_t c = 0; c < channels; c++)
        y[c] = requantize(q, sum[c], multiplier);
}

/* piece mean_floats */
static void mean_floats(const int32_t *sum, float scale, int32_t channels, float *y)
{
    for (int32_t c = 0; c < channels; c++)
        y[c] = (float)sum[c] * scale;
}

/* piece nearest_u8: nearest */
static void nearest_u8(const struct resize *k, const uint8_t *x, uint8_t *y)
{
    for (int32_t i = 0; i < k->out_h; i++)
        for (int32_t j = 0; j < k->out_w; j++, y += k->channels)
            memcpy(y,
                   x + (nearest(i, k->in_h, k->out_h) * k->in_w + nearest(j, k->in_w, k->out_w)) *
                           k->channels,
                   (size_t)k->channels);
}

/* piece depth_to_space_u8: depth */
static void depth_to_space_u8(const struct depth *k, const uint8_t *x, uint8_t *y)
{
    const int32_t size = k->channels * k->block * k->block;
    for (int32_t i = 0; i < k->h * k->block; i++)
        for (int32_t j = 0; j < k->w * k->block; j++)
            for (int32_t c = 0; c < k->channels; c++)
                *y++ = x[(i / k->block * k->w + j / k->block) * size +
                         deep(k, i % k->block * k->block + j % k->block, c)];
}

/* piece space_to_depth_u8: depth */
static void space_to_depth_u8(const struct depth *k, const uint8_t *x, uint8_t *y)
{
    const int32_t size = k->channels * k->block * k->block;
    for (int32_t i = 0; i < k->h * k->block; i++)
        for (int32_t j = 0; j < k->w * k->block; j++)
            for (int32_t c = 0; c < k->channels; c++)
                y[(i / k->block * k->w + j / k->block) * size +
                  deep(k, i % k->block * k->block + j % k->block, c)] = *x++;
}

/* piece table_u8 */
/* An activation: the byte that belongs to each; y may be x. */
static void table_u8(const uint8_t *x, const uint8_t *table, int32_t count, uint8_t *y)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = table[x[i]];
}

/* piece max_pool_u8: common window */
/* One row of maxima; padding does not count. */
static void max_pool_u8(const struct window *k, const uint8_t **rows, uint8_t *RESTRICT y)
{
    for (int32_t j = 0; j < k->out_w; j++, y += k->out_c) {
        memset(y, 0, (size_t)k->out_c);
        for (int32_t u = 0; u < k->kernel_h; u++)
            for (int32_t v = 0; v < k->kernel_w; v++) {
                const int32_t s = j * k->stride_w + v - k->pad_left;
                if (!rows[u] || s < 0 || s >= k->in_w)
                    continue;
                const uint8_t *RESTRICT x = rows[u] + s * k->in_c;
                for (int32_t c = 0; c < k->out_c; c++)
                    y[c] = x[c] > y[c] ? x[c] : y[c];
            }
    }
}

/* piece average_pool_u8: common window pool_area */
/* The sums of x - zero under the window of row i, column j, and the pixels that its mean counts. */
static int32_t average_pool_u8(const struct window *k, const uint8_t **rows, int32_t i, int32_t j,
                               const int32_t *zero_and_padding, int32_t *RESTRICT y)
{
    const int32_t zero = zero_and_padding[0], padding = zero_and_padding[1],
                  left = j * k->stride_w - k->pad_left,
                  high = counted(i * k->stride_h - k->pad_top, k->kernel_h, k->in_h, k->pad_bottom,
                                 padding),
                  wide = counted(left, k->kernel_w, k->in_w, k->pad_right, padding);
    memset(y, 0, (size_t)k->out_c * sizeof *y);
    for (int32_t u = 0; u < k->kernel_h; u++)
        for (int32_t s = left; s < left + k->kernel_w; s++) {
            if (!rows[u] || s < 0 || s >= k->in_w)
                continue;
            const uint8_t *RESTRICT x = rows[u] + s * k->in_c;
            for (int32_t c = 0; c < k->out_c; c++)
                y[c] += x[c] - zero;
        }
    return high * wide;
}

/* piece global_average_u8: common */
/* The sums of x - zero over all pixels. */
static void global_average_u8(const uint8_t *RESTRICT x, int32_t zero, int32_t pixels,
                              int32_t channels, int32_t *RESTRICT y)
{
    memset(y, 0, (size_t)channels * sizeof *y);
    for (int32_t i = 0; i < pixels; i++, x += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c] += x[c] - zero;
}

/* piece global_max_u8: common */
static void global_max_u8(const uint8_t *RESTRICT x, int32_t pixels, int32_t channels,
                          uint8_t *RESTRICT y)
{
    memset(y, 0, (size_t)channels);
    for (int32_t i = 0; i < pixels; i++, x += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c] = x[c] > y[c] ? x[c] : y[c];
}

/* piece term */
/* An input of a sum or a product: its bytes, and what they are worth. */
struct term {
    const uint8_t *x;
    int32_t zero, multiplier;
};

/* piece add_u8: requantize term */
/* y = the sum of (x - zero) * multiplier, rounded; y may be one of the inputs. */
static void add_u8(const struct requantize *q, const struct term *terms, int32_t count,
                   int32_t size, uint8_t *y)
{
    for (int32_t i = 0; i < size; i++) {
        int32_t sum = (int32_t)1 << (q->shift - 1);
        for (int32_t t = 0; t < count; t++)
            sum += (terms[t].x[i] - terms[t].zero) * terms[t].multiplier;
        y[i] = (uint8_t)clamp(q->zero + (sum >> q->shift), q->low, q->high);
    }
}

/* piece multiply_u8: requantize term */
/* Each number of a times that of b, or where b is one pixel times its channel's; y may be a. */
static void multiply_u8(const struct requantize *q, const struct term *a, const struct term *b,
                        const int32_t *size, uint8_t *y)
{
    for (int32_t i = 0; i < size[0]; i++)
        y[i] = requantize(q, (a->x[i] - a->zero) * (b->x[i % size[1]] - b->zero), a->multiplier);
}

/* piece scale_u8: requantize */
/* y = (x * multiplier + bias) / 2^shift, numbers of each channel; y may be x. The struct is copied:
 * a compiler must fear that writing y changes it. */
struct scale {
    struct requantize to;
    const int32_t *multiplier, *bias;
    int32_t pixels, channels;
};

static void scale_u8(const struct scale *scale, const uint8_t *x, uint8_t *y)
{
    const struct scale k = *scale;
    const int32_t half = (int32_t)1 << (k.to.shift - 1);
    for (int32_t i = 0; i < k.pixels; i++, x += k.channels, y += k.channels)
        for (int32_t c = 0; c < k.channels; c++) {
            const int32_t sum = x[c] * k.multiplier[c] + k.bias[c] + half;
            y[c] = (uint8_t)clamp(k.to.zero + (sum >> k.to.shift), k.to.low, k.to.high);
        }
}

/* piece shuffle_u8 */
/* Channel g * members + m comes to place m * groups + g. */
static void shuffle_u8(const uint8_t *x, int32_t pixels, int32_t channels, int32_t groups,
                       uint8_t *y)
{
    const int32_t members = channels / groups;
    for (int32_t i = 0; i < pixels; i++, x += channels, y += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c % members * groups + c / members] = x[c];
}

/* piece transpose_u8 */
/* [pixel][channel] -> [channel][pixel] */
static void transpose_u8(const uint8_t *x, int32_t pixels, int32_t channels, uint8_t *y)
{
    for (int32_t i = 0; i < pixels; i++)
        for (int32_t c = 0; c < channels; c++)
            y[c * pixels + i] = x[i * channels + c];
}

/* piece quantize_f32 */
/* The byte of a number: x / scale to the nearest, halves to even, plus zero. The sum with 3 * 2^22
 * has no room for more than whole numbers, so it is rounded as float32 rounds; the sum and what it
 * is are volatile, so that no compiler takes one from the other in another precision. */
static uint8_t quantize_f32(float x, float scale, int32_t zero)
{
    const float steps = x / scale, bound = 1024.0f;
    volatile float rounded = 12582912.0f;
    int32_t whole;
    rounded += steps < -bound ? -bound : steps > bound ? bound : steps;
    rounded -= 12582912.0f;
    whole = zero + (int32_t)rounded;
    return (uint8_t)(whole < 0 ? 0 : whole > 255 ? 255 : whole);
}

/* piece softmax_exact */
/* Softmax by single float32 operations, each rounded by itself, so that every machine gives the
 * same bits: `volatile` keeps compilers from joining a product with the sum that it goes into. */
static float product(float a, float b)
{
    volatile float rounded = a * b;
    return rounded;
}

/* Taylor's series of e^r for |r| up to ln 2 / 2; x is not above 0. */
static float exponential(float x)
{
    int32_t k, bits;
    float r, sum = 1, power;
    if (x <= -87)
        return 0;
    k = (int32_t)(product(x, 1.44269504f) - 0.5f);
    r = (x - product((float)k, 0.693145752f)) - product((float)k, 1.42860677e-6f);
    for (int32_t i = 7; i > 0; i--)
        sum = 1 + product(r / (float)i, sum);
    bits = (k + 127) * (1 << 23);
    memcpy(&power, &bits, sizeof power);
    return product(sum, power);
}

static void softmax_exact(float *y, int32_t pixels, int32_t channels)
{
    for (int32_t i = 0; i < pixels; i++, y += channels) {
        float most = y[0], sum = 0;
        for (int32_t c = 1; c < channels; c++)
            most = y[c] > most ? y[c] : most;
        for (int32_t c = 0; c < channels; c++) {
            y[c] = exponential(y[c] - most);
            sum += y[c];
        }
        for (int32_t c = 0; c < channels; c++)
            y[c] /= sum;
    }
}
