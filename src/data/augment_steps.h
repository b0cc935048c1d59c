/* Private to augmentation: the operations on pixels that its steps draw the numbers for. An
 * operation changes h * w * c bytes in place; scratch has room for as many. */
#ifndef CNN_DATA_AUGMENT_STEPS_H
#define CNN_DATA_AUGMENT_STEPS_H

#include "data/augment.h"
#include "util/random.h"

/* uniform in [least, most) */
static inline double cnn_draw_between(struct cnn_rng *rng, double least, double most)
{
    return least + (most - least) * (double)cnn_rng_uniform(rng);
}

/* Pixel (x, y) becomes what is at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]), weighed between
 * the four pixels around it; outside of the image all is blank. */
void cnn_pixels_warp(cnn_shape shape, const double m[6], const uint8_t *blank, uint8_t *pixels,
                     uint8_t *scratch);

/* Counter-clockwise about the centre. */
void cnn_pixels_rotate(cnn_shape shape, double degrees, const uint8_t *blank, uint8_t *pixels,
                       uint8_t *scratch);

/* Larger by factor, about the centre. */
void cnn_pixels_scale(cnn_shape shape, double factor, const uint8_t *blank, uint8_t *pixels,
                      uint8_t *scratch);

/* The window takes the whole image's size, edges repeated. */
void cnn_pixels_enlarge(cnn_shape shape, const struct cnn_crop_window *window, uint8_t *pixels,
                        uint8_t *scratch);

/* A square about (y, x) becomes blank, as far as it is in the image. */
void cnn_pixels_cut(cnn_shape shape, size_t y, size_t x, size_t size, const uint8_t *blank,
                    uint8_t *pixels);

/* factor 1 changes nothing; 0 is black, the mean grey, grey, and smooth. Those of colour leave
 * images alone that have not three channels. */
void cnn_pixels_brightness(cnn_shape shape, double factor, uint8_t *pixels);
void cnn_pixels_contrast(cnn_shape shape, double factor, uint8_t *pixels);
void cnn_pixels_saturation(cnn_shape shape, double factor, uint8_t *pixels);
void cnn_pixels_sharpness(cnn_shape shape, double factor, uint8_t *pixels, uint8_t *scratch);

/* turn 1 is once around */
void cnn_pixels_hue(cnn_shape shape, double turn, uint8_t *pixels);
/* keeps the highest bits */
void cnn_pixels_posterize(cnn_shape shape, unsigned bits, uint8_t *pixels);
/* inverts values from the threshold on */
void cnn_pixels_solarize(cnn_shape shape, double threshold, uint8_t *pixels);
/* each channel from 0 to 255 */
void cnn_pixels_autocontrast(cnn_shape shape, uint8_t *pixels);
/* each channel's values about equally often */
void cnn_pixels_equalize(cnn_shape shape, uint8_t *pixels);

#endif
