/* Flags between threads, and from signal handlers: one int, read and written at once. */
#include <stdatomic.h>

#include "cnn.h"

_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "signal handlers raise flags");

void cnn_flag_raise(cnn_flag *flag)
{
    if (flag)
        __atomic_store_n(&flag->raised, 1, __ATOMIC_SEQ_CST);
}

bool cnn_flag_lower(cnn_flag *flag)
{
    return flag && __atomic_exchange_n(&flag->raised, 0, __ATOMIC_SEQ_CST) != 0;
}

bool cnn_flag_raised(const cnn_flag *flag)
{
    return flag && __atomic_load_n(&flag->raised, __ATOMIC_SEQ_CST) != 0;
}
