/* The safetensors file format: 8 bytes little-endian header size, a JSON header, the tensors'
 * bytes. Reading trusts nothing: sizes are checked before memory is taken, offsets must tile the
 * data without gaps or overlaps, dtype and shape must agree with the bytes. */
#ifndef CNN_CHECKPOINT_SAFETENSORS_H
#define CNN_CHECKPOINT_SAFETENSORS_H

#include "util/arena.h"
#include "util/diag.h"

/* the parsed JSON takes about twenty times as much memory */
#define CNN_SAFETENSORS_MAX_HEADER (16u << 20)
#define CNN_SAFETENSORS_MAX_RANK   8

struct cnn_stored_tensor {
    const char *name;
    const char *dtype; /* "F32", ... */
    size_t rank, dims[CNN_SAFETENSORS_MAX_RANK];
    size_t count; /* elements */
    /* reading: inside the file's memory, NULL of a file opened unread; writing: the caller's */
    const void *data;
    size_t bytes;
    size_t begin; /* reading: of its bytes, in the data of the file */
};

struct cnn_stored_pair {
    const char *key, *value; /* __metadata__ */
};

struct cnn_safetensors {
    const char *path;
    struct cnn_stored_tensor *tensors; /* in the order of their bytes */
    size_t tensor_count;
    struct cnn_stored_pair *metadata;
    size_t metadata_count;
};

/* Reads the file. Everything in *out lives until cnn_safetensors_close. Data pointers are aligned
 * only as far as the sizes of the tensors before them are: use memcpy. Errors are CNN_FAILED and
 * say byte positions: too short, header larger than the file, not JSON, a
 * tensor out of bounds, overlapping, a gap, an unknown dtype, a size that does not fit its shape, a
 * name twice. The checksum is not looked at: see verify. */
cnn_status cnn_safetensors_open(const char *path, struct cnn_safetensors **out, cnn_diag *diag);
/* The same, but the tensors' bytes stay in the file, which is kept open until it is closed: they
 * are read once for the checksum, and then by cnn_safetensors_read. */
cnn_status cnn_safetensors_open_unread(const char *path, struct cnn_safetensors **out,
                                       cnn_diag *diag);
/* The same as cnn_safetensors_open for the bytes of such a file, which are copied. name: for
 * messages. */
cnn_status cnn_safetensors_open_memory(const char *name, const void *bytes, size_t size,
                                       struct cnn_safetensors **out, cnn_diag *diag);
/* Another owner of the file, who closes it, too: the last one to do so ends it. */
struct cnn_safetensors *cnn_safetensors_share(struct cnn_safetensors *file);
void cnn_safetensors_close(struct cnn_safetensors *file);

/* `bytes` of the bytes of a tensor, from its byte `first` on. CNN_FAILED where the file has been
 * written to since it was opened: its numbers are then not those of the checksum. Any number of
 * threads may call it. */
cnn_status cnn_safetensors_read(const struct cnn_safetensors *file,
                                const struct cnn_stored_tensor *tensor, size_t first, size_t bytes,
                                void *out, cnn_diag *diag);

/* NULL where absent */
const struct cnn_stored_tensor *cnn_safetensors_find(const struct cnn_safetensors *file,
                                                     const char *name);
/* NULL where absent */
const char *cnn_safetensors_metadata(const struct cnn_safetensors *file, const char *key);

/* Writes tensors and metadata to path safely (util/file.h), tensors in the order given, header
 * padded with spaces to 8 bytes. Deterministic: the same input gives the same bytes. Adds metadata
 * "checksum": "crc32:XXXXXXXX" of all tensor bytes in order (zlib), in place of one that is given.
 * Names and keys do not repeat; texts are UTF-8 (else CNN_FAILED). */
cnn_status cnn_safetensors_write(const char *path, const struct cnn_stored_tensor *tensors,
                                 size_t tensor_count, const struct cnn_stored_pair *metadata,
                                 size_t metadata_count, cnn_diag *diag);

/* Where the file carries "checksum": CNN_OK if the tensor bytes match it, else CNN_FAILED with both
 * values. Without one: CNN_OK. */
cnn_status cnn_safetensors_verify(const struct cnn_safetensors *file, cnn_diag *diag);

#endif
