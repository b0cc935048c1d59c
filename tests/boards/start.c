/* What stands before main on a Cortex-M board of QEMU: the vector table, memory as C expects it,
 * the floating-point unit, and an end that QEMU's exit status shows. */
#include <stdint.h>

#include "board.h"

extern uint32_t board_stack_top[], board_data[], board_data_end[], board_data_load[], board_bss[],
    board_bss_end[];

int main(void);
void board_reset(void);

/* Coprocessor access control: full access to the floating-point unit and to MVE. */
#define CPACR (*(volatile uint32_t *)0xE000ED88)

void board_reset(void)
{
#if defined(__ARM_FP) || defined(__ARM_FEATURE_MVE)
    CPACR |= (uint32_t)0xF << 20;
    __asm__ volatile("dsb\n\tisb" ::: "memory");
#endif
    for (uint32_t *to = board_data, *from = board_data_load; to < board_data_end;)
        *to++ = *from++;
    for (uint32_t *to = board_bss; to < board_bss_end;)
        *to++ = 0;
    board_exit(main());
}

static void fault(void)
{
    board_print("fault\n");
    board_exit(1);
}

typedef void (*vector)(void);

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    vector entries[15];
} vectors = {
    .stack = board_stack_top,
    .entries = {board_reset, fault, fault, fault, fault, fault},
};
