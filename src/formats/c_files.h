/* The files of an exported network (c_export.h). */
#ifndef CNN_FORMATS_C_FILES_H
#define CNN_FORMATS_C_FILES_H

#include "formats/c_export.h"

/* How each of them begins. */
#define CNN_C_MARK "/* Written by cnn export."

/* Names that NAME_classes has: those of the outputs, or of a map's channels. */
size_t cnn_c_classes(const struct cnn_c_net *net);

/* Parts of it: where rows of the input go; functions that take pictures. */
void cnn_c_write_rows(const struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_input(const struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_source(struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_weights(struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_header(struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_main(struct cnn_c_net *net, struct cnn_text *out);
/* Numbers to test each layer with, into net->selftest. */
cnn_status cnn_c_selftest(struct cnn_c_net *net);
/* Sets net->accuracy. */
cnn_status cnn_c_measure(struct cnn_c_net *net);
/* A sketch and the description of a library, of the Arduino IDE. */
void cnn_c_write_sketch(struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_properties(struct cnn_c_net *net, struct cnn_text *out);
void cnn_c_write_makefile(struct cnn_c_net *net, struct cnn_text *out);

#endif
