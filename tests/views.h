/* cnn_visualize in a test's folder: its input, its files and its page. */
#ifndef CNN_TESTS_VIEWS_H
#define CNN_TESTS_VIEWS_H

#include "scratch.h"

#include "model/model.h"
#include "viz/canvas.h"

/* two convolutions and a dense layer: [3, 12, 16] to 3 classes */
extern const char view_network[];
extern const cnn_visualize_options view_plain; /* with .npy files, all else as by default */

/* Writes random numbers as the input FOLDER/x.npy; they are tensor_free's. */
float *view_input(struct scratch *s, const cnn_model *model);

/* Pictures of FOLDER/input into FOLDER/out. view_make: fails the test where that fails, or where a
 * picture of the page is missing or no PNG. */
cnn_status view_try(struct scratch *s, cnn_model *model, const char *input,
                    const cnn_visualize_options *options);
void view_make(struct scratch *s, cnn_model *model, const char *input,
               const cnn_visualize_options *options);

/* Of FOLDER: whether a file is there, a text, the count numbers of an array (both are free's), a
 * picture; and whether the page holds this text. */
bool view_exists(struct scratch *s, const char *name);
char *view_text(struct scratch *s, const char *name);
float *view_array(struct scratch *s, const char *name, size_t count);
struct cnn_canvas view_png(struct scratch *s, const char *name);
bool view_says(struct scratch *s, const char *text);

#endif
