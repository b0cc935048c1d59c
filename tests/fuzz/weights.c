/* Weights of other programs: any bytes are read or refused, and what they hold goes into a small
 * network, or does not. */
#include "formats/assign.h"
#include "fuzz.h"

static const char description[] =
    "input: [3, 8, 8]\n"
    "layers:\n"
    "  - {type: conv, filters: 4, kernel_size: 3, bias: false}\n"
    "  - {type: batch_norm}\n"
    "  - {type: conv, name: a, filters: 4, kernel_size: 1, bias: false}\n"
    "  - {type: conv, name: b, from: batch_norm1, filters: 4, kernel_size: 1, bias: false}\n"
    "  - {type: add, from: [a, b]}\n"
    "  - {type: global_pool, pool_type: avg}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 3}\n";

/* Where JSON follows eight bytes, they are its length, and the file is one of safetensors. */
static cnn_status open_weights(struct fuzz_input input, struct cnn_weights **out)
{
    if (input.size > 8 && input.data[8] == '{')
        return cnn_weights_open(fuzz_file("net.safetensors", input.data, input.size), NULL, out,
                                NULL);
    return cnn_weights_open_memory("net.pth", input.data, input.size, out, NULL);
}

/* The bytes before the first separator are a rename file, if there is a separator. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float values[1 << 16];
    struct fuzz_input input = {data, size}, names = fuzz_until(&input, FUZZ_SEPARATOR);
    struct cnn_assign_options options = {.partial = size % 2 != 0};
    struct cnn_weights *weights = NULL;
    char rename[128];
    struct cnn_assignment out;
    cnn_model *model = NULL;

    if (names.size < size) {
        snprintf(rename, sizeof rename, "%s", fuzz_file("names", names.data, names.size));
        options.rename = rename;
    } else {
        input = names;
    }
    if (open_weights(input, &weights) != CNN_OK)
        return 0;
    for (size_t i = 0; i < weights->count; i++)
        if (weights->items[i].count <= sizeof values / sizeof *values)
            cnn_weight_read(&weights->items[i], values);
    if (cnn_model_from_text("net.yaml", description, sizeof description - 1, NULL, &model, NULL) !=
        CNN_OK)
        abort();
    if (cnn_assign(model, weights, &options, &out, NULL) == CNN_OK)
        cnn_assignment_free(&out);
    cnn_model_free(model);
    cnn_weights_close(weights);
    return 0;
}
