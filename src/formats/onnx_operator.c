/* What the operators of the reference share: attributes, shapes, messages. */
#include "formats/onnx_operator.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/allocate.h"
#include "util/text.h"

/* ---- Messages ---- */

/* The node that reads what the step computes; CNN_ONNX_NONE. */
static size_t reader_of(const struct cnn_onnx *file, size_t step)
{
    const struct cnn_onnx_step *s = &file->steps[step];
    for (size_t i = step + 1; i < file->step_count; i++)
        for (size_t k = 0; k < file->steps[i].input_count; k++)
            for (size_t o = 0; o < s->output_count; o++)
                if (s->outputs[o] != CNN_ONNX_NONE && file->steps[i].inputs[k] == s->outputs[o])
                    return i;
    return CNN_ONNX_NONE;
}

/* The node that computes what the step reads first. */
static size_t writer_of(const struct cnn_onnx *file, size_t step)
{
    const struct cnn_onnx_step *s = &file->steps[step];
    for (size_t k = 0; k < s->input_count; k++)
        if (s->inputs[k] != CNN_ONNX_NONE && file->values[s->inputs[k]].producer != CNN_ONNX_NONE)
            return file->values[s->inputs[k]].producer;
    return CNN_ONNX_NONE;
}

static void append_node(struct cnn_text *text, const char *before, const struct cnn_onnx *file,
                        size_t step)
{
    const struct cnn_onnx_step *s = &file->steps[step];
    const char *name = s->node->name && *s->node->name ? s->node->name
                       : s->output_count > 0 && s->outputs[0] != CNN_ONNX_NONE
                           ? file->values[s->outputs[0]].name
                           : "";
    cnn_text_printf(text, "%s'%s' (%s)", before, name, s->node->op_type);
}

static cnn_status fail_about(const struct cnn_onnx *file, size_t step, cnn_diag *diag,
                             const char *what)
{
    struct cnn_text text = {0};
    size_t before = writer_of(file, step), behind = reader_of(file, step);
    append_node(&text, "node ", file, step);
    if (before != CNN_ONNX_NONE)
        append_node(&text, ", behind ", file, before);
    if (behind != CNN_ONNX_NONE)
        append_node(&text, before != CNN_ONNX_NONE ? " and before " : ", before ", file, behind);
    cnn_status status =
        text.failed ? cnn_fail_memory(diag, 100, file->name)
                    : cnn_fail(diag, CNN_FAILED, NULL, "%s: %s: %s", file->name, text.data, what);
    cnn_text_free(&text);
    return status;
}

static cnn_status fail_list(const struct cnn_onnx *file, size_t step, cnn_diag *diag,
                            const char *format, va_list arguments)
{
    struct cnn_text what = {0};
    cnn_text_vprintf(&what, format, arguments);
    cnn_status status = what.failed ? cnn_fail_memory(diag, 100, file->name)
                                    : fail_about(file, step, diag, what.data);
    cnn_text_free(&what);
    return status;
}

cnn_status cnn_onnx_fail(const struct cnn_onnx *file, size_t step, cnn_diag *diag,
                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    cnn_status status = fail_list(file, step, diag, format, arguments);
    va_end(arguments);
    return status;
}

cnn_status cnn_onnx_call_fail(const struct cnn_onnx_call *call, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    cnn_status status = fail_list(call->file, call->step, call->diag, format, arguments);
    va_end(arguments);
    return status;
}

/* ---- Attributes ---- */

enum { KIND_FLOAT = 1, KIND_INT = 2, KIND_TEXT = 3, KIND_INTS = 7 };

/* false and a message where the node has it with another type. */
static bool find(const struct cnn_onnx_call *call, const char *name, int64_t kind,
                 const struct cnn_onnx_attribute **out)
{
    *out = cnn_onnx_attribute(call->node, name);
    if (!*out || (*out)->type == kind)
        return true;
    cnn_onnx_call_fail(call, "attribute '%s' is of type %" PRId64 ", not %" PRId64, name,
                       (*out)->type, kind);
    return false;
}

bool cnn_onnx_get_int(const struct cnn_onnx_call *call, const char *name, int64_t otherwise,
                      int64_t *out)
{
    const struct cnn_onnx_attribute *attribute;
    if (!find(call, name, KIND_INT, &attribute))
        return false;
    *out = attribute ? attribute->i : otherwise;
    return true;
}

bool cnn_onnx_get_float(const struct cnn_onnx_call *call, const char *name, double otherwise,
                        double *out)
{
    const struct cnn_onnx_attribute *attribute;
    if (!find(call, name, KIND_FLOAT, &attribute))
        return false;
    *out = attribute ? (double)attribute->f : otherwise;
    return true;
}

bool cnn_onnx_get_ints(const struct cnn_onnx_call *call, const char *name, const int64_t **out,
                       size_t *count)
{
    const struct cnn_onnx_attribute *attribute;
    if (!find(call, name, KIND_INTS, &attribute))
        return false;
    *out = attribute ? attribute->ints.items : NULL;
    *count = attribute ? attribute->ints.count : 0;
    return true;
}

bool cnn_onnx_get_word(const struct cnn_onnx_call *call, const char *name, const char *const *words,
                       size_t *out)
{
    const struct cnn_onnx_attribute *attribute;
    if (!find(call, name, KIND_TEXT, &attribute))
        return false;
    *out = 0;
    if (!attribute)
        return true;
    for (size_t i = 0; words[i]; i++)
        if (strlen(words[i]) == attribute->s.size &&
            memcmp(words[i], attribute->s.data, attribute->s.size) == 0) {
            *out = i;
            return true;
        }
    cnn_onnx_call_fail(call, "%s '%.*s' is not supported", name,
                       (int)(attribute->s.size < 40 ? attribute->s.size : 40),
                       attribute->s.data ? (const char *)attribute->s.data : "");
    return false;
}

bool cnn_onnx_whole_input(const struct cnn_onnx_call *call, size_t i, int64_t *out, size_t *count)
{
    const struct cnn_onnx_array *array = cnn_onnx_in(call, i);
    if (!array || !array->data || array->rank > 1 || array->count > CNN_ONNX_MAX_RANK) {
        cnn_onnx_call_fail(call,
                           "input %zu must be a list of at most %d numbers that are known "
                           "before any image is",
                           i + 1, CNN_ONNX_MAX_RANK);
        return false;
    }
    *count = array->count;
    for (size_t k = 0; k < array->count; k++) {
        double value = array->data[k];
        out[k] = value >= 0x1p63                   ? INT64_MAX
                 : value < -0x1p63 || isnan(value) ? INT64_MIN
                                                   : (int64_t)value;
    }
    return true;
}

bool cnn_onnx_size_of(const struct cnn_onnx_call *call, int64_t value, size_t *out)
{
    if (value < 0 || (uint64_t)value > CNN_ONNX_MAX_COUNT) {
        cnn_onnx_call_fail(call, "%" PRId64 " is no size", value);
        return false;
    }
    *out = (size_t)value;
    return true;
}

bool cnn_onnx_get_list(const struct cnn_onnx_call *call, const char *name, size_t i, int64_t since,
                       struct cnn_onnx_list *out)
{
    const int64_t *values;
    out->count = 0;
    if (call->file->opset >= since) {
        out->given = cnn_onnx_in(call, i) != NULL;
        return !out->given || cnn_onnx_whole_input(call, i, out->values, &out->count);
    }
    if (!cnn_onnx_get_ints(call, name, &values, &out->count))
        return false;
    out->given = cnn_onnx_attribute(call->node, name) != NULL;
    if (out->count > CNN_ONNX_MAX_RANK) {
        cnn_onnx_call_fail(call, "%s has %zu numbers", name, out->count);
        return false;
    }
    memcpy(out->values, values ? values : out->values, out->count * sizeof *out->values);
    return true;
}

bool cnn_onnx_axis(const struct cnn_onnx_call *call, int64_t axis, size_t rank, bool end,
                   size_t *out)
{
    int64_t count = (int64_t)rank;
    if (axis >= -count && axis < count + (end ? 1 : 0)) {
        *out = (size_t)(axis < 0 ? axis + count : axis);
        return true;
    }
    cnn_onnx_call_fail(call, "axis %" PRId64 " is none of %zu dimensions", axis, rank);
    return false;
}

/* ---- Shapes ---- */

static bool give(struct cnn_onnx_call *call, size_t i, int64_t type, size_t rank,
                 const size_t *dims, bool memory)
{
    struct cnn_onnx_array *out = &call->out[i];
    size_t count = 1;
    if (rank > CNN_ONNX_MAX_RANK) {
        cnn_onnx_call_fail(call, "its output has %zu dimensions, more than %d", rank,
                           CNN_ONNX_MAX_RANK);
        return false;
    }
    for (size_t k = 0; k < rank; k++)
        if (!cnn_size_mul(count, dims[k], &count) || count > CNN_ONNX_MAX_COUNT) {
            cnn_onnx_call_fail(call, "its output has more than 2^28 numbers");
            return false;
        }
    out->type = type;
    out->rank = rank;
    memcpy(out->dims, dims, rank * sizeof *dims);
    out->count = count;
    if (memory && count <= call->most && !(out->data = cnn_calloc(count + 1, sizeof *out->data))) {
        cnn_fail_memory(call->diag, count * sizeof *out->data, call->file->name);
        return false;
    }
    return true;
}

bool cnn_onnx_output(struct cnn_onnx_call *call, size_t i, int64_t type, size_t rank,
                     const size_t *dims)
{
    return give(call, i, type, rank, dims, call->compute);
}

bool cnn_onnx_output_known(struct cnn_onnx_call *call, size_t i, int64_t type, size_t rank,
                           const size_t *dims)
{
    return give(call, i, type, rank, dims, true);
}

cnn_status cnn_onnx_reshaped(struct cnn_onnx_call *call, size_t i, size_t rank, const size_t *dims)
{
    const struct cnn_onnx_array *x = call->in[0];
    if (!cnn_onnx_output(call, i, x->type, rank, dims))
        return CNN_FAILED;
    if (call->out[i].count != x->count)
        return cnn_onnx_call_fail(call, "%zu numbers do not become %zu", x->count,
                                  call->out[i].count);
    if (call->out[i].data)
        memcpy(call->out[i].data, x->data, x->count * sizeof *x->data);
    return CNN_OK;
}

void cnn_onnx_strides(size_t rank, const size_t *dims, size_t *strides)
{
    size_t stride = 1;
    for (size_t i = rank; i-- > 0;) {
        strides[i] = stride;
        stride *= dims[i];
    }
}

double cnn_onnx_wrap(int64_t type, double value)
{
    if (!cnn_onnx_type_whole(type) || type == CNN_ONNX_INT64 || type == CNN_ONNX_UINT64)
        return value;
    if (!(fabs(value) < 0x1p63))
        return 0;
    int64_t whole = (int64_t)value;
    switch (type) {
    case CNN_ONNX_BOOL:
        return value != 0;
    case CNN_ONNX_INT8:
        return (int8_t)whole;
    case CNN_ONNX_UINT8:
        return (uint8_t)whole;
    case CNN_ONNX_INT16:
        return (int16_t)whole;
    case CNN_ONNX_UINT16:
        return (uint16_t)whole;
    case CNN_ONNX_INT32:
        return (int32_t)whole;
    default:
        return (uint32_t)whole;
    }
}
