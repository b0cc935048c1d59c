/* The font of pictures: letters of 5 x 7 pixels in cells of 6 x 10, made for captions that are read
 * at their own size. */
#ifndef CNN_VIZ_FONT_H
#define CNN_VIZ_FONT_H

#include <stdint.h>

#define CNN_FONT_COLUMNS 5
#define CNN_FONT_ROWS    9 /* seven above the line that letters stand on, two below */
#define CNN_FONT_ADVANCE 6 /* from one letter to the next */

#define CNN_FONT_PLUS_MINUS ('~' - ' ' + 1)

/* From space to '~', then the sign for plus or minus; each row is five bits, the left pixel the
 * highest. */
extern const uint8_t cnn_font[CNN_FONT_PLUS_MINUS + 1][CNN_FONT_ROWS];

#endif
