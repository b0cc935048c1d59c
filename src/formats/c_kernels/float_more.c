/* The arithmetic of exported float32 networks beside convolution and pooling (float.c). Where y may
 * be x, or lie below it and overlap it, that is said; elsewhere the two are apart. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* piece scale_f32 */
/* y = x * s + b, a number of each channel; y may be x. */
static void scale_f32(const float *x, const float *s, const float *b, int32_t pixels,
                      int32_t channels, float *y)
{
    for (int32_t i = 0; i < pixels; i++, x += channels, y += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c] = x[c] * s[c] + b[c];
}

/* piece prelu_f32 */
/* Numbers below zero times their channel's slope; y may be x. */
static void prelu_f32(const float *x, const float *slope, int32_t pixels, int32_t channels,
                      float *y)
{
    for (int32_t i = 0; i < pixels; i++, x += channels, y += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c] = x[c] > 0 ? x[c] : x[c] * slope[c];
}

/* piece group_norm_f32 */
/* The numbers of each group of channels minus their mean, by their deviation, times gamma, plus
 * beta; y may be x. */
struct group_norm {
    int32_t pixels, channels, groups;
    float eps;
};

static void group_norm_f32(const struct group_norm *k, const float *x, const float *gamma,
                           const float *beta, float *y)
{
    const int32_t members = k->channels / k->groups;
    const float count = (float)(members * k->pixels);
    for (int32_t first = 0; first < k->channels; first += members) {
        float mean = 0, variance = 0;
        /* Twice: the mean of a long sum is off by the mean of what remains. */
        for (int32_t turn = 0; turn < 2; turn++) {
            float sum = 0;
            for (int32_t i = 0; i < k->pixels; i++)
                for (int32_t c = first; c < first + members; c++)
                    sum += x[i * k->channels + c] - mean;
            mean += sum / count;
        }
        for (int32_t i = 0; i < k->pixels; i++)
            for (int32_t c = first; c < first + members; c++) {
                const float distance = x[i * k->channels + c] - mean;
                variance += distance * distance;
            }
        const float scale = 1.0f / sqrtf(variance / count + k->eps);
        for (int32_t i = 0; i < k->pixels; i++)
            for (int32_t c = first; c < first + members; c++)
                y[i * k->channels + c] =
                    (x[i * k->channels + c] - mean) * scale * gamma[c] + beta[c];
    }
}

/* piece lrn_f32 */
/* y = x * (k + alpha / size * sum of the squares of the channels around)^-beta. */
struct lrn {
    int32_t pixels, channels, size;
    float alpha, beta, k;
};

static void lrn_f32(const struct lrn *l, const float *x, float *y)
{
    for (int32_t i = 0; i < l->pixels; i++, x += l->channels, y += l->channels)
        for (int32_t c = 0; c < l->channels; c++) {
            float squares = 0;
            for (int32_t d = c - l->size / 2; d <= c + (l->size - 1) / 2; d++)
                if (d >= 0 && d < l->channels)
                    squares += x[d] * x[d];
            y[c] = x[c] * powf(l->k + l->alpha / (float)l->size * squares, -l->beta);
        }
}

/* piece add_f32 */
/* y = a + b; y may be one of them. */
static void add_f32(const float *a, const float *b, int32_t count, float *y)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = a[i] + b[i];
}

/* piece multiply_f32 */
/* y = a * b; y may be one of them. */
static void multiply_f32(const float *a, const float *b, int32_t count, float *y)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = a[i] * b[i];
}

/* piece gate_f32 */
/* Each channel of x times a number; y may be x. */
static void gate_f32(const float *x, const float *gate, int32_t pixels, int32_t channels, float *y)
{
    for (int32_t i = 0; i < pixels; i++, x += channels, y += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c] = x[c] * gate[c];
}

/* piece shuffle_f32 */
/* Channel g * members + m comes to place m * groups + g. */
static void shuffle_f32(const float *x, int32_t pixels, int32_t channels, int32_t groups, float *y)
{
    const int32_t members = channels / groups;
    for (int32_t i = 0; i < pixels; i++, x += channels, y += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c % members * groups + c / members] = x[c];
}

/* piece transpose_f32 */
/* [pixel][channel] -> [channel][pixel] */
static void transpose_f32(const float *x, int32_t pixels, int32_t channels, float *y)
{
    for (int32_t i = 0; i < pixels; i++)
        for (int32_t c = 0; c < channels; c++)
            y[c * pixels + i] = x[i * channels + c];
}

/* piece resize */
/* A map of another size, by PyTorch's rules. */
struct resize {
    int32_t in_h, in_w, out_h, out_w, channels, align_corners;
};

/* piece nearest: resize */
static int32_t nearest(int32_t i, int32_t in, int32_t out)
{
    const int32_t at = (int32_t)((float)i * ((float)in / (float)out));
    return at < in ? at : in - 1;
}

/* piece nearest_f32: nearest */
static void nearest_f32(const struct resize *k, const float *x, float *y)
{
    for (int32_t i = 0; i < k->out_h; i++)
        for (int32_t j = 0; j < k->out_w; j++, y += k->channels)
            memcpy(y,
                   x + (nearest(i, k->in_h, k->out_h) * k->in_w + nearest(j, k->in_w, k->out_w)) *
                           k->channels,
                   (size_t)k->channels * sizeof *y);
}

/* piece bilinear_f32: resize */
/* The two pixels that one of the output lies between, and how far from the first. */
struct between {
    int32_t low, high;
    float part;
};

static struct between between(int32_t i, int32_t in, int32_t out, int32_t align_corners)
{
    struct between b;
    float at = ((float)i + 0.5f) * ((float)in / (float)out) - 0.5f;
    if (align_corners)
        at = out > 1 ? (float)i * ((float)(in - 1) / (float)(out - 1)) : 0;
    at = at < 0 ? 0 : at;
    b.low = (int32_t)at < in - 1 ? (int32_t)at : in - 1;
    b.high = b.low + 1 < in ? b.low + 1 : b.low;
    b.part = at - (float)b.low < 1 ? at - (float)b.low : 1;
    return b;
}

static void bilinear_f32(const struct resize *k, const float *x, float *y)
{
    for (int32_t i = 0; i < k->out_h; i++) {
        const struct between r = between(i, k->in_h, k->out_h, k->align_corners);
        for (int32_t j = 0; j < k->out_w; j++)
            for (int32_t c = 0; c < k->channels; c++) {
                const struct between s = between(j, k->in_w, k->out_w, k->align_corners);
                const float *low = x + r.low * k->in_w * k->channels + c,
                            *high = x + r.high * k->in_w * k->channels + c;
                const float a = low[s.low * k->channels] * (1 - s.part) +
                                low[s.high * k->channels] * s.part,
                            b = high[s.low * k->channels] * (1 - s.part) +
                                high[s.high * k->channels] * s.part;
                *y++ = a * (1 - r.part) + b * r.part;
            }
    }
}

/* piece depth */
/* block x block pixels of `channels` that become one pixel (h x w of them), or the other way round:
 * where channel c of the pixel at place p of a block goes. */
struct depth {
    int32_t h, w, channels, block, places_first;
};

static int32_t deep(const struct depth *k, int32_t p, int32_t c)
{
    return k->places_first ? p * k->channels + c : c * k->block * k->block + p;
}

/* piece depth_to_space_f32: depth */
static void depth_to_space_f32(const struct depth *k, const float *x, float *y)
{
    const int32_t size = k->channels * k->block * k->block;
    for (int32_t i = 0; i < k->h * k->block; i++)
        for (int32_t j = 0; j < k->w * k->block; j++)
            for (int32_t c = 0; c < k->channels; c++)
                *y++ = x[(i / k->block * k->w + j / k->block) * size +
                         deep(k, i % k->block * k->block + j % k->block, c)];
}

/* piece space_to_depth_f32: depth */
static void space_to_depth_f32(const struct depth *k, const float *x, float *y)
{
    const int32_t size = k->channels * k->block * k->block;
    for (int32_t i = 0; i < k->h * k->block; i++)
        for (int32_t j = 0; j < k->w * k->block; j++)
            for (int32_t c = 0; c < k->channels; c++)
                y[(i / k->block * k->w + j / k->block) * size +
                  deep(k, i % k->block * k->block + j % k->block, c)] = *x++;
}

/* piece copy_channels */
/* `bytes` of each pixel, in maps whose pixels have x_step and y_step bytes. */
static void copy_channels(const void *x, size_t x_step, void *y, size_t y_step, size_t bytes,
                          int32_t pixels)
{
    const unsigned char *from = (const unsigned char *)x;
    unsigned char *to = (unsigned char *)y;
    for (size_t i = 0; i < (size_t)pixels; i++)
        memcpy(to + i * y_step, from + i * x_step, bytes);
}

/* piece relu_f32 */
static void relu_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = y[i] < 0 ? 0 : y[i];
}

/* piece relu6_f32 */
static void relu6_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = y[i] < 0 ? 0 : y[i] > 6 ? 6 : y[i];
}

/* piece leaky_relu_f32 */
static void leaky_relu_f32(float *y, int32_t count, float slope)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = y[i] > 0 ? y[i] : y[i] * slope;
}

/* piece clip_f32 */
static void clip_f32(float *y, int32_t count, float low, float high)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = y[i] < low ? low : y[i] > high ? high : y[i];
}

/* piece elu_f32 */
static void elu_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = y[i] > 0 ? y[i] : expm1f(y[i]);
}

/* piece sigmoid_f32 */
static void sigmoid_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = 1.0f / (1.0f + expf(-y[i]));
}

/* piece tanh_f32 */
static void tanh_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = tanhf(y[i]);
}

/* piece gelu_f32 */
static void gelu_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = 0.5f * y[i] * (1.0f + erff(y[i] * 0.70710678f));
}

/* piece silu_f32 */
static void silu_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = y[i] / (1.0f + expf(-y[i]));
}

/* piece hardswish_f32 */
static void hardswish_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = y[i] < -3 ? 0 : y[i] > 3 ? y[i] : y[i] * (y[i] + 3.0f) / 6.0f;
}

/* piece hard_sigmoid_f32 */
static void hard_sigmoid_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = y[i] < -3 ? 0 : y[i] > 3 ? 1 : (y[i] + 3.0f) / 6.0f;
}

/* piece mish_f32 */
/* x * tanh(log(1 + e^x)); for large x that is x. */
static void mish_f32(float *y, int32_t count)
{
    for (int32_t i = 0; i < count; i++)
        y[i] = y[i] > 20 ? y[i] : y[i] * tanhf(log1pf(expf(y[i])));
}

/* piece softmax_f32 */
/* Of the channels of each pixel. */
static void softmax_f32(float *y, int32_t pixels, int32_t channels)
{
    for (int32_t i = 0; i < pixels; i++, y += channels) {
        float most = y[0], sum = 0;
        for (int32_t c = 1; c < channels; c++)
            most = y[c] > most ? y[c] : most;
        for (int32_t c = 0; c < channels; c++) {
            y[c] = expf(y[c] - most);
            sum += y[c];
        }
        for (int32_t c = 0; c < channels; c++)
            y[c] /= sum;
    }
}

/* piece copy */
static void copy(const float *x, int32_t count, float *y)
{
    memcpy(y, x, (size_t)count * sizeof *y);
}
