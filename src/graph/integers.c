/* From scales to whole numbers (integers.h). Activations: integers_activation.c. */
#include "graph/integers.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "util/arena.h"

#define TABLE_FLOATS (256 / sizeof(float))

static size_t floats_of(size_t bytes)
{
    return cnn_round_floats((bytes + sizeof(float) - 1) / sizeof(float));
}

static size_t header_floats(size_t inputs)
{
    return floats_of(sizeof(struct cnn_integers)) + floats_of(inputs * sizeof(struct cnn_codes)) +
           cnn_round_floats(TABLE_FLOATS);
}

/* multiplier and scale; of filters bias and factor, too */
static size_t arrays_of(struct cnn_integers_size size)
{
    return size.filters ? 4 : 2;
}

size_t cnn_integers_floats(struct cnn_integers_size size)
{
    size_t floats;
    return size.count < SIZE_MAX / 64 && size.inputs < SIZE_MAX / 64 &&
                   cnn_size_mul(cnn_round_floats(size.count), arrays_of(size), &floats) &&
                   cnn_size_add(floats, header_floats(size.inputs), &floats)
               ? floats
               : SIZE_MAX;
}

static float *take(float **at, size_t floats)
{
    float *here = *at;
    *at += cnn_round_floats(floats);
    return here;
}

struct cnn_integers_room cnn_integers_find(float *at, struct cnn_integers_size size)
{
    const size_t count = size.count;
    struct cnn_integers_room room = {0};
    room.integers = (void *)take(&at, floats_of(sizeof *room.integers));
    room.x = (void *)take(&at, floats_of(size.inputs * sizeof *room.x));
    room.table = (void *)take(&at, TABLE_FLOATS);
    room.multiplier = (void *)take(&at, count);
    room.scale = take(&at, count);
    if (size.filters) {
        room.bias = (void *)take(&at, count);
        room.factor = take(&at, count);
    }
    room.rest = at;
    return room;
}

struct cnn_integers_room cnn_integers_place(float *at, struct cnn_integers_size size)
{
    const size_t count = size.count;
    const struct cnn_integers_room room = cnn_integers_find(at, size);
    *room.integers = (struct cnn_integers){.inputs = size.inputs,
                                           .x = room.x,
                                           .count = count,
                                           .multiplier = room.multiplier,
                                           .bias = room.bias,
                                           .scale = room.scale,
                                           .shift = 1,
                                           .high = 255};
    memset(room.x, 0, size.inputs * sizeof *room.x);
    memset(room.multiplier, 0, count * sizeof *room.multiplier);
    memset(room.scale, 0, count * sizeof *room.scale);
    return room;
}

/* The nearest whole number, halves up, of numbers that are not below 0. */
static int32_t whole(double number, double most)
{
    return (int32_t)(number >= most ? most : floor(number + 0.5));
}

/* Bits by which numbers up to bound may be shifted to the left within 32 of them. */
static int free_bits(int64_t bound)
{
    int bits = 0;
    while (bits < 30 && bound << (bits + 1) <= INT32_MAX)
        bits++;
    return bits;
}

static double largest_scale(const struct cnn_integers *k)
{
    double largest = 0;
    for (size_t i = 0; i < k->count; i++)
        largest = fmax(largest, (double)k->scale[i]);
    return largest;
}

/* ratio * 2^e for all, with the largest one between 2^30 and 2^31: sums << left times it, over 2^32
 * and over 2^shift, are the sums times the ratio for e = 32 - left + shift. */
void cnn_integers_multiply(const struct cnn_integers_room *room, float step, int64_t bound)
{
    struct cnn_integers *k = room->integers;
    int exponent, most = free_bits(bound);
    (void)frexp(largest_scale(k) / (double)step, &exponent);
    const int e = 31 - exponent;
    k->left = e >= 33 ? 0 : 33 - e < most ? 33 - e : most;
    k->shift = e < 33 ? 1 : e - 32 < 31 ? e - 32 : 31;
    for (size_t i = 0; i < k->count; i++)
        room->multiplier[i] =
            whole(ldexp((double)k->scale[i] / (double)step, 32 - k->left + k->shift), INT32_MAX);
}

/* The largest shift that keeps numbers up to `largest` within most: 1 to 30. */
static int shift_within(double largest, double most)
{
    int shift = 1;
    while (shift < 30 && ldexp(largest, shift + 1) <= most)
        shift++;
    return shift;
}

/* Each term is below 2^(31 - 1) over the number of inputs, and half a step more fits. */
void cnn_integers_add(const struct cnn_integers_room *room, float step)
{
    struct cnn_integers *k = room->integers;
    double largest = 0, most = floor((double)(1 << 30) / (255 * (double)k->inputs));
    for (size_t i = 0; i < k->inputs; i++)
        largest = fmax(largest, (double)k->x[i].scale / (double)step);
    k->left = 0;
    k->shift = shift_within(largest, most);
    for (size_t i = 0; i < k->inputs; i++)
        room->multiplier[i] = whole(ldexp((double)k->x[i].scale / (double)step, k->shift), most);
    k->scale = NULL;
}

/* In codes of y: what one code of x adds, and what x = 0 becomes. */
struct line {
    double slope, constant;
};

static double finite(float number)
{
    return fmax(-(double)FLT_MAX, fmin((double)FLT_MAX, (double)number));
}

/* One code of x is worth all 256 of y at most: a steeper line crosses 0 where it did, as steep as
 * that. A constant of 256 times as much is beyond all codes of y, whatever x is. */
static struct line line_of(const struct cnn_integers_room *room, const float *constant, float step,
                           size_t c)
{
    const double steepest = 256, most = 256 * steepest,
                 slope = finite(room->scale[c]) * (double)room->x->scale / (double)step,
                 steep = fmax(fabs(slope) / steepest, 1),
                 zero = finite(constant[c]) / (double)step / steep;
    return (struct line){slope / steep, fmax(-most, fmin(most, zero))};
}

static int32_t nearest(double number)
{
    return number < 0 ? -whole(-number, INT32_MAX) : whole(number, INT32_MAX);
}

/* Sums are within 2^30, and half a step more fits. */
void cnn_integers_scale(const struct cnn_integers_room *room, const float *constant, float step)
{
    struct cnn_integers *k = room->integers;
    double largest = 0;
    for (size_t c = 0; c < k->count; c++) {
        const struct line line = line_of(room, constant, step, c);
        largest = fmax(largest, 255 * fabs(line.slope) + fabs(line.constant));
    }
    k->shift = shift_within(largest, 1 << 30);
    for (size_t c = 0; c < k->count; c++) {
        const struct line line = line_of(room, constant, step, c);
        room->multiplier[c] = nearest(ldexp(line.slope, k->shift));
        room->bias[c] =
            nearest(ldexp(line.constant, k->shift)) - room->x->zero * room->multiplier[c];
    }
    k->scale = NULL;
}

int64_t cnn_integers_bias(const struct cnn_integers_room *room, const float *bias, int64_t bound)
{
    const double limit = (double)(INT32_MAX - bound);
    int64_t largest = 0;
    for (size_t f = 0; f < room->integers->count; f++) {
        const double own = (double)room->scale[f], number = (double)bias[f],
                     wanted = fabs(number) / limit;
        double scale = fmax(fabs(own), (double)FLT_MIN);
        if (wanted > scale) /* as a float, it may be a little smaller */
            scale = fmin(wanted * (1 + 1e-6), (double)FLT_MAX);
        room->scale[f] = (float)scale;
        room->factor[f] = (float)(own / (double)room->scale[f]);
        const int32_t size = whole(fabs(number) / (double)room->scale[f], limit);
        room->bias[f] = number < 0 ? -size : size;
        largest = size > largest ? size : largest;
    }
    return bound + largest;
}
