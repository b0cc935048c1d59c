/* Runs a network that cnn exported as C, called `net`, over the images of the file images.bin
 * (float32, channels, rows, columns each), and writes its outputs to outputs.bin. Prints the
 * largest number of bytes of stack that a run took, and of the last image the instructions. */
#include "board.h"
#include "net.h"

static union {
    unsigned char bytes[net_ARENA_BYTES];
    uint64_t aligned[2];
} arena __attribute__((aligned(16)));
static float input[net_INPUTS], output[net_OUTPUTS];

int main(void)
{
    const int images = board_open("images.bin", 0), outputs = board_open("outputs.bin", 1);
    uint32_t count = 0;
    if (images == 0 || outputs == 0) {
        board_print("images.bin or outputs.bin cannot be opened\n");
        return 1;
    }
    while (board_read(images, input, sizeof input) == sizeof input) {
        net_run(input, output, arena.bytes);
        if (!board_write(outputs, output, sizeof output))
            return 1;
        count++;
    }
    board_print_number("images: ", count, "\n");
    return board_close(outputs) ? 0 : 1;
}
