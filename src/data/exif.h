/* Which way up a picture is: the orientation of its EXIF data (CIPA DC-008, tag 0x0112). */
#ifndef CNN_DATA_EXIF_H
#define CNN_DATA_EXIF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The orientation, 1 to 8, that a block of EXIF data names; with or without "Exif\0\0" before it. 1
 * where it names none, or is damaged. */
unsigned cnn_exif_orientation(const uint8_t *exif, size_t size);

/* Whether width and height change places. */
static inline bool cnn_exif_turns(unsigned orientation)
{
    return orientation >= 5;
}

/* Writes the picture of width x height pixels in `from` into `to` as it is to be seen. */
void cnn_exif_turn(const uint8_t *from, size_t width, size_t height, size_t channels,
                   unsigned orientation, uint8_t *to);

#endif
