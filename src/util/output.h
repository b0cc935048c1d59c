/* Which files a result may take the place of. Every writer of results asks before it writes. */
#ifndef CNN_UTIL_OUTPUT_H
#define CNN_UTIL_OUTPUT_H

#include "util/diag.h"

/* What marks a file as the program's own; the formats of all but .npy have a place for it. */
#define CNN_OUTPUT_MARK_PAGE    "<meta name=\"generator\" content=\"cnn\">"
#define CNN_OUTPUT_MARK_SCRIPT  "# Written by cnn export." /* its first line */
#define CNN_OUTPUT_MARK_PICTURE "tEXtSoftware\0cnn"        /* a chunk's type and data */

/* Of the names of such files: ".png". */
const char *cnn_output_ending(cnn_output kind);

/* CNN_INVALID where path is a file that a result of this kind must not replace; see
 * cnn_output_check, which also asks whether the file can be written. */
cnn_status cnn_output_replaces(const char *path, cnn_output kind, const char *option,
                               cnn_diag *diag);

#endif
