/* The language of pages. Their texts stand in English where they are used, and are the keys of one
 * table for each other language (korean.def), as gettext has it. A test compares the table with the
 * sources. Messages, tables and files for programs are English everywhere. */
#ifndef CNN_UTIL_WORDS_H
#define CNN_UTIL_WORDS_H

#include <stdarg.h>

#include "cnn.h"

/* Where a caption of a picture holds its translation: the letters of pictures (viz/font.h) are
 * ASCII, so pixels show the English before it, and pages what stands behind it. */
#define CNN_SAID '\x1F'

/* "en", "ko": what cnn_set_language chose. */
const char *cnn_language(void);

/* CNN_INVALID if there is no such language; NULL is one. */
cnn_status cnn_language_check(const char *language, cnn_diag *diag);

/* The text in the language; as it is where that is English, or the table has none. For a format the
 * same conversions, which may come in another order ("%2$s"). */
const char *cnn_say(const char *text) __attribute__((format_arg(1)));
/* The same of text[0..size); NULL where it stays as it is. */
const char *cnn_say_part(const char *text, size_t size);

/* A text that a table holds, which is said where it is used. */
#define CNN_WORDS(text) text

/* From here on, whether this thread's texts stay English: they are for the terminal. */
void cnn_say_plainly(bool plainly);

/* A caption: the text of format, and where the language is another one CNN_SAID and its
 * translation. At most size - 1 bytes. */
void cnn_caption(char *caption, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void cnn_caption_list(char *caption, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
/* What a page shows of a caption. */
const char *cnn_caption_said(const char *caption);

#endif
