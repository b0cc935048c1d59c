/* The length of a run, in epochs as far as these are known. */
#include "recipe/run_length.h"

#include <math.h>

int cnn_run_compare(const struct cnn_run_length *run, double epochs)
{
    double end = run->steps_per_epoch > 0 ? (double)run->steps : (double)run->epochs;
    double at = run->steps_per_epoch > 0 ? round(epochs * (double)run->steps_per_epoch) : epochs;
    return end == 0 || at < end ? -1 : at > end;
}

double cnn_run_epochs(const struct cnn_run_length *run)
{
    return run->steps_per_epoch > 0 ? (double)run->steps / (double)run->steps_per_epoch
                                    : (double)run->epochs;
}
