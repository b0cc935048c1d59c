/* ONNX files: any bytes are read or refused, and so are the tensors in them. */
#include "formats/onnx.h"
#include "fuzz.h"

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
    cnn_onnx_close(file);
    return 0;
}
