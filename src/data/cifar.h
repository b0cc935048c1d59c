/* The binary files of CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning Multiple Layers of Features
 * from Tiny Images", 2009). */
#ifndef CNN_DATA_CIFAR_H
#define CNN_DATA_CIFAR_H

#include "data/images.h"

/* Reads the training or the test images with their labels from folder; classes is 10 or 100 (the
 * fine labels). At most limit images are read (0: all); a file that the limit leaves no use for is
 * not opened. *out is written only on success; free it with cnn_images_free. Errors are
 * CNN_FAILED. */
cnn_status cnn_cifar_read(const char *folder, int classes, bool train, size_t limit,
                          struct cnn_images *out, cnn_diag *diag);

#endif
