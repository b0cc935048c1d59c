/* Values that are moved and not changed, and what resampling makes of a map: channels taken out,
 * borders, blocks of pixels as channels, maps of another size. Plain C, parallel over rows of
 * pixels forward and over images backward, where several numbers go to one place. */
#include <math.h>
#include <string.h>

#include "kernels/internal.h"
#include "kernels/plain.h"
#include "util/parallel.h"

struct channels_work {
    size_t pixels, channels, first, count, block; /* block: pixels of a task */
    const float *x;
    float *y;
};

static void take_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct channels_work *k = context;
    size_t end = cnn_size_min(k->pixels, (task + 1) * k->block);
    for (size_t p = task * k->block; p < end; p++)
        memcpy(k->y + p * k->count, k->x + p * k->channels + k->first, k->count * sizeof(float));
}

static void put_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct channels_work *k = context;
    size_t end = cnn_size_min(k->pixels, (task + 1) * k->block);
    for (size_t p = task * k->block; p < end; p++) {
        float *y = k->y + p * k->channels;
        memset(y, 0, k->channels * sizeof(float));
        memcpy(y + k->first, k->x + p * k->count, k->count * sizeof(float));
    }
}

void cnn_take_channels(size_t pixels, const struct cnn_channel_range *range, const float *x,
                       float *y)
{
    struct channels_work k = {
        pixels, range->channels, range->first, range->count, cnn_block_rows(range->channels), x, y};
    cnn_parallel_for(cnn_size_divide_up(pixels, k.block), take_block, &k);
}

void cnn_put_channels(size_t pixels, const struct cnn_channel_range *range, const float *x,
                      float *y)
{
    struct channels_work k = {
        pixels, range->channels, range->first, range->count, cnn_block_rows(range->channels), x, y};
    cnn_parallel_for(cnn_size_divide_up(pixels, k.block), put_block, &k);
}

/* ---- Borders ---- */

struct border_work {
    const struct cnn_border *b;
    const float *x;
    float *y;
};

/* Where the output's row and column come from; false: from nowhere. */
static bool border_source(const struct cnn_border *b, size_t row, size_t column, size_t *pixel)
{
    size_t y, x;
    if (!cnn_padded_source((ptrdiff_t)row - (ptrdiff_t)b->top, b->in_h, b->mode, &y) ||
        !cnn_padded_source((ptrdiff_t)column - (ptrdiff_t)b->left, b->in_w, b->mode, &x))
        return false;
    *pixel = y * b->in_w + x;
    return true;
}

static void pad_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct border_work *k = context;
    const struct cnn_border *b = k->b;
    const float *x = k->x + row / b->out_h * b->in_h * b->in_w * b->channels;
    float *y = k->y + row * b->out_w * b->channels;
    for (size_t column = 0; column < b->out_w; column++, y += b->channels) {
        size_t pixel;
        if (border_source(b, row % b->out_h, column, &pixel))
            memcpy(y, x + pixel * b->channels, b->channels * sizeof(float));
        else
            memset(y, 0, b->channels * sizeof(float));
    }
}

void cnn_pad(const struct cnn_border *b, size_t n, const float *x, float *y)
{
    struct border_work k = {b, x, y};
    cnn_parallel_for(n * b->out_h, pad_row, &k);
}

static void pad_backward_image(void *context, size_t image, size_t thread)
{
    (void)thread;
    const struct border_work *k = context;
    const struct cnn_border *b = k->b;
    const float *dy = k->x + image * b->out_h * b->out_w * b->channels;
    float *dx = k->y + image * b->in_h * b->in_w * b->channels;
    memset(dx, 0, b->in_h * b->in_w * b->channels * sizeof(float));
    for (size_t row = 0; row < b->out_h; row++)
        for (size_t column = 0; column < b->out_w; column++, dy += b->channels) {
            size_t pixel;
            if (!border_source(b, row, column, &pixel))
                continue;
            for (size_t c = 0; c < b->channels; c++)
                dx[pixel * b->channels + c] += dy[c];
        }
}

void cnn_pad_backward(const struct cnn_border *b, size_t n, const float *dy, float *dx)
{
    struct border_work k = {b, dy, dx};
    cnn_parallel_for(n, pad_backward_image, &k);
}

/* ---- Blocks of pixels as channels ---- */

struct blocks_work {
    const struct cnn_depth *b;
    bool to_space;
    const float *x;
    float *y;
};

/* One row of the map of blocks. */
static void blocks_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct blocks_work *k = context;
    const struct cnn_depth *b = k->b;
    size_t r = b->block, c = b->channels, places = r * r, wide = b->w * r;
    for (size_t column = 0; column < b->w; column++)
        for (size_t place = 0; place < places; place++) {
            size_t deep = (row * b->w + column) * c * places + place * (b->places_first ? c : 1),
                   step = b->places_first ? 1 : places,
                   flat = ((row * r + place / r) * wide + column * r + place % r) * c;
            for (size_t i = 0; i < c; i++)
                if (k->to_space)
                    k->y[flat + i] = k->x[deep + i * step];
                else
                    k->y[deep + i * step] = k->x[flat + i];
        }
}

void cnn_depth_to_space(const struct cnn_depth *b, size_t n, const float *x, float *y)
{
    struct blocks_work k = {b, true, x, y};
    cnn_parallel_for(n * b->h, blocks_row, &k);
}

void cnn_space_to_depth(const struct cnn_depth *b, size_t n, const float *x, float *y)
{
    struct blocks_work k = {b, false, x, y};
    cnn_parallel_for(n * b->h, blocks_row, &k);
}

/* ---- Maps of another size ---- */

struct cnn_resample_source cnn_resample_at(const struct cnn_resample *r, size_t out, bool rows)
{
    size_t in_size = rows ? r->in_h : r->in_w, out_size = rows ? r->out_h : r->out_w;
    float scale = (float)in_size / (float)out_size, at;
    if (!r->bilinear) {
        size_t nearest = (size_t)floorf((float)out * scale);
        nearest = cnn_size_min(nearest, in_size - 1);
        return (struct cnn_resample_source){{nearest, nearest}, {1, 0}};
    }
    if (r->align_corners) {
        scale = out_size > 1 ? (float)(in_size - 1) / (float)(out_size - 1) : 0;
        at = (float)out * scale;
    } else {
        at = fmaxf(0, ((float)out + 0.5f) * scale - 0.5f);
    }
    size_t low = cnn_size_min((size_t)at, in_size - 1);
    float part = fminf(1, at - (float)low);
    return (struct cnn_resample_source){{low, low + (low + 1 < in_size)}, {1 - part, part}};
}

struct resample_work {
    const struct cnn_resample *r;
    const float *x;
    float *y;
};

/* y = weight * x, or that added to y. */
static void add_pixel(size_t channels, float weight, bool first, const float *x, float *y)
{
    for (size_t c = 0; c < channels; c++)
        y[c] = first ? weight * x[c] : y[c] + weight * x[c];
}

static void resample_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct resample_work *k = context;
    const struct cnn_resample *r = k->r;
    const float *x = k->x + row / r->out_h * r->in_h * r->in_w * r->channels;
    float *y = k->y + row * r->out_w * r->channels;
    const struct cnn_resample_source rows = cnn_resample_at(r, row % r->out_h, true);
    size_t taps = r->bilinear ? 2 : 1;
    for (size_t column = 0; column < r->out_w; column++, y += r->channels) {
        const struct cnn_resample_source columns = cnn_resample_at(r, column, false);
        for (size_t t = 0; t < taps * taps; t++)
            add_pixel(r->channels, rows.weight[t / taps] * columns.weight[t % taps], t == 0,
                      x + (rows.at[t / taps] * r->in_w + columns.at[t % taps]) * r->channels, y);
    }
}

void cnn_resample(const struct cnn_resample *r, size_t n, const float *x, float *y)
{
    struct resample_work k = {r, x, y};
    cnn_parallel_for(n * r->out_h, resample_row, &k);
}

static void resample_backward_image(void *context, size_t image, size_t thread)
{
    (void)thread;
    const struct resample_work *k = context;
    const struct cnn_resample *r = k->r;
    const float *dy = k->x + image * r->out_h * r->out_w * r->channels;
    float *dx = k->y + image * r->in_h * r->in_w * r->channels;
    size_t taps = r->bilinear ? 2 : 1;
    memset(dx, 0, r->in_h * r->in_w * r->channels * sizeof(float));
    for (size_t row = 0; row < r->out_h; row++) {
        const struct cnn_resample_source rows = cnn_resample_at(r, row, true);
        for (size_t column = 0; column < r->out_w; column++, dy += r->channels) {
            const struct cnn_resample_source columns = cnn_resample_at(r, column, false);
            for (size_t t = 0; t < taps * taps; t++)
                add_pixel(r->channels, rows.weight[t / taps] * columns.weight[t % taps], false, dy,
                          dx + (rows.at[t / taps] * r->in_w + columns.at[t % taps]) * r->channels);
        }
    }
}

void cnn_resample_backward(const struct cnn_resample *r, size_t n, const float *dy, float *dx)
{
    struct resample_work k = {r, dy, dx};
    cnn_parallel_for(n, resample_backward_image, &k);
}
