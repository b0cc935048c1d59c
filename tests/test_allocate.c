/* Memory of the program's own: how it is set, and that it is the C library's in all but its place.
 * (test_refused.c: all that the library takes comes from it.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cnn.h"
#include "refuse.h"
#include "util/allocate.h"

static int setup(void **state)
{
    (void)state;
    refuse_begin();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    refuse_end();
    return 0;
}

static void test_an_allocator_has_all_its_functions(void **state)
{
    (void)state;
    cnn_allocator half = refuse_allocator;
    half.reallocate = NULL;
    assert_false(cnn_set_allocator(&half));
    assert_false(cnn_set_allocator(&(cnn_allocator){0}));
    char *word = cnn_shell_word("a b"); /* the one that was set is in use */
    assert_string_equal(word, "'a b'");
    assert_true(refuse_held() > 0);
    cnn_free(word);
    cnn_free(NULL);
}

static void test_memory_is_as_the_c_librarys(void **state)
{
    (void)state;
    uint64_t *zeros = cnn_calloc(100, sizeof *zeros);
    assert_non_null(zeros);
    for (size_t i = 0; i < 100; i++)
        assert_true(zeros[i] == 0);
    zeros[99] = 7;
    zeros = cnn_realloc(zeros, 1000 * sizeof *zeros);
    assert_true(zeros && zeros[99] == 7);
    cnn_free(zeros);
    assert_null(cnn_calloc(SIZE_MAX / 2, 3));
    assert_null(cnn_aligned_new(64, SIZE_MAX - 70));
    void *none = cnn_malloc(0), *some = cnn_realloc(NULL, 5);
    assert_true(none && some);
    cnn_free(none);
    cnn_free(some);
    char *text = cnn_strndup("abc", 2);
    assert_string_equal(text, "ab");
    cnn_free(text);
    for (size_t alignment = 8; alignment <= 1 << 21; alignment *= 2) {
        char *block = cnn_aligned_new(alignment, 100);
        assert_true(block && (uintptr_t)block % alignment == 0);
        memset(block, 1, 100);
        cnn_aligned_free(block);
    }
    cnn_aligned_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_allocator_has_all_its_functions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_is_as_the_c_librarys, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
