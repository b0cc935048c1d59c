/* What tests of descriptions share: an arena with diagnostics, made for each test, and exact
 * comparisons of messages and of written YAML. */
#ifndef CNN_TESTS_WORLD_H
#define CNN_TESTS_WORLD_H

#include "config/yaml.h"

struct world {
    struct cnn_arena *arena;
    cnn_diag *diag;
};

/* A wrong text, and all messages that it gives. */
struct mistake {
    const char *text, *messages;
};

#define WORLD_TEST(name) cmocka_unit_test_setup_teardown(name, world_make, world_free)
int world_make(void **state);
int world_free(void **state);

/* Parses text as the file m.yaml; NULL where it has mistakes, else there are no messages. */
struct cnn_yaml *parse(struct world *world, const char *text);

/* All messages so far, one after the other; they are cleared. */
void assert_messages(struct world *world, const char *expected);
void assert_written(const struct cnn_yaml *root, const char *expected);
bool is_equal(double a, double b);

#endif
