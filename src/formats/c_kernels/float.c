/* The arithmetic of exported float32 networks. cnn export copies the pieces that a network needs
 * into its C file: a piece begins with a line "piece NAME", and names the pieces it needs itself.
 * The file is C of its own right, so that compilers and tests see it as it is.
 *
 * Maps are stored row by row, each pixel with its channels together. One call of a windowed
 * operation computes one row of its output from pointers to the rows of its input; a pointer is
 * NULL where the row is padding of zeros. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* piece common */
#if defined(__GNUC__) || defined(_MSC_VER)
#define RESTRICT __restrict
#else
#define RESTRICT
#endif

/* piece window */
/* A window that slides over a map. ring: rows of the input that are in memory; row r is at
 * r % ring. mode of padding: 0 zeros, 1 reflected, 2 the nearest pixel. */
struct window {
    int32_t in_h, in_w, in_c;
    int32_t out_h, out_w, out_c;
    int32_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    int32_t pad_top, pad_left, pad_bottom, pad_right;
    int32_t groups, mode, ring;
};

/* piece source */
/* Where position i of the padded input comes from; -1: it is a zero. */
static int32_t source(int32_t i, int32_t size, int32_t mode)
{
    if (i >= 0 && i < size)
        return i;
    if (mode == 0)
        return -1;
    if (mode == 2)
        return i < 0 ? 0 : size - 1;
    return i < 0 ? -i : 2 * (size - 1) - i;
}

/* piece pad: source */
/* A border around a map whose pixels have `bytes`; of zeros: each byte is `fill`. */
struct pad {
    int32_t in_h, in_w, out_h, out_w, top, left, mode, fill;
};

static void pad(const struct pad *k, const void *x, void *y, size_t bytes)
{
    const unsigned char *from = (const unsigned char *)x;
    unsigned char *to = (unsigned char *)y;
    for (int32_t i = 0; i < k->out_h; i++)
        for (int32_t j = 0; j < k->out_w; j++, to += bytes) {
            const int32_t r = source(i - k->top, k->in_h, k->mode),
                          s = source(j - k->left, k->in_w, k->mode);
            if (r < 0 || s < 0)
                memset(to, k->fill, bytes);
            else
                memcpy(to, from + (size_t)(r * k->in_w + s) * bytes, bytes);
        }
}

/* piece rows_f32: window source */
/* The rows of x under the windows of output row i. */
static void rows_f32(const struct window *k, const float *x, int32_t i, const float **rows)
{
    for (int32_t u = 0; u < k->kernel_h; u++) {
        int32_t r = source(i * k->stride_h + u * k->dilation_h - k->pad_top, k->in_h, k->mode);
        rows[u] = r < 0 ? NULL : x + (size_t)(r % k->ring) * (size_t)(k->in_w * k->in_c);
    }
}

/* piece conv_f32: common window source */
/* sum[f] += w[c][f] * x[c] for n filters; 16 and 8 are what compilers keep in registers. */
static void products_f32(int32_t channels, int32_t n, const float *RESTRICT x,
                         const float *RESTRICT w, float *RESTRICT sum)
{
    if (n == 16)
        for (int32_t c = 0; c < channels; c++, w += 16)
            for (int32_t f = 0; f < 16; f++)
                sum[f] += w[f] * x[c];
    else if (n == 8)
        for (int32_t c = 0; c < channels; c++, w += 8)
            for (int32_t f = 0; f < 8; f++)
                sum[f] += w[f] * x[c];
    else
        for (int32_t c = 0; c < channels; c++, w += n)
            for (int32_t f = 0; f < n; f++)
                sum[f] += w[f] * x[c];
}

/* What is computed at once: filters of one output column, from input channel `first` on. */
struct place {
    int32_t column, first, filters;
};

/* Adds the products of all window positions; w: [kernel row][kernel column][channel][filter]. */
static void filters_f32(const struct window *k, const float **rows, struct place at, const float *w,
                        float *sum)
{
    const int32_t channels = k->in_c / k->groups;
    for (int32_t u = 0; u < k->kernel_h; u++)
        for (int32_t v = 0; v < k->kernel_w; v++, w += channels * at.filters) {
            int32_t j =
                source(at.column * k->stride_w + v * k->dilation_w - k->pad_left, k->in_w, k->mode);
            if (rows[u] && j >= 0)
                products_f32(channels, at.filters, rows[u] + j * k->in_c + at.first, w, sum);
        }
}

/* One row of a convolution. The weights of a group's filters are in blocks of 16; the last block
 * of a group may be smaller. */
static void conv_f32(const struct window *k, const float **rows, const float *weight,
                     const float *bias, float *y)
{
    const int32_t channels = k->in_c / k->groups, filters = k->out_c / k->groups;
    for (int32_t j = 0; j < k->out_w; j++) {
        const float *w = weight;
        for (int32_t f = 0, n; f < k->out_c; f += n) {
            const int32_t left = filters - f % filters;
            float sum[16];
            struct place at = {j, f / filters * channels, left < 16 ? left : 16};
            n = at.filters;
            memcpy(sum, bias + f, (size_t)n * sizeof *sum);
            filters_f32(k, rows, at, w, sum);
            for (int32_t i = 0; i < n; i++) /* gcc 12 warns of memcpy at -O3 */
                *y++ = sum[i];
            w += k->kernel_h * k->kernel_w * channels * n;
        }
    }
}

/* piece depthwise_f32: common window source */
/* One row of a convolution in which each channel has a filter of its own; weights: [kernel
 * row][kernel column][channel]. */
static void depthwise_f32(const struct window *k, const float **rows, const float *RESTRICT weight,
                          const float *RESTRICT bias, float *RESTRICT y)
{
    for (int32_t j = 0; j < k->out_w; j++, y += k->out_c) {
        memcpy(y, bias, (size_t)k->out_c * sizeof *y);
        for (int32_t u = 0; u < k->kernel_h; u++)
            for (int32_t v = 0; v < k->kernel_w; v++) {
                const float *RESTRICT w = weight + (u * k->kernel_w + v) * k->out_c;
                const int32_t p =
                    source(j * k->stride_w + v * k->dilation_w - k->pad_left, k->in_w, k->mode);
                if (!rows[u] || p < 0)
                    continue;
                const float *RESTRICT x = rows[u] + p * k->in_c;
                for (int32_t c = 0; c < k->out_c; c++)
                    y[c] += w[c] * x[c];
            }
    }
}

/* piece deconv_f32: common window */
/* A transposed convolution: each number of x adds a kernel to y. k describes the convolution that
 * goes the other way, from y to x; weights: [kernel row][kernel column][channel of x][channel of
 * y, of its group]. */
static void add_kernel_f32(const struct window *k, int32_t i, int32_t j, const float *x,
                           const float *weight, float *y)
{
    const int32_t channels = k->in_c / k->groups, filters = k->out_c / k->groups;
    for (int32_t u = 0; u < k->kernel_h; u++)
        for (int32_t v = 0; v < k->kernel_w; v++) {
            const int32_t r = i * k->stride_h + u * k->dilation_h - k->pad_top,
                          s = j * k->stride_w + v * k->dilation_w - k->pad_left;
            if (r < 0 || r >= k->in_h || s < 0 || s >= k->in_w)
                continue;
            for (int32_t f = 0; f < k->out_c; f++) {
                const float *RESTRICT w =
                    weight + ((u * k->kernel_w + v) * k->out_c + f) * channels;
                float *RESTRICT to = y + (r * k->in_w + s) * k->in_c + f / filters * channels;
                for (int32_t c = 0; c < channels; c++)
                    to[c] += w[c] * x[f];
            }
        }
}

static void deconv_f32(const struct window *k, const float *x, const float *weight,
                       const float *bias, float *y)
{
    for (int32_t i = 0; i < k->in_h * k->in_w; i++)
        memcpy(y + i * k->in_c, bias, (size_t)k->in_c * sizeof *y);
    for (int32_t i = 0; i < k->out_h; i++)
        for (int32_t j = 0; j < k->out_w; j++, x += k->out_c)
            add_kernel_f32(k, i, j, x, weight, y);
}

/* piece max_pool_f32: common window */
/* One row of maxima; padding does not count. */
static void max_pool_f32(const struct window *k, const float **rows, float *RESTRICT y)
{
    for (int32_t j = 0; j < k->out_w; j++, y += k->out_c) {
        for (int32_t c = 0; c < k->out_c; c++)
            y[c] = -3.402823466e+38f;
        for (int32_t u = 0; u < k->kernel_h; u++)
            for (int32_t v = 0; v < k->kernel_w; v++) {
                const int32_t p = j * k->stride_w + v - k->pad_left;
                if (!rows[u] || p < 0 || p >= k->in_w)
                    continue;
                const float *RESTRICT x = rows[u] + p * k->in_c;
                for (int32_t c = 0; c < k->out_c; c++)
                    y[c] = x[c] > y[c] ? x[c] : y[c];
            }
    }
}

/* piece pool_area: window */
/* The positions of a window of size `kernel` from `begin` on that count in a mean: those of the
 * image, or those of the image and its padding. */
static int32_t counted(int32_t begin, int32_t kernel, int32_t size, int32_t after, int32_t padding)
{
    const int32_t first = begin < 0 && !padding ? 0 : begin, most = padding ? size + after : size,
                  end = begin + kernel < most ? begin + kernel : most;
    return end - first;
}

/* piece average_pool_f32: common window pool_area */
/* Row i of means. padding: whether the padding counts. */
static void average_pool_f32(const struct window *k, const float **rows, int32_t i, int32_t padding,
                             float *RESTRICT y)
{
    const int32_t high =
        counted(i * k->stride_h - k->pad_top, k->kernel_h, k->in_h, k->pad_bottom, padding);
    for (int32_t j = 0; j < k->out_w; j++, y += k->out_c) {
        const int32_t left = j * k->stride_w - k->pad_left,
                      wide = counted(left, k->kernel_w, k->in_w, k->pad_right, padding);
        const float share = 1.0f / (float)(high * wide);
        memset(y, 0, (size_t)k->out_c * sizeof *y);
        for (int32_t u = 0; u < k->kernel_h; u++)
            for (int32_t p = left; p < left + k->kernel_w; p++) {
                if (!rows[u] || p < 0 || p >= k->in_w)
                    continue;
                const float *RESTRICT x = rows[u] + p * k->in_c;
                for (int32_t c = 0; c < k->out_c; c++)
                    y[c] += x[c];
            }
        for (int32_t c = 0; c < k->out_c; c++)
            y[c] *= share;
    }
}

/* piece global_average_f32: common */
/* The mean of each channel over all pixels. */
static void global_average_f32(const float *RESTRICT x, int32_t pixels, int32_t channels,
                               float *RESTRICT y)
{
    memset(y, 0, (size_t)channels * sizeof *y);
    for (int32_t i = 0; i < pixels; i++, x += channels)
        for (int32_t c = 0; c < channels; c++)
            y[c] += x[c];
    for (int32_t c = 0; c < channels; c++)
        y[c] /= (float)pixels;
}

/* piece global_max_f32: common */
/* The largest number of each channel. */
static void global_max_f32(const float *RESTRICT x, int32_t pixels, int32_t channels,
                           float *RESTRICT y)
{
    memcpy(y, x, (size_t)channels * sizeof *y);
    for (int32_t i = 1; i < pixels; i++) {
        x += channels;
        for (int32_t c = 0; c < channels; c++)
            y[c] = x[c] > y[c] ? x[c] : y[c];
    }
}
