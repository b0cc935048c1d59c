/* The inputs of a command line that stand for images: folders are replaced by the image files in
 * them. */
#ifndef CNN_CLI_INPUTS_H
#define CNN_CLI_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "cnn.h"

struct cnn_inputs {
    char **paths; /* owned */
    size_t count, capacity;
};

/* Whether path ends in extension (".png"), upper or lower case. */
bool cnn_path_ends(const char *path, const char *extension);

/* Whether path is something that a model is opened from: a .yaml, .yml or .safetensors file, or a
 * directory that holds best.safetensors or last.safetensors. */
bool cnn_path_is_model(const char *path);

/* Adds path, or where it is a folder the pictures in it and in its folders (one
 * level deep), in natural order. false after a message: a folder that cannot be read or holds no
 * image, or no memory. */
bool cnn_inputs_add(struct cnn_inputs *inputs, const char *path);
void cnn_inputs_free(struct cnn_inputs *inputs);

/* Of one or two operands, in either order: which is the model (NULL: none was given) and which the
 * input. Messages are printed. */
cnn_status cnn_inputs_tell_apart(char *const *operands, size_t count, const char **model,
                                 const char **input);

#endif
