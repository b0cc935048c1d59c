/* ResNet-8 in int8 as one would first write it, to compare with: a loop for each index of the sum,
 * a check of the borders at every product, maps of one channel after the other. Counts the
 * instructions of its convolutions, which are all but a hundredth of the network. */
#include "board.h"

struct conv {
    const char *name;
    int in_size, in_c, out_size, out_c, kernel, stride;
};

static const struct conv layers[] = {
    {"conv1", 32, 3, 32, 16, 3, 1},         {"basic1_conv1", 32, 16, 32, 16, 3, 1},
    {"basic1_conv2", 32, 16, 32, 16, 3, 1}, {"basic2_conv1", 32, 16, 16, 32, 3, 2},
    {"basic2_conv2", 16, 32, 16, 32, 3, 1}, {"basic2_conv3", 32, 16, 16, 32, 1, 2},
    {"basic3_conv1", 16, 32, 8, 64, 3, 2},  {"basic3_conv2", 8, 64, 8, 64, 3, 1},
    {"basic3_conv3", 16, 32, 8, 64, 1, 2},
};

static uint8_t x[16 * 32 * 32], y[16 * 32 * 32];
static int8_t weight[64 * 64 * 9];
static int32_t bias[64], multiplier[64];

static int32_t sum_of(const struct conv *k, int f, int i, int j)
{
    const int pad = k->stride == 1 ? k->kernel / 2 : 0;
    int32_t sum = bias[f];
    for (int c = 0; c < k->in_c; c++)
        for (int u = 0; u < k->kernel; u++)
            for (int v = 0; v < k->kernel; v++) {
                const int r = i * k->stride + u - pad, s = j * k->stride + v - pad;
                if (r < 0 || r >= k->in_size || s < 0 || s >= k->in_size)
                    continue;
                sum += (x[(c * k->in_size + r) * k->in_size + s] - 3) *
                       weight[((f * k->in_c + c) * k->kernel + u) * k->kernel + v];
            }
    return sum;
}

static void convolve(const struct conv *k)
{
    for (int f = 0; f < k->out_c; f++)
        for (int i = 0; i < k->out_size; i++)
            for (int j = 0; j < k->out_size; j++) {
                const int64_t product = (int64_t)sum_of(k, f, i, j) * multiplier[f];
                const int32_t code = (int32_t)(product >> 40);
                y[(f * k->out_size + i) * k->out_size + j] = (uint8_t)(code < 0     ? 0
                                                                       : code > 255 ? 255
                                                                                    : code);
            }
}

int main(void)
{
    uint32_t count = 0;
    for (size_t i = 0; i < sizeof x; i++)
        x[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof weight; i++)
        weight[i] = (int8_t)(i * 5);
    for (int f = 0; f < 64; f++) {
        bias[f] = f * 100;
        multiplier[f] = 0x40000000 + f * 0x10000;
    }
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        board_count_begin();
        convolve(&layers[i]);
        count += board_count();
    }
    board_print_number("whole ", count, "\n");
    board_print_number("one of its bytes: ", y[count % sizeof y], "\n"); /* they are wanted */
    return 0;
}
