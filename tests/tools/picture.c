/* Writes noisy pictures for test scripts:
 *
 *   picture WIDTHxHEIGHT BRIGHTNESS FILE...
 *
 * RGB, as PNG or BMP by the ending of FILE; folders on the way are made. Values are spread by 30
 * around BRIGHTNESS, by a generator that the file's name seeds: the same name is the same picture,
 * whatever its folder. BRIGHTNESS may be R,G,B. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../pictures.h"

static uint64_t hash(const char *text)
{
    uint64_t h = 1469598103934665603u; /* FNV-1a */
    for (; *text != '\0'; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

/* About normal, mean 0, deviation 1: the sum of twelve uniform numbers. */
static double normal(uint64_t *state)
{
    double sum = -6;
    for (int i = 0; i < 12; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        sum += (double)(*state >> 33) / 2147483648.0;
    }
    return sum;
}

static void write_picture(const char *path, int w, int h, const int *brightness)
{
    const char *slash = strrchr(path, '/');
    uint64_t state = hash(slash ? slash + 1 : path);
    size_t count = (size_t)w * (size_t)h * 3;
    uint8_t *pixels = malloc(count);
    if (!pixels)
        abort();
    for (size_t i = 0; i < count; i++) {
        double value = brightness[i % 3] + 30 * normal(&state);
        pixels[i] = value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
    }
    picture_write(path, w, h, 3, pixels);
    free(pixels);
}

int main(int argc, char **argv)
{
    int w, h, brightness[3];
    if (argc < 4 || sscanf(argv[1], "%dx%d", &w, &h) != 2 || w < 1 || h < 1) {
        fprintf(stderr, "usage: picture WIDTHxHEIGHT BRIGHTNESS FILE...\n");
        return 2;
    }
    if (sscanf(argv[2], "%d,%d,%d", &brightness[0], &brightness[1], &brightness[2]) != 3)
        brightness[0] = brightness[1] = brightness[2] = atoi(argv[2]);
    for (int i = 3; i < argc; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s%s", strchr(argv[i], '/') ? "" : "./", argv[i]);
        write_picture(path, w, h, brightness);
    }
    return 0;
}
