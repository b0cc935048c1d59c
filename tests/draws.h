/* Tests of what is drawn at random: the draws of augmentation, and what many of them came to. */
#ifndef CNN_TESTS_DRAWS_H
#define CNN_TESTS_DRAWS_H

#include "data/augment.h"

/* As the loader draws, where nothing is normalised. */
struct cnn_draw draw_at(size_t epoch, size_t image);

/* The steps of a list in YAML, for an input of any shape. They live as long as the program. */
const struct cnn_augmentation *steps_of(const char *list);

/* Numbers seen: the least, the most, and their mean. Begins zeroed. */
struct seen {
    double least, most, mean;
    size_t count;
};

void see(struct seen *seen, double value);

/* Uniform between least and most: none is outside, both ends are reached, and the mean is in the
 * middle; to a share of the range. */
void expect_uniform(const struct seen *seen, double least, double most, double slack);

/* Values between 40 and 180, odd and even, without a pattern. */
void faint_image(size_t count, uint8_t *pixels);

#endif
