/* torch KIND FILE: writes a small file as torch.save does: a state dict for the network that
 * tests/fuzz/weights.c describes (zip, legacy), or a pickle that would run a program (evil). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../torch_write.h"

static void write_file(const char *path, const struct cnn_text *bytes)
{
    FILE *file = fopen(path, "wb");
    if (bytes->failed || !file || fwrite(bytes->data, 1, bytes->size, file) != bytes->size ||
        fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static struct cnn_text evil(void)
{
    struct cnn_text pickle = {0};
    struct zip_writer zip = {0};
    cnn_text_append(&pickle, "\x80\x02", 2);
    pickle_global(&pickle, "posix", "system");
    pickle_op(&pickle, '(');
    pickle_text(&pickle, "touch owned");
    cnn_text_append(&pickle, "tR.", 3);
    zip_add(&zip, "evil/data.pkl", pickle.data, pickle.size);
    cnn_text_free(&pickle);
    return zip_finish(&zip, true);
}

static struct cnn_text state_dict(bool legacy)
{
    static float numbers[200];
    unsigned state = 1;
    for (size_t i = 0; i < 200; i++)
        numbers[i] = (float)((state = state * 1664525 + 1013904223) >> 16) / 65536 + 0.25f;
    const struct torch_storage storage = {"0", "Float", 200, 0, numbers};
#define TENSOR(name, offset, rank, ...)                                                            \
    {                                                                                              \
        name, "Float", "0", offset, rank, __VA_ARGS__, {0}, false                                  \
    }
    const struct torch_tensor tensors[] = {TENSOR("stem.conv.weight", 0, 4, {4, 3, 3, 3}),
                                           TENSOR("stem.bn.weight", 108, 1, {4}),
                                           TENSOR("stem.bn.bias", 112, 1, {4}),
                                           TENSOR("stem.bn.running_mean", 116, 1, {4}),
                                           TENSOR("stem.bn.running_var", 120, 1, {4}),
                                           TENSOR("left.weight", 124, 4, {4, 4, 1, 1}),
                                           TENSOR("right.weight", 140, 4, {4, 4, 1, 1}),
                                           TENSOR("fc.weight", 156, 2, {3, 4}),
                                           TENSOR("fc.bias", 168, 1, {3})};
    const struct torch_file file = {
        tensors, sizeof tensors / sizeof *tensors, &storage, 1, "state_dict", "module."};
    return legacy ? torch_legacy(&file) : torch_zip(&file);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: torch zip|legacy|evil FILE\n");
        return 2;
    }
    struct cnn_text bytes =
        strcmp(argv[1], "evil") == 0 ? evil() : state_dict(strcmp(argv[1], "legacy") == 0);
    write_file(argv[2], &bytes);
    cnn_text_free(&bytes);
    return 0;
}
