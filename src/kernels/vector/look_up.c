/* Activations of bytes: tables of 256 (int8.h). Whole vectors are looked up in one of two ways,
 * which return how many bytes that were; the rest one by one. */
#include "kernels/vector/int8.h"

#if defined(__AVX2__)
/* The instruction looks up a byte by its lowest four bits, and gives 0 where the highest is set. So
 * each sixteenth of the table is looked up for all bytes: adding 0x70 sets the highest bit of those
 * that lie beyond it. */
static size_t look_up_sixteenths(const unsigned char *table, size_t size, unsigned char *y)
{
    const __m256i beyond = _mm256_set1_epi8(0x70), next = _mm256_set1_epi8(16);
    size_t i = 0;
    for (; i + sizeof beyond <= size; i += sizeof beyond) {
        __m256i *to = (__m256i *)(void *)(y + i), codes = _mm256_loadu_si256(to),
                found = _mm256_setzero_si256();
        for (size_t k = 0; k < 256; k += 16) {
            const __m256i part = _mm256_broadcastsi128_si256(
                _mm_loadu_si128((const __m128i *)(const void *)(table + k)));
            found =
                _mm256_or_si256(found, _mm256_shuffle_epi8(part, _mm256_adds_epu8(codes, beyond)));
            codes = _mm256_sub_epi8(codes, next);
        }
        _mm256_storeu_si256(to, found);
    }
    return i;
}
#endif

#if defined(__AVX512F__)
/* CPUs from Ice Lake and Zen 4 on look up a byte in 128 bytes. */
__attribute__((target("avx512vbmi"))) static size_t look_up_halves(const unsigned char *table,
                                                                   size_t size, unsigned char *y)
{
    __m512i part[4];
    size_t i = 0;
    for (size_t k = 0; k < 4; k++)
        part[k] = _mm512_loadu_si512(table + k * sizeof *part);
    for (; i + sizeof *part <= size; i += sizeof *part) {
        const __m512i codes = _mm512_loadu_si512(y + i),
                      low = _mm512_permutex2var_epi8(part[0], codes, part[1]),
                      high = _mm512_permutex2var_epi8(part[2], codes, part[3]);
        _mm512_storeu_si512(y + i, _mm512_mask_blend_epi8(_mm512_movepi8_mask(codes), low, high));
    }
    return i;
}
#endif

void CNN_ISA_NAME(cnn_look_up)(const unsigned char *table, size_t size, unsigned char *y)
{
    size_t i = 0;
    if (!table)
        return;
#if defined(__AVX512F__)
    if (__builtin_cpu_supports("avx512vbmi"))
        i = look_up_halves(table, size, y);
#endif
#if defined(__AVX2__)
    i += look_up_sixteenths(table, size - i, y + i);
#endif
    for (; i < size; i++)
        y[i] = table[y[i]];
}
