/* Small files as torch.save writes them, made here: pickles, ZIP archives, and state dicts in both
 * layouts. */
#ifndef CNN_TESTS_TORCH_WRITE_H
#define CNN_TESTS_TORCH_WRITE_H

#include "util/text.h"

/* A tensor of a state dict: `count` numbers of storage `key`, from `offset` on. */
struct torch_tensor {
    const char *name;
    const char *storage; /* "Float": of torch.FloatStorage */
    const char *key;
    size_t offset, rank;
    size_t dims[4], strides[4]; /* strides 0: as they lie one after another */
    bool parameter;             /* torch.nn.Parameter, not its data */
};

struct torch_storage {
    const char *key, *storage;
    size_t count, bytes; /* of all; bytes 0: count times those of the type */
    const void *data;
};

struct torch_file {
    const struct torch_tensor *tensors;
    size_t tensor_count;
    const struct torch_storage *storages;
    size_t storage_count;
    const char *entry;  /* {entry: {..}, 'epoch': 3, 'lr': 0.1}; NULL: the state dict alone */
    const char *prefix; /* of all names; NULL: none */
};

void pickle_text(struct cnn_text *out, const char *text);
void pickle_int(struct cnn_text *out, int32_t value);
void pickle_global(struct cnn_text *out, const char *module, const char *name);
void pickle_op(struct cnn_text *out, int opcode);

/* The pickle alone. legacy: with a sixth member of each storage's name. */
struct cnn_text torch_pickle(const struct torch_file *file, bool legacy);

/* The whole file. free() with cnn_text_free. */
struct cnn_text torch_zip(const struct torch_file *file);
struct cnn_text torch_legacy(const struct torch_file *file);

/* An archive, entry by entry. */
struct zip_writer {
    struct cnn_text bytes, directory;
    size_t count;
};
void zip_add(struct zip_writer *zip, const char *name, const void *data, size_t size);
/* wide: with ZIP64's end, too */
struct cnn_text zip_finish(struct zip_writer *zip, bool wide);

#endif
