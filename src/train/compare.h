/* Two models on the same images: what their right and wrong answers say of which is better. */
#ifndef CNN_TRAIN_COMPARE_H
#define CNN_TRAIN_COMPARE_H

#include "cnn.h"

/* Everything in c that follows from its counts (images, both_right, only_a, only_b, both_wrong). */
void cnn_comparison_finish(cnn_comparison *c);

#endif
