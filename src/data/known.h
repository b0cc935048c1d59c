/* Data sets that everybody uses: where they are looked for, and where they are to be had. */
#ifndef CNN_DATA_KNOWN_H
#define CNN_DATA_KNOWN_H

#include "util/diag.h"

enum cnn_known_set {
    CNN_KNOWN_MNIST,
    CNN_KNOWN_FASHION_MNIST,
    CNN_KNOWN_CIFAR10,
    CNN_KNOWN_CIFAR100
};

/* The folder in which the set is looked for: the one under CNN_DATA, or data; or, where that is not
 * there, the one that the system's package makes. malloc'ed; NULL when out of memory. */
char *cnn_known_folder(enum cnn_known_set set);

/* The error for files that are not in folder: which names were looked for, and a hint with the
 * commands that fetch the set, check it and put it where it is looked for. Returns CNN_FAILED. */
cnn_status cnn_known_fail_missing(enum cnn_known_set set, const char *folder, const char *names,
                                  cnn_diag *diag);

#endif
