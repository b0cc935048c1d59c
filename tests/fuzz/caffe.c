/* Networks of Caffe: two bytes for the size of a .prototxt, the .prototxt and a .caffemodel are
 * read or refused, translated, and made layers. */
#include "formats/caffe.h"
#include "formats/onnx_lower.h"
#include "fuzz.h"

static void lower(struct cnn_caffe *c, cnn_diag *diag)
{
    const struct cnn_onnx_ends ends = {.file = "net.prototxt",
                                       .producer = "Caffe",
                                       .input = c->input,
                                       .shape = c->shape,
                                       .outputs = &c->values[c->value_count - 1].value,
                                       .output_count = 1};
    struct cnn_onnx *file = NULL;
    cnn_status status = cnn_onnx_draft_open(&c->draft, &ends, &file, diag);
    struct cnn_lowering l = {.file = file, .arena = cnn_arena_new(), .diag = diag};

    if (status == CNN_OK && l.arena)
        cnn_onnx_lower(&l, (cnn_shape){0});
    cnn_onnx_lowering_free(&l);
    cnn_arena_free(l.arena);
    cnn_onnx_close(file);
}

static cnn_status translate(struct cnn_caffe *c, const struct cnn_source *text,
                            const struct cnn_protobuf_file *file)
{
    struct cnn_arena *arena = c->draft.arena;
    struct cnn_prototxt_field *root = NULL;
    struct cnn_caffe_weights *weights = NULL;
    cnn_status status = cnn_caffe_weights_read(arena, file, &weights, c->diag);

    c->weights = weights;
    if (status == CNN_OK)
        status = cnn_prototxt_read(arena, text, &root, c->diag);
    if (status == CNN_OK)
        status = cnn_caffe_layers(c, root);
    if (status == CNN_OK)
        status = cnn_caffe_find_input(c, root);
    c->turn = c->shape.c == 3;
    return status == CNN_OK ? cnn_caffe_translate(c) : status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cnn_caffe c = {.draft = {.arena = cnn_arena_new()}, .diag = cnn_diag_new()};
    size_t length = size > 1 ? (size_t)data[0] << 8 | data[1] : 0;

    if (size > 1 && length <= size - 2) {
        const struct cnn_source text = {"net.prototxt", (const char *)data + 2, length};
        const struct cnn_protobuf_file file = {"net.caffemodel", data + 2 + length,
                                               size - 2 - length};
        if (translate(&c, &text, &file) == CNN_OK) {
            lower(&c, c.diag);
            c.draft.arena = NULL;
        }
    }
    cnn_arena_free(c.draft.arena);
    cnn_diag_free(c.diag);
    return 0;
}
