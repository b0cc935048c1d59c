/* Runs a network that `cnn export --format c --name net` wrote:
 *
 *   harness compare INPUT.npy OUTPUT.npy   prints the largest difference, as a share of the largest
 *                                          number of each image, and 0 or 1: whether all are equal
 *   harness pixels COUNT <PIXELS           answers of NAME_run_pixels, as raw floats
 *   harness rows COUNT <PIXELS             the same, row by row
 *
 * The arena begins with other bytes in each run: what it held before must not matter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"

static union {
    unsigned char bytes[net_ARENA_BYTES + 64];
    long double aligned;
} arena;
static float input[net_INPUTS], output[net_OUTPUTS], expected[net_OUTPUTS];
static unsigned char pixels[net_INPUTS];
static unsigned runs;

static void soil(void)
{
    memset(arena.bytes, (int)(0xff - runs * 37 % 256), net_ARENA_BYTES);
    memset(arena.bytes + net_ARENA_BYTES, 0x5a, 64);
    runs++;
}

static void check_end(void)
{
    for (int i = 0; i < 64; i++)
        if (arena.bytes[net_ARENA_BYTES + i] != 0x5a) {
            fprintf(stderr, "the network writes behind its arena\n");
            exit(1);
        }
}

/* The file behind the header of an .npy file. */
static FILE *open_npy(const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char head[10];
    if (!file || fread(head, 10, 1, file) != 1 || fseek(file, head[8] + 256 * head[9], SEEK_CUR)) {
        fprintf(stderr, "cannot read %s\n", path);
        exit(1);
    }
    return file;
}

static int compare(const char *input_path, const char *output_path)
{
    FILE *in = open_npy(input_path), *out = open_npy(output_path);
    double worst = 0;
    int same = 1;
    while (fread(input, sizeof input, 1, in) == 1 &&
           fread(expected, sizeof expected, 1, out) == 1) {
        double most = 0, far = 0;
        soil();
        net_run(input, output, arena.bytes);
        check_end();
        same = same && memcmp(output, expected, sizeof output) == 0;
        for (int i = 0; i < net_OUTPUTS; i++) {
            const double size = expected[i] < 0 ? -(double)expected[i] : (double)expected[i],
                         difference = (double)output[i] - (double)expected[i],
                         distance = difference < 0 ? -difference : difference;
            most = size > most ? size : most;
            far = distance > far ? distance : far;
        }
        worst = far > worst * most ? far / most : worst;
    }
    printf("%.2e %d %u\n", worst, same, runs);
    fclose(in);
    fclose(out);
    return 0;
}

static int run_pixels(int rows)
{
    while (fread(pixels, sizeof pixels, 1, stdin) == 1) {
        soil();
        for (int i = 0; rows && i < net_HEIGHT; i++)
            net_push_row(pixels + i * net_WIDTH * net_CHANNELS, i, arena.bytes);
        if (rows)
            net_finish(output, arena.bytes);
        else
            net_run_pixels(pixels, output, arena.bytes);
        check_end();
        if (fwrite(output, sizeof output, 1, stdout) != 1)
            return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "compare") == 0)
        return compare(argv[2], argv[3]);
    return run_pixels(argc > 1 && strcmp(argv[1], "rows") == 0);
}
