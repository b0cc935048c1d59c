/* A script of PyTorch, in two parts: the layers, and the script around them. */
#ifndef CNN_FORMATS_PYTORCH_EXPORT_H
#define CNN_FORMATS_PYTORCH_EXPORT_H

#include "formats/script.h"

/* Helpers that the script contains if a layer needs them: bits of its `helpers`. */
enum { CNN_PYTORCH_SCALE = 1, CNN_PYTORCH_BLOCKS = 2 };

extern cnn_script_writer *const cnn_pytorch_writers[CNN_OPERATION_KINDS];

/* The activation of the layer at hand, of the values x. */
const char *cnn_pytorch_activate(struct cnn_script *s, const char *x);

#endif
