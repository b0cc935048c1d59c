/* MNIST's files: the first bytes are the labels, the rest the images; any are read or refused. */
#include "../datasets.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cnn_images images;
    size_t labels = size < 40 ? size : 40;

    fuzz_file("t10k-labels-idx1-ubyte", data, labels);
    fuzz_file("t10k-images-idx3-ubyte", data + labels, size - labels);
    if (dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_mnist,
                                                .path = fuzz_folder(),
                                                .split = CNN_SPLIT_TEST},
                     &images, NULL) == CNN_OK)
        cnn_images_free(&images);
    return 0;
}
