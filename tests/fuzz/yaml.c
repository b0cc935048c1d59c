/* Descriptions: any text gives a network or messages. */
#include "model/model.h"

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cnn_diag *diag = cnn_diag_new();
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_yaml *root = NULL;
    struct cnn_model model = {.arena = arena};

    if (cnn_yaml_parse(arena, "fuzz.yaml", (const char *)data, size, &root, diag) == CNN_OK)
        cnn_description_read(&model, "fuzz.yaml", root, diag);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        cnn_free(cnn_message_format(cnn_diag_get(diag, i), "cnn"));
    cnn_arena_free(arena);
    cnn_diag_free(diag);
    return 0;
}
