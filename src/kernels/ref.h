/* The plain C implementation's functions, for its table (ref.c). The contracts are those of
 * kernels.h. */
#ifndef CNN_KERNELS_REF_H
#define CNN_KERNELS_REF_H

#include "kernels/kernels.h"

extern const struct cnn_kernels cnn_kernels_ref;

size_t cnn_conv_packed_floats_ref(const struct cnn_conv *c, bool backward);
size_t cnn_conv_scratch_floats_ref(const struct cnn_conv *c, size_t n);
void cnn_conv_pack_ref(const struct cnn_conv *c, bool backward, const float *w, const float *scale,
                       float *packed);
void cnn_conv_forward_ref(const struct cnn_conv *c, const struct cnn_conv_forward *pass);
void cnn_conv_backward_data_ref(const struct cnn_conv *c,
                                const struct cnn_conv_backward_data *pass);
void cnn_conv_backward_weights_ref(const struct cnn_conv *c,
                                   const struct cnn_conv_backward_weights *pass);
struct cnn_work cnn_conv_work_ref(const struct cnn_conv *c, enum cnn_conv_pass pass);

size_t cnn_conv_int8_packed_floats_ref(const struct cnn_conv *c);
size_t cnn_conv_int8_scratch_floats_ref(const struct cnn_conv *c, size_t n);
void cnn_conv_int8_pack_ref(const struct cnn_conv *c, const struct cnn_integers *integers,
                            const signed char *codes, float *packed);
void cnn_conv_int8_forward_ref(const struct cnn_conv *c, const struct cnn_conv_int8_forward *pass);
void cnn_quantize_ref(size_t pixels, size_t channels, const float *x, struct cnn_codes codes,
                      unsigned char *y);

void cnn_pool_forward_ref(const struct cnn_pool *p, size_t n, const float *x, float *y,
                          unsigned short *choice);
void cnn_pool_backward_ref(const struct cnn_pool *p, size_t n, const float *dy,
                           const unsigned short *choice, float *dx);

size_t cnn_batch_norm_scratch_floats_ref(const struct cnn_batch_norm *b);
void cnn_batch_norm_statistics_ref(const struct cnn_batch_norm *b, const float *x, float *mean,
                                   float *var, float *scratch);
void cnn_batch_norm_forward_ref(const struct cnn_batch_norm *b,
                                const struct cnn_batch_norm_arrays *arrays);
void cnn_batch_norm_backward_ref(const struct cnn_batch_norm *b,
                                 const struct cnn_batch_norm_arrays *arrays);

size_t cnn_lrn_scratch_floats_ref(const struct cnn_lrn *l);
void cnn_lrn_forward_ref(const struct cnn_lrn *l, const float *x, float *y, float *s,
                         float *scratch);
void cnn_lrn_backward_ref(const struct cnn_lrn *l, const float *x, const float *s, const float *dy,
                          float *dx, float *scratch);

/* One element; any kind but SOFTMAX. _slope: dy / dx, from the output y; from the input x for the
 * kinds that need it. */
float cnn_activate_ref(struct cnn_activation a, float x);
double cnn_activation_slope_ref(struct cnn_activation a, double x, double y);
void cnn_activation_forward_ref(struct cnn_activation a, struct cnn_rows rows, const float *x,
                                float *y);
void cnn_activation_backward_ref(struct cnn_activation a, struct cnn_rows rows, const float *x,
                                 const float *y, const float *dy, float *dx);

size_t cnn_scale_scratch_floats_ref(const struct cnn_scale *c);
void cnn_scale_forward_ref(const struct cnn_scale *c, const float *x, const float *s,
                           const float *b, float *y);
void cnn_scale_backward_ref(const struct cnn_scale *c, const float *x, const float *s,
                            const float *dy, const struct cnn_scale_gradients *d, float *scratch);

void cnn_pool_bytes_ref(const struct cnn_pool *p, size_t n, const unsigned char *x,
                        const struct cnn_integers *integers, void *y);
void cnn_add_bytes_ref(size_t size, const unsigned char *const *x,
                       const struct cnn_integers *integers, unsigned char *y);
void cnn_multiply_bytes_ref(const struct cnn_scale *c, const unsigned char *const *x,
                            const struct cnn_integers *integers, unsigned char *y);
void cnn_scale_bytes_ref(struct cnn_rows pixels, const unsigned char *x,
                         const struct cnn_integers *integers, unsigned char *y);

size_t cnn_group_norm_scratch_floats_ref(const struct cnn_group_norm *g);
void cnn_group_norm_forward_ref(const struct cnn_group_norm *g,
                                const struct cnn_group_norm_arrays *a, const float *x, float *y);
void cnn_group_norm_backward_ref(const struct cnn_group_norm *g,
                                 const struct cnn_group_norm_arrays *a, const float *x,
                                 const float *dy, float *dx);

void cnn_sum_ref(size_t count, size_t size, const float *const *x, struct cnn_activation activation,
                 float *y);
void cnn_sum_backward_ref(size_t count, size_t size, struct cnn_activation activation,
                          const float *y, const float *dy, float *const *dx);
void cnn_sgd_ref(size_t size, float *w, const float *grad, float *m,
                 const struct cnn_sgd *settings);
void cnn_adam_ref(size_t size, float *w, const float *grad, float *m, float *v,
                  const struct cnn_adam *settings);
void cnn_rmsprop_ref(size_t size, float *w, const float *grad, float *v, float *m,
                     const struct cnn_rmsprop *settings);

#endif
