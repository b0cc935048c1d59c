/* Memory of which one allocation is refused, so that each place that asks for some is tried. */
#ifndef CNN_TESTS_REFUSE_H
#define CNN_TESTS_REFUSE_H

#include <stdbool.h>
#include <stddef.h>

/* From here on the library takes its memory from functions of the test; until refuse_end, which is
 * called when no object of the library is left. */
void refuse_begin(void);
void refuse_end(void);

/* Of the allocations that follow, the nth is refused, from 1; 0: none. Returns whether the one
 * that was to be refused before was asked for. */
bool refuse_allocation(size_t nth);

#endif
