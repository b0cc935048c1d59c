/* How characters look on a terminal. */
#ifndef CNN_UTIL_CHARACTERS_H
#define CNN_UTIL_CHARACTERS_H

#include <stddef.h>
#include <stdint.h>

/* Columns that a character takes: 0, 1 or 2. */
size_t cnn_character_columns(uint32_t code);

/* The name of a character that leaves no mark of its own, or one like a space: "no-break space";
 * NULL for all others, the plain space, tab and line feed among them. */
const char *cnn_character_invisible(uint32_t code);

#endif
