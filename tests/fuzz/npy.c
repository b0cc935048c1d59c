/* Arrays: any file is read or refused. */
#include "checkpoint/npy.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    float *values = NULL;
    size_t dims[CNN_NPY_MAX_RANK], rank;

    if (cnn_npy_read(fuzz_file("file.npy", data, size), &values, dims, &rank, NULL) == CNN_OK)
        free(values);
    return 0;
}
