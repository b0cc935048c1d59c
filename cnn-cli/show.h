/* Numbers as people read them. The text is returned by value: cnn_show_bytes(n).text serves as an
 * argument of printf. */
#ifndef CNN_CLI_SHOW_H
#define CNN_CLI_SHOW_H

#include <stdint.h>

#include "cnn.h"

struct cnn_shown {
    char text[72];
};

struct cnn_shown cnn_show_integer(uint64_t value); /* 1,234,567 */
/* three digits: 950, 12.3 k, 1.23 G */
struct cnn_shown cnn_show_count(uint64_t value);
struct cnn_shown cnn_show_bytes(uint64_t value);                     /* 950 B, 1.25 GiB */
struct cnn_shown cnn_show_duration(double seconds);                  /* 0.4s, 42s, 1m23s, 2h05m */
struct cnn_shown cnn_show_percent(double share);                     /* 45.6%; n/a for no number */
struct cnn_shown cnn_show_shape(cnn_shape shape, const char *times); /* 3x32x32, or 10 */

#endif
