/* Pickles and ZIP archives: what they hold, and what is refused of those that were made to do harm.
 */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/pickle.h"
#include "formats/zip.h"
#include "torch_write.h"

static const struct cnn_pickle_global globals[] = {
    {"collections.OrderedDict", true}, {"torch.Size", false}, {NULL, false}};

struct reading {
    struct cnn_arena *arena;
    struct cnn_pickle_result result;
};

static cnn_status read_bytes(struct reading *reading, const void *bytes, size_t size,
                             cnn_diag *diag)
{
    const struct cnn_pickle_source source = {"p.pth", bytes, size, 1000, globals};
    reading->arena = cnn_arena_new();
    return cnn_pickle_read(reading->arena, &source, &reading->result, diag);
}

/* The value of a pickle that is right. */
static const struct cnn_pickle *read_value(struct reading *reading, const char *bytes, size_t size)
{
    assert_int_equal(read_bytes(reading, bytes, size, NULL), CNN_OK);
    return reading->result.root;
}
#define VALUE(reading, bytes) read_value(reading, bytes, sizeof(bytes) - 1)

/* That a pickle is refused with this message, whatever begins it. */
static void expect(struct scratch *s, const char *bytes, size_t size, const char *message)
{
    struct reading reading = {0};
    scratch_expect(s, read_bytes(&reading, bytes, size, s->diag), message);
    cnn_arena_free(reading.arena);
}
#define REFUSED(s, bytes, message) expect(s, bytes, sizeof(bytes) - 1, message)

static void test_numbers_and_texts_are_read(void **state)
{
    (void)state;
    struct reading r;
    const struct cnn_pickle *list =
        VALUE(&r, "\x80\x02](K\xffM\x01\x02J\xfe\xff\xff\xff\x8a\x01\x80\x8a\x02\x00\x80\x8a\x00"
                  "\x8a\x09"
                  "\x01\x02\x03\x04\x05\x06\x07\x08\x09G\xbf\xf8\x00\x00\x00\x00\x00\x00"
                  "X\x03\x00\x00\x00\xc3\xa4zU\x02okN\x88\x89"
                  "e.ignored");
    assert_int_equal(list->kind, CNN_PICKLE_LIST);
    assert_int_equal(list->count, 13);
    static const int64_t integers[] = {255, 0x201, -2, -128, -32768, 0};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(list->items[i]->kind, CNN_PICKLE_INT);
        assert_int_equal(list->items[i]->integer, integers[i]);
    }
    assert_int_equal(list->items[6]->kind, CNN_PICKLE_BIG);
    assert_int_equal(list->items[6]->count, 9);
    assert_true(list->items[7]->real == -1.5);
    assert_string_equal(list->items[8]->text, "\xc3\xa4z");
    assert_string_equal(list->items[9]->text, "ok");
    assert_int_equal(list->items[10]->kind, CNN_PICKLE_NONE);
    assert_int_equal(list->items[11]->integer, 1);
    cnn_arena_free(r.arena);
}

static void test_containers_hold_what_is_put_in(void **state)
{
    (void)state;
    struct reading r;
    /* {'a': (1, [2, 3]), 'b': OrderedDict(c=()), 'a': the list}, and 4 goes into the list */
    static const char bytes[] = "\x80\x02}(X\x01\x00\x00\x00"
                                "aK\x01]q\x00(K\x02K\x03"
                                "e\x86X\x01\x00\x00\x00"
                                "bccollections\nOrderedDict\n)RX\x01\x00\x00\x00"
                                "c)sX\x01\x00\x00\x00"
                                "ah\x00K\x04"
                                "au.";
    const struct cnn_pickle *table = VALUE(&r, bytes);
    assert_int_equal(table->kind, CNN_PICKLE_DICT);
    assert_int_equal(table->count, 6);
    const struct cnn_pickle *tuple = table->items[1], *list = cnn_pickle_get(table, "a");
    assert_int_equal(tuple->kind, CNN_PICKLE_TUPLE);
    assert_int_equal(tuple->items[0]->integer, 1);
    assert_ptr_equal(tuple->items[1], list);
    assert_int_equal(list->count, 3);
    assert_int_equal(list->items[2]->integer, 4);
    const struct cnn_pickle *inner = cnn_pickle_get(table, "b");
    assert_int_equal(inner->kind, CNN_PICKLE_DICT);
    assert_int_equal(cnn_pickle_get(inner, "c")->kind, CNN_PICKLE_TUPLE);
    assert_null(cnn_pickle_get(inner, "a"));
    assert_null(cnn_pickle_get(list, "a"));
    cnn_arena_free(r.arena);
}

static void test_calls_are_kept_and_not_made(void **state)
{
    (void)state;
    struct reading r;
    const struct cnn_pickle *call = VALUE(&r, "\x80\x02"
                                              "ctorch\nSize\n(K\x02Qt\x85R.");
    assert_int_equal(call->kind, CNN_PICKLE_CALL);
    assert_int_equal(call->items[0]->integer, 1);
    assert_int_equal(call->items[1]->kind, CNN_PICKLE_TUPLE);
    assert_int_equal(r.result.stored_count, 1);
    assert_int_equal(r.result.stored[0]->items[0]->integer, 2);
    cnn_arena_free(r.arena);
}

static void test_what_is_called_is_named(void **state)
{
    struct scratch *s = *state;
    REFUSED(s, "\x80\x02(cposix\nsystem\nX\x02\x00\x00\x00lstR.",
            "p.pth: byte 1003: the pickle calls or names posix.system, which weights do not need");
    REFUSED(s,
            "\x80\x02"
            "c__builtin__\neval\n(X\x01\x00\x00\x00"
            "1tR.",
            "p.pth: byte 1002: the pickle calls or names __builtin__.eval, which weights do not "
            "need");
    REFUSED(s, "(iposix\nsystem\n.",
            "p.pth: byte 1001: the pickle calls or names posix.system, which weights do not need");
    REFUSED(s, "(itorch\nSize\n.",
            "p.pth: byte 1001: the pickle calls or names torch.Size, which weights do not need");
    REFUSED(s,
            "X\x01\x00\x00\x00"
            "a\x93.",
            "p.pth: byte 1006: the pickle's opcode STACK_GLOBAL is none that weights need");
    REFUSED(s, "\x80\x04.",
            "p.pth: byte 1000: the pickle is of protocol 4; weights are read of protocol 2");
}

static void test_what_makes_no_sense_is_refused(void **state)
{
    struct scratch *s = *state;
    static const char less[] = ": the pickle takes more than it has put there";
    char text[200];
    static const struct {
        const char *bytes;
        size_t size, at;
    } takes[] = {{"a", 1, 0},
                 {"]a", 2, 1},
                 {"K\x01(K\x01\x86.", 7, 5},
                 {"R", 1, 0},
                 {"b", 1, 0},
                 {"Q", 1, 0},
                 {"q\x00", 2, 0},
                 {"]((K\x01"
                  "e",
                  6, 5}};
    for (size_t i = 0; i < sizeof takes / sizeof *takes; i++) {
        snprintf(text, sizeof text, "p.pth: byte %zu%s", 1000 + takes[i].at, less);
        expect(s, takes[i].bytes, takes[i].size, text);
    }
    REFUSED(s, "t", "p.pth: byte 1000: the pickle goes back to a mark that it has not made");
    REFUSED(s,
            "}K\x01"
            "a",
            "p.pth: byte 1003: the pickle puts an item into something that is not a list");
    REFUSED(s, "]K\x01K\x02s",
            "p.pth: byte 1005: the pickle puts a key into something that is not a table");
    REFUSED(s, "}(K\x01u", "p.pth: byte 1004: a key has no value");
    REFUSED(s, "K\x01)R",
            "p.pth: byte 1003: the pickle calls something that is not a name, or with something "
            "that is not a tuple");
    REFUSED(s, "ccollections\nOrderedDict\n]\x85R.",
            "p.pth: byte 1027: a table of the pickle is made from another");
    REFUSED(s, "]Nb",
            "p.pth: byte 1002: the pickle changes the state of something that is not a table");
    REFUSED(s, "Nr\xff\xff\xff\xff",
            "p.pth: byte 1001: the pickle remembers a value as number 4294967295, after 0 others");
    REFUSED(s, "Nq\x02",
            "p.pth: byte 1001: the pickle remembers a value as number 2, after 0 others");
    REFUSED(s, "h\x01", "p.pth: byte 1000: the pickle wants value number 1, but remembers 0");
    REFUSED(s, "U\x02\xc3(.", "p.pth: byte 1000: a text of the pickle is no UTF-8");
    REFUSED(s, "U\x01\x00.", "p.pth: byte 1000: a text of the pickle is no UTF-8");
    REFUSED(s, "NN.", "p.pth: byte 1002: the pickle ends with 2 values instead of one");
    REFUSED(s, "\xff",
            "p.pth: byte 1000: 0xff is no opcode of a pickle, or none that weights "
            "need");
}

/* No level of nesting is one of the machine's own stack. */
static void test_deep_and_wide_pickles_end(void **state)
{
    struct scratch *s = *state;
    const size_t size = 3 << 20;
    struct reading r;
    char *bytes = malloc(size);
    memset(bytes, 0x85, size); /* each a tuple around all before */
    bytes[0] = ')';
    bytes[size - 1] = '.';
    assert_int_equal(read_bytes(&r, bytes, size, NULL), CNN_OK);
    cnn_arena_free(r.arena);
    memset(bytes, ']', size);
    expect(s, bytes, size,
           "p.pth: byte 3146728: the pickle is cut short: 1 bytes are wanted, 0 "
           "are left");
    memset(bytes, '(', size);
    expect(s, bytes, size,
           "p.pth: byte 3146728: the pickle is cut short: 1 bytes are wanted, 0 "
           "are left");
    /* a list that holds itself, again and again */
    memcpy(bytes, "]q\x00", 3);
    for (size_t i = 3; i + 2 < size; i += 3)
        memcpy(bytes + i,
               "h\x00"
               "a",
               3);
    bytes[size - 1] = '.';
    bytes[size - 2] = bytes[size - 3] = '(';
    read_bytes(&r, bytes, size - 2, NULL);
    cnn_arena_free(r.arena);
    free(bytes);
}

static void test_truncated_pickles_are_refused(void **state)
{
    (void)state;
    static const float numbers[6];
    const struct torch_storage storage = {"0", "Float", 6, 0, numbers};
    const struct torch_tensor tensor = {.name = "conv.weight",
                                        .storage = "Float",
                                        .key = "0",
                                        .rank = 2,
                                        .dims = {2, 3},
                                        .parameter = true};
    struct cnn_text pickle =
        torch_pickle(&(struct torch_file){&tensor, 1, &storage, 1, "state_dict", NULL}, false);
    for (size_t size = 0; size < pickle.size; size++) {
        struct reading r;
        char *bytes = malloc(size + 1);
        memcpy(bytes, pickle.data, size);
        assert_int_equal(read_bytes(&r, bytes, size, NULL), CNN_FAILED);
        cnn_arena_free(r.arena);
        free(bytes);
    }
    cnn_text_free(&pickle);
}

/* ---- Archives ---- */

static struct cnn_text small_archive(bool wide)
{
    struct zip_writer zip = {0};
    zip_add(&zip, "b/two", "2222", 4);
    zip_add(&zip, "a/one", "one", 3);
    zip_add(&zip, "empty", "", 0);
    return zip_finish(&zip, wide);
}

static cnn_status open_zip(struct cnn_arena *arena, const struct cnn_text *bytes,
                           struct cnn_zip *zip, cnn_diag *diag)
{
    return cnn_zip_open(arena, "z.pth", (const unsigned char *)bytes->data, bytes->size, zip, diag);
}

static void test_entries_are_found_by_name(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        struct cnn_text bytes = small_archive(wide);
        struct cnn_arena *arena = cnn_arena_new();
        struct cnn_zip zip;
        assert_true(cnn_zip_recognise((const unsigned char *)bytes.data, bytes.size));
        assert_int_equal(open_zip(arena, &bytes, &zip, NULL), CNN_OK);
        assert_int_equal(zip.count, 3);
        const struct cnn_zip_entry *entry = cnn_zip_find(&zip, "b/two");
        assert_int_equal(entry->size, 4);
        assert_memory_equal(entry->data, "2222", 4);
        assert_int_equal(cnn_zip_check(&zip, entry, NULL), CNN_OK);
        assert_int_equal(cnn_zip_check(&zip, cnn_zip_find(&zip, "empty"), NULL), CNN_OK);
        assert_null(cnn_zip_find(&zip, "two"));
        cnn_arena_free(arena);
        cnn_text_free(&bytes);
    }
}

/* That the small archive with these bytes at `at` is refused with the message. */
static void expect_changed(struct scratch *s, size_t at, const char *bytes, size_t size,
                           const char *message)
{
    struct cnn_text text = small_archive(false);
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_zip zip;
    memcpy(text.data + at, bytes, size);
    cnn_status status = open_zip(arena, &text, &zip, s->diag);
    if (status == CNN_OK)
        status = cnn_zip_check(&zip, cnn_zip_find(&zip, "b/two"), s->diag);
    scratch_expect(s, status, message);
    cnn_arena_free(arena);
    cnn_text_free(&text);
}

/* Local headers are 30 bytes, a name of 5 and 4 more; the data of b/two begin at 39, the directory
 * at 43 + 42 + 39 = 124, with 46 and 5 bytes for each entry. */
static void test_damaged_archives_are_refused(void **state)
{
    struct scratch *s = *state;
    /* a checksum of 0 was left out, whatever the bytes are */
    struct cnn_text text = small_archive(false);
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_zip zip;
    memcpy(text.data + 124 + 16, "\0\0\0\0", 4);
    assert_int_equal(open_zip(arena, &text, &zip, NULL), CNN_OK);
    assert_int_equal(cnn_zip_check(&zip, cnn_zip_find(&zip, "b/two"), NULL), CNN_OK);
    cnn_arena_free(arena);
    cnn_text_free(&text);
    expect_changed(s, 39, "x", 1,
                   "z.pth: byte 0: entry 'b/two' is damaged: its checksum is "
                   "8d876360, not 792edb39");
    expect_changed(s, 124 + 10, "\x08", 1,
                   "z.pth: byte 0: entry 'b/two' is compressed or encrypted; PyTorch stores its "
                   "entries as they are");
    expect_changed(s, 124 + 8, "\x09", 1,
                   "z.pth: byte 0: entry 'b/two' is compressed or encrypted; PyTorch stores its "
                   "entries as they are");
    expect_changed(s, 124 + 20, "\0\0\1\0\0\0\1\0", 8,
                   "z.pth: byte 124: an entry lies beyond the end of the file");
    expect_changed(s, 124 + 20, "\x60\0\0\0\x60\0\0\0", 8,
                   "z.pth: byte 0: entry 'b/two' of 96 bytes reaches beyond those of all entries");
    expect_changed(s, 124 + 28, "\xff\xff", 2,
                   "z.pth: byte 124: an entry of the directory is longer than the directory");
    expect_changed(s, 124 + 42, "\x01", 1,
                   "z.pth: byte 1: there is no entry here, but 'b/two' should be");
    expect_changed(s, 30, "c", 1,
                   "z.pth: byte 0: the entry does not have the name 'b/two' of the directory");
    expect_changed(s, 124 + 46, "\xff", 1,
                   "z.pth: byte 170: the name of an entry is no UTF-8 text");
    expect_changed(s, 124, "x", 1, "z.pth: byte 124: the directory of the archive is damaged");
    expect_changed(s, 124 + 153 + 10, "\xff\xff", 2,
                   "z.pth: byte 277: the directory of the archive does not lie before its end");
}

static void test_two_entries_of_one_name_are_refused(void **state)
{
    struct scratch *s = *state;
    struct zip_writer writer = {0};
    struct cnn_zip zip;
    zip_add(&writer, "one", "1", 1);
    zip_add(&writer, "one", "2", 1);
    struct cnn_text bytes = zip_finish(&writer, true);
    struct cnn_arena *arena = cnn_arena_new();
    cnn_status status = open_zip(arena, &bytes, &zip, s->diag);
    assert_int_equal(status, CNN_FAILED);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, ": a second entry 'one'"));
    cnn_diag_clear(s->diag);
    cnn_arena_free(arena);
    cnn_text_free(&bytes);
}

static void test_truncated_archives_are_refused(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        struct cnn_text bytes = small_archive(wide);
        for (size_t size = 0; size < bytes.size; size++) {
            struct cnn_arena *arena = cnn_arena_new();
            struct cnn_zip zip;
            char *cut = malloc(size + 1);
            memcpy(cut, bytes.data, size);
            struct cnn_text text = {.data = cut, .size = size};
            assert_int_equal(open_zip(arena, &text, &zip, NULL), CNN_FAILED);
            free(cut);
            cnn_arena_free(arena);
        }
        cnn_text_free(&bytes);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_and_texts_are_read),
        cmocka_unit_test(test_containers_hold_what_is_put_in),
        cmocka_unit_test(test_calls_are_kept_and_not_made),
        CASE(test_what_is_called_is_named),
        CASE(test_what_makes_no_sense_is_refused),
        CASE(test_deep_and_wide_pickles_end),
        cmocka_unit_test(test_truncated_pickles_are_refused),
        cmocka_unit_test(test_entries_are_found_by_name),
        CASE(test_damaged_archives_are_refused),
        CASE(test_two_entries_of_one_name_are_refused),
        cmocka_unit_test(test_truncated_archives_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
