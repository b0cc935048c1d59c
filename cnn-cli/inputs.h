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
    bool failed; /* one could not be added: for the caller */
};

/* A note on stderr where the model reads pixels in a way that was guessed. input: what it is about
 * to read, NULL: pictures; of numbers nothing is said. */
void cnn_inputs_note_pixels(const cnn_model *model, const char *input);

/* Adds path, or where it is a folder the pictures in it and in its folders (one
 * level deep), in natural order. false after a message: a folder that cannot be read or holds no
 * image, or no memory. */
bool cnn_inputs_add(struct cnn_inputs *inputs, const char *path);
void cnn_inputs_free(struct cnn_inputs *inputs);

/* Whether path is a folder in which cnn_inputs_add finds a picture. */
bool cnn_inputs_hold(const char *path);

/* One input as the network takes it: a file, or an image of a data set (mnist:test:5), which is
 * then *image, for cnn_data_image_free; else NULL. pixels: c * h * w floats. */
cnn_status cnn_inputs_load(const cnn_model *model, const char *input, float *pixels,
                           cnn_data_image **image, cnn_diag *diag);

/* Which of the operands, whose order is free, is the model: a .yaml, .yml or .safetensors file, or
 * the directory of a run; *model is count where none was given. The others are the inputs. Where
 * none is the model, each must be a picture, an array or a folder of pictures: what is none of
 * these was meant to be the model. Messages are printed. */
cnn_status cnn_inputs_find_model(char *const *operands, size_t count, size_t *model);

/* Likewise of one or two operands, of which one is the input (model: NULL: none was given). */
cnn_status cnn_inputs_tell_apart(char *const *operands, size_t count, const char **model,
                                 const char **input);

/* The description that path, where one is wanted, stands for: itself, or config.yaml in a directory
 * that init has made; free *out. trained: checkpoints and runs, which hold theirs, will do, too.
 * What is none is told, with what leads to one. */
cnn_status cnn_inputs_config(const char *path, bool trained, char **out);

/* Refuses an output that is the file of an input. */
cnn_status cnn_inputs_spare(const char *output, const char *input, const char *option);

#endif
