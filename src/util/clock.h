/* Time that has gone by. */
#ifndef CNN_UTIL_CLOCK_H
#define CNN_UTIL_CLOCK_H

#include <time.h>

/* Seconds on one of the system's clocks, and on that which never goes back. */
double cnn_seconds_on(clockid_t clock);
double cnn_now(void);

#endif
