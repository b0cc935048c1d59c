/* How characters look on a terminal. */
#ifndef CNN_UTIL_CHARACTERS_H
#define CNN_UTIL_CHARACTERS_H

#include <stddef.h>
#include <stdint.h>

/* Columns that a character takes: 0, 1 or 2. */
size_t cnn_character_columns(uint32_t code);

#endif
