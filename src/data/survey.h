/* What is in a data set: a pass over all images of its splits that counts, measures, and finds
 * images that are the same. */
#ifndef CNN_DATA_SURVEY_H
#define CNN_DATA_SURVEY_H

#include "data/dataset.h"

/* Splits that belong together, the training images first. */
struct cnn_arena;
struct cnn_survey_source {
    const struct cnn_dataset *datasets[3];
    const char *names[3];
    size_t count;
    cnn_shape shape;
};

/* Fills a zeroed survey, whose arrays come from memory; of options, progress and stop are used.
 * Every image is read once, and those that seem to be copies a few times more; beside what the data
 * set keeps, memory for about 32 bytes an image is taken. CNN_INTERRUPTED, without a message, where
 * it was to stop. cnn_survey_free is then due, whatever this came to. */
cnn_status cnn_survey_run(const struct cnn_survey_source *source, const cnn_survey_options *options,
                          struct cnn_arena *memory, cnn_survey *survey, cnn_diag *diag);

#endif
