/* Checkpoints: any file is read or refused. */
#include "checkpoint/safetensors.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cnn_safetensors *file = NULL;

    if (cnn_safetensors_open(fuzz_file("file.safetensors", data, size), &file, NULL) == CNN_OK)
        cnn_safetensors_verify(file, NULL);
    cnn_safetensors_close(file);
    return 0;
}
