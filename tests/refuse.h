/* Memory of the tests' own for the library. One allocation can be refused, or all from one on, so
 * that each place that asks for memory is tried. What did not come back is counted. Threads may
 * share it. */
#ifndef CNN_TESTS_REFUSE_H
#define CNN_TESTS_REFUSE_H

#include <stddef.h>

#include "cnn.h"

extern const cnn_allocator refuse_allocator;

/* From here on the library takes its memory from refuse_allocator; until refuse_end, which is
 * called when no object of the library is left. Fails if something did not come back, or came back
 * that was not given out. */
void refuse_begin(void);
void refuse_end(void);

/* Of the allocations that follow, the nth is refused, from 1; 0: none. Returns how many there were
 * since it was called before. */
size_t refuse_allocation(size_t nth);
/* The same for the nth and all that come after it. */
size_t refuse_from(size_t nth);

/* Blocks that were given out and did not come back. */
size_t refuse_held(void);

#endif
