/* Memory that is freed as a whole, and checked arithmetic on sizes. */
#ifndef CNN_UTIL_ARENA_H
#define CNN_UTIL_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CNN_NO_INDEX SIZE_MAX /* where an index is none */

/* Bump allocator in blocks: everything from one arena is freed by cnn_arena_free. Zeroed memory,
 * aligned to 64 bytes for requests of 64 bytes and more, else to 16. */
struct cnn_arena;
/* NULL when out of memory */
struct cnn_arena *cnn_arena_new(void);
void cnn_arena_free(struct cnn_arena *arena); /* NULL is legal */
/* NULL when out of memory */
void *cnn_arena_alloc(struct cnn_arena *arena, size_t bytes);
/* overflow-checked; NULL when it cannot be */
void *cnn_arena_array(struct cnn_arena *arena, size_t count, size_t size);
char *cnn_arena_strndup(struct cnn_arena *arena, const char *text, size_t length);
char *cnn_arena_strdup(struct cnn_arena *arena, const char *text);
char *cnn_arena_printf(struct cnn_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A zeroed slab of count floats on a 64-byte boundary, for tensors; freed with cnn_floats_free.
 * NULL when it cannot be had. */
float *cnn_floats_new(size_t count);
/* The same with any contents. */
float *cnn_floats_reserve(size_t count);
void cnn_floats_free(float *floats); /* NULL is legal */

/* *out = a * b or a + b; false (and *out untouched) where that does not fit. */
static inline bool cnn_size_mul(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_mul_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

static inline bool cnn_size_add(size_t a, size_t b, size_t *out)
{
    size_t r;
    if (__builtin_add_overflow(a, b, &r))
        return false;
    *out = r;
    return true;
}

/* Floats rounded up to whole cache lines (16 floats), so that neighbours in one slab never share a
 * line. */
static inline size_t cnn_round_floats(size_t count)
{
    return (count + 15) / 16 * 16;
}

#endif
