/* Counts the instructions of a network that cnn exported as C, called `net`: of the first row of
 * steps, which runs while the input arrives, and of each later layer. Its functions are those of
 * net.c, so the file is a part of this one. Prints the stack that a run takes, too. */
#include "board.h"
#include "net.c" /* NOLINT */

static union {
    unsigned char bytes[net_ARENA_BYTES];
    uint64_t aligned[2];
} arena __attribute__((aligned(16)));
static float input[net_INPUTS], output[net_OUTPUTS];

int main(void)
{
    const int images = board_open("images.bin", 0);
    if (images == 0 || board_read(images, input, sizeof input) != sizeof input)
        return 1;
    board_stack_begin();
    board_count_begin();
    net_run(input, output, arena.bytes);
    board_print_number("whole ", board_count(), "\n");
    board_print_number("stack ", board_stack(), "\n");
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        board_count_begin();
        layers[i](arena.bytes);
        board_print_number("layer ", board_count(), "\n");
    }
    return 0;
}
