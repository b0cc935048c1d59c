/* See refuse.h. */
#include "refuse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a block begins with, so that one of the C library is told from one of these, and the C
 * library's free is told from this one. */
enum { HEAD = 64 };
static const uint64_t mark = 0x6c69626e6e63ULL;

struct head {
    uint64_t mark;
    size_t bytes;
};

/* Refused are the allocations from `first` to `last`; 0: none. */
static atomic_size_t asked, first, last, held, foreign;

static void *take(void *context, size_t bytes)
{
    const size_t number = atomic_fetch_add(&asked, 1) + 1;
    const bool refused = number >= atomic_load(&first) && number <= atomic_load(&last);
    const struct head head = {mark, bytes};
    assert_ptr_equal(context, &asked);
    assert_true(bytes > 0);
    char *block = refused ? NULL : malloc(HEAD + bytes);
    if (!block)
        return NULL;
    atomic_fetch_add(&held, 1);
    memcpy(block, &head, sizeof head);
    memset(block + HEAD, 0xA5, bytes); /* nobody relies on zeros */
    return block + HEAD;
}

static void give(void *context, void *memory)
{
    struct head *head = (struct head *)(void *)((char *)memory - HEAD);
    assert_ptr_equal(context, &asked);
    if (head->mark == mark)
        atomic_fetch_sub(&held, 1);
    else
        atomic_fetch_add(&foreign, 1);
    memset(head, 0x5A, sizeof *head);
    free(head);
}

static void *take_again(void *context, void *memory, size_t bytes)
{
    struct head head;
    memcpy(&head, (char *)memory - HEAD, sizeof head);
    void *larger = take(context, bytes);
    if (!larger)
        return NULL;
    memcpy(larger, memory, head.bytes < bytes ? head.bytes : bytes);
    give(context, memory);
    return larger;
}

const cnn_allocator refuse_allocator = {
    .allocate = take, .reallocate = take_again, .release = give, .context = &asked};

void refuse_begin(void)
{
    refuse_allocation(0);
    assert_true(cnn_set_allocator(&refuse_allocator));
}

void refuse_end(void)
{
    assert_true(cnn_set_allocator(NULL));
    assert_int_equal(refuse_held(), 0);
    assert_int_equal(atomic_load(&foreign), 0);
}

static size_t refuse(size_t from, size_t to)
{
    atomic_store(&first, from);
    atomic_store(&last, to);
    return atomic_exchange(&asked, 0);
}

size_t refuse_allocation(size_t nth)
{
    return refuse(nth, nth);
}

size_t refuse_from(size_t nth)
{
    return refuse(nth, SIZE_MAX);
}

size_t refuse_held(void)
{
    return atomic_load(&held);
}
