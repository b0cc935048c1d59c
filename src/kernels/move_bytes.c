/* Bytes that are moved, or replaced by others: plain C, parallel where that pays. */
#include <string.h>

#include "kernels/internal.h"
#include "kernels/plain.h"
#include "util/parallel.h"

struct translate_work {
    size_t size;
    const unsigned char *table, *x;
    unsigned char *y;
};

static void translate_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct translate_work *k = context;
    const size_t end = cnn_size_min(k->size, (task + 1) * CNN_BLOCK);
    for (size_t i = task * CNN_BLOCK; i < end; i++)
        k->y[i] = k->table[k->x[i]];
}

void cnn_translate(size_t size, const unsigned char *table, const unsigned char *x,
                   unsigned char *y)
{
    struct translate_work k = {size, table, x, y};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), translate_block, &k);
}

struct gather_work {
    const struct cnn_gather *g;
    const unsigned char *x;
    unsigned char *y;
    size_t block, blocks; /* pixels of a task, tasks of an image */
};

static void gather_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct gather_work *k = context;
    const struct cnn_gather *g = k->g;
    const size_t image = task / k->blocks, first = task % k->blocks * k->block,
                 end = cnn_size_min(g->pixels, first + k->block),
                 row = cnn_code_channels(g->channels);
    const unsigned char *x = k->x + image * g->image;
    unsigned char *y = k->y + image * g->pixels * row;
    for (size_t p = first; p < end; p++)
        for (size_t c = 0; c < g->channels; c++) {
            const int32_t from = g->from[p * g->channels + c];
            y[p * row + c] = from < 0 ? (unsigned char)g->zero : x[from];
        }
}

void cnn_gather_bytes(const struct cnn_gather *g, const unsigned char *x, unsigned char *y)
{
    const size_t block = cnn_block_rows(g->channels);
    struct gather_work k = {g, x, y, block, cnn_size_divide_up(g->pixels, block)};
    cnn_parallel_for(g->images * k.blocks, gather_block, &k);
}

void cnn_copy_bytes(size_t rows, size_t bytes, const unsigned char *x, size_t x_step,
                    unsigned char *y, size_t y_step)
{
    for (size_t i = 0; i < rows; i++)
        memcpy(y + i * y_step, x + i * x_step, bytes);
}
