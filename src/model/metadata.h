/* The metadata of checkpoints: "format" cnn, "version", "description" (resolved YAML), "classes"
 * (JSON list of names), "normalization" (JSON {mean, std}), where they were taken from the training
 * images "class_weights" (JSON list of numbers), and "data" (see model/record.h). */
#ifndef CNN_MODEL_METADATA_H
#define CNN_MODEL_METADATA_H

#include "model/record.h"
#include "util/text.h"

#define CNN_METADATA_PAIRS 7

struct cnn_metadata {
    struct cnn_text classes, normalization, weights, record;
    struct cnn_stored_pair pairs[CNN_METADATA_PAIRS]; /* these texts, and the model's own */
    size_t count;
};

/* Fills a zeroed struct; false when out of memory. cnn_metadata_free is due in any case. */
bool cnn_metadata_make(const cnn_model *model, struct cnn_metadata *out);
void cnn_metadata_free(struct cnn_metadata *metadata);

/* What file's metadata say of class names, of the images the model was trained on, and of a
 * normalisation and class weights that the description leaves to the data. */
cnn_status cnn_metadata_read(cnn_model *model, const struct cnn_safetensors *file, cnn_diag *diag);

#endif
