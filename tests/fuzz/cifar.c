/* CIFAR's binary files: the first byte says which data set and which split, the rest is dealt out
 * to its files in equal parts; any are read or refused. */
#include "../datasets.h"
#include "fuzz.h"

static void write_files(const char *const *names, size_t count, struct fuzz_input input)
{
    size_t each = input.size / count;

    for (size_t i = 0; i < count; i++)
        fuzz_file(names[i], input.data + i * each, i + 1 < count ? each : input.size - i * each);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const ten[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                      "data_batch_4.bin", "data_batch_5.bin"};
    static const char *const names[] = {"batches.meta.txt", "fine_label_names.txt"};
    struct fuzz_input input = {data, size};
    uint8_t kind = fuzz_byte(&input);
    bool hundred = kind & 1, train = kind & 2;
    const char *one = hundred ? train ? "train.bin" : "test.bin" : "test_batch.bin";
    struct cnn_images images;
    cnn_diag *diag = cnn_diag_new();

    if (kind & 4) { /* class names in text before the images */
        struct fuzz_input text = fuzz_until(&input, FUZZ_SEPARATOR);
        fuzz_file(names[hundred], text.data, text.size);
    }
    if (train && !hundred)
        write_files(ten, 5, input);
    else
        write_files(&one, 1, input);
    if (dataset_read(&(struct cnn_data_request){.format = hundred ? &cnn_dataset_format_cifar100
                                                                  : &cnn_dataset_format_cifar10,
                                                .path = fuzz_folder(),
                                                .split = train ? CNN_SPLIT_TRAIN : CNN_SPLIT_TEST,
                                                .limit = kind >> 6},
                     &images, diag) == CNN_OK)
        cnn_images_free(&images);
    unlink(fuzz_file(names[hundred], NULL, 0));
    cnn_diag_free(diag);
    return 0;
}
