/* The most that this instruction set computes on this machine: multiply-adds that depend on none of
 * their neighbours and touch no memory. Twelve sums at once keep two units busy whose results take
 * up to six cycles, and with their two operands fit the 16 registers that SSE and AVX2 have. */
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
