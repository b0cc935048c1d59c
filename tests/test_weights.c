/* State dicts of PyTorch in both layouts: tensors of every type and order in memory, what wraps
 * them, and what is refused. */
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/weights.h"
#include "torch_write.h"

static const float singles[12] = {0, 1, -2, 3.5f, 4, 5, 6, 7, 8, 9, 10, 11};

static cnn_status open_text(const struct cnn_text *bytes, struct cnn_weights **out, cnn_diag *diag)
{
    *out = NULL;
    return cnn_weights_open_memory("net.pth", bytes->data, bytes->size, out, diag);
}

/* The weights of a file, in the old layout or the new one. */
static struct cnn_weights *open_file(const struct torch_file *file, bool legacy)
{
    struct cnn_text bytes = legacy ? torch_legacy(file) : torch_zip(file);
    struct cnn_weights *weights;
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = open_text(&bytes, &weights, diag);
    if (status != CNN_OK)
        print_error("%s\n", cnn_diag_get(diag, 0)->text);
    assert_int_equal(status, CNN_OK);
    cnn_diag_free(diag);
    cnn_text_free(&bytes);
    return weights;
}

static const struct cnn_weight *find(const struct cnn_weights *weights, const char *name)
{
    for (size_t i = 0; i < weights->count; i++)
        if (strcmp(weights->items[i].name, name) == 0)
            return &weights->items[i];
    fail_msg("no tensor '%s'", name);
    return NULL;
}

static void expect_numbers(const struct cnn_weights *weights, const char *name, size_t count,
                           const float *right)
{
    float values[16];
    const struct cnn_weight *weight = find(weights, name);
    assert_int_equal(weight->count, count);
    cnn_weight_read(weight, values);
    for (size_t i = 0; i < count; i++)
        if (values[i] != right[i])
            fail_msg("%s[%zu] is %g, not %g", name, i, (double)values[i], (double)right[i]);
}

static void test_numbers_beyond_float32_are_found(void **state)
{
    (void)state;
    static const double numbers[] = {1, 3.5e38, -1e300, INFINITY, -3.4e38};
    struct cnn_weight weight = {.type = CNN_WEIGHT_F64,
                                .rank = 1,
                                .count = 5,
                                .dims = {5},
                                .strides = {1},
                                .data = (const unsigned char *)numbers};
    float values[5];
    assert_int_equal(cnn_weight_read(&weight, values), 1);
    assert_true(values[1] == INFINITY && values[2] == -INFINITY && values[4] == -3.4e38f);
    weight.data = (const unsigned char *)(numbers + 3);
    weight.count = weight.dims[0] = 2;
    assert_int_equal(cnn_weight_read(&weight, values), SIZE_MAX);
}

/* Views of one storage: as they lie, transposed, every other number, one number often. */
static void test_strides_and_shared_storages(void **state)
{
    (void)state;
    const struct torch_storage storage = {"7", "Float", 12, 0, singles};
    const struct torch_tensor tensors[] = {
        {.name = "whole.weight", .storage = "Float", .key = "7", .rank = 2, .dims = {3, 4}},
        {.name = "turned.weight",
         .storage = "Float",
         .key = "7",
         .rank = 2,
         .dims = {4, 3},
         .strides = {1, 4}},
        {.name = "part.bias",
         .storage = "Float",
         .key = "7",
         .offset = 1,
         .rank = 1,
         .dims = {3},
         .strides = {4},
         .parameter = true},
        {.name = "number", .storage = "Float", .key = "7", .offset = 11},
    };
    static const float turned[] = {0, 4, 8, 1, 5, 9, -2, 6, 10, 3.5f, 7, 11}, part[] = {1, 5, 9},
                       number[] = {11};
    const struct torch_file file = {tensors, 4, &storage, 1, NULL, NULL};
    for (int legacy = 0; legacy < 2; legacy++) {
        struct cnn_weights *weights = open_file(&file, legacy);
        assert_int_equal(weights->count, 4);
        assert_string_equal(weights->items[1].name, "turned.weight");
        expect_numbers(weights, "whole.weight", 12, singles);
        expect_numbers(weights, "turned.weight", 12, turned);
        expect_numbers(weights, "part.bias", 3, part);
        expect_numbers(weights, "number", 1, number);
        cnn_weights_close(weights);
    }
}

static void test_every_type_of_number_is_read(void **state)
{
    (void)state;
    static const double doubles[] = {0.1, -1e30};
    static const uint16_t halves[] = {0x3c00, 0xc000, 0x0001, 0x7bff},
                          brains[] = {0x3f80, 0xc040, 0x0001, 0x7f7f};
    static const int64_t longs[] = {-5, 1 << 24};
    static const int32_t ints[] = {-7};
    static const int16_t shorts[] = {-300};
    static const int8_t chars[] = {-3};
    static const uint8_t bytes[] = {200}, bools[] = {1};
    const struct torch_storage storages[] = {
        {"0", "Double", 2, 0, doubles},  {"1", "Half", 4, 0, halves},
        {"2", "BFloat16", 4, 0, brains}, {"3", "Long", 2, 0, longs},
        {"4", "Int", 1, 0, ints},        {"5", "Short", 1, 0, shorts},
        {"6", "Char", 1, 0, chars},      {"7", "Byte", 1, 0, bytes},
        {"8", "Bool", 1, 0, bools}};
    static const float right[][4] = {{0.1f, -1e30f},
                                     {1, -2, 0x1p-24f, 65504},
                                     {1, -3, 0x1p-133f, 0x1.fep127f},
                                     {-5, 1 << 24},
                                     {-7},
                                     {-300},
                                     {-3},
                                     {200},
                                     {1}};
    struct torch_tensor tensors[9];
    for (size_t i = 0; i < 9; i++)
        tensors[i] = (struct torch_tensor){.name = storages[i].storage,
                                           .storage = storages[i].storage,
                                           .key = storages[i].key,
                                           .rank = 1,
                                           .dims = {storages[i].count}};
    const struct torch_file file = {tensors, 9, storages, 9, NULL, NULL};
    for (int legacy = 0; legacy < 2; legacy++) {
        struct cnn_weights *weights = open_file(&file, legacy);
        for (size_t i = 0; i < 9; i++)
            expect_numbers(weights, storages[i].storage, storages[i].count, right[i]);
        cnn_weights_close(weights);
    }
}

static void test_wrappers_prefixes_and_counters(void **state)
{
    (void)state;
    static const int64_t count[] = {1000};
    const struct torch_storage storages[] = {{"0", "Float", 12, 0, singles},
                                             {"1", "Long", 1, 0, count}};
    const struct torch_tensor tensors[] = {
        {.name = "bn.weight", .storage = "Float", .key = "0", .rank = 1, .dims = {2}},
        {.name = "bn.num_batches_tracked", .storage = "Long", .key = "1"},
        {.name = "fc.bias", .storage = "Float", .key = "0", .rank = 1, .dims = {3}}};
    static const char *const entries[] = {NULL, "state_dict", "model", "anything"},
                             *const prefixes[] = {NULL, "module.", "module.module.",
                                                  "module._orig_mod.", "model."};
    for (size_t e = 0; e < 4; e++)
        for (size_t p = 0; p < 5; p++) {
            const struct torch_file file = {tensors, 3, storages, 2, entries[e], prefixes[p]};
            struct cnn_weights *weights = open_file(&file, (e + p) % 2);
            assert_int_equal(weights->count, 2);
            assert_int_equal(weights->counters, 1);
            assert_string_equal(weights->prefix, prefixes[p] ? prefixes[p] : "");
            assert_string_equal(weights->items[1].name, "fc.bias");
            assert_int_equal(weights->entry != NULL, entries[e] != NULL);
            cnn_weights_close(weights);
        }
}

/* One tensor of a storage that is not as it should be. */
static void expect_refused(struct scratch *s, struct torch_tensor tensor,
                           struct torch_storage storage, const char *in_message)
{
    const struct torch_file file = {&tensor, 1, &storage, 1, NULL, NULL};
    for (int legacy = 0; legacy < 2; legacy++) {
        struct cnn_text bytes = legacy ? torch_legacy(&file) : torch_zip(&file);
        struct cnn_weights *weights;
        assert_int_equal(open_text(&bytes, &weights, s->diag), CNN_FAILED);
        if (!strstr(cnn_diag_get(s->diag, 0)->text, in_message))
            fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
        cnn_diag_clear(s->diag);
        cnn_text_free(&bytes);
    }
}

static void test_tensors_lie_within_their_storage(void **state)
{
    struct scratch *s = *state;
    const struct torch_storage good = {"0", "Float", 12, 0, singles};
    const struct torch_tensor tensor = {
        .name = "a.weight", .storage = "Float", .key = "0", .rank = 2, .dims = {3, 4}};
    struct torch_tensor wrong = tensor;
    static const char beyond[] = "a tensor reaches beyond the numbers that are stored for it";
    wrong.offset = 1;
    expect_refused(s, wrong, good, beyond);
    wrong = tensor;
    wrong.strides[0] = 5;
    expect_refused(s, wrong, good, beyond);
    wrong.strides[0] = 0x7fffffff;
    wrong.dims[0] = 0x3fffffff;
    wrong.dims[1] = 1;
    expect_refused(s, wrong, good, beyond);
    wrong.dims[0] = wrong.dims[1] = 0x7fffffff;
    expect_refused(s, wrong, good,
                   "the sizes or strides of a tensor are not numbers, or too large");
    wrong = tensor;
    wrong.dims[0] = (size_t)-1; /* written as -1 */
    expect_refused(s, wrong, good,
                   "the sizes or strides of a tensor are not numbers, or too large");
    wrong = tensor;
    wrong.storage = "Quantized";
    expect_refused(s, wrong, good,
                   "the pickle calls or names torch.QuantizedStorage, which weights do not need");
    wrong = tensor;
    wrong.key = "9";
    expect_refused(s, wrong, good, "");
    struct torch_storage less = good;
    less.bytes = 44;
    expect_refused(s, tensor, less, "12 numbers of float32");
}

static void test_files_without_a_state_dict(void **state)
{
    struct scratch *s = *state;
    struct zip_writer zip = {0};
    struct cnn_weights *weights;
    zip_add(&zip, "a/data.pkl",
            "\x80\x02]K\x01"
            "a.",
            7);
    struct cnn_text bytes = zip_finish(&zip, false);
    scratch_expect(s, open_text(&bytes, &weights, s->diag),
                   "net.pth holds no table of tensors by name, as model.state_dict() gives it");
    cnn_text_free(&bytes);
    zip_add(&zip, "a/data.pkl",
            "\x80\x02]K\x01"
            "a.",
            7);
    zip_add(&zip, "a/byteorder", "big", 3);
    bytes = zip_finish(&zip, false);
    assert_int_equal(open_text(&bytes, &weights, s->diag), CNN_FAILED);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "its numbers are not little endian"));
    cnn_diag_clear(s->diag);
    cnn_text_free(&bytes);
    zip_add(&zip, "a/code/__torch__.py", "", 0);
    zip_add(&zip, "a/data.pkl", "", 0);
    bytes = zip_finish(&zip, false);
    scratch_expect(s, open_text(&bytes, &weights, s->diag),
                   "net.pth holds a program of TorchScript");
    cnn_text_free(&bytes);
    zip_add(&zip, "a.txt", "", 0);
    bytes = zip_finish(&zip, false);
    scratch_expect(s, open_text(&bytes, &weights, s->diag),
                   "net.pth is a ZIP archive, but holds no data.pkl: torch.save has not written "
                   "it");
    cnn_text_free(&bytes);
    cnn_text_printf(&bytes, "not a model");
    scratch_expect(s, open_text(&bytes, &weights, s->diag),
                   "net.pth is no file that torch.save writes, or is cut short: it begins as "
                   "neither a ZIP archive nor PyTorch's older files do");
    cnn_text_free(&bytes);
}

/* What a Python that opens the file would do is not done here, and named. */
static void test_pickles_that_would_run_something_are_refused(void **state)
{
    struct scratch *s = *state;
    struct zip_writer zip = {0};
    struct cnn_weights *weights;
    struct cnn_text pickle = {0};
    cnn_text_append(&pickle, "\x80\x02", 2);
    pickle_global(&pickle, "posix", "system");
    pickle_op(&pickle, '(');
    pickle_text(&pickle, "touch owned");
    cnn_text_append(&pickle, "tR.", 3);
    zip_add(&zip, "a/data.pkl", pickle.data, pickle.size);
    struct cnn_text bytes = zip_finish(&zip, true);
    scratch_expect(s, open_text(&bytes, &weights, s->diag),
                   "net.pth: byte 46: the pickle calls or names posix.system, which weights do "
                   "not need");
    cnn_text_free(&bytes);
    cnn_text_append(&bytes,
                    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                    "\x80\x02M\xe9\x03.\x80\x02}.",
                    25);
    cnn_text_append(&bytes, pickle.data, pickle.size);
    scratch_expect(s, open_text(&bytes, &weights, s->diag),
                   "net.pth: byte 27: the pickle calls or names posix.system, which weights do "
                   "not need");
    cnn_text_free(&bytes);
    cnn_text_free(&pickle);
}

static void test_truncated_files_are_refused(void **state)
{
    (void)state;
    const struct torch_storage storage = {"0", "Float", 12, 0, singles};
    const struct torch_tensor tensor = {
        .name = "a.weight", .storage = "Float", .key = "0", .rank = 2, .dims = {3, 4}};
    const struct torch_file file = {&tensor, 1, &storage, 1, "model", "module."};
    for (int legacy = 0; legacy < 2; legacy++) {
        struct cnn_text bytes = legacy ? torch_legacy(&file) : torch_zip(&file);
        for (size_t size = 0; size < bytes.size; size++) {
            struct cnn_text cut = {.data = malloc(size + 1), .size = size};
            struct cnn_weights *weights;
            memcpy(cut.data, bytes.data, size);
            assert_int_equal(open_text(&cut, &weights, NULL), CNN_FAILED);
            free(cut.data);
        }
        cnn_text_free(&bytes);
    }
}

/* Any byte of it changed: read or refused, and nothing else. */
static void test_damaged_files_end(void **state)
{
    (void)state;
    const struct torch_storage storage = {"0", "Float", 12, 0, singles};
    const struct torch_tensor tensors[] = {
        {.name = "a.weight", .storage = "Float", .key = "0", .rank = 2, .dims = {3, 4}},
        {.name = "a.bias", .storage = "Float", .key = "0", .rank = 1, .dims = {3}}};
    const struct torch_file file = {tensors, 2, &storage, 1, "model", NULL};
    for (int legacy = 0; legacy < 2; legacy++) {
        struct cnn_text bytes = legacy ? torch_legacy(&file) : torch_zip(&file);
        for (size_t i = 0; i < bytes.size; i++)
            for (int bit = 0; bit < 8; bit++) {
                struct cnn_weights *weights;
                float values[16];
                bytes.data[i] = (char)(bytes.data[i] ^ 1 << bit);
                if (open_text(&bytes, &weights, NULL) == CNN_OK)
                    for (size_t k = 0; k < weights->count; k++)
                        if (weights->items[k].count <= 16)
                            cnn_weight_read(&weights->items[k], values);
                cnn_weights_close(weights);
                bytes.data[i] = (char)(bytes.data[i] ^ 1 << bit);
            }
        cnn_text_free(&bytes);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_beyond_float32_are_found),
        cmocka_unit_test(test_strides_and_shared_storages),
        cmocka_unit_test(test_every_type_of_number_is_read),
        cmocka_unit_test(test_wrappers_prefixes_and_counters),
        CASE(test_tensors_lie_within_their_storage),
        CASE(test_files_without_a_state_dict),
        CASE(test_pickles_that_would_run_something_are_refused),
        cmocka_unit_test(test_truncated_files_are_refused),
        cmocka_unit_test(test_damaged_files_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
