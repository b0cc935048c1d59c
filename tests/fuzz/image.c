/* Image files: any file is read or refused. */
#include "data/image.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t pixels[3 * 16 * 16];

    cnn_image_read(fuzz_file("file.png", data, size), (cnn_shape){3, 3, 16, 16}, pixels, NULL);
    return 0;
}
