/* What torch.save writes: a ZIP archive of a pickle and its storages, or, before PyTorch 1.6, five
 * pickles in a row and the storages behind them (torch/serialization.py). */
#ifndef CNN_FORMATS_TORCH_H
#define CNN_FORMATS_TORCH_H

#include "formats/weights.h"

bool cnn_torch_recognise(const unsigned char *data, size_t size);

/* Fills in items, entry, others, passed and producer of weights, whose path and arena are there,
 * from the bytes of a file, which stay. */
cnn_status cnn_torch_read(struct cnn_weights *weights, const unsigned char *data, size_t size,
                          const char *entry, cnn_diag *diag);

#endif
