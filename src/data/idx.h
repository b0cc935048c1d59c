/* The IDX files of MNIST and its kin (LeCun, Cortes, Burges, "The MNIST database of handwritten
 * digits", 1998), plain or gzipped. */
#ifndef CNN_DATA_IDX_H
#define CNN_DATA_IDX_H

#include "data/images.h"
#include "data/known.h"

/* A data set of this form. */
struct cnn_idx_set {
    const char *name;               /* for messages */
    enum cnn_known_set known;       /* where it is to be had */
    const char *const *class_names; /* NULL: the classes are the labels that there are */
    size_t class_count;
};
extern const struct cnn_idx_set cnn_idx_mnist, cnn_idx_fashion_mnist;

/* Reads the training or the test images with their labels from folder:
 * (train|t10k)-images-idx3-ubyte and -labels-idx1-ubyte, also with .idx for -idx, also with .gz;
 * test will do for t10k. Where folder is none, it is what the names begin with: a/emnist-letters
 * for a/emnist-letters-train-images-idx3-ubyte. Labels of a set without class names are those from
 * the lowest to the highest one of both splits, and become 0, 1 and so on. At most limit images are
 * read (0: all). *out is written only on success; free it with cnn_images_free. Errors are
 * CNN_FAILED. */
cnn_status cnn_idx_read(const struct cnn_idx_set *set, const char *folder, bool train, size_t limit,
                        struct cnn_images *out, cnn_diag *diag);

#endif
