/* legacy NAME NETWORK WEIGHTS: writes the two files of an example of legacy_models.c. */
#include "../legacy_models.h"

#include <stdio.h>

static bool write_file(const char *path, struct cnn_text *text)
{
    FILE *file = fopen(path, "wb");
    bool written = file && fwrite(text->data, 1, text->size, file) == text->size;

    written = file && fclose(file) == 0 && written;
    cnn_text_free(text);
    return written;
}

int main(int argc, char **argv)
{
    struct legacy_files files = {{0}, {0}};

    if (argc == 4)
        files = legacy_example(argv[1]);
    if (files.network.size == 0) {
        fprintf(stderr, "legacy: small, old or tiny, and two files\n");
        return 2;
    }
    return write_file(argv[2], &files.network) && write_file(argv[3], &files.weights) ? 0 : 1;
}
