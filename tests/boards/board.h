/* What a test program needs of the machine that it runs on: files, a line of text, an end, and on
 * boards a count of instructions. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

/* A file of the host, to read or to write. 0: it cannot be opened. */
int board_open(const char *name, int write);
/* The bytes that were read; fewer than size at the end. */
size_t board_read(int file, void *to, size_t size);
/* Whether all was written. */
int board_write(int file, const void *from, size_t size);
int board_close(int file);
void board_print(const char *text);
void board_print_number(const char *before, uint32_t number, const char *after);
void board_exit(int status) __attribute__((noreturn));

/* Instructions since board_count_begin, if QEMU runs with -icount shift=0: one takes a nanosecond
 * of the board's time. Rounded to a tick of its clock; at most half a second. */
void board_count_begin(void);
uint32_t board_count(void);

/* Bytes of stack that were used since board_stack_begin, at most 16 KiB; 0 where nobody counts. */
void board_stack_begin(void);
uint32_t board_stack(void);

#endif
