/* What the files of ONNX import share. */
#ifndef CNN_FORMATS_ONNX_IMPORT_H
#define CNN_FORMATS_ONNX_IMPORT_H

#include "formats/import_graph.h"

/* Names of classes and the normalisation that the file of out->graph says. Texts are in arena. */
cnn_status cnn_onnx_read_metadata(struct cnn_import_graph *out, struct cnn_arena *arena,
                                  cnn_diag *diag);

#endif
