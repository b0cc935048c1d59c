/* Safetensors: the bytes written, the bytes read, and every kind of file that is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "checkpoint/safetensors.h"
#include "scratch.h"
#include "util/random.h"

#define TINY_HEADER                                                                                \
    "{\"__metadata__\":{\"k\":\"v\",\"checksum\":\"crc32:c3872656\"},\"w\":{\"dtype\":\"F32\","    \
    "\"shape\":[2],\"data_offsets\":[0,8]}}"

/* What write_tiny makes, byte by byte. */
static const char tiny_file[] = "\x70\0\0\0\0\0\0\0" TINY_HEADER "     \0\0\x80\x3f\0\0\0\xc0";
enum { TINY_SIZE = sizeof tiny_file - 1 };

static const float tiny_values[2] = {1, -2};

static cnn_status write_tiny(struct scratch *s, const char *path)
{
    struct cnn_stored_tensor w = {.name = "w",
                                  .dtype = "F32",
                                  .rank = 1,
                                  .dims = {2},
                                  .count = 2,
                                  .data = tiny_values,
                                  .bytes = 8};
    struct cnn_stored_pair pairs[] = {{"k", "v"}, {"checksum", "of another file"}};
    return cnn_safetensors_write(path, &w, 1, pairs, 2, s->diag);
}

/* A file of this header (its true size in front) and so many zero bytes of data. */
static const char *write_raw(struct scratch *s, const char *header, size_t data_size)
{
    size_t size = strlen(header), total = 8 + size + data_size;
    unsigned char *bytes = calloc(1, total);
    assert_non_null(bytes);
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (unsigned char)((uint64_t)size >> (8 * i));
    memcpy(bytes + 8, header, size);
    scratch_write(s, "f", bytes, total);
    free(bytes);
    return s->path;
}

static void expect_refused(struct scratch *s, const char *header, size_t data_size,
                           const char *text)
{
    struct cnn_safetensors *file;
    scratch_expect(s, cnn_safetensors_open(write_raw(s, header, data_size), &file, s->diag), text);
}

static void test_checkpoint_has_these_bytes_when_written(void **state)
{
    struct scratch *s = *state;
    char found[256];
    assert_int_equal(write_tiny(s, scratch_path(s, "f")), CNN_OK);
    FILE *file = fopen(s->path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof found, file), TINY_SIZE);
    fclose(file);
    assert_memory_equal(found, tiny_file, TINY_SIZE);
    assert_int_equal(scratch_count(s), 1);
}

static void test_checkpoint_comes_back_when_read(void **state)
{
    struct scratch *s = *state;
    static const float kernel[2][3] = {{1, 2, 3}, {4, 5, 6}};
    static const unsigned char state_bytes[3] = {7, 8, 9};
    const struct cnn_stored_tensor tensors[] = {
        {.name = "z.kernel",
         .dtype = "F32",
         .rank = 2,
         .dims = {2, 3},
         .count = 6,
         .data = kernel,
         .bytes = sizeof kernel},
        {.name = "empty",
         .dtype = "F64",
         .rank = 2,
         .dims = {0, 4},
         .count = 0,
         .data = NULL,
         .bytes = 0},
        {.name = "a \"name\"\n\xc3\xa4",
         .dtype = "U8",
         .rank = 1,
         .dims = {3},
         .count = 3,
         .data = state_bytes,
         .bytes = 3},
        {.name = "scalar", .dtype = "U16", .rank = 0, .count = 1, .data = state_bytes, .bytes = 2},
    };
    const struct cnn_stored_pair pairs[] = {{"config", "name: x\nlayers: [\"\\\"]\n\x01"},
                                            {"empty", ""}};
    assert_int_equal(cnn_safetensors_write(scratch_path(s, "f"), tensors, 4, pairs, 2, s->diag),
                     CNN_OK);
    struct cnn_safetensors *file;
    assert_int_equal(cnn_safetensors_open(s->path, &file, s->diag), CNN_OK);
    assert_int_equal(cnn_safetensors_verify(file, s->diag), CNN_OK);
    assert_string_equal(file->path, s->path);
    assert_int_equal(file->tensor_count, 4);
    for (size_t i = 0; i < 4; i++) {
        const struct cnn_stored_tensor *t = &file->tensors[i], *w = &tensors[i];
        assert_string_equal(t->name, w->name);
        assert_string_equal(t->dtype, w->dtype);
        assert_int_equal(t->rank, w->rank);
        assert_memory_equal(t->dims, w->dims, sizeof t->dims);
        assert_int_equal(t->count, w->count);
        assert_int_equal(t->bytes, w->bytes);
        if (t->bytes > 0)
            assert_memory_equal(t->data, w->data, t->bytes);
        assert_ptr_equal(cnn_safetensors_find(file, w->name), t);
    }
    assert_int_equal((uintptr_t)file->tensors[0].data % 8, 0);
    assert_null(cnn_safetensors_find(file, "kernel"));
    assert_int_equal(file->metadata_count, 3);
    assert_string_equal(cnn_safetensors_metadata(file, "config"), pairs[0].value);
    assert_string_equal(cnn_safetensors_metadata(file, "empty"), "");
    assert_null(cnn_safetensors_metadata(file, "none"));
    cnn_safetensors_close(file);
    cnn_safetensors_close(NULL);
}

static void test_checkpoint_of_others_is_read_when_it_is_laid_out_differently(void **state)
{
    struct scratch *s = *state;
    struct cnn_safetensors *file;
    const char *path =
        write_raw(s,
                  "{\"b\":{\"data_offsets\":[4,6],\"shape\":[1],\"dtype\":\"BF16\"}, "
                  "\"a\":{\"dtype\":\"I16\",\"shape\":[2],\"data_offsets\":[0,4],\"more\":null}} ",
                  6);
    assert_int_equal(cnn_safetensors_open(path, &file, s->diag), CNN_OK);
    assert_string_equal(file->tensors[0].name, "a");
    assert_string_equal(file->tensors[1].name, "b");
    assert_int_equal(cnn_safetensors_verify(file, s->diag), CNN_OK);
    assert_int_equal(file->metadata_count, 0);
    cnn_safetensors_close(file);
    assert_int_equal(cnn_safetensors_open(write_raw(s, "{}", 0), &file, s->diag), CNN_OK);
    assert_int_equal(file->tensor_count, 0);
    cnn_safetensors_close(file);
}

static void test_checkpoint_is_refused_when_it_is_no_safetensors_file(void **state)
{
    struct scratch *s = *state;
    struct cnn_safetensors *file;
    scratch_expect(s, cnn_safetensors_open(scratch_path(s, "none"), &file, s->diag),
                   "cannot read DIR/none: No such file or directory");
    scratch_expect(s, cnn_safetensors_open(s->folder, &file, s->diag),
                   "cannot read DIR: it is a directory");
    scratch_expect(s, cnn_safetensors_open("/dev/null", &file, s->diag),
                   "cannot read /dev/null: it is no regular file");
    scratch_expect(s, cnn_safetensors_open(scratch_write(s, "f", "", 0), &file, s->diag),
                   "DIR/f is no safetensors file: it has 0 bytes, and 8 are the least");
    scratch_expect(
        s, cnn_safetensors_open(scratch_write(s, "f", "\x89PNG\r\n\x1a\n....", 12), &file, s->diag),
        "DIR/f is no safetensors file, or is cut short: its first 8 bytes announce a header of "
        "727905341920923785 bytes, but 4 follow "
        "(at most 16777216 are read)");
    scratch_expect(
        s, cnn_safetensors_open(scratch_write(s, "f", "\3\0\0\0\0\0\0\0{}", 10), &file, s->diag),
        "DIR/f is no safetensors file, or is cut short: its first 8 bytes announce a header of 3 "
        "bytes, but 2 follow "
        "(at most 16777216 are read)");
    expect_refused(s, "", 4, "DIR/f: the header is no valid JSON, at byte 8 of the file: no value");
    expect_refused(s, "{\"a\":}", 0,
                   "DIR/f: the header is no valid JSON, at byte 13 of the file: no value");
    expect_refused(s, "[]", 0, "DIR/f: the header is no JSON object");
}

static void test_checkpoint_is_refused_when_its_json_is_nested_deeply(void **state)
{
    struct scratch *s = *state;
    struct cnn_safetensors *file;
    char *header = malloc(100001);
    assert_non_null(header);
    memset(header, '[', 100000);
    header[100000] = '\0';
    assert_int_equal(cnn_safetensors_open(write_raw(s, header, 0), &file, s->diag), CNN_FAILED);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "values nested deeper than 64"));
    free(header);
}

static void test_checkpoint_is_refused_when_a_tensor_makes_no_sense(void **state)
{
    struct scratch *s = *state;
#define TENSOR(name, dtype, shape, offsets)                                                        \
    "\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
    expect_refused(s, "{\"w\":3}", 0, "DIR/f: tensor 'w' has no dtype");
    expect_refused(s, "{" TENSOR("w", "F31", "[1]", "[0,4]") "}", 4,
                   "DIR/f: tensor 'w' has the unknown dtype 'F31'");
    expect_refused(s, "{" TENSOR("w", "F32", "1", "[0,4]") "}", 4,
                   "DIR/f: tensor 'w': its shape is no list of at most 8 sizes");
    expect_refused(s, "{" TENSOR("w", "F32", "[1,1,1,1,1,1,1,1,1]", "[0,4]") "}", 4,
                   "DIR/f: tensor 'w': its shape is no list of at most 8 sizes");
    expect_refused(s, "{" TENSOR("w", "F32", "[1,-1]", "[0,4]") "}", 4,
                   "DIR/f: tensor 'w': size 2 of its shape is no whole number");
    expect_refused(s, "{" TENSOR("w", "F32", "[1.0]", "[0,4]") "}", 4,
                   "DIR/f: tensor 'w': size 1 of its shape is no whole number");
    expect_refused(s, "{" TENSOR("w", "F32", "[4294967296,4294967296]", "[0,4]") "}", 4,
                   "DIR/f: tensor 'w': its shape has more elements than can be counted");
    expect_refused(s, "{" TENSOR("w", "F32", "[1]", "[0]") "}", 4,
                   "DIR/f: tensor 'w': its data_offsets are no pair [begin, end]");
    expect_refused(s, "{" TENSOR("w", "F32", "[1]", "[4,0]") "}", 4,
                   "DIR/f: tensor 'w': its data_offsets are no pair [begin, end]");
    expect_refused(s, "{" TENSOR("w", "F32", "[2]", "[0,8]") "}", 7,
                   "DIR/f: tensor 'w' ends at byte 8 of the data, but the file has only 7: it is "
                   "cut short or damaged");
    expect_refused(
        s, "{" TENSOR("w", "F32", "[3]", "[0,8]") "}", 8,
        "DIR/f: tensor 'w' has 8 bytes of data (0 to 8), which do not fit its 3 elements of F32");
    expect_refused(
        s, "{" TENSOR("w", "F32", "[1]", "[0,8]") "}", 8,
        "DIR/f: tensor 'w' has 8 bytes of data (0 to 8), which do not fit its 1 elements of F32");
    expect_refused(s, "{" TENSOR("w", "F64", "[2305843009213693953]", "[0,8]") "}", 8,
                   "DIR/f: tensor 'w' has 8 bytes of data (0 to 8), which do not fit its "
                   "2305843009213693953 elements of F64");
    expect_refused(
        s, "{" TENSOR("w", "U8", "[1]", "[0,1]") "," TENSOR("w", "U8", "[1]", "[1,2]") "}", 2,
        "DIR/f: the header is no valid JSON, at byte 61 of the file: an object in which "
        "a key stands twice");
}

static void test_checkpoint_is_refused_when_tensors_do_not_tile_the_data(void **state)
{
    struct scratch *s = *state;
    expect_refused(
        s, "{" TENSOR("a", "U8", "[4]", "[0,4]") "," TENSOR("b", "U8", "[4]", "[2,6]") "}", 6,
        "DIR/f: tensor 'b' begins at byte 2 of the data, inside tensor 'a', which ends at 4");
    expect_refused(s,
                   "{" TENSOR("b", "U8", "[2]", "[6,8]") "," TENSOR("a", "U8", "[4]", "[0,4]") "}",
                   8, "DIR/f: bytes 4 to 6 of the data, before tensor 'b', belong to no tensor");
    expect_refused(s, "{" TENSOR("a", "U8", "[4]", "[1,5]") "}", 5,
                   "DIR/f: bytes 0 to 1 of the data, before tensor 'a', belong to no tensor");
    expect_refused(s, "{" TENSOR("a", "U8", "[4]", "[0,4]") "}", 5,
                   "DIR/f: bytes 4 to 5 of the data, at its end, belong to no tensor");
}

static void test_checkpoint_is_refused_when_metadata_are_no_texts(void **state)
{
    struct scratch *s = *state;
    expect_refused(s, "{\"__metadata__\":[]}", 0, "DIR/f: __metadata__ is no JSON object");
    expect_refused(s, "{\"__metadata__\":{\"k\":1}}", 0,
                   "DIR/f: __metadata__: the value of 'k' is no text");
}

static void test_verify_finds_it_when_any_bit_of_the_data_flips(void **state)
{
    struct scratch *s = *state;
    for (unsigned bit = 0; bit < 64; bit++) {
        struct cnn_safetensors *file;
        char bytes[TINY_SIZE];
        memcpy(bytes, tiny_file, TINY_SIZE);
        bytes[TINY_SIZE - 8 + bit / 8] = (char)(bytes[TINY_SIZE - 8 + bit / 8] ^ 1 << bit % 8);
        assert_int_equal(
            cnn_safetensors_open(scratch_write(s, "f", bytes, TINY_SIZE), &file, s->diag), CNN_OK);
        assert_int_equal(cnn_safetensors_verify(file, s->diag), CNN_FAILED);
        if (bit == 0)
            scratch_expect(s, CNN_FAILED,
                           "DIR/f is damaged: the checksum of its tensors is crc32:0f2d26c8, and "
                           "crc32:c3872656 was written with them");
        cnn_diag_clear(s->diag);
        cnn_safetensors_close(file);
    }
}

/* Reads whatever an opened file claims to hold. */
static unsigned touch(const struct cnn_safetensors *file)
{
    unsigned sum = 0;
    for (size_t i = 0; i < file->tensor_count; i++) {
        sum += (unsigned)strlen(file->tensors[i].name);
        for (size_t k = 0; k < file->tensors[i].bytes; k++)
            sum += ((const unsigned char *)file->tensors[i].data)[k];
    }
    for (size_t i = 0; i < file->metadata_count; i++)
        sum += (unsigned)(strlen(file->metadata[i].key) + strlen(file->metadata[i].value));
    return sum;
}

/* More than is read at a time, and a second tensor that begins at no round place. */
enum { LONG_COUNT = 300001, LAST_COUNT = 5 };

static const char *write_long(struct scratch *s, const float *values)
{
    const struct cnn_stored_tensor tensors[] = {{.name = "long",
                                                 .dtype = "F32",
                                                 .rank = 1,
                                                 .dims = {LONG_COUNT},
                                                 .count = LONG_COUNT,
                                                 .data = values,
                                                 .bytes = LONG_COUNT * sizeof *values},
                                                {.name = "last",
                                                 .dtype = "F32",
                                                 .rank = 1,
                                                 .dims = {LAST_COUNT},
                                                 .count = LAST_COUNT,
                                                 .data = values + LONG_COUNT,
                                                 .bytes = LAST_COUNT * sizeof *values}};
    scratch_path(s, "long");
    assert_int_equal(cnn_safetensors_write(s->path, tensors, 2, NULL, 0, s->diag), CNN_OK);
    return s->path;
}

/* The checksum that is written, and the one that is found, are of all bytes. */
static void test_verify_finds_it_when_a_bit_far_from_the_beginning_flips(void **state)
{
    struct scratch *s = *state;
    const size_t count = LONG_COUNT + LAST_COUNT, bytes = count * sizeof(float);
    const size_t places[] = {0,       1 << 16, (1 << 18) - 1, 1 << 18,    (1 << 18) + 1,
                             1 << 20, 777777,  bytes - 21,    bytes - 20, bytes - 1};
    struct cnn_safetensors *file;
    struct cnn_rng rng = cnn_rng_at(5, 0, 0);
    char expected[32];
    float *values = malloc(bytes);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)cnn_rng_normal(&rng);
    assert_int_equal(cnn_safetensors_open(write_long(s, values), &file, s->diag), CNN_OK);
    snprintf(expected, sizeof expected, "crc32:%08lx", crc32_z(0, (const Bytef *)values, bytes));
    assert_string_equal(cnn_safetensors_metadata(file, "checksum"), expected);
    assert_int_equal(cnn_safetensors_verify(file, s->diag), CNN_OK);
    cnn_safetensors_close(file);
    FILE *stored = fopen(s->path, "r+b");
    assert_non_null(stored);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        long at = (long)places[i] - (long)bytes;
        fseek(stored, at, SEEK_END);
        int byte = fgetc(stored);
        for (int wrong = 1; wrong >= 0; wrong--) {
            fseek(stored, at, SEEK_END);
            fputc(wrong ? byte ^ 16 : byte, stored);
            fflush(stored);
            assert_int_equal(cnn_safetensors_open(s->path, &file, s->diag), CNN_OK);
            assert_int_equal(cnn_safetensors_verify(file, NULL), wrong ? CNN_FAILED : CNN_OK);
            cnn_safetensors_close(file);
        }
    }
    fclose(stored);
    free(values);
}

static void test_checkpoint_never_crashes_the_reader_when_it_is_mutated(void **state)
{
    struct scratch *s = *state;
    static const char alphabet[] = "\"\\{}[],:0123456789-ewF \0\xff\x80";
    struct cnn_rng rng = cnn_rng_at(1, CNN_STREAM_BENCH, 0);
    size_t opened = 0;
    for (int round = 0; round < 4000; round++) {
        char bytes[TINY_SIZE];
        struct cnn_safetensors *file;
        memcpy(bytes, tiny_file, TINY_SIZE);
        for (uint32_t changes = 1 + cnn_rng_below(&rng, 4); changes > 0; changes--)
            bytes[cnn_rng_below(&rng, TINY_SIZE)] =
                alphabet[cnn_rng_below(&rng, sizeof alphabet - 1)];
        size_t size = cnn_rng_below(&rng, 4) == 0 ? cnn_rng_below(&rng, TINY_SIZE) : TINY_SIZE;
        if (cnn_safetensors_open(scratch_write(s, "f", bytes, size), &file, s->diag) == CNN_OK) {
            opened++;
            cnn_safetensors_verify(file, s->diag);
            assert_true(touch(file) > 0);
            cnn_safetensors_close(file);
        } else {
            assert_int_equal(cnn_diag_count(s->diag), 1);
        }
        cnn_diag_clear(s->diag);
    }
    assert_in_range(opened, 1, 3999);
}

static void test_write_says_why_when_it_cannot(void **state)
{
    struct scratch *s = *state;
    struct cnn_stored_pair pair = {"name", "\xff"};
    struct cnn_stored_tensor tensor = {
        .name = "\xff", .dtype = "U8", .rank = 1, .dims = {1}, .count = 1, .data = "x", .bytes = 1};
    scratch_expect(s, cnn_safetensors_write(scratch_path(s, "f"), NULL, 0, &pair, 1, s->diag),
                   "cannot write DIR/f: the text of 'name' is not valid UTF-8");
    scratch_expect(s, cnn_safetensors_write(scratch_path(s, "f"), &tensor, 1, NULL, 0, s->diag),
                   "cannot write DIR/f: the text of '\xff' is not valid UTF-8");
    scratch_expect(s, write_tiny(s, scratch_path(s, "none/f")),
                   "cannot write DIR/none/f: No such file or directory");
    scratch_expect(s, write_tiny(s, "/dev/full"),
                   "cannot write /dev/full: no space left on the disk that holds it");
    assert_int_equal(scratch_count(s), 0);
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

static void test_tensors_stay_in_a_file_that_is_opened_unread(void **state)
{
    struct scratch *s = *state;
    struct cnn_safetensors *file, *other;
    float value = 0;
    assert_int_equal(write_tiny(s, scratch_path(s, "f")), CNN_OK);
    assert_int_equal(cnn_safetensors_open_unread(s->path, &file, s->diag), CNN_OK);
    assert_int_equal(cnn_safetensors_verify(file, s->diag), CNN_OK);
    const struct cnn_stored_tensor *w = cnn_safetensors_find(file, "w");
    assert_null(w->data);
    other = cnn_safetensors_share(file);
    cnn_safetensors_close(file);
    assert_int_equal(cnn_safetensors_read(other, w, 4, 4, &value, s->diag), CNN_OK);
    assert_float_equal(value, tiny_values[1], 0);
    cnn_safetensors_close(other);
    /* of one in memory, the same */
    assert_int_equal(cnn_safetensors_open(s->path, &file, s->diag), CNN_OK);
    assert_int_equal(cnn_safetensors_read(file, file->tensors, 0, 4, &value, s->diag), CNN_OK);
    assert_float_equal(value, tiny_values[0], 0);
    cnn_safetensors_close(file);
}

static void test_an_unread_file_is_checked_as_one_that_is_read(void **state)
{
    struct scratch *s = *state;
    struct cnn_safetensors *file;
    char bytes[TINY_SIZE];
    for (size_t i = TINY_SIZE - 8; i < TINY_SIZE; i++) {
        memcpy(bytes, tiny_file, TINY_SIZE);
        bytes[i] ^= 1;
        assert_int_equal(
            cnn_safetensors_open_unread(scratch_write(s, "f", bytes, TINY_SIZE), &file, s->diag),
            CNN_OK);
        assert_int_equal(cnn_safetensors_verify(file, NULL), CNN_FAILED);
        cnn_safetensors_close(file);
    }
    assert_int_equal(
        cnn_safetensors_open_unread(scratch_write(s, "f", tiny_file, TINY_SIZE - 1), &file, NULL),
        CNN_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SCRATCH(test_tensors_stay_in_a_file_that_is_opened_unread),
        WITH_SCRATCH(test_an_unread_file_is_checked_as_one_that_is_read),
        WITH_SCRATCH(test_checkpoint_has_these_bytes_when_written),
        WITH_SCRATCH(test_checkpoint_comes_back_when_read),
        WITH_SCRATCH(test_checkpoint_of_others_is_read_when_it_is_laid_out_differently),
        WITH_SCRATCH(test_checkpoint_is_refused_when_it_is_no_safetensors_file),
        WITH_SCRATCH(test_checkpoint_is_refused_when_its_json_is_nested_deeply),
        WITH_SCRATCH(test_checkpoint_is_refused_when_a_tensor_makes_no_sense),
        WITH_SCRATCH(test_checkpoint_is_refused_when_tensors_do_not_tile_the_data),
        WITH_SCRATCH(test_checkpoint_is_refused_when_metadata_are_no_texts),
        WITH_SCRATCH(test_verify_finds_it_when_any_bit_of_the_data_flips),
        WITH_SCRATCH(test_verify_finds_it_when_a_bit_far_from_the_beginning_flips),
        WITH_SCRATCH(test_checkpoint_never_crashes_the_reader_when_it_is_mutated),
        WITH_SCRATCH(test_write_says_why_when_it_cannot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
