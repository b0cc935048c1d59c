/* The arena: blocks in a list, the newest first; memory is taken from the newest until it is full.
 * Large requests get a block of their own, put behind the newest, so that what is left of that one
 * stays in use. */
#define _DEFAULT_SOURCE /* madvise */
#include "util/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "util/allocate.h"

enum {
    LINE = 64,
    BLOCK_BYTES = 64 * 1024,
    LARGE_BYTES = 16 * 1024,
    HUGE_PAGE_BYTES = 2 * 1024 * 1024
};

/* The header takes one cache line, so that the memory behind it starts on one. */
struct block {
    _Alignas(LINE) struct block *next;
    size_t capacity, used; /* of the bytes behind the header */
};

struct cnn_arena {
    struct block *newest;
};

static struct block *block_new(size_t capacity)
{
    size_t bytes;
    if (capacity > SIZE_MAX - LINE ||
        !cnn_size_add(sizeof(struct block), (capacity + LINE - 1) / LINE * LINE, &bytes))
        return NULL;
    struct block *block = cnn_aligned_new(LINE, bytes);
    if (!block)
        return NULL;
    block->next = NULL;
    block->capacity = bytes - sizeof(struct block);
    block->used = 0;
    return block;
}

/* NULL where the block has no room. */
static void *block_take(struct block *block, size_t bytes)
{
    size_t align = bytes >= LINE ? LINE : 16;
    size_t start = (block->used + align - 1) / align * align;
    if (start > block->capacity || bytes > block->capacity - start)
        return NULL;
    block->used = start + bytes;
    return memset((char *)(block + 1) + start, 0, bytes);
}

struct cnn_arena *cnn_arena_new(void)
{
    return cnn_calloc(1, sizeof(struct cnn_arena));
}

void cnn_arena_free(struct cnn_arena *arena)
{
    if (!arena)
        return;
    for (struct block *block = arena->newest; block;) {
        struct block *next = block->next;
        cnn_aligned_free(block);
        block = next;
    }
    cnn_free(arena);
}

static void *take_large(struct cnn_arena *arena, size_t bytes)
{
    struct block *block = block_new(bytes);
    if (!block)
        return NULL;
    if (arena->newest) {
        block->next = arena->newest->next;
        arena->newest->next = block;
    } else {
        arena->newest = block;
    }
    return block_take(block, bytes);
}

void *cnn_arena_alloc(struct cnn_arena *arena, size_t bytes)
{
    if (bytes == 0)
        bytes = 1; /* so that NULL always means: out of memory */
    void *memory = arena->newest ? block_take(arena->newest, bytes) : NULL;
    if (memory)
        return memory;
    if (bytes >= LARGE_BYTES)
        return take_large(arena, bytes);
    struct block *block = block_new(BLOCK_BYTES);
    if (!block)
        return NULL;
    block->next = arena->newest;
    arena->newest = block;
    return block_take(block, bytes);
}

void *cnn_arena_array(struct cnn_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    return cnn_size_mul(count, size, &bytes) ? cnn_arena_alloc(arena, bytes) : NULL;
}

char *cnn_arena_strndup(struct cnn_arena *arena, const char *text, size_t length)
{
    length = strnlen(text, length);
    char *copy = cnn_arena_alloc(arena, length + 1);
    if (copy)
        memcpy(copy, text, length);
    return copy;
}

char *cnn_arena_strdup(struct cnn_arena *arena, const char *text)
{
    return cnn_arena_strndup(arena, text, SIZE_MAX);
}

char *cnn_arena_printf(struct cnn_arena *arena, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        return NULL;
    char *text = cnn_arena_alloc(arena, (size_t)length + 1);
    if (!text)
        return NULL;
    va_start(arguments, format);
    vsnprintf(text, (size_t)length + 1, format, arguments);
    va_end(arguments);
    return text;
}

/* In huge pages where it is large enough for one: with those of 4 KiB, a pass over all weights
 * spends up to a quarter of its time on page tables, and the first touch several times as much on
 * faults. Asking is enough: where the system has none, nothing is lost. */
float *cnn_floats_reserve(size_t count)
{
    size_t bytes;
    if (count > SIZE_MAX - 15 ||
        !cnn_size_mul(cnn_round_floats(count ? count : 1), sizeof(float), &bytes))
        return NULL;
    void *floats = cnn_aligned_new(bytes < HUGE_PAGE_BYTES ? LINE : HUGE_PAGE_BYTES, bytes);
#ifdef MADV_HUGEPAGE
    if (floats && bytes >= HUGE_PAGE_BYTES)
        (void)madvise(floats, bytes / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES, MADV_HUGEPAGE);
#endif
    return floats;
}

float *cnn_floats_new(size_t count)
{
    float *floats = cnn_floats_reserve(count);
    return floats ? memset(floats, 0, cnn_round_floats(count ? count : 1) * sizeof(float)) : NULL;
}

void cnn_floats_free(float *floats)
{
    cnn_aligned_free(floats);
}
