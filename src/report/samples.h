/* A few images of a data set with the network's answers: the most confident mistakes, and some
 * right answers, collected while the set is passed over. */
#ifndef CNN_REPORT_SAMPLES_H
#define CNN_REPORT_SAMPLES_H

#include "data/dataset.h"
#include "model/model.h"
#include "viz/canvas.h"

#define CNN_REPORT_SAMPLES  12 /* the capacity that reports and galleries have room for */
#define CNN_GALLERY_SAMPLES 24

struct cnn_sample {
    size_t image;            /* index in the data set */
    size_t label, predicted; /* classes */
    float probability;       /* of the predicted class */
    float label_probability; /* of the true class */
    const uint8_t *pixels;   /* NHWC bytes of the input's size: the data set's, or in buffer */
    uint8_t *buffer;
};

struct cnn_samples {
    const struct cnn_dataset *dataset;
    size_t capacity;          /* of each list */
    struct cnn_sample *wrong; /* most confident first */
    struct cnn_sample *right; /* of classes in turn, in the data set's order */
    size_t wrong_count, right_count;
    uint8_t *buffers; /* of one image for each place of both lists */
};

cnn_status cnn_samples_new(const struct cnn_dataset *dataset, size_t capacity,
                           struct cnn_samples *out, cnn_diag *diag);
void cnn_samples_free(struct cnn_samples *samples);
void cnn_samples_clear(struct cnn_samples *samples);
/* probabilities: of all classes, for image `image` of the data set. */
void cnn_samples_add(struct cnn_samples *samples, size_t image, const float *probabilities,
                     size_t classes);

/* A data set's image as a picture, each pixel one pixel: grey, or red, green and blue; further
 * channels are not shown. */
cnn_status cnn_sample_picture(const uint8_t *pixels, cnn_shape shape, struct cnn_canvas *out,
                              cnn_diag *diag);

/* A page of the wrong answers in directory: each picture with Grad-CAM of the predicted and of the
 * true class laid over it. */
cnn_status cnn_gallery_write(const char *directory, cnn_model *model,
                             const struct cnn_samples *samples, cnn_diag *diag);

#endif
