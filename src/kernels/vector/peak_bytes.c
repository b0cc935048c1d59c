/* The most products of bytes that this instruction set computes, as peak.c has it of floats. Each
 * sum is its own factor, so that no product can be taken out of the loop. */
#include "kernels/vector/ops.h"

#define SUMS 12

double CNN_INT8_NAME(cnn_peak_bytes)(size_t rounds, float *result)
{
    /* The first number of each element is multiplied by 1, and is 0: sums stay what they are. */
    const vint one = (vint){0} + 1;
    vint sum[SUMS], total = {0};
    for (int i = 0; i < SUMS; i++)
        sum[i] = (vint){0} + ((i + 3) << 16);
    for (size_t round = 0; round < rounds; round++)
#pragma GCC unroll 12
        for (int i = 0; i < SUMS; i++)
            sum[i] = vdot_bytes(sum[i], sum[i], one);
    for (int i = 0; i < SUMS; i++)
        total += sum[i] >> 16;
    int all = 0;
    for (int i = 0; i < VLEN; i++)
        all += total[i];
    *result = (float)all;
    return 2.0 * CNN_BYTES * SUMS * VLEN * (double)rounds;
}
