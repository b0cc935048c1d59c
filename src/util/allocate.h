/* Memory: from the C library, or from the program (cnn_set_allocator). All of the library takes its
 * memory here and gives it back here: by cnn_free, which is in cnn.h, or cnn_aligned_free. */
#ifndef CNN_UTIL_ALLOCATE_H
#define CNN_UTIL_ALLOCATE_H

#include "cnn.h"

/* As the C library's functions of these names. */
void *cnn_malloc(size_t bytes);
void *cnn_calloc(size_t count, size_t size);
void *cnn_realloc(void *memory, size_t bytes);
char *cnn_strdup(const char *text);
char *cnn_strndup(const char *text, size_t length);

/* On a boundary of alignment bytes, a power of two; any contents. Given back by
 * cnn_aligned_free; NULL when out of memory. */
void *cnn_aligned_new(size_t alignment, size_t bytes);
void cnn_aligned_free(void *memory); /* NULL is legal */

#endif
