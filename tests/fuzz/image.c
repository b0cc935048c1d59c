/* Image files: any file is read or refused, in colours, in grey and with alpha. */
#include "data/image.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t channels[] = {3, 1, 4};
    static uint8_t pixels[4 * 16 * 16];
    cnn_diag *diag = cnn_diag_new();

    cnn_image_read(fuzz_file("file.png", data, size), (cnn_shape){3, channels[size % 3], 16, 16},
                   pixels, diag);
    cnn_diag_free(diag);
    return 0;
}
