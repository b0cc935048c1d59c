/* Muon's update of one matrix of weights. */
#ifndef CNN_RECIPE_MUON_H
#define CNN_RECIPE_MUON_H

#include "kernels/kernels.h"

struct cnn_muon_settings {
    float momentum;
    bool nesterov, normalize;
    size_t iterations;
};

/* Floats of scratch for a matrix of rows x columns; SIZE_MAX where they are too many. */
size_t cnn_muon_scratch(const struct cnn_kernels *kernels, size_t rows, size_t columns);

/* w -= lr * O, where O is what Newton and Schulz's iteration makes of the momentum m = momentum * m
 * + grad (nesterov: of grad + momentum * m): near to the orthogonal matrix closest to it. Weights
 * shrink by the factor `shrink` first. normalize: they are first scaled to the norm sqrt(rows), and
 * O is taken as it is; else O is scaled by sqrt(max(1, rows / columns)). */
void cnn_muon(const struct cnn_kernels *kernels, const struct cnn_muon_settings *settings,
              size_t rows, size_t columns, float *w, const float *grad, float *m, float lr,
              float shrink, float *scratch);

#endif
