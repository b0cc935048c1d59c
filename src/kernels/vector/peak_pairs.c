/* The most products of pairs of bfloat16 that this instruction set computes, as peak.c has it of
 * floats. */
#include "kernels/vector/ops.h"
#include "kernels/vector/pairs.h"

#define SUMS 12

double CNN_BF16_NAME(cnn_peak_pairs)(size_t rounds, float *result)
{
    /* 1 - 1: sums stay what they are, which the compiler cannot see */
    const vint a = (vint)vpair_bf16(vset(1), vset(1)), b = (vint)vpair_bf16(vset(1), vset(-1));
    vfloat sum[SUMS], total = vset(0);
    for (int i = 0; i < SUMS; i++)
        sum[i] = vset((float)i + 3);
    for (size_t round = 0; round < rounds; round++)
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sum[i] = vdot_bf16(sum[i], a, b);
    for (int i = 0; i < SUMS; i++)
        total += sum[i];
    *result = 0;
    for (int i = 0; i < VLEN; i++)
        *result += total[i];
    return 2.0 * 2 * SUMS * VLEN * (double)rounds;
}
