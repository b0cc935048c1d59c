/* Operations that are not worth a vector version: plain C, in every table, parallel where that
 * pays. The contracts are those of kernels.h. */
#ifndef CNN_KERNELS_PLAIN_H
#define CNN_KERNELS_PLAIN_H

#include "kernels/kernels.h"

void cnn_batch_norm_backward_fixed(const struct cnn_batch_norm *b,
                                   const struct cnn_batch_norm_arrays *arrays);
void cnn_batch_norm_fold(size_t channels, const struct cnn_batch_norm_arrays *norm, float eps,
                         const float *bias, float *scale, float *shift);
void cnn_track(size_t count, double share, float scale, const float *from, float *to);
void cnn_multiply(size_t count, float factor, const float *x, float *y);
void cnn_combine(size_t count, float a, const float *x, float b, float *y);
void cnn_approach(size_t count, float share, const float *x, float *y);
double cnn_squares(size_t count, const float *x, const float *minus);
void cnn_lion(size_t size, float *w, const float *grad, float *m, const struct cnn_lion *settings);
double cnn_cross_entropy(const struct cnn_loss_row *row, double smoothing);
double cnn_squared_error(const struct cnn_loss_row *row);
size_t cnn_rank(size_t classes, const float *y, size_t label);
size_t cnn_find_living(size_t pixels, size_t channels, const float *x, bool *living);
void cnn_gather_bytes(const struct cnn_gather *g, const unsigned char *x, unsigned char *y);
void cnn_copy_bytes(size_t rows, size_t bytes, const unsigned char *x, size_t x_step,
                    unsigned char *y, size_t y_step);
void cnn_translate(size_t size, const unsigned char *table, const unsigned char *x,
                   unsigned char *y);
void cnn_softmax_exact(struct cnn_rows rows, const float *x, float *y);
void cnn_drop_images(const struct cnn_drop *d, size_t n, const float *x, float *y);
void cnn_dropout(const struct cnn_drop *d, const float *x, float *y);
void cnn_copy(size_t rows, size_t floats, const float *x, size_t x_step, float *y, size_t y_step);
void cnn_take_channels(size_t pixels, const struct cnn_channel_range *range, const float *x,
                       float *y);
void cnn_put_channels(size_t pixels, const struct cnn_channel_range *range, const float *x,
                      float *y);
void cnn_pad(const struct cnn_border *b, size_t n, const float *x, float *y);
void cnn_pad_backward(const struct cnn_border *b, size_t n, const float *dy, float *dx);
void cnn_depth_to_space(const struct cnn_depth *b, size_t n, const float *x, float *y);
void cnn_space_to_depth(const struct cnn_depth *b, size_t n, const float *x, float *y);
void cnn_resample(const struct cnn_resample *r, size_t n, const float *x, float *y);
void cnn_resample_backward(const struct cnn_resample *r, size_t n, const float *dy, float *dx);

#endif
