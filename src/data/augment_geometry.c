/* Augmentations that move pixels. Flip and crop: Krizhevsky, 2012; He et al., 2015 (a crop of the
 * image padded by 4). Alternating flip: Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU",
 * 2024. Cutout: DeVries and Taylor, 2017. Resized crop: Szegedy et al., "Going Deeper with
 * Convolutions", 2014, drawn as in torchvision. */
#include "data/augment_steps.h"

#include <math.h>
#include <string.h>

/* Half of the images begin mirrored, and each is seen from both sides in every two epochs. */
static bool draw_side(bool alternating, struct cnn_draw *draw)
{
    if (!alternating)
        return cnn_rng_below(&draw->rng, 2) == 1;
    struct cnn_rng rng = cnn_rng_at(draw->seed, CNN_STREAM_FLIP, draw->image);
    return (cnn_rng_below(&rng, 2) + draw->epoch) % 2 == 1;
}

void cnn_augment_flip(const struct cnn_augmentation *step, cnn_shape shape, struct cnn_draw *draw,
                      uint8_t *pixels, uint8_t *scratch)
{
    (void)scratch;
    if (!draw_side(step->flip.alternating, draw))
        return;
    for (size_t y = 0; y < shape.h; y++) {
        uint8_t *row = pixels + y * shape.w * shape.c;
        for (size_t left = 0, right = shape.w - 1; left < right; left++, right--) {
            for (size_t c = 0; c < shape.c; c++) {
                uint8_t byte = row[left * shape.c + c];
                row[left * shape.c + c] = row[right * shape.c + c];
                row[right * shape.c + c] = byte;
            }
        }
    }
}

/* Row or column i of the padded image is this one of the image itself; its n are mirrored before
 * the first and behind the last. */
static size_t reflect(size_t i, size_t padding, size_t n)
{
    if (i < padding)
        return padding - i;
    i -= padding;
    return i < n ? i : 2 * (n - 1) - i;
}

/* One row of the window, which begins at column left of the padded image; from is the row of the
 * image itself. */
static void crop_row(cnn_shape shape, size_t padding, bool reflects, size_t left,
                     const uint8_t *from, uint8_t *out)
{
    for (size_t x = 0, run; x < shape.w; x += run) {
        size_t padded = x + left;
        bool inside = padded >= padding && padded < padding + shape.w;
        run = !inside                                    ? 1
              : padding + shape.w - padded < shape.w - x ? padding + shape.w - padded
                                                         : shape.w - x;
        if (inside || reflects)
            memcpy(out + x * shape.c, from + reflect(padded, padding, shape.w) * shape.c,
                   run * shape.c);
        else
            memset(out + x * shape.c, 0, shape.c);
    }
}

void cnn_augment_crop(const struct cnn_augmentation *step, cnn_shape shape, struct cnn_draw *draw,
                      uint8_t *pixels, uint8_t *scratch)
{
    size_t padding = step->crop.padding, row = shape.w * shape.c;
    uint32_t places = (uint32_t)(2 * padding + 1);
    size_t top = cnn_rng_below(&draw->rng, places);
    size_t left = cnn_rng_below(&draw->rng, places);
    memcpy(scratch, pixels, shape.h * row);
    for (size_t y = 0; y < shape.h; y++) {
        size_t padded = y + top;
        if (step->crop.reflect || (padded >= padding && padded < padding + shape.h))
            crop_row(shape, padding, step->crop.reflect, left,
                     scratch + reflect(padded, padding, shape.h) * row, pixels + y * row);
        else
            memset(pixels + y * row, 0, row);
    }
}

/* ---- sampling between pixels ---- */

/* Where pixels are taken from: a window of an image. */
struct source {
    const uint8_t *pixels;
    cnn_shape shape;
    struct cnn_window window;
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
    const struct cnn_window *w = &s->window;
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
void cnn_pixels_enlarge(cnn_shape shape, const struct cnn_window *window, uint8_t *pixels,
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

void cnn_augment_rotation(const struct cnn_augmentation *step, cnn_shape shape,
                          struct cnn_draw *draw, uint8_t *pixels, uint8_t *scratch)
{
    double degrees = cnn_draw_between(&draw->rng, -step->rotation.degrees, step->rotation.degrees);
    cnn_pixels_rotate(shape, degrees, draw->blank, pixels, scratch);
}

void cnn_augment_scale(const struct cnn_augmentation *step, cnn_shape shape, struct cnn_draw *draw,
                       uint8_t *pixels, uint8_t *scratch)
{
    double factor = cnn_draw_between(&draw->rng, step->scale.min, step->scale.max);
    cnn_pixels_scale(shape, factor, draw->blank, pixels, scratch);
}

/* ---- windows ---- */

/* The largest window in the middle whose ratio is allowed. */
static struct cnn_window central_window(const double *ratio, size_t height, size_t width)
{
    double wide = (double)width / (double)height;
    struct cnn_window window = {0, 0, height, width};
    if (wide < ratio[0])
        window.height = (size_t)fmax(1, round((double)width / ratio[0]));
    else if (wide > ratio[1])
        window.width = (size_t)fmax(1, round((double)height * ratio[1]));
    window.top = (height - window.height) / 2;
    window.left = (width - window.width) / 2;
    return window;
}

bool cnn_augment_window(const struct cnn_augmentation *augmentation, size_t height, size_t width,
                        struct cnn_rng *rng, struct cnn_window *window)
{
    if (!augmentation || augmentation->type != CNN_AUGMENT_RESIZED_CROP)
        return false;
    const double *scale = augmentation->resized_crop.scale.values,
                 *ratio = augmentation->resized_crop.ratio.values;
    for (int tries = 0; tries < 10; tries++) {
        double area = (double)height * (double)width * cnn_draw_between(rng, scale[0], scale[1]);
        double wide = exp(cnn_draw_between(rng, log(ratio[0]), log(ratio[1])));
        double w = round(sqrt(area * wide)), h = round(sqrt(area / wide));
        if (w < 1 || h < 1 || w > (double)width || h > (double)height)
            continue;
        *window = (struct cnn_window){.height = (size_t)h, .width = (size_t)w};
        window->top = cnn_rng_below(rng, (uint32_t)(height - window->height + 1));
        window->left = cnn_rng_below(rng, (uint32_t)(width - window->width + 1));
        return true;
    }
    *window = central_window(ratio, height, width);
    return true;
}

void cnn_augment_resized_crop(const struct cnn_augmentation *step, cnn_shape shape,
                              struct cnn_draw *draw, uint8_t *pixels, uint8_t *scratch)
{
    struct cnn_window window;
    if (cnn_augment_window(step, shape.h, shape.w, &draw->rng, &window))
        cnn_pixels_enlarge(shape, &window, pixels, scratch);
}

/* ---- cutout ---- */

void cnn_pixels_cut(cnn_shape shape, size_t y, size_t x, size_t size, const uint8_t *blank,
                    uint8_t *pixels)
{
    size_t before = size / 2, behind = size - before;
    size_t top = y > before ? y - before : 0, left = x > before ? x - before : 0;
    for (size_t row = top; row < y + behind && row < shape.h; row++)
        for (size_t column = left; column < x + behind && column < shape.w; column++)
            memcpy(pixels + (row * shape.w + column) * shape.c, blank, shape.c);
}

void cnn_augment_cutout(const struct cnn_augmentation *step, cnn_shape shape, struct cnn_draw *draw,
                        uint8_t *pixels, uint8_t *scratch)
{
    (void)scratch;
    size_t y = cnn_rng_below(&draw->rng, (uint32_t)shape.h);
    size_t x = cnn_rng_below(&draw->rng, (uint32_t)shape.w);
    cnn_pixels_cut(shape, y, x, step->cutout.size, draw->blank, pixels);
}
