#include "util/clock.h"

double cnn_seconds_on(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

double cnn_now(void)
{
    return cnn_seconds_on(CLOCK_MONOTONIC);
}
