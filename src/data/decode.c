/* What the decoders share: words for what can be wrong, and grey from colours. */
#include "data/decoder.h"

const char cnn_cut_short[] = "the file ends too early";
const char cnn_no_memory[] = "out of memory";
const char cnn_too_much[] = "it holds more data than its header promises";

void cnn_grey_from_rgb(const uint8_t *rgb, size_t count, uint8_t *grey)
{
    for (size_t i = 0; i < count; i++, rgb += 3)
        grey[i] = (uint8_t)((rgb[0] * 77 + rgb[1] * 150 + rgb[2] * 29) >> 8);
}
