/* Operators that change shapes and move no numbers, and constants. */
#include <math.h>
#include <string.h>

#include "formats/onnx_operator.h"

/* ---- Shapes ---- */

cnn_status cnn_onnx_shape(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    int64_t ends[2], rank = (int64_t)x->rank;
    if (!cnn_onnx_get_int(call, "start", 0, &ends[0]) ||
        !cnn_onnx_get_int(call, "end", rank, &ends[1]))
        return CNN_FAILED;
    for (size_t i = 0; i < 2; i++) {
        ends[i] = ends[i] < 0 ? ends[i] + rank : ends[i];
        ends[i] = ends[i] < 0 ? 0 : ends[i] > rank ? rank : ends[i];
    }
    size_t count = ends[1] > ends[0] ? (size_t)(ends[1] - ends[0]) : 0;
    if (!cnn_onnx_output_known(call, 0, CNN_ONNX_INT64, 1, &count))
        return CNN_FAILED;
    for (size_t i = 0; call->out[0].data && i < count; i++)
        call->out[0].data[i] = (double)x->dims[(size_t)ends[0] + i];
    return CNN_OK;
}

cnn_status cnn_onnx_size(struct cnn_onnx_call *call)
{
    if (!cnn_onnx_output_known(call, 0, CNN_ONNX_INT64, 0, call->in[0]->dims))
        return CNN_FAILED;
    if (call->out[0].data)
        call->out[0].data[0] = (double)call->in[0]->count;
    return CNN_OK;
}

cnn_status cnn_onnx_reshape(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    int64_t wanted[CNN_ONNX_MAX_RANK], allow;
    size_t rank, dims[CNN_ONNX_MAX_RANK], known = 1, open = CNN_ONNX_NONE;
    if (!cnn_onnx_whole_input(call, 1, wanted, &rank) ||
        !cnn_onnx_get_int(call, "allowzero", 0, &allow))
        return CNN_FAILED;
    for (size_t i = 0; i < rank; i++) {
        dims[i] = 1;
        if (wanted[i] == -1 && open == CNN_ONNX_NONE)
            open = i;
        else if (wanted[i] == 0 && !allow && i < x->rank)
            dims[i] = x->dims[i];
        else if (!cnn_onnx_size_of(call, wanted[i], &dims[i]))
            return CNN_FAILED;
        if (!cnn_size_mul(known, dims[i], &known))
            return cnn_onnx_call_fail(call, "its shape has more numbers than can be counted");
    }
    if (open != CNN_ONNX_NONE) {
        if (known == 0 || x->count % known != 0)
            return cnn_onnx_call_fail(call, "%zu numbers are not divided into rows of %zu",
                                      x->count, known);
        dims[open] = x->count / known;
    }
    return cnn_onnx_reshaped(call, 0, rank, dims);
}

cnn_status cnn_onnx_flatten(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    int64_t given;
    size_t axis, dims[2] = {1, 1};
    if (!cnn_onnx_get_int(call, "axis", 1, &given) ||
        !cnn_onnx_axis(call, given, x->rank, true, &axis))
        return CNN_FAILED;
    for (size_t i = 0; i < x->rank; i++)
        dims[i < axis ? 0 : 1] *= x->dims[i];
    return cnn_onnx_reshaped(call, 0, 2, dims);
}

static bool mark_axes(const struct cnn_onnx_call *call, const int64_t *axes, size_t count,
                      size_t rank, bool *marked)
{
    memset(marked, 0, CNN_ONNX_MAX_RANK * sizeof *marked);
    for (size_t i = 0; i < count; i++) {
        size_t axis;
        if (!cnn_onnx_axis(call, axes[i], rank, false, &axis))
            return false;
        marked[axis] = true;
    }
    return true;
}

cnn_status cnn_onnx_squeeze(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    struct cnn_onnx_list axes;
    size_t rank = 0, dims[CNN_ONNX_MAX_RANK];
    bool marked[CNN_ONNX_MAX_RANK];
    if (!cnn_onnx_get_list(call, "axes", 1, 13, &axes) ||
        !mark_axes(call, axes.values, axes.count, x->rank, marked))
        return CNN_FAILED;
    for (size_t i = 0; i < x->rank; i++) {
        bool gone = axes.given ? marked[i] : x->dims[i] == 1;
        if (gone && x->dims[i] != 1)
            return cnn_onnx_call_fail(call, "dimension %zu has size %zu, not 1", i, x->dims[i]);
        if (!gone)
            dims[rank++] = x->dims[i];
    }
    return cnn_onnx_reshaped(call, 0, rank, dims);
}

cnn_status cnn_onnx_unsqueeze(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    struct cnn_onnx_list axes;
    size_t next = 0, dims[CNN_ONNX_MAX_RANK], ones = 0;
    bool marked[CNN_ONNX_MAX_RANK];
    if (!cnn_onnx_get_list(call, "axes", 1, 13, &axes))
        return CNN_FAILED;
    size_t rank = x->rank + axes.count;
    if (rank > CNN_ONNX_MAX_RANK)
        return cnn_onnx_call_fail(call, "its output has %zu dimensions", rank);
    if (!mark_axes(call, axes.values, axes.count, rank, marked))
        return CNN_FAILED;
    for (size_t i = 0; i < rank; i++) {
        ones += marked[i];
        dims[i] = marked[i] || next == x->rank ? 1 : x->dims[next++];
    }
    if (ones != axes.count)
        return cnn_onnx_call_fail(call, "an axis is given twice");
    return cnn_onnx_reshaped(call, 0, rank, dims);
}

cnn_status cnn_onnx_identity(struct cnn_onnx_call *call)
{
    return cnn_onnx_reshaped(call, 0, call->in[0]->rank, call->in[0]->dims);
}

cnn_status cnn_onnx_dropout(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *training = cnn_onnx_in(call, 2);
    const struct cnn_onnx_array *x = call->in[0];
    if (training && (!training->data || training->data[0] != 0))
        return cnn_onnx_call_fail(call, "it is in training mode: the file must be written in "
                                        "evaluation mode");
    if (call->out_count > 1) {
        if (!cnn_onnx_output(call, 1, CNN_ONNX_BOOL, x->rank, x->dims))
            return CNN_FAILED;
        for (size_t i = 0; call->out[1].data && i < x->count; i++)
            call->out[1].data[i] = 1;
    }
    return cnn_onnx_identity(call);
}

/* ---- Constants ---- */

cnn_status cnn_onnx_constant(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_attribute *attributes = call->node->attributes.items, *a = NULL;
    static const char *const words[] = {"value", "value_float", "value_floats", "value_int",
                                        "value_ints"};
    size_t rank, dims[CNN_ONNX_MAX_RANK], count, word = 0;
    for (size_t i = 0; !a && i < call->node->attributes.count; i++)
        for (word = 0; word < 5; word++)
            if (attributes[i].name && strcmp(attributes[i].name, words[word]) == 0) {
                a = &attributes[i];
                break;
            }
    if (!a || (word == 0 && !a->t))
        return cnn_onnx_call_fail(call, "it has no value that is read");
    if (word == 0) {
        cnn_status status =
            cnn_onnx_tensor_shape(call->file, a->t, &rank, dims, &count, call->diag);
        if (status != CNN_OK || !cnn_onnx_output_known(call, 0, a->t->data_type, rank, dims))
            return CNN_FAILED;
        return call->out[0].data
                   ? cnn_onnx_tensor_read(call->file, a->t, call->out[0].data, call->diag)
                   : CNN_OK;
    }
    const bool list = word == 2 || word == 4;
    size_t size = word == 2 ? a->floats.count : word == 4 ? a->ints.count : 1;
    if (!cnn_onnx_output_known(call, 0, word < 3 ? CNN_ONNX_FLOAT : CNN_ONNX_INT64, list, &size))
        return CNN_FAILED;
    for (size_t i = 0; call->out[0].data && i < size; i++)
        call->out[0].data[i] = word == 1   ? (double)a->f
                               : word == 2 ? (double)((const float *)a->floats.items)[i]
                               : word == 3 ? (double)a->i
                                           : (double)((const int64_t *)a->ints.items)[i];
    return CNN_OK;
}

cnn_status cnn_onnx_constant_of_shape(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_attribute *a = cnn_onnx_attribute(call->node, "value");
    int64_t wanted[CNN_ONNX_MAX_RANK], type = CNN_ONNX_FLOAT;
    size_t rank, dims[CNN_ONNX_MAX_RANK], of[CNN_ONNX_MAX_RANK], of_rank, count = 1;
    double value = 0;
    if (a && !a->t)
        return cnn_onnx_call_fail(call, "its value is not a tensor");
    if (a) {
        if (cnn_onnx_tensor_shape(call->file, a->t, &of_rank, of, &count, call->diag) != CNN_OK)
            return CNN_FAILED;
        if (count != 1)
            return cnn_onnx_call_fail(call, "its value is not a single number");
        if (cnn_onnx_tensor_read(call->file, a->t, &value, call->diag) != CNN_OK)
            return CNN_FAILED;
        type = a->t->data_type;
    }
    if (!cnn_onnx_whole_input(call, 0, wanted, &rank))
        return CNN_FAILED;
    for (size_t i = 0; i < rank; i++)
        if (!cnn_onnx_size_of(call, wanted[i], &dims[i]))
            return CNN_FAILED;
    if (!cnn_onnx_output(call, 0, type, rank, dims))
        return CNN_FAILED;
    for (size_t i = 0; call->out[0].data && i < call->out[0].count; i++)
        call->out[0].data[i] = value;
    return CNN_OK;
}

cnn_status cnn_onnx_range(struct cnn_onnx_call *call)
{
    double ends[3];
    for (size_t i = 0; i < 3; i++) {
        if (!call->in[i]->data || call->in[i]->count != 1)
            return cnn_onnx_call_fail(call, "its ends are not known before any image is");
        ends[i] = call->in[i]->data[0];
    }
    double count = ceil((ends[1] - ends[0]) / ends[2]);
    size_t size = 0;
    if (!(count < (double)CNN_ONNX_MAX_COUNT))
        return cnn_onnx_call_fail(call, "it has no end");
    size = count > 0 ? (size_t)count : 0;
    if (!cnn_onnx_output(call, 0, call->in[0]->type, 1, &size))
        return CNN_FAILED;
    for (size_t i = 0; call->out[0].data && i < size; i++)
        call->out[0].data[i] = ends[0] + (double)i * ends[2];
    return CNN_OK;
}
