/* JSON on standard output, by jansson. Values that JSON cannot hold (NaN, bytes that are not UTF-8)
 * do not get lost on the way. */
#ifndef CNN_CLI_JSON_H
#define CNN_CLI_JSON_H

#include <jansson.h>

#include "cnn.h"

/* New references; NULL when out of memory. */
json_t *cnn_json_real(double value);     /* null where value is no finite number */
json_t *cnn_json_text(const char *text); /* bytes that are not UTF-8 become U+FFFD */
json_t *cnn_json_count(uint64_t value);
json_t *cnn_json_shape(cnn_shape shape); /* [c, h, w] or [n] */

/* Adds value to array and releases it. value NULL, or no memory: array is released too, and NULL
 * returned. */
json_t *cnn_json_append(json_t *array, json_t *value);

/* Writes value in one line and releases it. NULL stands for memory that ran out when it was made:
 * an error message. */
cnn_status cnn_json_print(json_t *value);

#endif
