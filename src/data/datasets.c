/* The list of data-set formats, from datasets.def. */
#include "data/format.h"

#include <string.h>

#define DATASET(name) extern const struct cnn_dataset_format cnn_dataset_format_##name;
#include "data/datasets.def"
#undef DATASET

#define DATASET(name) &cnn_dataset_format_##name,
const struct cnn_dataset_format *const cnn_dataset_formats[] = {
#include "data/datasets.def"
};
#undef DATASET

const size_t cnn_dataset_format_count = sizeof cnn_dataset_formats / sizeof *cnn_dataset_formats;

#define DATASET(name) #name,
const char *const cnn_dataset_names[] = {
#include "data/datasets.def"
    NULL};
#undef DATASET

int cnn_dataset_find(const char *name)
{
    for (size_t i = 0; i < cnn_dataset_format_count; i++)
        if (strcmp(cnn_dataset_names[i], name) == 0)
            return (int)i;
    return -1;
}
