/* What the targets share: libFuzzer's entry, and files for the readers that take a path. */
#ifndef CNN_TESTS_FUZZ_H
#define CNN_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A folder of this process's own; the same in each call. It is left behind, with the bytes that
 * were tried last. */
static inline const char *fuzz_folder(void)
{
    static char folder[] = "/tmp/cnn-fuzz-XXXXXX";
    static int made;

    if (!made && !mkdtemp(folder))
        abort();
    made = 1;
    return folder;
}

/* Writes folder/name; its path is good until the next call. */
static inline const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    static char path[128];
    FILE *file;

    snprintf(path, sizeof path, "%s/%s", fuzz_folder(), name);
    unlink(path);
    file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
        abort();
    return path;
}

#endif
