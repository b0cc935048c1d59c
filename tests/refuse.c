/* See refuse.h. */
#include "refuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "cnn.h"

static size_t left; /* until one is refused; 0: none is */

static bool is_refused(void)
{
    return left > 0 && --left == 0;
}

static void *take(void *context, size_t bytes)
{
    (void)context;
    return is_refused() ? NULL : malloc(bytes);
}

static void *take_again(void *context, void *memory, size_t bytes)
{
    (void)context;
    return is_refused() ? NULL : realloc(memory, bytes);
}

static void give(void *context, void *memory)
{
    (void)context;
    free(memory);
}

void refuse_begin(void)
{
    left = 0;
    assert_true(cnn_set_allocator(
        &(cnn_allocator){.allocate = take, .reallocate = take_again, .release = give}));
}

void refuse_end(void)
{
    assert_true(cnn_set_allocator(NULL));
}

bool refuse_allocation(size_t nth)
{
    bool asked = left == 0;
    left = nth;
    return asked;
}
