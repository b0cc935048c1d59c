/* What the program writes to: whether stdout and stderr are terminals, what they can show, messages
 * on stderr, and the progress bar. */
#ifndef CNN_CLI_TERMINAL_H
#define CNN_CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cnn.h"

enum cnn_style {
    CNN_STYLE_PLAIN,
    CNN_STYLE_BOLD,
    CNN_STYLE_DIM,
    CNN_STYLE_RED,
    CNN_STYLE_YELLOW,
    CNN_STYLE_GREEN
};

/* Looks at the environment and the two streams; before any other function here. */
void cnn_terminal_init(void);

bool cnn_terminal_live(void);         /* stderr is a terminal: a line on it can be drawn again */
bool cnn_terminal_utf8(FILE *stream); /* stream is a terminal with a UTF-8 locale */
size_t cnn_terminal_columns(void);    /* width of the terminal; 80 where unknown */
double cnn_terminal_clock(void);      /* seconds of a clock that never goes back */

/* The escape sequence for style on stream (stdout or stderr); "" where it shows no colours. */
const char *cnn_style(FILE *stream, enum cnn_style style);

/* What was not written here (names, paths, messages of the system) goes to stdout or stderr in this
 * shape: what a terminal could act on is written \xHH, byte by byte, and of what is longer than a
 * thousand bytes the middle is left out. */
struct cnn_shown_text {
    char text[1024];
};
struct cnn_shown_text cnn_show_text(const char *text);

/* Columns that text takes, as cnn_print_text writes it. */
size_t cnn_terminal_measure(const char *text);

/* Writes text, shown, padded to width columns, on its left where right is true. */
void cnn_print_text(FILE *stream, const char *text, size_t width, bool right);

/* A line on stderr, "cnn: error: ..." or "cnn: ...". They clear the progress bar first. */
void cnn_print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cnn_print_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cnn_print_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether cnn_print_messages has told of memory that ran out, or cnn_command_out_of_memory has. */
bool cnn_terminal_told_memory(void);
void cnn_terminal_tell_memory(void);

/* The line below an error that says what would be right. */
void cnn_print_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Messages about the setting "key=value" are about the option --option: it was given for that. Both
 * must stay. */
void cnn_terminal_name_setting(const char *setting, const char *option);

/* Prints every message of diag to stderr and clears it, after the progress bar. */
void cnn_print_messages(cnn_diag *diag);

/* Draws `before <bar> NN% after` on the last line of the terminal, ten times a second at most;
 * nothing where stderr is no terminal. */
void cnn_terminal_progress(double share, const char *before, const char *after);
void cnn_terminal_progress_clear(void);

#endif
