/* The reader and the writer of protocol buffers. Bytes are written by hand, from the description of
 * the encoding (https://protobuf.dev/programming-guides/encoding/). */
#include "scratch.h"

#include <string.h>

#include "formats/protobuf.h"

struct leaf {
    size_t at;
    int64_t number;
    const char *text;
};

struct tree {
    size_t at;
    int64_t number;
    float single;
    double real;
    const char *text;
    struct cnn_protobuf_bytes bytes;
    struct leaf *leaf;
    struct tree *deeper;
    struct cnn_protobuf_list numbers, singles, reals, texts, leaves;
};

static const struct cnn_protobuf_field leaf_fields[] = {
    {1, CNN_PROTOBUF_INT, false, offsetof(struct leaf, number), NULL, 0, 0},
    {2, CNN_PROTOBUF_TEXT, false, offsetof(struct leaf, text), NULL, 0, 0},
    {0}};
static const struct cnn_protobuf_message leaf_message = {"Leaf", sizeof(struct leaf), leaf_fields};

static const struct cnn_protobuf_message tree_message;
static const struct cnn_protobuf_field tree_fields[] = {
    {1, CNN_PROTOBUF_INT, false, offsetof(struct tree, number), NULL, 0, 0},
    {2, CNN_PROTOBUF_FLOAT, false, offsetof(struct tree, single), NULL, 0, 0},
    {3, CNN_PROTOBUF_DOUBLE, false, offsetof(struct tree, real), NULL, 0, 0},
    {4, CNN_PROTOBUF_TEXT, false, offsetof(struct tree, text), NULL, 0, 0},
    {5, CNN_PROTOBUF_BYTES, false, offsetof(struct tree, bytes), NULL, 0, 0},
    {6, CNN_PROTOBUF_SUBMESSAGE, false, offsetof(struct tree, leaf), &leaf_message, 0, 0},
    {7, CNN_PROTOBUF_SUBMESSAGE, false, offsetof(struct tree, deeper), &tree_message, 0, 0},
    {8, CNN_PROTOBUF_INT, true, offsetof(struct tree, numbers), NULL, 0, 0},
    {9, CNN_PROTOBUF_FLOAT, true, offsetof(struct tree, singles), NULL, 0, 0},
    {10, CNN_PROTOBUF_DOUBLE, true, offsetof(struct tree, reals), NULL, 0, 0},
    {11, CNN_PROTOBUF_TEXT, true, offsetof(struct tree, texts), NULL, 0, 0},
    {12, CNN_PROTOBUF_SUBMESSAGE, true, offsetof(struct tree, leaves), &leaf_message, 0, 0},
    {0}};
static const struct cnn_protobuf_message tree_message = {"Tree", sizeof(struct tree), tree_fields};

#define BYTES(text) text, sizeof(text) - 1

static cnn_status read_tree(struct cnn_arena *arena, const char *bytes, size_t size,
                            struct tree **out, cnn_diag *diag)
{
    const struct cnn_protobuf_file file = {"a.pb", (const unsigned char *)bytes, size};
    void *tree = NULL;
    cnn_status status = cnn_protobuf_read(arena, &file, &tree_message, &tree, diag);
    *out = tree;
    return status;
}

static void expect_written(const struct tree *tree, const char *bytes, size_t size)
{
    unsigned char out[200];
    assert_int_equal(cnn_protobuf_size(&tree_message, tree), size);
    assert_ptr_equal(cnn_protobuf_write(&tree_message, tree, out), out + size);
    assert_memory_equal(out, bytes, size);
}

static void test_every_kind_of_field_is_read_and_written(void **state)
{
    static const char bytes[] = "\x08\x96\x01"                              /* 1: 150 */
                                "\x15\x00\x00\xc0\x3f"                      /* 2: 1.5 */
                                "\x19\x00\x00\x00\x00\x00\x00\x04\xc0"      /* 3: -2.5 */
                                "\x22\x03h\xc3\xa9"                         /* 4: "h\u00e9" */
                                "\x2a\x02\x00\xff"                          /* 5: two bytes */
                                "\x32\x04\x08\x07\x12\x00"                  /* 6: a leaf {7, ""} */
                                "\x62\x02\x08\x01\x62\x00\x62\x02\x08\x03"; /* 12: three leaves */
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    struct tree *tree;
    assert_int_equal(read_tree(arena, BYTES(bytes), &tree, NULL), CNN_OK);
    assert_int_equal(tree->at, 0);
    assert_int_equal(tree->number, 150);
    assert_true(tree->single == 1.5f);
    assert_true(tree->real == -2.5);
    assert_string_equal(tree->text, "h\xc3\xa9");
    assert_int_equal(tree->bytes.size, 2);
    assert_ptr_equal(tree->bytes.data, bytes + 24); /* no copy */
    assert_int_equal(tree->leaf->number, 7);
    assert_string_equal(tree->leaf->text, "");
    assert_int_equal(tree->leaf->at, 28);
    assert_null(tree->deeper);
    const struct leaf *leaves = tree->leaves.items;
    assert_int_equal(tree->leaves.count, 3);
    assert_int_equal(leaves[0].number, 1);
    assert_int_equal(leaves[1].number, 0);
    assert_null(leaves[1].text);
    assert_int_equal(leaves[2].number, 3);
    assert_int_equal(leaves[2].at, 40);
    expect_written(tree, BYTES(bytes));
    cnn_arena_free(arena);
}

static void test_numbers_may_be_packed_or_not(void **state)
{
    /* -1 takes ten bytes; packed and single values of one field mix */
    static const char bytes[] = "\x42\x0c\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"
                                "\x40\x80\x80\x01\x42\x00\x40\x02"
                                "\x4a\x08\x00\x00\x80\x3f\x00\x00\x00\xbf\x4d\x00\x00\x00\x40"
                                "\x52\x08\x00\x00\x00\x00\x00\x00\xf0\x3f"
                                "\x5a\x01o\x5a\x00";
    static const int64_t numbers[] = {5, -1, 0, 16384, 2};
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    struct tree *tree;
    assert_int_equal(read_tree(arena, BYTES(bytes), &tree, NULL), CNN_OK);
    assert_int_equal(tree->numbers.count, 5);
    assert_memory_equal(tree->numbers.items, numbers, sizeof numbers);
    const float *singles = tree->singles.items;
    assert_int_equal(tree->singles.count, 3);
    assert_true(singles[0] == 1 && singles[1] == -0.5f && singles[2] == 2);
    assert_int_equal(tree->reals.count, 1);
    assert_true(*(const double *)tree->reals.items == 1);
    const char *const *texts = tree->texts.items;
    assert_int_equal(tree->texts.count, 2);
    assert_string_equal(texts[0], "o");
    assert_string_equal(texts[1], "");
    /* written they are not packed */
    expect_written(tree, BYTES("\x40\x05\x40\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x40\x00"
                               "\x40\x80\x80\x01\x40\x02\x4d\x00\x00\x80\x3f\x4d\x00\x00\x00\xbf"
                               "\x4d\x00\x00\x00\x40\x51\x00\x00\x00\x00\x00\x00\xf0\x3f"
                               "\x5a\x01o\x5a\x00"));
    cnn_arena_free(arena);
}

/* Of an attribute's values one is there, which may be 0; and messages lie within others. */
static void test_a_field_may_be_chosen_by_another(void **state)
{
    static const struct cnn_protobuf_field fields[] = {
        {1, CNN_PROTOBUF_INT, false, offsetof(struct tree, number), NULL, 0, 0},
        {2, CNN_PROTOBUF_FLOAT, false, offsetof(struct tree, single), NULL,
         offsetof(struct tree, number), 1},
        {5, CNN_PROTOBUF_BYTES, false, offsetof(struct tree, bytes), NULL,
         offsetof(struct tree, number), 2},
        {7, CNN_PROTOBUF_SUBMESSAGE, false, offsetof(struct tree, deeper), &tree_message, 0, 0},
        {0}};
    static const struct cnn_protobuf_message message = {"Chosen", sizeof(struct tree), fields};
    struct tree inner = {.number = 300}, tree = {.number = 1, .deeper = &inner};
    unsigned char out[40];
    (void)state;
    size_t size = (size_t)(cnn_protobuf_write(&message, &tree, out) - out);
    assert_int_equal(size, cnn_protobuf_size(&message, &tree));
    assert_memory_equal(out, "\x08\x01\x15\x00\x00\x00\x00\x3a\x03\x08\xac\x02", 12);
    tree = (struct tree){.number = 2};
    size = (size_t)(cnn_protobuf_write(&message, &tree, out) - out);
    assert_int_equal(size, 4);
    assert_memory_equal(out, "\x08\x02\x2a\x00", 4);
}

static void test_unknown_fields_are_passed_over_and_the_last_number_counts(void **state)
{
    static const char bytes[] =
        "\x08\x01\xf8\x3f\x7f\xfa\x3f\x02\x08\x09\xfd\x3f....\xf9\x3f........"
        "\x08\x02\x22\x01p\x22\x01q";
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    struct tree *tree;
    assert_int_equal(read_tree(arena, BYTES(bytes), &tree, NULL), CNN_OK);
    assert_int_equal(tree->number, 2);
    assert_string_equal(tree->text, "q");
    assert_int_equal(read_tree(arena, "", 0, &tree, NULL), CNN_OK);
    assert_null(tree->text);
    cnn_arena_free(arena);
}

static void test_damaged_files_are_refused_with_the_byte(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *message;
    } cases[] = {
        {BYTES("\x08"), "byte 1, in a Tree: a number is cut off by the end of what holds it"},
        {BYTES("\x08\x01\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"),
         "byte 3, in a Tree: a number has more than ten bytes"},
        {BYTES("\x15\x01\x02\x03"), "byte 1, in a Tree: a number of 4 bytes is cut off"},
        {BYTES("\x19\x01"), "byte 1, in a Tree: a number of 8 bytes is cut off"},
        {BYTES("\x22\x04"
               "abc"),
         "byte 0, in a Tree: field 4 has 4 bytes, but 3 are left of what holds it"},
        {BYTES("\x22\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
         "byte 0, in a Tree: field 4 has 18446744073709551615 bytes, but 0 are left of what holds "
         "it"},
        /* the leaf ends inside the file, its text beyond the leaf */
        {BYTES("\x32\x02\x12\x01\x08\x01"),
         "byte 2, in a Leaf: field 2 has 1 bytes, but 0 are left of what holds it"},
        {BYTES("\x0d...."), "byte 0, in a Tree: field 1 has wire type 5, not 0"},
        {BYTES("\x0a\x01\x01"), "byte 0, in a Tree: field 1 has wire type 2, not 0"},
        {BYTES("\x4a\x03..."),
         "byte 0, in a Tree: field 9 has 3 bytes, no whole number of values of 4 bytes"},
        {BYTES("\x42\x02\x01\x80"),
         "byte 3, in a Tree: a number is cut off by the end of what holds it"},
        {BYTES("\x0b\x0c"), "byte 0, in a Tree: field 1 has wire type 3, which is not used any "
                            "more or means nothing"},
        {BYTES("\x00\x01"), "byte 0, in a Tree: 0 is no number of a field"},
        {BYTES("\x22\x02\xc3("), "byte 0, in a Tree: field 4 is no UTF-8 text"},
        {BYTES("\x22\x03"
               "a\0b"),
         "byte 0, in a Tree: field 4 is no UTF-8 text"},
        {BYTES("\x32\x00\x32\x00"), "byte 2, in a Tree: field 6 is given a second time"}};
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char message[200] = "a.pb: ";
        struct cnn_arena *arena = cnn_arena_new();
        struct tree *tree;
        strcat(message, cases[i].message);
        scratch_expect(s, read_tree(arena, cases[i].bytes, cases[i].size, &tree, s->diag), message);
        cnn_arena_free(arena);
    }
}

static void test_depth_is_limited(void **state)
{
    struct scratch *s = *state;
    char bytes[2 * CNN_PROTOBUF_DEPTH];
    for (size_t levels = CNN_PROTOBUF_DEPTH - 1; levels <= CNN_PROTOBUF_DEPTH; levels++) {
        struct cnn_arena *arena = cnn_arena_new();
        struct tree *tree;
        for (size_t i = 0; i < levels; i++) {
            bytes[2 * i] = 0x3a;
            bytes[2 * i + 1] = (char)(2 * (levels - i - 1));
        }
        cnn_status status = read_tree(arena, bytes, 2 * levels, &tree, s->diag);
        if (levels < CNN_PROTOBUF_DEPTH)
            assert_int_equal(status, CNN_OK);
        else
            scratch_expect(s, status,
                           "a.pb: byte 64, in a Tree: more than 32 messages within each other");
        cnn_arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_field_is_read_and_written),
        cmocka_unit_test(test_numbers_may_be_packed_or_not),
        cmocka_unit_test(test_a_field_may_be_chosen_by_another),
        cmocka_unit_test(test_unknown_fields_are_passed_over_and_the_last_number_counts),
        cmocka_unit_test_setup_teardown(test_damaged_files_are_refused_with_the_byte, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_depth_is_limited, scratch_setup, scratch_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
