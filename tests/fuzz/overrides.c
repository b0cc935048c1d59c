/* Changes of a description, KEY=VALUE, one in each line: any give a network or messages. The first
 * byte says which description. */
#include "model/model.h"

#include "fuzz.h"

#define MOST 16

static const char *const descriptions[] = {
    "input: [3, 8, 8]\n"
    "layers:\n"
    "  - &block\n"
    "    - {type: conv, filters: 4, kernel_size: 3, padding: same}\n"
    "    - {type: batch_norm, activation: relu}\n"
    "  - *block\n"
    "  - {name: pool1, type: pool, pool_type: max, kernel_size: 2}\n"
    "  - {type: flatten}\n"
    "  - {name: answer, type: dense, units: 10}\n"
    "loss: {type: cross_entropy, label_smoothing: 0.1}\n"
    "data: {dataset: shapes, normalize: auto, augment: [{type: flip}, {type: crop}]}\n"
    "train:\n"
    "  epochs: 2\n"
    "  optimizer: {type: sgd, lr: 0.1, groups: [{layers: [answer], lr: 0.01}]}\n"
    "  schedule: {type: step, milestones: [1]}\n",
    "input: [1, 4, 4]\nlayers: [{type: flatten}, {type: dense, units: 2}]\n",
    "input: [1, 4, 4]\nlayers: []\ntrain: 1\ndata: []\n",
    "input: [1, 4, 4]\n"
    "blocks:\n"
    "  residual:\n"
    "    parameters: {width, stride: 1, project: false}\n"
    "    layers:\n"
    "      - {type: conv, filters: $width * 2 - 1, kernel_size: $stride}\n"
    "      - {type: add, branches: [[{type: relu, if: $project}], [], [{type: relu, from: "
    "input}]]}\n"
    "layers:\n"
    "  - {type: residual, name: stage, width: 1}\n"
    "  - {type: residual, width: 1, repeat: 2, project: true}\n"
    "  - {type: residual, from: stage, width: 1}\n",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    const char *text = descriptions[fuzz_byte(&input) % 4];
    cnn_diag *diag = cnn_diag_new();
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_yaml *root = NULL;
    struct cnn_model model = {.arena = arena};
    cnn_status status = cnn_yaml_parse(arena, "fuzz.yaml", text, strlen(text), &root, diag);

    for (size_t i = 0; i < MOST && status == CNN_OK && input.size > 0; i++) {
        struct fuzz_input line = fuzz_until(&input, '\n');
        char *assignment = cnn_arena_strndup(arena, (const char *)line.data, line.size);
        status = cnn_yaml_set(arena, root, assignment, diag);
    }
    if (status == CNN_OK)
        cnn_description_read(&model, "fuzz.yaml", root, diag);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        cnn_free(cnn_message_format(cnn_diag_get(diag, i), "cnn"));
    cnn_arena_free(arena);
    cnn_diag_free(diag);
    return 0;
}
