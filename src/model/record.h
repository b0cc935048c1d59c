/* The images that a model was trained on, as its checkpoints remember them: a run that goes on must
 * find the same ones, and what is measured on other validation images says so. */
#ifndef CNN_MODEL_RECORD_H
#define CNN_MODEL_RECORD_H

#include "model/model.h"

struct cnn_record_part { /* training or validation images */
    bool known;
    enum cnn_split from;  /* validation images may be the test images */
    const size_t *images; /* by class */
    size_t classes;
    uint64_t fingerprint; /* see cnn_dataset_fingerprint */
};

struct cnn_record {
    /* what chose the images: of the data, and the seed that divided them */
    int dataset;
    size_t seed, limit;
    double val_split;
    struct cnn_record_part parts[2]; /* CNN_SPLIT_TRAIN, CNN_SPLIT_VAL */
};

/* The seed that a model's data set is drawn and divided with: that of its record, where it has one,
 * so that a run may change its seed and keep its validation images. */
size_t cnn_record_seed(const cnn_model *model);

/* Opens one split of the images that `data` describes; the seed is the record's, whatever the
 * choice says. A relative data.path that leads nowhere is explained where the description is a
 * checkpoint's. */
cnn_status cnn_record_open(const cnn_model *data, const struct cnn_data_choice *choice,
                           struct cnn_dataset **out, enum cnn_split *used, cnn_diag *diag);

/* The images that a model's user asks for by the name of a split. */
struct cnn_named_split {
    const char *word; /* train, val or test */
    const char *path; /* of the data set; NULL: as the description says */
    const char *what; /* is done with them, for a model without data: "search" */
};

/* Opens them, with the model's own classes and the record's seed. */
cnn_status cnn_record_open_named(const cnn_model *model, const struct cnn_named_split *named,
                                 struct cnn_dataset **out, enum cnn_split *used, cnn_diag *diag);

/* Puts the images of a run into model->record. A model that has a record already goes on with a
 * run: CNN_INVALID where a setting has changed its images, CNN_FAILED where something else has, and
 * the message says what. */
cnn_status cnn_record_settle(cnn_model *model, const struct cnn_dataset *train,
                             const struct cnn_dataset *val, enum cnn_split val_from,
                             cnn_diag *diag);

/* Warns where dataset is not the training or validation images of the model's record. data: the
 * description that it was opened by. */
cnn_status cnn_record_compare(const cnn_model *model, const cnn_model *data,
                              const struct cnn_dataset *dataset, enum cnn_split split,
                              cnn_diag *diag);

/* A model that has settled its record begins with parameters of file, which has learned other
 * classes in place of those of the model, or was trained on images that the model is validated on:
 * *classes and *images say so in the model's arena, else they are NULL. */
cnn_status cnn_record_doubt(const cnn_model *model, const struct cnn_safetensors *file,
                            const char **classes, const char **images, cnn_diag *diag);

/* Whether this program wrote the file; in others the same keys of metadata may mean something else.
 */
bool cnn_record_own(const struct cnn_safetensors *file);

/* In checkpoints: JSON; and back, into arena. */
void cnn_record_write(const struct cnn_record *record, struct cnn_text *out);
cnn_status cnn_record_read(const struct cnn_safetensors *file, struct cnn_arena *arena,
                           const struct cnn_record **out, cnn_diag *diag);
/* NULL when out of memory. */
const struct cnn_record *cnn_record_copy(const struct cnn_record *record, struct cnn_arena *arena);

#endif
