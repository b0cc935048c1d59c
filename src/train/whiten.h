/* First weights that whiten: filters found in the training images, for layers with `init:
 * whitening`. */
#ifndef CNN_TRAIN_WHITEN_H
#define CNN_TRAIN_WHITEN_H

#include "model/model.h"

/* Sets the weights of every layer that asks for it, from the first images of train, normalised as
 * the network sees them. */
cnn_status cnn_whiten(cnn_model *model, const struct cnn_dataset *train, cnn_diag *diag);

/* The eigenvalues, falling, and eigenvectors (rows of length n, each of norm 1) of the symmetric n
 * x n matrix a, which is destroyed: Jacobi's method. */
void cnn_eigen_symmetric(size_t n, double *a, double *values, double *vectors);

#endif
