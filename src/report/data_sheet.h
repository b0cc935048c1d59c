/* A sheet of training images: a row for each class, what training sees of its images from epoch to
 * epoch. */
#ifndef CNN_REPORT_DATA_SHEET_H
#define CNN_REPORT_DATA_SHEET_H

#include "model/model.h"
#include "viz/canvas.h"

/* Of the first classes that have training images. Where the description augments, a row is one
 * image: as it is, then as the loader gives it in one epoch after the other; else it is the class's
 * first images. normalization has the images' channels. */
cnn_status cnn_data_sheet(const cnn_model *model, const struct cnn_dataset *train,
                          const struct cnn_normalization *normalization, struct cnn_canvas *out,
                          cnn_diag *diag);

#endif
