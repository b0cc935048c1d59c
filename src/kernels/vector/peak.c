/* The most that this instruction set computes and reads on this machine: multiply-adds that depend
 * on none of their neighbours and touch no memory, and loads that nothing waits for. Twelve sums at
 * once keep two units busy whose results take up to six cycles, and with their two operands fit the
 * 16 registers that SSE and AVX2 have. */
#include "kernels/vector/ops.h"

#define SUMS 12

double CNN_ISA_NAME(cnn_peak)(size_t rounds, float *result)
{
    const vfloat half = vset(0.5f), one = vset(1);
    vfloat sum[SUMS], total = vset(0);
    for (int i = 0; i < SUMS; i++)
        sum[i] = vset((float)i + 3); /* different ones, else one sum would do for all */
    for (size_t round = 0; round < rounds; round++)
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sum[i] = sum[i] * half + one; /* tends to 2: neither overflows nor becomes tiny */
    for (int i = 0; i < SUMS; i++)
        total += sum[i];
    *result = 0;
    for (int i = 0; i < VLEN; i++)
        *result += total[i];
    return 2.0 * SUMS * VLEN * (double)rounds;
}

#define STREAMS ((size_t)4)

/* Several streams at once bring more than one, and of each two vectors take turns, so that no load
 * waits for another. */
CNN_INLINE void read_once(const float *x, size_t floats, size_t streams, bool ahead,
                          vint seen[2 * STREAMS])
{
    const size_t stream = floats / streams;
    for (size_t i = 0; i < stream; i += 2 * VLEN)
#pragma GCC unroll 4
        for (size_t k = 0; k < streams; k++) {
            const float *from = x + k * stream + i;
            if (ahead)
                cnn_prefetch(from, 2 * VLEN);
            seen[2 * k] |= (vint)vload(from);
            seen[2 * k + 1] |= (vint)vload(from + VLEN);
        }
}

void CNN_ISA_NAME(cnn_read)(const float *x, size_t floats, size_t rounds, bool ahead, float *result)
{
    vint seen[2 * STREAMS] = {{0}}, all = {0};
    for (size_t round = 0; round < rounds; round++) {
        if (ahead)
            read_once(x, floats, 2, true, seen);
        else
            read_once(x, floats, STREAMS, false, seen);
        __asm__ volatile("" ::: "memory"); /* else one round would do for all */
    }
    for (size_t k = 0; k < 2 * STREAMS; k++)
        all |= seen[k];
    *result = 0;
    for (int i = 0; i < VLEN; i++)
        *result += (float)all[i];
}
