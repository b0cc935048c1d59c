/* A growing text, for messages, reports and JSON, and what is done to words. Running out of memory
 * sticks: failed becomes true and the text stops growing. */
#ifndef CNN_UTIL_TEXT_H
#define CNN_UTIL_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cnn_text {
    char *data; /* NUL-terminated once anything was added; freed by cnn_text_free */
    size_t size, capacity;
    bool failed;
};

void cnn_text_printf(struct cnn_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cnn_text_vprintf(struct cnn_text *text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
void cnn_text_append(struct cnn_text *text, const char *bytes, size_t size);
/* As JSON: string between quotes (valid UTF-8), and a finite number with so many significant
 * digits. */
void cnn_text_json_string(struct cnn_text *text, const char *string);
void cnn_text_json_number(struct cnn_text *text, double value, int digits);
void cnn_text_free(struct cnn_text *text); /* back to empty; NULL is legal */

/* Whether the list, which may be NULL where count is 0, and each of its words are there. */
bool cnn_words_given(const char *const *words, size_t count);

/* Whether word is one of the words, which end with NULL. */
bool cnn_word_among(const char *word, const char *const *words);

/* The word of words[0..count) nearest to word by edit distance (Damerau; letter case, and `-` for
 * `_`, do not count), if near enough to be a slip (distance at most 1 + strlen(word) / 4, and less
 * than the length of either word); else NULL. The first of equals wins. */
const char *cnn_nearest_word(const char *word, const char *const *words, size_t count);

/* With commas, 1,971,352: into buffer (CNN_COUNT_SIZE bytes), which it returns. */
enum { CNN_COUNT_SIZE = 32 };
const char *cnn_count_format(uint64_t count, char *buffer);

/* Natural order for names: digits compare as numbers, so class2 < class10. As strcmp. */
int cnn_natural_compare(const char *a, const char *b);

/* Appends bytes as base64 (RFC 4648). */
void cnn_text_base64(struct cnn_text *text, const void *bytes, size_t size);

/* Bytes of the UTF-8 character that text[0..size) begins with, its code point in *code; 0 where
 * that is not well-formed UTF-8. */
size_t cnn_utf8_decode(const char *text, size_t size, uint32_t *code);
bool cnn_utf8_valid(const char *text, size_t size);

/* word, cut to fit buffer (at least 8 bytes) at a character's end and then ending in "...". Returns
 * buffer. */
const char *cnn_word_cut(const char *word, char *buffer, size_t size);

#endif
