/* Lesson 17: a network on a board. A microcontroller has no files and no pictures, so this program
 * draws one, a bright disc, and asks the network what it is. With the name of a file as its
 * argument it also writes the picture there as BMP, for `cnn predict`. */
#include <stdio.h>

#include "shapes.h"

static unsigned char pixels[shapes_HEIGHT * shapes_WIDTH * shapes_CHANNELS];
static float output[shapes_OUTPUTS];
static union {
    unsigned char bytes[shapes_ARENA_BYTES];
    long double aligned;
} arena;

static void draw(void)
{
    unsigned char *pixel = pixels;
    for (int i = 0; i < shapes_HEIGHT; i++)
        for (int j = 0; j < shapes_WIDTH; j++)
            for (int c = 0; c < shapes_CHANNELS; c++)
                *pixel++ = (i - 15) * (i - 15) + (j - 17) * (j - 17) < 100 ? 220 : 40;
}

/* Rows from the bottom, 24 bits a pixel. */
static int write(const char *name)
{
    const unsigned char header[54] = {
        'B',      'M',      [10] = 54, [14] = 40, [18] = shapes_WIDTH, [22] = shapes_HEIGHT,
        [26] = 1, [28] = 24};
    FILE *file = fopen(name, "wb");
    if (!file || fwrite(header, sizeof header, 1, file) != 1)
        return 1;
    for (int i = shapes_HEIGHT - 1; i >= 0; i--)
        fwrite(pixels + i * shapes_WIDTH * 3, 3, shapes_WIDTH, file);
    return fclose(file) != 0;
}

int main(int argc, char **argv)
{
    int best = 0;
    draw();
    shapes_run_pixels(pixels, output, arena.bytes);
    for (int i = 1; i < shapes_OUTPUTS; i++)
        if (output[i] > output[best])
            best = i;
    printf("%s, score %.3f\n", shapes_classes[best], (double)output[best]);
    return argc > 1 ? write(argv[1]) : 0;
}
