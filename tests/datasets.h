/* Data-set formats for tests, one by one. */
#ifndef CNN_TESTS_DATASETS_H
#define CNN_TESTS_DATASETS_H

#include "data/format.h"

#define DATASET(name) extern const struct cnn_dataset_format cnn_dataset_format_##name;
#include "data/datasets.def"
#undef DATASET

static inline cnn_status dataset_read(const struct cnn_data_request *request,
                                      struct cnn_images *out, cnn_diag *diag)
{
    return request->format->read(request, out, diag);
}

#endif
