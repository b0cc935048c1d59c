/* From numbers to colours. */
#ifndef CNN_VIZ_COLOUR_H
#define CNN_VIZ_COLOUR_H

#include "viz/canvas.h"

#define CNN_COLOUR_NAN ((struct cnn_colour){255, 0, 255}) /* not a number, or infinite */

/* The smallest and largest of count numbers that are finite; nan counts the others. All zero where
 * none is finite. */
struct cnn_range {
    float low, high;
    size_t nan;
};
struct cnn_range cnn_range_of(const float *values, size_t count);

/* How numbers become colours. */
struct cnn_colouring {
    cnn_palette palette;
    struct cnn_range range;
};

/* The colour of value on a scale from low to high (SIGNED: from -m to m, m the larger magnitude of
 * the two). low == high: the lowest colour, but for SIGNED, which shows the sign. */
struct cnn_colour cnn_palette_colour(cnn_palette palette, struct cnn_range range, float value);

/* Colours that are told apart at a glance, the first dozen best: for things without an order. From
 * CNN_DISTINCT_COLOURS on they come again. */
#define CNN_DISTINCT_COLOURS 18
struct cnn_colour cnn_distinct_colour(size_t i);

#endif
