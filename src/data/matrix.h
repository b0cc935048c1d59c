/* Numbers in plain text: one input of a network, written by hand or by a spreadsheet. */
#ifndef CNN_DATA_MATRIX_H
#define CNN_DATA_MATRIX_H

#include "util/diag.h"

/* Reads shape.c x shape.h x shape.w numbers into out (NCHW order). One row a line; numbers stand
 * between blanks, tabs, commas or semicolons (a row may end in one); a blank line ends a channel; a
 * line that begins with # is a comment, and not blank. A number is what C calls one, whatever the
 * locale: -1, .5, 1e-3, 0x1p4, nan, inf. CRLF line ends and a UTF-8 byte order mark are legal.
 * Errors (CNN_FAILED) give the place: what is no number, or is too large for float32; rows or
 * channels of unequal length; another size than shape. A file has at most 1 GiB. */
cnn_status cnn_matrix_read(const char *path, cnn_shape shape, float *out, cnn_diag *diag);

#endif
