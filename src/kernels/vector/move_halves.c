/* Plain operations of values that are stored as bfloat16, for the second table: what moves numbers
 * of two bytes, and dropout, which multiplies them. The masks are those of dropout.c. */
#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/parallel.h"
#include "util/random.h"

#define MASK_BLOCK ((size_t)4096) /* numbers whose mask comes from one generator */
#define RUN        ((size_t)512)  /* numbers that are multiplied in a buffer */
#define TILE       ((size_t)32)

void CNN_VALUE_NAME(cnn_copy)(size_t rows, size_t floats, const float *x, size_t x_step, float *y,
                              size_t y_step)
{
    const cnn_number *from = (const cnn_number *)x;
    cnn_number *to = (cnn_number *)y;
    for (size_t i = 0; i < rows && from != to; i++)
        memcpy(to + i * y_step, from + i * x_step, floats * sizeof *to);
}

struct channels_work {
    struct cnn_channel_range range;
    size_t pixels, block; /* block: pixels of a task */
    const cnn_number *x;
    cnn_number *y;
};

static void take_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct channels_work *k = context;
    const struct cnn_channel_range *r = &k->range;
    const size_t end = cnn_size_min(k->pixels, (task + 1) * k->block);
    for (size_t p = task * k->block; p < end; p++)
        memcpy(k->y + p * r->count, k->x + p * r->channels + r->first, r->count * sizeof *k->y);
}

static void put_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct channels_work *k = context;
    const struct cnn_channel_range *r = &k->range;
    const size_t end = cnn_size_min(k->pixels, (task + 1) * k->block);
    for (size_t p = task * k->block; p < end; p++) {
        cnn_number *y = k->y + p * r->channels;
        memset(y, 0, r->channels * sizeof *y);
        memcpy(y + r->first, k->x + p * r->count, r->count * sizeof *y);
    }
}

void CNN_VALUE_NAME(cnn_take_channels)(size_t pixels, const struct cnn_channel_range *range,
                                       const float *x, float *y)
{
    struct channels_work k = {*range, pixels, cnn_block_rows(range->channels),
                              (const cnn_number *)x, (cnn_number *)y};
    cnn_parallel_for(cnn_size_divide_up(pixels, k.block), take_block, &k);
}

void CNN_VALUE_NAME(cnn_put_channels)(size_t pixels, const struct cnn_channel_range *range,
                                      const float *x, float *y)
{
    struct channels_work k = {*range, pixels, cnn_block_rows(range->channels),
                              (const cnn_number *)x, (cnn_number *)y};
    cnn_parallel_for(cnn_size_divide_up(pixels, k.block), put_block, &k);
}

struct transpose_work {
    size_t bands, a, b; /* bands of TILE rows in a matrix; the matrix's rows and columns */
    const cnn_number *x;
    cnn_number *y;
};

/* Task: TILE rows of one matrix. */
static void transpose_band(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct transpose_work *k = context;
    const size_t matrix = task / k->bands * k->a * k->b, from = task % k->bands * TILE,
                 to = cnn_size_min(k->a, from + TILE);
    const cnn_number *x = k->x + matrix;
    cnn_number *y = k->y + matrix;
    for (size_t tile = 0; tile < k->b; tile += TILE)
        for (size_t j = tile; j < cnn_size_min(k->b, tile + TILE); j++)
            for (size_t i = from; i < to; i++)
                y[j * k->a + i] = x[i * k->b + j];
}

void CNN_VALUE_NAME(cnn_transpose)(size_t rows, size_t a, size_t b, const float *x, float *y)
{
    struct transpose_work k = {.bands = cnn_size_divide_up(a, TILE),
                               .a = a,
                               .b = b,
                               .x = (const cnn_number *)x,
                               .y = (cnn_number *)y};
    cnn_parallel_for(rows * k.bands, transpose_band, &k);
}

struct dropout_work {
    size_t first, end;      /* of the batch's */
    uint64_t seed, dropped; /* a number is dropped where its 32 random bits are below this */
    float scale;
    const cnn_number *x;
    cnn_number *y;
};

/* A run of the batch's numbers, [begin, end). The generator goes on even over those before the
 * first, which are others'. */
static void drop_run(const struct dropout_work *k, struct cnn_rng *rng, size_t begin, size_t end)
{
    float buffer[RUN];
    for (; begin < end && begin < k->first; begin++)
        cnn_rng_u32(rng);
    for (size_t i = begin; i < end; i++)
        buffer[i - begin] =
            cnn_rng_u32(rng) < k->dropped ? 0.0f : cnn_number_float(k->x[i - k->first]) * k->scale;
    if (begin < end)
        cnn_write_numbers(buffer, end - begin, k->y + begin - k->first);
}

static void drop_block(void *context, size_t block, size_t thread)
{
    (void)thread;
    const struct dropout_work *k = context;
    block += k->first / MASK_BLOCK;
    struct cnn_rng rng = cnn_rng_at(k->seed, CNN_STREAM_DROPOUT, block);
    const size_t end = cnn_size_min(k->end, (block + 1) * MASK_BLOCK);
    for (size_t i = block * MASK_BLOCK; i < end; i += RUN)
        drop_run(k, &rng, i, cnn_size_min(end, i + RUN));
}

void CNN_VALUE_NAME(cnn_dropout)(const struct cnn_drop *d, const float *x, float *y)
{
    struct dropout_work k = {.first = d->first,
                             .end = d->first + d->size,
                             .seed = d->seed,
                             .dropped = (uint64_t)(d->rate * 4294967296.0),
                             .scale = (float)(1.0 / (1.0 - d->rate)),
                             .x = (const cnn_number *)x,
                             .y = (cnn_number *)y};
    cnn_parallel_for(cnn_size_divide_up(k.end, MASK_BLOCK) - k.first / MASK_BLOCK, drop_block, &k);
}

void CNN_VALUE_NAME(cnn_drop_images)(const struct cnn_drop *d, size_t n, const float *x, float *y)
{
    const float scale = (float)(1 / (1 - d->rate));
    const cnn_number *from = (const cnn_number *)x;
    cnn_number *to = (cnn_number *)y;
    for (size_t image = 0; image < n; image++, from += d->size, to += d->size) {
        struct cnn_rng rng = cnn_rng_at(d->seed, CNN_STREAM_DROPOUT, d->first + image);
        const bool dropped = (double)cnn_rng_uniform(&rng) < d->rate;
        for (size_t i = 0; i < d->size; i += VLEN) {
            const size_t lanes = cnn_size_min(VLEN, d->size - i);
            const vfloat v = vload_number_lanes(from + i, lanes);
            vstore_number_lanes(to + i, lanes, dropped ? (vfloat){0} : v * scale);
        }
    }
}

size_t CNN_VALUE_NAME(cnn_find_living)(size_t pixels, size_t channels, const float *x, bool *living)
{
    const cnn_number *from = (const cnn_number *)x;
    size_t alive = 0, found = 0;
    for (size_t c = 0; c < channels; c++)
        alive += living[c];
    for (; pixels > 0 && alive + found < channels; pixels--, from += channels)
        for (size_t c = 0; c < channels; c++)
            if (!living[c] && (from[c] & 0x7fff) != 0) { /* without its sign */
                living[c] = true;
                found++;
            }
    return found;
}
