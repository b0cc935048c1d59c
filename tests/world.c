/* What tests of descriptions share. */
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int world_make(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    if (!world)
        return -1;
    world->arena = cnn_arena_new();
    world->diag = cnn_diag_new();
    *state = world;
    return world->arena && world->diag ? 0 : -1;
}

int world_free(void **state)
{
    struct world *world = *state;
    cnn_arena_free(world->arena);
    cnn_diag_free(world->diag);
    free(world);
    return 0;
}

void assert_messages(struct world *world, const char *expected)
{
    struct cnn_text all = {0};
    cnn_text_append(&all, "", 0);
    for (size_t i = 0; i < cnn_diag_count(world->diag); i++) {
        char *text = cnn_message_format(cnn_diag_get(world->diag, i), "cnn");
        assert_non_null(text);
        cnn_text_append(&all, text, strlen(text));
        free(text);
    }
    assert_string_equal(all.data, expected);
    cnn_text_free(&all);
    cnn_diag_clear(world->diag);
}

struct cnn_yaml *parse(struct world *world, const char *text)
{
    struct cnn_yaml *root = NULL;
    cnn_status status =
        cnn_yaml_parse(world->arena, "m.yaml", text, strlen(text), &root, world->diag);
    if (status == CNN_OK)
        assert_messages(world, "");
    else
        assert_int_equal(status, CNN_INVALID);
    return status == CNN_OK ? root : NULL;
}

void assert_written(const struct cnn_yaml *root, const char *expected)
{
    struct cnn_text text = {0};
    cnn_yaml_write(root, &text);
    assert_false(text.failed);
    assert_string_equal(text.data, expected);
    cnn_text_free(&text);
}

bool is_equal(double a, double b)
{
    return !(a < b) && !(a > b);
}
