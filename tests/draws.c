/* See draws.h. */
#include "draws.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"

struct cnn_draw draw_at(size_t epoch, size_t image)
{
    const struct cnn_normalization none = {3, {0, 0, 0, 0}, {1, 1, 1, 1}};
    return cnn_draw_new(&none, 1, epoch, 100000, image);
}

static struct cnn_arena *arena;

static void free_arena(void)
{
    cnn_arena_free(arena);
}

const struct cnn_augmentation *steps_of(const char *list)
{
    const struct cnn_augmentation *steps = NULL;
    struct cnn_yaml *node = NULL;
    if (!arena && (arena = cnn_arena_new()))
        assert_int_equal(atexit(free_arena), 0);
    assert_int_equal(cnn_yaml_parse(arena, "test", list, strlen(list), &node, NULL), CNN_OK);
    assert_int_equal(cnn_augmentation_read(arena, node, (cnn_shape){0}, &steps, NULL), CNN_OK);
    return steps;
}

void see(struct seen *seen, double value)
{
    seen->least = seen->count == 0 || value < seen->least ? value : seen->least;
    seen->most = seen->count == 0 || value > seen->most ? value : seen->most;
    seen->mean = (seen->mean * (double)seen->count + value) / (double)(seen->count + 1);
    seen->count++;
}

void expect_uniform(const struct seen *seen, double least, double most, double slack)
{
    slack *= most - least;
    assert_near(seen->least, least, slack);
    assert_near(seen->most, most, slack);
    assert_near(seen->mean, (least + most) / 2, slack);
}

void faint_image(size_t count, uint8_t *pixels)
{
    for (size_t i = 0; i < count; i++)
        pixels[i] = (uint8_t)(40 + (i * i * 7 + i * 13 + i / 9) % 141);
}
