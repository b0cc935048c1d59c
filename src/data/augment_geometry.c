/* Operations that move pixels, and cover them. */
#include "data/augment_steps.h"

#include <math.h>
#include <string.h>

/* Where pixels are taken from: a window of an image. */
struct source {
    const uint8_t *pixels;
    cnn_shape shape;
    struct cnn_crop_window window;
    const uint8_t *blank; /* what is around the window; NULL: its edge, repeated */
};

static int64_t clamp(int64_t i, size_t from, size_t count)
{
    int64_t first = (int64_t)from, last = (int64_t)(from + count - 1);
    return i < first ? first : i > last ? last : i;
}

static const uint8_t *pixel_at(const struct source *s, int64_t y, int64_t x)
{
    int64_t row = clamp(y, s->window.top, s->window.height),
            column = clamp(x, s->window.left, s->window.width);
    if (s->blank && (row != y || column != x))
        return s->blank;
    return s->pixels + ((size_t)row * s->shape.w + (size_t)column) * s->shape.c;
}

/* The pixels at (y, x), right of it, below it, and right of that. */
static void corners_at(const struct source *s, int64_t y, int64_t x, const uint8_t *corners[4])
{
    const struct cnn_crop_window *w = &s->window;
    size_t line = s->shape.w * s->shape.c;
    bool inside = (uint64_t)(y - (int64_t)w->top) < w->height - 1 &&
                  (uint64_t)(x - (int64_t)w->left) < w->width - 1;
    if (!inside) {
        for (int i = 0; i < 4; i++)
            corners[i] = pixel_at(s, y + i / 2, x + i % 2);
        return;
    }
    corners[0] = s->pixels + (size_t)y * line + (size_t)x * s->shape.c;
    corners[1] = corners[0] + s->shape.c;
    corners[2] = corners[0] + line;
    corners[3] = corners[1] + line;
}

/* Bilinear, in whole numbers: places have 32 bits of fraction, of which weights keep 16. */
static void sample(const struct source *s, int64_t y, int64_t x, uint8_t *out)
{
    const uint64_t one = 65536, half = one * one / 2;
    uint64_t down = ((uint64_t)y >> 16) & 65535, right = ((uint64_t)x >> 16) & 65535,
             both = down * right;
    uint64_t weights[4] = {one * one - one * (down + right) + both, one * right - both,
                           one * down - both, both};
    const uint8_t *corners[4];
    corners_at(s, y >> 32, x >> 32, corners);
    for (size_t c = 0; c < s->shape.c; c++) {
        uint64_t sum = corners[0][c] * weights[0] + corners[1][c] * weights[1] +
                       corners[2][c] * weights[2] + corners[3][c] * weights[3];
        out[c] = (uint8_t)((sum + half) >> 32);
    }
}

static void sample_all(const struct source *s, const double m[6], uint8_t *out)
{
    const double one = 4294967296;
    int64_t step_x = (int64_t)(m[0] * one), step_y = (int64_t)(m[3] * one);
    for (size_t row = 0; row < s->shape.h; row++) {
        int64_t x = (int64_t)((m[1] * (double)row + m[2]) * one),
                y = (int64_t)((m[4] * (double)row + m[5]) * one);
        for (size_t column = 0; column < s->shape.w;
             column++, x += step_x, y += step_y, out += s->shape.c)
            sample(s, y, x, out);
    }
}

void cnn_pixels_warp(cnn_shape shape, const double m[6], const uint8_t *blank, uint8_t *pixels,
                     uint8_t *scratch)
{
    const struct source source = {scratch, shape, {0, 0, shape.h, shape.w}, blank};
    memcpy(scratch, pixels, shape.h * shape.w * shape.c);
    sample_all(&source, m, pixels);
}

void cnn_pixels_rotate(cnn_shape shape, double degrees, const uint8_t *blank, uint8_t *pixels,
                       uint8_t *scratch)
{
    double angle = degrees * 0.017453292519943295, cosine = cos(angle), sine = sin(angle);
    double x = ((double)shape.w - 1) / 2, y = ((double)shape.h - 1) / 2;
    const double m[6] = {cosine, -sine,  x - cosine * x + sine * y,
                         sine,   cosine, y - sine * x - cosine * y};
    cnn_pixels_warp(shape, m, blank, pixels, scratch);
}

void cnn_pixels_scale(cnn_shape shape, double factor, const uint8_t *blank, uint8_t *pixels,
                      uint8_t *scratch)
{
    double step = 1 / factor, rest = (1 - step) / 2;
    const double m[6] = {step, 0,    rest * ((double)shape.w - 1),
                         0,    step, rest * ((double)shape.h - 1)};
    cnn_pixels_warp(shape, m, blank, pixels, scratch);
}

/* Pixels are squares here: the middle of the first one shown is half a step into the window. */
void cnn_pixels_enlarge(cnn_shape shape, const struct cnn_crop_window *window, uint8_t *pixels,
                        uint8_t *scratch)
{
    const struct source source = {scratch, shape, *window, NULL};
    double x = (double)window->width / (double)shape.w,
           y = (double)window->height / (double)shape.h;
    const double m[6] = {x, 0, (double)window->left + x / 2 - 0.5,
                         0, y, (double)window->top + y / 2 - 0.5};
    memcpy(scratch, pixels, shape.h * shape.w * shape.c);
    sample_all(&source, m, pixels);
}

void cnn_pixels_cut(cnn_shape shape, size_t y, size_t x, size_t size, const uint8_t *blank,
                    uint8_t *pixels)
{
    size_t before = size / 2, behind = size - before;
    size_t top = y > before ? y - before : 0, left = x > before ? x - before : 0;
    for (size_t row = top; row < y + behind && row < shape.h; row++)
        for (size_t column = left; column < x + behind && column < shape.w; column++)
            memcpy(pixels + (row * shape.w + column) * shape.c, blank, shape.c);
}
