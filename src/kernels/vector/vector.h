/* Vectors of floats by GCC's vector extension, as wide as the instruction set this file is compiled
 * for (CNN_ISA: sse2, avx2, avx512, vec128). a + b, a * b, a < b and so on work lane by lane; a * b
 * + c becomes one fused instruction where the CPU has it. */
#ifndef CNN_KERNELS_VECTOR_VECTOR_H
#define CNN_KERNELS_VECTOR_VECTOR_H

#include <stddef.h>
#include <string.h>

/* The whole takes GCC half a second to read. */
#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#endif

/* CNN_ISA_NAME(cnn_sum) is cnn_sum_avx2: the external name of this instruction set's copy. What
 * multiplies bfloat16 or bytes, and what calls that, is named by CNN_BF16_NAME or CNN_INT8_NAME:
 * instruction sets that add instructions for these to another one (CNN_ISA) have copies of their
 * own, and all other functions are that one's. */
#ifndef CNN_ISA_BF16
#define CNN_ISA_BF16 CNN_ISA
#endif
#ifndef CNN_ISA_INT8
#define CNN_ISA_INT8 CNN_ISA
#endif
#define CNN_ISA_PASTE2(name, isa) name##_##isa
#define CNN_ISA_PASTE(name, isa)  CNN_ISA_PASTE2(name, isa)
#define CNN_ISA_NAME(name)        CNN_ISA_PASTE(name, CNN_ISA)
#define CNN_BF16_NAME(name)       CNN_ISA_PASTE(name, CNN_ISA_BF16)
#define CNN_INT8_NAME(name)       CNN_ISA_PASTE(name, CNN_ISA_INT8)

/* What reads and writes the values between layers may be compiled twice: for floats, and with
 * CNN_HALVES for numbers that are stored as bfloat16, the upper half of a float
 * (cnn_kernels.halves). Both compute with floats. */
#ifdef CNN_HALVES
typedef unsigned short cnn_number;
#define CNN_VALUE_NAME(name) CNN_ISA_PASTE(name, halves)
#else
typedef float cnn_number;
#define CNN_VALUE_NAME(name) CNN_ISA_NAME(name)
#endif

/* Of a function whose constant arguments are to be constants in its body. */
#define CNN_INLINE static inline __attribute__((always_inline))

#if defined(__AVX512F__)
#define VLEN 16 /* floats in a vector */
#elif defined(__AVX2__)
#define VLEN 8
#else
#define VLEN 4
#endif

typedef float vfloat __attribute__((vector_size(VLEN * sizeof(float))));
/* also a mask: what comparing two vfloat gives, each lane 0 or -1 */
typedef int vint __attribute__((vector_size(VLEN * sizeof(int))));

static inline vfloat vset(float x)
{
    return x - (vfloat){0}; /* minus: keeps -0 */
}

/* p need not be aligned. */
static inline vfloat vload(const float *p)
{
    vfloat v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline void vstore(float *p, vfloat v)
{
    memcpy(p, &v, sizeof v);
}

/* The first n < VLEN floats; the other lanes are 0, and their memory is not touched. */
static inline vfloat vload_tail(const float *p, size_t n)
{
#if defined(__AVX512F__)
    return _mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n),
                                                    _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)));
#else
    vfloat v = {0}; /* no loop: GCC would call memcpy for it */
    if (n > 0)
        v[0] = p[0];
    if (n > 1)
        v[1] = p[1];
    if (n > 2)
        v[2] = p[2];
    return v;
#endif
}

static inline void vstore_tail(float *p, size_t n, vfloat v)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), v);
#elif defined(__SSE2__)
    /* Not AVX2's masked store, which takes dozens of cycles on some CPUs. */
#if defined(__AVX2__)
    __m128 part = _mm256_castps256_ps128(v);
    if (n & 4) {
        _mm_storeu_ps(p, part);
        part = _mm256_extractf128_ps(v, 1);
        p += 4;
    }
#else
    __m128 part = v;
#endif
    if (n & 2) {
        _mm_storel_pi((__m64 *)p, part);
        part = _mm_movehl_ps(part, part);
        p += 2;
    }
    if (n & 1)
        _mm_store_ss(p, part);
#else
    if (n > 0)
        p[0] = v[0];
    if (n > 1)
        p[1] = v[1];
    if (n > 2)
        p[2] = v[2];
#endif
}

/* The first lanes <= VLEN floats, likewise. */
static inline vfloat vload_lanes(const float *p, size_t lanes)
{
    return lanes == VLEN ? vload(p) : vload_tail(p, lanes);
}

static inline void vstore_lanes(float *p, size_t lanes, vfloat v)
{
    if (lanes == VLEN)
        vstore(p, v);
    else
        vstore_tail(p, lanes, v);
}

/* Lane by lane: where mask, a; elsewhere b. */
static inline vfloat vselect(vint mask, vfloat a, vfloat b)
{
    return (vfloat)((mask & (vint)a) | (~mask & (vint)b));
}

/* 1 / sqrt(x), a few units in the last place off at most; x positive and finite, or NaN. */
static inline vfloat vrsqrt(vfloat x)
{
#if defined(__AVX512F__)
    vfloat y = _mm512_rsqrt14_ps(x); /* 14 bits, which one step of Newton's method doubles */
    return y + y * 0.5f * (1.0f - x * y * y);
#elif defined(__AVX2__)
    return 1.0f / (vfloat)_mm256_sqrt_ps(x);
#elif defined(__SSE2__)
    return 1.0f / (vfloat)_mm_sqrt_ps(x);
#else
    for (size_t i = 0; i < VLEN; i++)
        x[i] = 1.0f / __builtin_sqrtf(x[i]);
    return x;
#endif
}

/* a > b ? a : b, so NaN in either gives b; vmin as well. vmax(vset(0), x) keeps a NaN of x. */
static inline vfloat vmax(vfloat a, vfloat b)
{
#if defined(__AVX512F__)
    return _mm512_max_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_max_ps(a, b);
#elif defined(__SSE2__)
    return _mm_max_ps(a, b);
#else
    return vselect(a > b, a, b);
#endif
}

static inline vfloat vmin(vfloat a, vfloat b)
{
#if defined(__AVX512F__)
    return _mm512_min_ps(a, b);
#elif defined(__AVX2__)
    return _mm256_min_ps(a, b);
#elif defined(__SSE2__)
    return _mm_min_ps(a, b);
#else
    return vselect(a < b, a, b);
#endif
}

/* The larger one; NaN where either is. */
static inline vfloat vmax_nan(vfloat a, vfloat b)
{
    return vselect(a != a, a, vmax(a, b));
}

#if defined(__AVX512F__)
/* Numbers stored as bfloat16, as floats. */
static inline vfloat vload_halves(const unsigned short *p)
{
    return (vfloat)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)p)),
                                     16);
}

static inline vfloat vload_halves_tail(const unsigned short *p, size_t n)
{
    const __m256i v = _mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
    return (vfloat)_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16);
}

/* Rounded to nearest, ties to even; NaN stays NaN. The CPU's own instruction takes tiny numbers
 * (denormals) for 0. */
static inline __m256i vround_halves(vfloat v)
{
#if defined(__AVX512BF16__)
    return (__m256i)_mm512_cvtneps_pbh(v);
#else
    vint bits = (vint)v;
    bits = (vint)vselect(v != v, (vfloat)(bits | 0x400000),
                         (vfloat)(bits + 0x7fff + (bits >> 16 & 1)));
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32((__m512i)bits, 16));
#endif
}

static inline void vstore_halves(unsigned short *p, vfloat v)
{
    _mm256_storeu_si256((void *)p, vround_halves(v));
}

static inline void vstore_halves_tail(unsigned short *p, size_t n, vfloat v)
{
    _mm256_mask_storeu_epi16(p, (__mmask16)((1u << n) - 1), vround_halves(v));
}
#endif

/* Of what may be compiled with CNN_HALVES: the numbers as they are stored. */
static inline vfloat vload_number(const cnn_number *p)
{
#ifdef CNN_HALVES
    return vload_halves(p);
#else
    return vload(p);
#endif
}

static inline vfloat vload_number_tail(const cnn_number *p, size_t n)
{
#ifdef CNN_HALVES
    return vload_halves_tail(p, n);
#else
    return vload_tail(p, n);
#endif
}

static inline vfloat vload_number_lanes(const cnn_number *p, size_t lanes)
{
    return lanes == VLEN ? vload_number(p) : vload_number_tail(p, lanes);
}

static inline void vstore_number(cnn_number *p, vfloat v)
{
#ifdef CNN_HALVES
    vstore_halves(p, v);
#else
    vstore(p, v);
#endif
}

static inline void vstore_number_tail(cnn_number *p, size_t n, vfloat v)
{
#ifdef CNN_HALVES
    vstore_halves_tail(p, n, v);
#else
    vstore_tail(p, n, v);
#endif
}

static inline void vstore_number_lanes(cnn_number *p, size_t lanes, vfloat v)
{
    if (lanes == VLEN)
        vstore_number(p, v);
    else
        vstore_number_tail(p, lanes, v);
}

static inline float cnn_number_float(cnn_number x)
{
#ifdef CNN_HALVES
    const unsigned bits = (unsigned)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
#else
    return x;
#endif
}

/* n numbers as floats: themselves, or what they are in the buffer. */
static inline const float *cnn_read_numbers(const cnn_number *p, size_t n, float *buffer)
{
#ifdef CNN_HALVES
    for (size_t i = 0; i < n; i += VLEN) {
        const size_t lanes = n - i < VLEN ? n - i : VLEN;
        vstore_lanes(buffer + i, lanes, vload_number_lanes(p + i, lanes));
    }
    return buffer;
#else
    (void)n, (void)buffer;
    return p;
#endif
}

/* Where floats are written that are to be numbers at p: there, or in the buffer, from which
 * cnn_write_numbers brings them there. */
static inline float *cnn_place_numbers(cnn_number *p, float *buffer)
{
#ifdef CNN_HALVES
    (void)p;
    return buffer;
#else
    (void)buffer;
    return p;
#endif
}

static inline void cnn_write_numbers(const float *floats, size_t n, cnn_number *p)
{
    for (size_t i = 0; floats != (const void *)p && i < n; i += VLEN) {
        const size_t lanes = n - i < VLEN ? n - i : VLEN;
        vstore_number_lanes(p + i, lanes, vload_lanes(floats + i, lanes));
    }
}

/* Operands of the narrow products (gemm.h): 32 bits that hold two bfloat16 or four bytes, the first
 * in the lowest bits. */
static inline vint vset_bits(const float *p)
{
    int bits;
    memcpy(&bits, p, sizeof bits);
    return bits + (vint){0};
}

/* acc + a[0] * b[0] + a[1] * b[1], of bfloat16. The CPU's own instruction takes tiny numbers
 * (denormals) for 0. */
static inline vfloat vdot_bf16(vfloat acc, vint a, vint b)
{
#if defined(__AVX512BF16__)
    return _mm512_dpbf16_ps(acc, (__m512bh)a, (__m512bh)b);
#else
    const vint high = (vint){0} - 65536;
    acc += (vfloat)(a << 16) * (vfloat)(b << 16);
    return acc + (vfloat)(a & high) * (vfloat)(b & high);
#endif
}

/* Whether vectors of this width have an instruction for fours of bytes. (Compiled for a CPU with
 * AVX-VNNI, code for AVX-512 may have that of half its vectors only.) */
#if defined(__AVX512VNNI__) || (defined(__AVXVNNI__) && !defined(__AVX512F__))
#define CNN_FAST_BYTES 1
#else
#define CNN_FAST_BYTES 0
#endif

/* Bytes in an element of 32 bits where many are multiplied. On x86-64 CPUs without that instruction
 * two that are widened to 16 bits are faster. */
#if defined(__SSE2__) && !CNN_FAST_BYTES
#define CNN_BYTES 2
#else
#define CNN_BYTES 4
#endif
#define CNN_BYTE_BITS (32 / CNN_BYTES)
#define CNN_BYTE_MASK ((1u << CNN_BYTE_BITS) - 1)

/* An element whose number i is this byte, and whose others are 0. */
static inline unsigned cnn_byte_at(int byte, size_t i)
{
    return ((unsigned)byte & CNN_BYTE_MASK) << (CNN_BYTE_BITS * i);
}

/* An element of this byte alone; it is not below 0. */
static inline unsigned cnn_byte_everywhere(int byte)
{
    return (unsigned)byte * (0xffffffffu / CNN_BYTE_MASK);
}

/* acc + the CNN_BYTES products of a's bytes, unsigned, with b's, signed. Exact. */
static inline vint vdot_bytes(vint acc, vint a, vint b)
{
#if defined(__AVX512VNNI__)
    return (vint)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)a, (__m512i)b);
#elif CNN_FAST_BYTES
    return (vint)_mm256_dpbusd_avx_epi32((__m256i)acc, (__m256i)a, (__m256i)b);
#elif defined(__AVX512F__)
    return acc + (vint)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return acc + (vint)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return acc + (vint)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    for (int i = 0; i < 4; i++)
        acc += ((a >> (8 * i)) & 255) * ((b << (24 - 8 * i)) >> 24);
    return acc;
#endif
}

#endif
