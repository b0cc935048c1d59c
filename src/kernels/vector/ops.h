/* This instruction set's functions outside convolution, for its table (table.c) and for each other.
 * The contracts are those of kernels.h. */
#ifndef CNN_KERNELS_VECTOR_OPS_H
#define CNN_KERNELS_VECTOR_OPS_H

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

/* Prefetches `count` numbers of a stream, from 4 KiB after p on, where p is what is read now: the
 * hardware's own prefetching stops at the end of each page. May reach beyond an array's end. */
static inline void cnn_prefetch(const cnn_number *p, size_t count)
{
    for (size_t i = 0; i < count; i += 64 / sizeof *p)
        __builtin_prefetch(p + 4096 / sizeof *p + i);
}

/* y[i] = a(x[i]) for size elements, in the calling thread: for tasks that activate what they have
 * just computed. Any kind but SOFTMAX; y may be x. */
void CNN_ISA_NAME(cnn_activate)(struct cnn_activation a, size_t size, const float *x, float *y);

#if defined(__AVX512BF16__)
/* Numbers that are stored as bfloat16, where they are. */
void cnn_activate_halves(struct cnn_activation a, size_t size, unsigned short *y);
#endif

/* dx[i] = dy[i] * a'(x[i]), likewise; dx may be dy. x is read only by kinds that need their
 * input. */
void CNN_ISA_NAME(cnn_activate_backward)(struct cnn_activation a, size_t size, const float *x,
                                         const float *y, const float *dy, float *dx);

void CNN_VALUE_NAME(cnn_activation_forward)(struct cnn_activation a, struct cnn_rows rows,
                                            const float *x, float *y);
void CNN_VALUE_NAME(cnn_activation_backward)(struct cnn_activation a, struct cnn_rows rows,
                                             const float *x, const float *y, const float *dy,
                                             float *dx);

void CNN_VALUE_NAME(cnn_pool_forward)(const struct cnn_pool *p, size_t n, const float *x, float *y,
                                      unsigned short *choice);
void CNN_VALUE_NAME(cnn_pool_backward)(const struct cnn_pool *p, size_t n, const float *dy,
                                       const unsigned short *choice, float *dx);

size_t CNN_VALUE_NAME(cnn_batch_norm_scratch_floats)(const struct cnn_batch_norm *b);
void CNN_VALUE_NAME(cnn_batch_norm_statistics)(const struct cnn_batch_norm *b, const float *x,
                                               float *mean, float *var, float *scratch);
void CNN_VALUE_NAME(cnn_batch_norm_forward)(const struct cnn_batch_norm *b,
                                            const struct cnn_batch_norm_arrays *arrays);
void CNN_VALUE_NAME(cnn_batch_norm_backward)(const struct cnn_batch_norm *b,
                                             const struct cnn_batch_norm_arrays *arrays);

size_t CNN_ISA_NAME(cnn_lrn_scratch_floats)(const struct cnn_lrn *l);
void CNN_ISA_NAME(cnn_lrn_forward)(const struct cnn_lrn *l, const float *x, float *y, float *s,
                                   float *scratch);
void CNN_ISA_NAME(cnn_lrn_backward)(const struct cnn_lrn *l, const float *x, const float *s,
                                    const float *dy, float *dx, float *scratch);

size_t CNN_VALUE_NAME(cnn_scale_scratch_floats)(const struct cnn_scale *c);
void CNN_VALUE_NAME(cnn_scale_forward)(const struct cnn_scale *c, const float *x, const float *s,
                                       const float *b, float *y);
void CNN_VALUE_NAME(cnn_scale_backward)(const struct cnn_scale *c, const float *x, const float *s,
                                        const float *dy, const struct cnn_scale_gradients *d,
                                        float *scratch);

size_t CNN_VALUE_NAME(cnn_group_norm_scratch_floats)(const struct cnn_group_norm *g);
void CNN_VALUE_NAME(cnn_group_norm_forward)(const struct cnn_group_norm *g,
                                            const struct cnn_group_norm_arrays *a, const float *x,
                                            float *y);
void CNN_VALUE_NAME(cnn_group_norm_backward)(const struct cnn_group_norm *g,
                                             const struct cnn_group_norm_arrays *a, const float *x,
                                             const float *dy, float *dx);

void CNN_VALUE_NAME(cnn_sum)(size_t count, size_t size, const float *const *x,
                             struct cnn_activation activation, float *y);
void CNN_VALUE_NAME(cnn_sum_backward)(size_t count, size_t size, struct cnn_activation activation,
                                      const float *y, const float *dy, float *const *dx);
void CNN_ISA_NAME(cnn_sgd)(size_t size, float *w, const float *grad, float *m,
                           const struct cnn_sgd *settings);
void CNN_ISA_NAME(cnn_adam)(size_t size, float *w, const float *grad, float *m, float *v,
                            const struct cnn_adam *settings);
void CNN_ISA_NAME(cnn_rmsprop)(size_t size, float *w, const float *grad, float *v, float *m,
                               const struct cnn_rmsprop *settings);

#ifdef CNN_HALVES
/* Those that are plain C for floats (plain.h). */
size_t CNN_VALUE_NAME(cnn_find_living)(size_t pixels, size_t channels, const float *x,
                                       bool *living);
void CNN_VALUE_NAME(cnn_dropout)(const struct cnn_drop *d, const float *x, float *y);
void CNN_VALUE_NAME(cnn_drop_images)(const struct cnn_drop *d, size_t n, const float *x, float *y);
void CNN_VALUE_NAME(cnn_transpose)(size_t rows, size_t a, size_t b, const float *x, float *y);
void CNN_VALUE_NAME(cnn_copy)(size_t rows, size_t floats, const float *x, size_t x_step, float *y,
                              size_t y_step);
void CNN_VALUE_NAME(cnn_take_channels)(size_t pixels, const struct cnn_channel_range *range,
                                       const float *x, float *y);
void CNN_VALUE_NAME(cnn_put_channels)(size_t pixels, const struct cnn_channel_range *range,
                                      const float *x, float *y);
#endif

double CNN_ISA_NAME(cnn_peak)(size_t rounds, float *result);
double CNN_BF16_NAME(cnn_peak_pairs)(size_t rounds, float *result);
double CNN_INT8_NAME(cnn_peak_bytes)(size_t rounds, float *result);
void CNN_ISA_NAME(cnn_read)(const float *x, size_t floats, size_t rounds, bool ahead,
                            float *result);

#endif
