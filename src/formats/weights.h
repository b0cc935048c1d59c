/* Tensors by name, without the network they belong to: the state dicts of PyTorch (.pth, .pt) and
 * safetensors files of other programs. */
#ifndef CNN_FORMATS_WEIGHTS_H
#define CNN_FORMATS_WEIGHTS_H

#include "checkpoint/safetensors.h"
#include "util/arena.h"
#include "util/text.h"

#define CNN_WEIGHT_MAX_RANK 8
/* Numbers in one tensor, at most: those of the first dense layer of VGG are 103 million. */
#define CNN_WEIGHT_MAX_COUNT ((size_t)1 << 30)

enum cnn_weight_type {
    CNN_WEIGHT_F32,
    CNN_WEIGHT_F64,
    CNN_WEIGHT_F16,
    CNN_WEIGHT_BF16,
    CNN_WEIGHT_I64,
    CNN_WEIGHT_I32,
    CNN_WEIGHT_I16,
    CNN_WEIGHT_I8,
    CNN_WEIGHT_U8,
    CNN_WEIGHT_BOOL,
    CNN_WEIGHT_OTHER /* not read: a tensor of it is only listed */
};
const char *cnn_weight_type_name(enum cnn_weight_type type);   /* "float16" */
size_t cnn_weight_type_bytes(enum cnn_weight_type type);       /* 0: OTHER */
enum cnn_weight_type cnn_weight_type_find(const char *stored); /* by safetensors' name: "BF16" */

struct cnn_weight {
    const char *name; /* without what all names begin with */
    enum cnn_weight_type type;
    size_t rank, count;
    size_t dims[CNN_WEIGHT_MAX_RANK], strides[CNN_WEIGHT_MAX_RANK]; /* strides in numbers */
    const unsigned char *data; /* the first number; all lie within the file's bytes */
};

struct cnn_weights {
    const char *path;
    const char *producer; /* "PyTorch", "PyTorch before 1.6", "safetensors" */
    struct cnn_weight *items;
    size_t count;
    bool sorted;            /* by name, so that the order says nothing of the network's */
    const char *entry;      /* of the file's table, that holds them; NULL: they are the whole */
    struct cnn_text others; /* further entries that hold tensors, "a, b" */
    const char *prefix;     /* what all names began with: "module."; "" */
    size_t counters;        /* num_batches_tracked, which are left out */
    bool unchecked;         /* the writer has left out checksums */
    size_t passed;          /* values that are no tensors, which are left out */
    struct cnn_arena *arena;
    char *bytes; /* the file, or NULL: */
    struct cnn_safetensors *stored;
};

/* Whether the file at path is one that torch.save writes, by its name and, where that says nothing,
 * by its first bytes. */
bool cnn_weights_recognise(const char *path);

/* Reads a file of weights. entry: which part of a table of several state dicts; NULL: the one there
 * is, or the first of state_dict, model_state_dict, model, ... CNN_FAILED where the file is
 * damaged, or no file of weights; CNN_INVALID where it has no such entry. */
cnn_status cnn_weights_open(const char *path, const char *entry, struct cnn_weights **out,
                            cnn_diag *diag);
/* The same for bytes, of which a copy is made. */
cnn_status cnn_weights_open_memory(const char *name, const void *bytes, size_t size,
                                   struct cnn_weights **out, cnn_diag *diag);
void cnn_weights_close(struct cnn_weights *weights); /* NULL is legal */

/* The numbers in order of rows, as float32; of any type but OTHER. The first that is finite, but
 * too large for float32; SIZE_MAX: there is none. */
size_t cnn_weight_read(const struct cnn_weight *weight, float *out);

/* "64 x 3 x 7 x 7"; "1" for a number. Returned in buffer. */
const char *cnn_weight_shape(const struct cnn_weight *weight, char *buffer, size_t size);

#endif
