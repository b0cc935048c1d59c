/* The IDX files of MNIST and its kin (LeCun, Cortes, Burges, "The MNIST database of handwritten
 * digits", 1998), plain or gzipped. */
#ifndef CNN_DATA_IDX_H
#define CNN_DATA_IDX_H

#include "data/images.h"

/* Reads the training or the test images with their labels from folder:
 * (train|t10k)-images-idx3-ubyte and -labels-idx1-ubyte, also with .idx for -idx, also with .gz. At
 * most limit images are read (0: all). *out is written only on success; free it with
 * cnn_images_free. Errors are CNN_FAILED. */
cnn_status cnn_idx_read(const char *folder, bool train, size_t limit, struct cnn_images *out,
                        cnn_diag *diag);

#endif
