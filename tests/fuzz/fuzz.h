/* What the targets share: libFuzzer's entry, bytes that are taken apart, and files for the readers
 * that take a path. */
#ifndef CNN_TESTS_FUZZ_H
#define CNN_TESTS_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In place of the system's: nothing here is worth the wait for a disk. */
int fsync(int descriptor)
{
    (void)descriptor;
    return 0;
}

/* What is left of the input. */
struct fuzz_input {
    const uint8_t *data;
    size_t size;
};

/* The next byte; 0 behind the end. */
static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
    if (input->size == 0)
        return 0;
    input->size--;
    return *input->data++;
}

/* What stands before the next byte `end`, which is passed over; all of it where there is none. */
static inline struct fuzz_input fuzz_until(struct fuzz_input *input, uint8_t end)
{
    const uint8_t *found = input->size > 0 ? memchr(input->data, end, input->size) : NULL;
    struct fuzz_input part = {input->data, found ? (size_t)(found - input->data) : input->size};
    size_t passed = found ? part.size + 1 : part.size;

    input->data += passed;
    input->size -= passed;
    return part;
}

/* Parts of an input are separated by a byte that is in no UTF-8 text. */
#define FUZZ_SEPARATOR 0xFF

/* A folder of this process's own under TMPDIR; the same in each call. It is left behind, with the
 * bytes that were tried last. */
static inline const char *fuzz_folder(void)
{
    static char folder[64];

    if (folder[0] == '\0') {
        const char *place = getenv("TMPDIR");
        snprintf(folder, sizeof folder, "%.40s/cnn-fuzz-XXXXXX", place ? place : "/tmp");
        if (!mkdtemp(folder))
            abort();
    }
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
