/* ONNX files: any bytes are read or refused, and so are the tensors in them and the shapes of what
 * their nodes give; what has no large constants is made layers. */
#include "formats/onnx_lower.h"
#include "fuzz.h"

/* For inputs of the shapes that the file gives, with 2 where it leaves them open. */
static void infer(const struct cnn_onnx *file)
{
    struct cnn_onnx_array *arrays = calloc(file->value_count + 1, sizeof *arrays);
    struct cnn_onnx_array *inputs = calloc(file->input_count + 1, sizeof *inputs);

    for (size_t i = 0; i < file->input_count; i++) {
        const struct cnn_onnx_dimension *dims;
        size_t rank = cnn_onnx_input_shape(file, i, &dims);
        inputs[i].type = CNN_ONNX_FLOAT;
        inputs[i].rank = rank == CNN_ONNX_NONE ? 0 : rank % CNN_ONNX_MAX_RANK;
        inputs[i].count = 1;
        for (size_t k = 0; k < inputs[i].rank; k++) {
            inputs[i].dims[k] = dims[k].value > 0 ? (size_t)dims[k].value % 32 : 2;
            inputs[i].count *= inputs[i].dims[k];
        }
        if (inputs[i].count > 1 << 20)
            inputs[i].rank = inputs[i].count = 0;
        inputs[i].count += inputs[i].rank == 0;
    }
    cnn_onnx_infer(file, inputs, arrays, NULL);
    bool small = true;
    for (size_t i = 0; i < file->value_count; i++)
        small = small && (!arrays[i].constant || arrays[i].count <= 1 << 16);
    struct cnn_lowering l = {.file = file, .arena = cnn_arena_new()};
    if (small && l.arena)
        cnn_onnx_lower(&l, (cnn_shape){0});
    cnn_onnx_lowering_free(&l);
    cnn_arena_free(l.arena);
    cnn_onnx_arrays_free(arrays, file->value_count);
    free(arrays);
    free(inputs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static double values[1 << 16];
    struct cnn_onnx *file = NULL;

    if (cnn_onnx_open_memory("file.onnx", data, size, &file, NULL) != CNN_OK)
        return 0;
    for (size_t i = 0; i < file->value_count; i++) {
        const struct cnn_onnx_tensor *tensor = file->values[i].tensor;
        size_t rank, dims[CNN_ONNX_MAX_RANK], count;
        if (tensor && cnn_onnx_tensor_shape(file, tensor, &rank, dims, &count, NULL) == CNN_OK &&
            count <= sizeof values / sizeof *values)
            cnn_onnx_tensor_read(file, tensor, values, NULL);
    }
    infer(file);
    cnn_onnx_close(file);
    return 0;
}
