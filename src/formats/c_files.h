/* The files of an exported network (c_export.h). */
#ifndef CNN_FORMATS_C_FILES_H
#define CNN_FORMATS_C_FILES_H

#include "formats/c_export.h"

/* How each of them begins. */
#define CNN_C_MARK "/* Written by cnn export."

/* Names that NAME_classes has: those of the outputs, or of a map's channels. */
size_t cnn_c_classes(const struct cnn_c_net *net);

void cnn_c_write_source(struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_weights(struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_header(struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_main(struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_makefile(struct cnn_c_net *net, struct cnn_text *out);

#endif
