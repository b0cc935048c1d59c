/* Tables of kernels, for tests of one function: many tables share it. */
#ifndef TESTS_TABLES_H
#define TESTS_TABLES_H

#include <stddef.h>
#include <string.h>

#include "kernels/kernels.h"

/* Number i of those tables whose function at this offset is not the one of the table before; NULL
 * behind the last. */
static inline const struct cnn_kernels *table_with_own(size_t i, size_t offset)
{
    const struct cnn_kernels *k, *before = NULL;
    for (size_t t = 0; (k = cnn_kernels_at(t)); before = k, t++)
        if (!before ||
            memcmp((const char *)k + offset, (const char *)before + offset, sizeof k->sum) != 0)
            if (i-- == 0)
                return k;
    return NULL;
}

#define TABLE_WITH_OWN(function, i) table_with_own(i, offsetof(struct cnn_kernels, function))

#endif
