/* Convolution of bytes (conv_int8.c), for its table (table.c), and codes as vectors. The contracts
 * are those of kernels.h. */
#ifndef CNN_KERNELS_VECTOR_INT8_H
#define CNN_KERNELS_VECTOR_INT8_H

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

size_t CNN_ISA_NAME(cnn_conv_int8_packed_floats)(const struct cnn_conv *c);
size_t CNN_ISA_NAME(cnn_conv_int8_scratch_floats)(const struct cnn_conv *c, size_t n);
void CNN_ISA_NAME(cnn_conv_int8_pack)(const struct cnn_conv *c, int x_zero, const float *w,
                                      const float *scale, float *packed);
void CNN_ISA_NAME(cnn_conv_int8_forward)(const struct cnn_conv *c,
                                         const struct cnn_conv_int8_forward *pass);
void CNN_ISA_NAME(cnn_quantize)(size_t pixels, size_t channels, const float *x,
                                struct cnn_codes codes, unsigned char *y);

/* The whole numbers nearest to the first lanes <= VLEN of v, all between 0 and 255, as bytes.
 * Written out for each instruction set: compilers make conversions of vectors to bytes one by
 * one. */
static inline void vstore_bytes(unsigned char *p, size_t lanes, vfloat v)
{
#if defined(__AVX512F__)
    __m128i bytes = _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v));
    if (lanes == VLEN)
        _mm_storeu_si128((__m128i *)(void *)p, bytes);
    else
        _mm_mask_storeu_epi8(p, (__mmask16)((1u << lanes) - 1), bytes);
#elif defined(__SSE2__)
#if defined(__AVX2__)
    __m256i whole = _mm256_cvtps_epi32(v);
    __m128i pairs =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
#else
    __m128i whole = _mm_cvtps_epi32(v), pairs = _mm_packs_epi32(whole, whole);
#endif
    __m128i bytes = _mm_packus_epi16(pairs, pairs);
    memcpy(p, &bytes, lanes == VLEN ? VLEN : lanes);
#else
    vint bytes = (vint)(v + 12582912.0f); /* with 1.5 * 2^23 added, they are the lowest bits */
    for (size_t i = 0; i < lanes; i++)
        p[i] = (unsigned char)(bytes[i] & 255);
#endif
}

#endif
