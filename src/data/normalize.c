/* Bytes of images as the network sees them. */
#include "data/dataset.h"

void cnn_normalizer_init(const struct cnn_normalization *normalization, struct cnn_normalizer *out)
{
    out->channels = normalization->channels;
    for (size_t c = 0; c < normalization->channels; c++)
        for (size_t value = 0; value < 256; value++)
            out->table[c][value] =
                ((float)value / 255 - normalization->mean[c]) / normalization->std[c];
}

void cnn_normalizer_apply(const struct cnn_normalizer *normalizer, const uint8_t *bytes,
                          size_t pixels, float *out)
{
    const size_t channels = normalizer->channels;
    const float(*table)[256] = normalizer->table;
    for (size_t i = 0; channels == 1 && i < pixels; i++)
        out[i] = table[0][bytes[i]];
    for (size_t i = 0; channels == 3 && i < 3 * pixels; i += 3) {
        out[i] = table[0][bytes[i]];
        out[i + 1] = table[1][bytes[i + 1]];
        out[i + 2] = table[2][bytes[i + 2]];
    }
    for (size_t i = 0; channels != 1 && channels != 3 && i < pixels; i++)
        for (size_t c = 0; c < channels; c++)
            out[i * channels + c] = table[c][bytes[i * channels + c]];
}

void cnn_normalize(const struct cnn_normalization *normalization, const uint8_t *bytes,
                   size_t pixels, float *out)
{
    struct cnn_normalizer normalizer;
    cnn_normalizer_init(normalization, &normalizer);
    cnn_normalizer_apply(&normalizer, bytes, pixels, out);
}
