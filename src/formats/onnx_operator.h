/* What the files of operators share: one call of one operator. */
#ifndef CNN_FORMATS_ONNX_OPERATOR_H
#define CNN_FORMATS_ONNX_OPERATOR_H

#include "formats/onnx_reference.h"

struct cnn_onnx_call {
    const struct cnn_onnx *file;
    size_t step;
    const struct cnn_onnx_node *node;
    const struct cnn_onnx_array *const *in; /* NULL: left out */
    size_t in_count;
    struct cnn_onnx_array *out; /* zeroed; those that are left out may be filled, too */
    size_t out_count;           /* at least 1 */
    bool compute;               /* all inputs have their numbers, and they are wanted */
    size_t most;                /* outputs of more numbers than this get none */
    cnn_diag *diag;
};

/* In each file of operators; onnx_operators.def has the list. */
#define CNN_ONNX_OPERATOR(name, function, least, most) cnn_status function(struct cnn_onnx_call *);
#include "formats/onnx_operators.def"
#undef CNN_ONNX_OPERATOR

/* The message of a call that fails; returns CNN_FAILED. */
cnn_status cnn_onnx_call_fail(const struct cnn_onnx_call *call, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static inline const struct cnn_onnx_array *cnn_onnx_in(const struct cnn_onnx_call *call, size_t i)
{
    return i < call->in_count ? call->in[i] : NULL;
}

/* Attributes. Where one is of another type, the answer is false and a message. */
bool cnn_onnx_get_int(const struct cnn_onnx_call *call, const char *name, int64_t otherwise,
                      int64_t *out);
bool cnn_onnx_get_float(const struct cnn_onnx_call *call, const char *name, double otherwise,
                        double *out);
/* *count 0 and *out NULL where it is absent */
bool cnn_onnx_get_ints(const struct cnn_onnx_call *call, const char *name, const int64_t **out,
                       size_t *count);
/* The place of its text among words, which end with NULL; the first one is the default. */
bool cnn_onnx_get_word(const struct cnn_onnx_call *call, const char *name, const char *const *words,
                       size_t *out);

/* Integers of an input (CNN_ONNX_MAX_RANK of them at most), which must be known. */
bool cnn_onnx_whole_input(const struct cnn_onnx_call *call, size_t i, int64_t *out, size_t *count);

/* Axes or sizes. */
struct cnn_onnx_list {
    bool given; /* there are any */
    size_t count;
    int64_t values[CNN_ONNX_MAX_RANK];
};
/* A list that is an attribute before opset `since`, and input i from it on. */
bool cnn_onnx_get_list(const struct cnn_onnx_call *call, const char *name, size_t i, int64_t since,
                       struct cnn_onnx_list *out);

/* A number as a size: not negative, and no more than a tensor may have. */
bool cnn_onnx_size_of(const struct cnn_onnx_call *call, int64_t value, size_t *out);

/* axis (from -rank) as an index below rank, or, where that is allowed, rank itself. */
bool cnn_onnx_axis(const struct cnn_onnx_call *call, int64_t axis, size_t rank, bool end,
                   size_t *out);

/* Gives output i its type and shape, and memory where it is computed (all zeros). False and a
 * message where it is too large. */
bool cnn_onnx_output(struct cnn_onnx_call *call, size_t i, int64_t type, size_t rank,
                     const size_t *dims);
/* The same with memory in any case that call->most allows, for what depends on shapes alone. */
bool cnn_onnx_output_known(struct cnn_onnx_call *call, size_t i, int64_t type, size_t rank,
                           const size_t *dims);
/* Output i has another shape than the input, and its numbers in the same order. */
cnn_status cnn_onnx_reshaped(struct cnn_onnx_call *call, size_t i, size_t rank, const size_t *dims);

/* Where the output's places along an axis of a Resize or Upsample lie on its input, between pixels
 * or, where the mode says so, on the nearest. CNN_INVALID and a message where it is none that is
 * read. */
cnn_status cnn_onnx_resize_places(const struct cnn_onnx_call *call, size_t axis, double *places);

/* Numbers from one element to the next, of each dimension. */
void cnn_onnx_strides(size_t rank, const size_t *dims, size_t *strides);

/* Whether a number of a whole type is what it can hold; brings it there as C's casts do. */
double cnn_onnx_wrap(int64_t type, double value);

/* The next index in row-major order; false after the last. */
static inline bool cnn_onnx_next(size_t rank, const size_t *dims, size_t *index)
{
    for (size_t i = rank; i-- > 0;) {
        if (++index[i] < dims[i])
            return true;
        index[i] = 0;
    }
    return false;
}

#endif
