/* Winograd's minimal filtering F(4x4, 3x3) for convolutions with 3x3 kernels and stride 1: Lavin
 * and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016. A tile of 4 x 4 outputs
 * takes 36 products per pair of channels instead of 144; its error is some ten times that of the
 * direct sum (1e-5 of the largest value). Gradients of values that are stored as bfloat16 have
 * larger errors (cnn_winograd_by_pairs). */
#ifndef CNN_KERNELS_VECTOR_WINOGRAD_H
#define CNN_KERNELS_VECTOR_WINOGRAD_H

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

/* Whether this convolution can go this way, in all passes. */
bool CNN_ISA_NAME(cnn_winograd_fits)(const struct cnn_conv *c);

/* Products that a pass makes of an image: 36 for each tile, channel and filter of its group. Tiles
 * are of the output, and in the gradient of the data of the input. */
double CNN_ISA_NAME(cnn_winograd_products)(const struct cnn_conv *c, enum cnn_conv_pass pass);

/* Whether its packed weights are transformed when they are used. */
bool CNN_ISA_NAME(cnn_winograd_late)(const struct cnn_conv *c);

/* Whether products are of pairs of bfloat16, though the transforms round more than the numbers did:
 * in gradients, of values that are stored so. What a network computes is spared. */
static inline bool cnn_winograd_by_pairs(const struct cnn_conv *c, bool backward)
{
    return backward && c->x_halves;
}

size_t CNN_ISA_NAME(cnn_winograd_packed_floats)(const struct cnn_conv *c, bool backward);
void CNN_ISA_NAME(cnn_winograd_pack)(const struct cnn_conv *c, bool backward, const float *w,
                                     const float *scale, float *packed);

/* Of all passes. */
size_t CNN_ISA_NAME(cnn_winograd_scratch_floats)(const struct cnn_conv *c, size_t n);
size_t CNN_ISA_NAME(cnn_winograd_weights_scratch)(const struct cnn_conv *c, size_t n);

/* As the functions of kernels.h. */
void CNN_ISA_NAME(cnn_winograd_forward)(const struct cnn_conv *c,
                                        const struct cnn_conv_forward *pass);
void CNN_ISA_NAME(cnn_winograd_backward_data)(const struct cnn_conv *c,
                                              const struct cnn_conv_backward_data *pass);
void CNN_ISA_NAME(cnn_winograd_backward_weights)(const struct cnn_conv *c,
                                                 const struct cnn_conv_backward_weights *pass);

#if defined(__AVX512BF16__)
/* The same of values that are stored as bfloat16. */
void cnn_winograd_forward_halves(const struct cnn_conv *c, const struct cnn_conv_forward *pass);
void cnn_winograd_backward_data_halves(const struct cnn_conv *c,
                                       const struct cnn_conv_backward_data *pass);
void cnn_winograd_backward_weights_halves(const struct cnn_conv *c,
                                          const struct cnn_conv_backward_weights *pass);
/* For the gradient of the data alone. */
void cnn_winograd_pack_halves(const struct cnn_conv *c, bool backward, const float *w,
                              const float *scale, float *packed);
#endif

static inline void cnn_winograd_pack_stored(const struct cnn_conv *c, bool backward, const float *w,
                                            const float *scale, float *packed)
{
#if defined(__AVX512BF16__)
    if (cnn_winograd_by_pairs(c, backward)) {
        cnn_winograd_pack_halves(c, backward, w, scale, packed);
        return;
    }
#endif
    CNN_ISA_NAME(cnn_winograd_pack)(c, backward, w, scale, packed);
}

/* The version for what the convolution's values are stored as. */
static inline void cnn_winograd_forward_stored(const struct cnn_conv *c,
                                               const struct cnn_conv_forward *pass)
{
#if defined(__AVX512BF16__)
    if (c->x_halves) {
        cnn_winograd_forward_halves(c, pass);
        return;
    }
#endif
    CNN_ISA_NAME(cnn_winograd_forward)(c, pass);
}

static inline void cnn_winograd_backward_data_stored(const struct cnn_conv *c,
                                                     const struct cnn_conv_backward_data *pass)
{
#if defined(__AVX512BF16__)
    if (c->x_halves) {
        cnn_winograd_backward_data_halves(c, pass);
        return;
    }
#endif
    CNN_ISA_NAME(cnn_winograd_backward_data)(c, pass);
}

static inline void
cnn_winograd_backward_weights_stored(const struct cnn_conv *c,
                                     const struct cnn_conv_backward_weights *pass)
{
#if defined(__AVX512BF16__)
    if (c->x_halves) {
        cnn_winograd_backward_weights_halves(c, pass);
        return;
    }
#endif
    CNN_ISA_NAME(cnn_winograd_backward_weights)(c, pass);
}

#endif
