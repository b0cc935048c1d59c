/* Palettes. HEAT and SIGNED are paths through OKLab (Ottosson, "A perceptual color space for image
 * processing", 2020), where equal steps of lightness look equal; GREY and DARK are plain: a byte of
 * the picture is the value's place on the scale, times 255. */
#include "viz/colour.h"

#include <math.h>
#include <pthread.h>

/* Steps of a palette; even, so that SIGNED has its zero on a step. */
#define STEPS 256

struct oklab {
    double l, a, b;
};

static struct cnn_colour palettes[CNN_PALETTE_SIGNED + 1][STEPS + 1];
static pthread_once_t computed = PTHREAD_ONCE_INIT;

/* The transfer function of sRGB (IEC 61966-2-1), as a byte. */
static uint8_t srgb_byte(double linear)
{
    double value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055;
    return (uint8_t)(fmin(fmax(value, 0), 1) * 255 + 0.5);
}

static struct cnn_colour oklab_colour(struct oklab c)
{
    double l = pow(c.l + 0.3963377774 * c.a + 0.2158037573 * c.b, 3);
    double m = pow(c.l - 0.1055613458 * c.a - 0.0638541728 * c.b, 3);
    double s = pow(c.l - 0.0894841775 * c.a - 1.2914855480 * c.b, 3);
    return (struct cnn_colour){srgb_byte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
                               srgb_byte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
                               srgb_byte(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

static struct oklab oklch(double lightness, double chroma, double degrees)
{
    double hue = degrees * (3.14159265358979323846 / 180);
    return (struct oklab){lightness, chroma * cos(hue), chroma * sin(hue)};
}

static double bezier(double p0, double p1, double p2, double p3, double t)
{
    double u = 1 - t;
    return u * u * u * p0 + 3 * u * u * t * p1 + 3 * u * t * t * p2 + t * t * t * p3;
}

/* Lightness rises along a line; the colour goes along a cubic Bezier curve from violet over blue
 * and green to yellow, chosen to stay within sRGB. */
static struct oklab heat(double t)
{
    return (struct oklab){0.22 + 0.70 * t, bezier(0.035, 0.0, -0.17, -0.035, t),
                          bezier(-0.115, -0.16, 0.0, 0.17, t)};
}

/* From white along lines to a blue and a red that are equally light. */
static struct oklab signed_colour(double t)
{
    double strength = fabs(2 * t - 1);
    return t < 0.5 ? oklch(1 - 0.5 * strength, 0.19 * strength, 259)
                   : oklch(1 - 0.5 * strength, 0.2 * strength, 27);
}

static void palettes_compute(void)
{
    for (int i = 0; i <= STEPS; i++) {
        double t = (double)i / STEPS;
        uint8_t grey = (uint8_t)(255 * t + 0.5), dark = (uint8_t)(255 - grey);
        palettes[CNN_PALETTE_HEAT][i] = oklab_colour(heat(t));
        palettes[CNN_PALETTE_GREY][i] = (struct cnn_colour){grey, grey, grey};
        palettes[CNN_PALETTE_DARK][i] = (struct cnn_colour){dark, dark, dark};
        palettes[CNN_PALETTE_SIGNED][i] = oklab_colour(signed_colour(t));
    }
}

struct cnn_range cnn_range_of(const float *values, size_t count)
{
    struct cnn_range range = {0};
    size_t finite = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]))
            continue;
        if (finite == 0 || values[i] < range.low)
            range.low = values[i];
        if (finite == 0 || values[i] > range.high)
            range.high = values[i];
        finite++;
    }
    range.nan = count - finite;
    return range;
}

struct cnn_colour cnn_palette_colour(cnn_palette palette, struct cnn_range range, float value)
{
    if (!isfinite(value))
        return CNN_COLOUR_NAN;
    pthread_once(&computed, palettes_compute);
    double low = range.low, high = range.high, t = palette == CNN_PALETTE_SIGNED ? 0.5 : 0;
    if (palette == CNN_PALETTE_SIGNED) {
        high = fmax(fabs(low), fabs(high));
        low = -high;
    }
    if (low < high)
        t = fmin(fmax((value - low) / (high - low), 0), 1);
    return palettes[palette][(size_t)(t * STEPS + 0.5)];
}

/* Mostly from Trubetskoy, "List of 20 simple, distinct colors", 2017, without magenta, which stands
 * for what is no number, and grey. In this order any two of the first dozen are at least 0.16 apart
 * in OKLab, a sixth of the way from black to white; the later ones come nearer. */
struct cnn_colour cnn_distinct_colour(size_t i)
{
    static const struct cnn_colour colours[CNN_DISTINCT_COLOURS] = {
        {230, 25, 75},   {67, 99, 216},  {255, 225, 25},  {60, 180, 75}, {245, 130, 49},
        {66, 212, 244},  {145, 30, 180}, {220, 190, 255}, {128, 0, 0},   {0, 0, 117},
        {0, 90, 60},     {0, 0, 0},      {170, 255, 195}, {128, 128, 0}, {120, 80, 140},
        {255, 216, 177}, {154, 99, 36},  {100, 180, 255}};
    return colours[i % CNN_DISTINCT_COLOURS];
}
