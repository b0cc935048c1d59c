/* Networks of Darknet: two bytes for the size of a .cfg, the .cfg and numbers of a .weights file
 * are read or refused, translated, and made layers. */
#include "formats/darknet.h"
#include "formats/onnx_lower.h"
#include "fuzz.h"

static void lower(struct cnn_darknet_net *n)
{
    const struct cnn_onnx_ends ends = {
        .file = "net.cfg",
        .producer = "Darknet",
        .input = "input",
        .shape = {3, (size_t)n->input.c, (size_t)n->input.h, (size_t)n->input.w},
        .outputs = n->outputs,
        .output_count = n->output_count};
    struct cnn_onnx *file = NULL;
    cnn_status status = cnn_onnx_draft_open(&n->draft, &ends, &file, n->diag);
    struct cnn_lowering l = {.file = file, .arena = cnn_arena_new(), .diag = n->diag};

    if (status == CNN_OK && l.arena)
        cnn_onnx_lower(&l, (cnn_shape){0});
    cnn_onnx_lowering_free(&l);
    cnn_arena_free(l.arena);
    cnn_onnx_close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cnn_darknet_net n = {
        .draft = {.arena = cnn_arena_new()}, .input = {"input", 3, 9, 9}, .diag = cnn_diag_new()};
    struct cnn_darknet_file file;
    size_t length = size > 1 ? (size_t)data[0] << 8 | data[1] : 0;

    if (size > 1 && length <= size - 2) {
        const struct cnn_source text = {"net.cfg", (const char *)data + 2, length};
        n.file = &file;
        n.kind = length % 2 == 0 ? CNN_DARKNET_ALEXEYAB : CNN_DARKNET_PJREDDIE;
        n.weights = (struct cnn_darknet_weights){
            .name = "net.weights", .bytes = data + 2 + length, .size = size - 2 - length};
        if (cnn_darknet_read(n.draft.arena, &text, &file, n.diag) == CNN_OK &&
            cnn_darknet_translate(&n) == CNN_OK) {
            lower(&n);
            n.draft.arena = NULL;
        }
    }
    cnn_arena_free(n.draft.arena);
    cnn_diag_free(n.diag);
    return 0;
}
