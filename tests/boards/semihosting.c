/* board.h by semihosting: the program stops at a breakpoint, and QEMU does what registers 0 and 1
 * ask for. Arm, "Semihosting for AArch32 and AArch64". */
#include "board.h"

enum { OPEN = 0x01, CLOSE = 0x02, WRITE0 = 0x04, WRITE = 0x05, READ = 0x06, EXIT_EXTENDED = 0x20 };

static int call(int operation, const void *arguments)
{
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* Files of the host are counted from 1 on by QEMU, and are -1 where there are none. */
int board_open(const char *name, int write)
{
    size_t length = 0;
    while (name[length] != 0)
        length++;
    const struct {
        const char *name;
        int mode;
        size_t length;
    } arguments = {name, write ? 5 : 1, length}; /* as fopen's "wb" and "rb" */
    const int file = call(OPEN, &arguments);
    return file > 0 ? file : 0;
}

size_t board_read(int file, void *to, size_t size)
{
    const struct {
        int file;
        void *to;
        size_t size;
    } arguments = {file, to, size};
    return size - (size_t)call(READ, &arguments);
}

int board_write(int file, const void *from, size_t size)
{
    const struct {
        int file;
        const void *from;
        size_t size;
    } arguments = {file, from, size};
    return call(WRITE, &arguments) == 0;
}

int board_close(int file)
{
    return call(CLOSE, &file) == 0;
}

void board_print(const char *text)
{
    call(WRITE0, text);
}

void board_exit(int status)
{
    const int arguments[2] = {0x20026, status}; /* the program itself ended */
    call(EXIT_EXTENDED, arguments);
    for (;;)
        ;
}

void board_print_number(const char *before, uint32_t number, const char *after)
{
    char digits[11];
    int at = 10;
    digits[at] = 0;
    do
        digits[--at] = (char)('0' + number % 10);
    while ((number /= 10) != 0);
    board_print(before);
    board_print(digits + at);
    board_print(after);
}

/* The timer of every Cortex-M counts 24 bits down, here at the processor's clock. */
#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010)
#define SYSTICK_RELOAD  (*(volatile uint32_t *)0xE000E014)
#define SYSTICK_VALUE   (*(volatile uint32_t *)0xE000E018)

#ifndef BOARD_HERTZ
#define BOARD_HERTZ 25000000
#endif

void board_count_begin(void)
{
    SYSTICK_CONTROL = 0;
    SYSTICK_RELOAD = 0xFFFFFF;
    SYSTICK_VALUE = 0;
    SYSTICK_CONTROL = 5; /* the processor's clock, no interrupt */
}

uint32_t board_count(void)
{
    const uint32_t value = SYSTICK_VALUE;
    const uint64_t ticks = value == 0 ? 0 : 0xFFFFFF - value; /* 0: before the first tick */
    return (uint32_t)(ticks * 1000000000 / BOARD_HERTZ);
}

/* The stack below these functions is filled with a pattern; what a run overwrites was used. */
#define STACK_WORDS   4096
#define STACK_PATTERN 0x5A17E500u

static uint32_t *stack_pointer(void)
{
    uint32_t *sp;
    __asm__ volatile("mov %0, sp" : "=r"(sp));
    return sp;
}

static uint32_t *stack_top;

__attribute__((noinline)) void board_stack_begin(void)
{
    stack_top = stack_pointer();
    for (volatile uint32_t *word = stack_top - STACK_WORDS; word < stack_top; word++)
        *word = STACK_PATTERN;
}

uint32_t board_stack(void)
{
    const uint32_t *word = stack_top - STACK_WORDS;
    while (word < stack_top && *(const volatile uint32_t *)word == STACK_PATTERN)
        word++;
    return (uint32_t)(stack_top - word) * sizeof *word;
}
