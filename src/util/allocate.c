/* The way to memory. A program's functions know no alignment beyond that of any object: a block
 * that wants more is cut out of a larger one, whose address stands before it. */
#include "util/allocate.h"

#include <stdlib.h>
#include <string.h>

static cnn_allocator own; /* allocate NULL: the C library's */

bool cnn_set_allocator(const cnn_allocator *allocator)
{
    if (allocator && (!allocator->allocate || !allocator->reallocate || !allocator->release))
        return false;
    own = allocator ? *allocator : (cnn_allocator){0};
    return true;
}

void *cnn_malloc(size_t bytes)
{
    return own.allocate ? own.allocate(own.context, bytes ? bytes : 1) : malloc(bytes);
}

void *cnn_calloc(size_t count, size_t size)
{
    size_t bytes;
    if (!own.allocate)
        return calloc(count, size);
    void *memory = __builtin_mul_overflow(count, size, &bytes) ? NULL : cnn_malloc(bytes);
    return memory ? memset(memory, 0, bytes) : NULL;
}

void *cnn_realloc(void *memory, size_t bytes)
{
    if (!own.allocate)
        return realloc(memory, bytes);
    return memory ? own.reallocate(own.context, memory, bytes ? bytes : 1) : cnn_malloc(bytes);
}

void cnn_free(void *memory)
{
    if (!own.allocate)
        free(memory);
    else if (memory)
        own.release(own.context, memory);
}

char *cnn_strndup(const char *text, size_t length)
{
    length = strnlen(text, length);
    char *copy = cnn_malloc(length + 1);
    if (!copy)
        return NULL;
    copy[length] = '\0';
    return memcpy(copy, text, length);
}

char *cnn_strdup(const char *text)
{
    return cnn_strndup(text, SIZE_MAX);
}

void *cnn_aligned_new(size_t alignment, size_t bytes)
{
    void *memory;
    if (!own.allocate)
        return posix_memalign(&memory, alignment, bytes) == 0 ? memory : NULL;
    if (bytes > SIZE_MAX - alignment - sizeof memory)
        return NULL;
    memory = cnn_malloc(bytes + alignment + sizeof memory);
    if (!memory)
        return NULL;
    char *first = (char *)memory + sizeof memory;
    char *aligned = first + (alignment - (uintptr_t)first % alignment) % alignment;
    memcpy(aligned - sizeof memory, &memory, sizeof memory);
    return aligned;
}

void cnn_aligned_free(void *aligned)
{
    void *memory = aligned;
    if (own.allocate && aligned)
        memcpy(&memory, (char *)aligned - sizeof memory, sizeof memory);
    cnn_free(memory);
}
