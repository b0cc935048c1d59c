/* NumPy's .npy files (formats 1.0 to 3.0), float32 little-endian in C order. */
#ifndef CNN_CHECKPOINT_NPY_H
#define CNN_CHECKPOINT_NPY_H

#include "util/diag.h"

#define CNN_NPY_MAX_RANK 8

/* *values is cnn_malloc'ed (rank may be 0: one value); dims has room for CNN_NPY_MAX_RANK. Errors
 * (CNN_FAILED) name the file and what was found: no .npy, another dtype or Fortran order (with the
 * NumPy expression that would convert it), a size that does not fit the shape, a truncated file. */
cnn_status cnn_npy_read(const char *path, float **values, size_t *dims, size_t *rank,
                        cnn_diag *diag);

/* cnn_npy_write is public: cnn.h. */

#endif
