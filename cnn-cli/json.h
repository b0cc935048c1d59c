/* JSON on standard output, written as it is told: nothing is kept in memory, so none can run out,
 * however large the whole. One value at a time: open and close what is to be one line. */
#ifndef CNN_CLI_JSON_H
#define CNN_CLI_JSON_H

#include <stdbool.h>

#include "cnn.h"

/* A key stands before every value within '{'; NULL within '[' and for the whole. */
void cnn_json_open(const char *key, char bracket); /* '{' or '[' */
void cnn_json_close(void); /* the innermost; ends the line after the whole */

/* text NULL: null. Bytes that are not UTF-8 become U+FFFD; what a terminal could act on is
 * escaped. */
void cnn_json_text(const char *key, const char *text);
void cnn_json_count(const char *key, uint64_t value);
void cnn_json_real(const char *key, double value); /* null where value is no finite number */
void cnn_json_null(const char *key);
void cnn_json_flag(const char *key, bool value);
void cnn_json_shape(const char *key, cnn_shape shape); /* [c, h, w] or [n] */

#endif
