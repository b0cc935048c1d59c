/* Writes one of the ONNX models that tests have: onnx NAME FILE. Without arguments: the names. */
#include <stdio.h>
#include <string.h>

#include "../onnx_models.h"

int main(int argc, char **argv)
{
    if (argc == 1)
        for (const struct onnx_example *example = onnx_examples; example->name; example++)
            puts(example->name);
    if (argc != 3)
        return argc != 1;
    struct cnn_text text = onnx_example(argv[1]);
    FILE *file = text.size > 0 ? fopen(argv[2], "wb") : NULL;
    bool written = file && fwrite(text.data, 1, text.size, file) == text.size;
    written = file && fclose(file) == 0 && written;
    cnn_text_free(&text);
    return !written;
}
