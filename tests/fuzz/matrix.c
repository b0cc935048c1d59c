/* Numbers in text: any file is read or refused. */
#include "data/matrix.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const cnn_shape shape = {3, 2, 3, 4};
    float values[24];
    cnn_diag *diag = cnn_diag_new(); /* a message copies from the text */

    cnn_matrix_read(fuzz_file("file.txt", data, size), shape, values, diag);
    cnn_diag_free(diag);
    return 0;
}
