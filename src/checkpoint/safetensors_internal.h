/* What the reader and the writer of safetensors files share. */
#ifndef CNN_CHECKPOINT_SAFETENSORS_INTERNAL_H
#define CNN_CHECKPOINT_SAFETENSORS_INTERNAL_H

#include "checkpoint/safetensors.h"

#define CNN_CHECKSUM_KEY  "checksum"
#define CNN_CHECKSUM_SIZE (sizeof "crc32:01234567")

/* Bytes of one element; 0 where the dtype is unknown. */
size_t cnn_dtype_bytes(const char *name);

/* "crc32:XXXXXXXX" of the tensors' bytes in order. */
void cnn_tensors_checksum(const struct cnn_stored_tensor *tensors, size_t count,
                          char out[CNN_CHECKSUM_SIZE]);

#endif
