/* Operations that change colours, by torchvision's formulas: results are cut off to whole
 * numbers, not rounded. Most change each value on its own, by a table of the 256 that there are. */
#include "data/augment_steps.h"

#include <math.h>
#include <string.h>

static uint8_t cut(float value)
{
    value = value > 0 ? value : 0;
    return (uint8_t)(value < 255 ? value : 255);
}

/* factor parts of one, the rest of the other. */
static uint8_t mix(uint8_t one, float other, double factor)
{
    return cut((float)factor * (float)one + (float)(1 - factor) * other);
}

static void map(cnn_shape shape, const uint8_t table[256], uint8_t *pixels)
{
    for (size_t i = 0; i < shape.h * shape.w * shape.c; i++)
        pixels[i] = table[pixels[i]];
}

static void map_channel(cnn_shape shape, size_t channel, const uint8_t table[256], uint8_t *pixels)
{
    for (size_t i = channel; i < shape.h * shape.w * shape.c; i += shape.c)
        pixels[i] = table[pixels[i]];
}

/* ITU-R 601 luma. */
static uint8_t grey(const uint8_t *pixel)
{
    return (uint8_t)(0.2989f * (float)pixel[0] + 0.587f * (float)pixel[1] +
                     0.114f * (float)pixel[2]);
}

/* factor parts of each value, the rest of one level. */
static void fade(cnn_shape shape, float level, double factor, uint8_t *pixels)
{
    uint8_t table[256];
    for (size_t i = 0; i < 256; i++)
        table[i] = mix((uint8_t)i, level, factor);
    map(shape, table, pixels);
}

void cnn_pixels_brightness(cnn_shape shape, double factor, uint8_t *pixels)
{
    fade(shape, 0, factor, pixels);
}

void cnn_pixels_contrast(cnn_shape shape, double factor, uint8_t *pixels)
{
    size_t area = shape.h * shape.w, count = shape.c == 3 ? area : area * shape.c;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += shape.c == 3 ? grey(pixels + 3 * i) : pixels[i];
    fade(shape, (float)((double)sum / (double)count), factor, pixels);
}

void cnn_pixels_saturation(cnn_shape shape, double factor, uint8_t *pixels)
{
    for (size_t i = 0; shape.c == 3 && i < shape.h * shape.w; i++, pixels += 3) {
        float level = (float)grey(pixels);
        for (size_t c = 0; c < 3; c++)
            pixels[c] = mix(pixels[c], level, factor);
    }
}

/* The colour's place on the hexagon of hues, 0 to 6 from red over green and blue; least and most
 * are the pixel's values. */
static float hue_of(const uint8_t *pixel, uint8_t least, uint8_t most)
{
    float r = pixel[0], g = pixel[1], b = pixel[2], range = (float)(most - least);
    if (most == least)
        return 0;
    if (pixel[0] == most)
        return g >= b ? (g - b) / range : 6 + (g - b) / range;
    return pixel[1] == most ? 2 + (b - r) / range : 4 + (r - g) / range;
}

/* Smith, "Color Gamut Transform Pairs", 1978: saturation and value stay. Each channel is at its
 * most over two sides of the hexagon, at its least over the two opposite, and between them on a
 * slope; its place is `ahead` of the hue. */
static uint8_t channel_of(float hue, float ahead, uint8_t least, uint8_t most)
{
    /* the share of a level that is cut off is made up for, all but a thousandth */
    const float whole = 255.999f / 255;
    float place = hue + ahead;
    place -= place >= 6 ? 6 : 0;
    float slope = place < 2 ? place : 4 - place;
    slope = slope < 0 ? 0 : slope > 1 ? 1 : slope;
    return cut(((float)most - (float)(most - least) * slope) * whole);
}

void cnn_pixels_hue(cnn_shape shape, double turn, uint8_t *pixels)
{
    float turned = (float)(6 * (turn < 0 ? turn + 1 : turn));
    for (size_t i = 0; shape.c == 3 && i < shape.h * shape.w; i++, pixels += 3) {
        uint8_t least = pixels[0] < pixels[1] ? pixels[0] : pixels[1],
                most = pixels[0] > pixels[1] ? pixels[0] : pixels[1];
        least = pixels[2] < least ? pixels[2] : least;
        most = pixels[2] > most ? pixels[2] : most;
        float hue = hue_of(pixels, least, most) + turned;
        hue -= hue >= 6 ? 6 : 0;
        pixels[0] = channel_of(hue, 5, least, most);
        pixels[1] = channel_of(hue, 3, least, most);
        pixels[2] = channel_of(hue, 1, least, most);
    }
}

/* The smooth image is the mean of 3 x 3 pixels, the middle one counted five times; the edge
 * stays. */
void cnn_pixels_sharpness(cnn_shape shape, double factor, uint8_t *pixels, uint8_t *scratch)
{
    size_t row = shape.w * shape.c;
    memcpy(scratch, pixels, shape.h * row);
    for (size_t y = 1; y + 1 < shape.h; y++) {
        for (size_t i = shape.c; i + shape.c < row; i++) {
            const uint8_t *here = scratch + y * row + i;
            unsigned sum = 4 * (unsigned)*here;
            for (const uint8_t *line = here - row; line <= here + row; line += row)
                sum += (unsigned)*(line - shape.c) + *line + *(line + shape.c);
            pixels[y * row + i] = mix(*here, (float)((2 * sum + 13) / 26), factor);
        }
    }
}

void cnn_pixels_posterize(cnn_shape shape, unsigned bits, uint8_t *pixels)
{
    uint8_t table[256];
    for (size_t i = 0; i < 256; i++)
        table[i] = (uint8_t)(i >> (8 - bits) << (8 - bits));
    map(shape, table, pixels);
}

void cnn_pixels_solarize(cnn_shape shape, double threshold, uint8_t *pixels)
{
    uint8_t table[256];
    for (size_t i = 0; i < 256; i++)
        table[i] = (uint8_t)((double)i >= threshold ? 255 - i : i);
    map(shape, table, pixels);
}

void cnn_pixels_autocontrast(cnn_shape shape, uint8_t *pixels)
{
    uint8_t table[256];
    for (size_t c = 0; c < shape.c; c++) {
        uint8_t least = 255, most = 0;
        for (size_t i = c; i < shape.h * shape.w * shape.c; i += shape.c) {
            least = pixels[i] < least ? pixels[i] : least;
            most = pixels[i] > most ? pixels[i] : most;
        }
        if (most == least)
            continue;
        float scale = 255.0f / (float)(most - least);
        for (size_t i = least; i <= most; i++)
            table[i] = cut((float)(i - least) * scale);
        map_channel(shape, c, table, pixels);
    }
}

/* Each value becomes the share of values below it, in steps of the 255th part of all but those of
 * the highest value. */
void cnn_pixels_equalize(cnn_shape shape, uint8_t *pixels)
{
    for (size_t c = 0; c < shape.c; c++) {
        size_t counts[256] = {0}, highest = 0;
        uint8_t table[256];
        for (size_t i = c; i < shape.h * shape.w * shape.c; i += shape.c)
            counts[pixels[i]]++;
        for (size_t i = 0; i < 256; i++)
            highest = counts[i] ? i : highest;
        size_t step = (shape.h * shape.w - counts[highest]) / 255, below = step / 2;
        if (step == 0)
            continue;
        for (size_t i = 0; i < 256; below += counts[i++])
            table[i] = (uint8_t)(below / step < 255 ? below / step : 255);
        map_channel(shape, c, table, pixels);
    }
}
