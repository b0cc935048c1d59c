/* Depthwise convolutions with zero padding, summed directly: vectors run along the filters, and
 * nothing is copied or padded. */
#ifndef CNN_KERNELS_VECTOR_DEPTHWISE_H
#define CNN_KERNELS_VECTOR_DEPTHWISE_H

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

/* Whether this convolution goes this way, in all passes. */
bool CNN_ISA_NAME(cnn_depthwise_fits)(const struct cnn_conv *c);

/* Products that a pass makes of an image: those of taps that lie on it. */
double CNN_ISA_NAME(cnn_depthwise_products)(const struct cnn_conv *c);

/* Weights are packed once, for all passes: [vector of filters][tap][VLEN]. */
size_t CNN_ISA_NAME(cnn_depthwise_packed_floats)(const struct cnn_conv *c);
void CNN_ISA_NAME(cnn_depthwise_pack)(const struct cnn_conv *c, const float *w, const float *scale,
                                      float *packed);

/* Of all passes. */
size_t CNN_ISA_NAME(cnn_depthwise_scratch_floats)(const struct cnn_conv *c, size_t n);
size_t CNN_ISA_NAME(cnn_depthwise_weights_scratch)(const struct cnn_conv *c, size_t n);

/* As the functions of kernels.h. */
void CNN_ISA_NAME(cnn_depthwise_forward)(const struct cnn_conv *c,
                                         const struct cnn_conv_forward *pass);
void CNN_ISA_NAME(cnn_depthwise_backward_data)(const struct cnn_conv *c,
                                               const struct cnn_conv_backward_data *pass);
void CNN_ISA_NAME(cnn_depthwise_backward_weights)(const struct cnn_conv *c,
                                                  const struct cnn_conv_backward_weights *pass);

#if defined(__AVX512BF16__)
/* The same of values that are stored as bfloat16. */
void cnn_depthwise_forward_halves(const struct cnn_conv *c, const struct cnn_conv_forward *pass);
void cnn_depthwise_backward_data_halves(const struct cnn_conv *c,
                                        const struct cnn_conv_backward_data *pass);
void cnn_depthwise_backward_weights_halves(const struct cnn_conv *c,
                                           const struct cnn_conv_backward_weights *pass);
#endif

/* The version for what the convolution's values are stored as. */
static inline void cnn_depthwise_forward_stored(const struct cnn_conv *c,
                                                const struct cnn_conv_forward *pass)
{
#if defined(__AVX512BF16__)
    if (c->x_halves) {
        cnn_depthwise_forward_halves(c, pass);
        return;
    }
#endif
    CNN_ISA_NAME(cnn_depthwise_forward)(c, pass);
}

static inline void cnn_depthwise_backward_data_stored(const struct cnn_conv *c,
                                                      const struct cnn_conv_backward_data *pass)
{
#if defined(__AVX512BF16__)
    if (c->x_halves) {
        cnn_depthwise_backward_data_halves(c, pass);
        return;
    }
#endif
    CNN_ISA_NAME(cnn_depthwise_backward_data)(c, pass);
}

static inline void
cnn_depthwise_backward_weights_stored(const struct cnn_conv *c,
                                      const struct cnn_conv_backward_weights *pass)
{
#if defined(__AVX512BF16__)
    if (c->x_halves) {
        cnn_depthwise_backward_weights_halves(c, pass);
        return;
    }
#endif
    CNN_ISA_NAME(cnn_depthwise_backward_weights)(c, pass);
}

#endif
