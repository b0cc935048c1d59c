/* Writes the images that a network's program on a board and cnn predict are both given:
 *
 *   images FILE COUNT CHANNELS HEIGHT WIDTH [BATCH MEAN STD]
 *
 * FILE.npy is an array [COUNT, CHANNELS, HEIGHT, WIDTH] of float32, FILE.bin its numbers alone.
 * They are random, or the first images of BATCH, a file of CIFAR-10's binary version, as (byte /
 * 255 - MEAN) / STD. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 128

/* About normal: the sum of four uniform numbers. */
static float drawn(uint64_t *state)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*state >> 33) / 2147483648.0 - 0.5;
    }
    return (float)(2 * sum);
}

static FILE *opened(const char *name, const char *ending)
{
    char path[4096];
    FILE *file = snprintf(path, sizeof path, "%s%s", name, ending) < (int)sizeof path
                     ? fopen(path, "wb")
                     : NULL;
    if (!file) {
        perror(name);
        exit(1);
    }
    return file;
}

/* The numbers of the next image; false: the batch has no more. */
static int next(FILE *batch, const char *const *scale, size_t count, float *x)
{
    static uint64_t state = 1;
    if (!batch) {
        for (size_t i = 0; i < count; i++)
            x[i] = drawn(&state);
        return 1;
    }
    const float mean = strtof(scale[0], NULL), std = strtof(scale[1], NULL);
    int byte = getc(batch); /* the label */
    for (size_t i = 0; i < count; i++) {
        byte = getc(batch);
        x[i] = ((float)byte / 255 - mean) / std;
    }
    return byte != EOF;
}

int main(int argc, char **argv)
{
    if (argc != 6 && argc != 9) {
        fputs("usage: images FILE COUNT CHANNELS HEIGHT WIDTH [BATCH MEAN STD]\n", stderr);
        return 2;
    }
    const unsigned long images = strtoul(argv[2], NULL, 10), c = strtoul(argv[3], NULL, 10),
                        h = strtoul(argv[4], NULL, 10), w = strtoul(argv[5], NULL, 10);
    const size_t count = c * h * w;
    float *x = malloc(count * sizeof *x);
    FILE *batch = argc == 9 ? fopen(argv[6], "rb") : NULL, *npy = opened(argv[1], ".npy"),
         *bin = opened(argv[1], ".bin");
    char header[HEADER];
    memset(header, ' ', sizeof header);
    memcpy(header, "\x93NUMPY\x01\x00\x76\x00", 10); /* version 1.0, 118 bytes follow */
    const int end =
        snprintf(header + 10, HEADER - 10,
                 "{'descr': '<f4', 'fortran_order': False, 'shape': (%lu, %lu, %lu, %lu), }",
                 images, c, h, w);
    header[10 + end] = ' ';
    header[HEADER - 1] = '\n';
    int good =
        x && end < HEADER - 12 && (argc != 9 || batch) && fwrite(header, HEADER, 1, npy) == 1;
    for (unsigned long i = 0; good && i < images; i++)
        good = next(batch, (const char *const *)argv + 7, count, x) &&
               fwrite(x, sizeof *x, count, npy) == count &&
               fwrite(x, sizeof *x, count, bin) == count;
    good = good && fclose(npy) == 0 && fclose(bin) == 0;
    if (!good)
        fprintf(stderr, "images: %s was not written whole\n", argv[1]);
    free(x);
    return !good;
}
