/* Operators that choose, order and repeat numbers. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "formats/onnx_operator.h"

/* y: numbers of x from place `at` on, with these distances along the dimensions of y. */
static void copy_strided(const struct cnn_onnx_array *x, int64_t at, const int64_t *strides,
                         struct cnn_onnx_array *y)
{
    size_t index[CNN_ONNX_MAX_RANK] = {0};
    for (size_t i = 0; i < y->count; i++) {
        int64_t from = at;
        for (size_t k = 0; k < y->rank; k++)
            from += (int64_t)index[k] * strides[k];
        y->data[i] = x->data[from];
        cnn_onnx_next(y->rank, y->dims, index);
    }
}

static void signed_strides(const struct cnn_onnx_array *x, int64_t *out)
{
    size_t strides[CNN_ONNX_MAX_RANK];
    cnn_onnx_strides(x->rank, x->dims, strides);
    for (size_t i = 0; i < x->rank; i++)
        out[i] = (int64_t)strides[i];
}

/* ---- Choosing ---- */

cnn_status cnn_onnx_transpose(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    const int64_t *order;
    int64_t own[CNN_ONNX_MAX_RANK], strides[CNN_ONNX_MAX_RANK];
    size_t count, dims[CNN_ONNX_MAX_RANK];
    bool seen[CNN_ONNX_MAX_RANK] = {false};
    if (!cnn_onnx_get_ints(call, "perm", &order, &count))
        return CNN_FAILED;
    if (order && count != x->rank)
        return cnn_onnx_call_fail(call, "perm has %zu numbers for %zu dimensions", count, x->rank);
    signed_strides(x, own);
    for (size_t i = 0; i < x->rank; i++) {
        size_t axis = x->rank - 1 - i;
        if (order && !cnn_onnx_axis(call, order[i], x->rank, false, &axis))
            return CNN_FAILED;
        if (seen[axis])
            return cnn_onnx_call_fail(call, "perm has dimension %zu twice", axis);
        seen[axis] = true;
        dims[i] = x->dims[axis];
        strides[i] = own[axis];
    }
    if (!cnn_onnx_output(call, 0, x->type, x->rank, dims))
        return CNN_FAILED;
    if (call->out[0].data)
        copy_strided(x, 0, strides, &call->out[0]);
    return CNN_OK;
}

cnn_status cnn_onnx_expand(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    int64_t wanted[CNN_ONNX_MAX_RANK], own[CNN_ONNX_MAX_RANK], strides[CNN_ONNX_MAX_RANK];
    size_t count, dims[CNN_ONNX_MAX_RANK];
    if (!cnn_onnx_whole_input(call, 1, wanted, &count))
        return CNN_FAILED;
    size_t rank = count > x->rank ? count : x->rank;
    signed_strides(x, own);
    for (size_t i = 0; i < rank; i++) {
        size_t have = i + x->rank >= rank ? x->dims[i + x->rank - rank] : 1, want = 1;
        if (i + count >= rank && !cnn_onnx_size_of(call, wanted[i + count - rank], &want))
            return CNN_FAILED;
        if (have != 1 && want != 1 && have != want)
            return cnn_onnx_call_fail(call, "size %zu does not become %zu", have, want);
        dims[i] = have == 1 ? want : have;
        strides[i] = have == 1 ? 0 : own[i + x->rank - rank];
    }
    if (!cnn_onnx_output(call, 0, x->type, rank, dims))
        return CNN_FAILED;
    if (call->out[0].data)
        copy_strided(x, 0, strides, &call->out[0]);
    return CNN_OK;
}

cnn_status cnn_onnx_tile(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    int64_t repeats[CNN_ONNX_MAX_RANK];
    size_t count, dims[CNN_ONNX_MAX_RANK], index[CNN_ONNX_MAX_RANK] = {0};
    if (!cnn_onnx_whole_input(call, 1, repeats, &count))
        return CNN_FAILED;
    if (count != x->rank)
        return cnn_onnx_call_fail(call, "%zu repeats for %zu dimensions", count, x->rank);
    for (size_t i = 0; i < count; i++)
        if (!cnn_onnx_size_of(call, repeats[i], &dims[i]) ||
            !cnn_size_mul(dims[i], x->dims[i], &dims[i]))
            return CNN_FAILED;
    if (!cnn_onnx_output(call, 0, x->type, x->rank, dims))
        return CNN_FAILED;
    struct cnn_onnx_array *y = &call->out[0];
    for (size_t i = 0; y->data && i < y->count; i++) {
        size_t from = 0;
        for (size_t k = 0; k < x->rank; k++)
            from = from * x->dims[k] + index[k] % x->dims[k];
        y->data[i] = x->data[from];
        cnn_onnx_next(y->rank, y->dims, index);
    }
    return CNN_OK;
}

struct slice { /* of one dimension */
    int64_t begin, step;
    size_t count;
};

static struct slice slice_of(int64_t size, int64_t begin, int64_t end, int64_t step)
{
    const int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? size : size - 1;
    int64_t ends[2] = {begin, end};
    for (size_t i = 0; i < 2; i++) {
        if (ends[i] < 0) /* those far below stay there */
            ends[i] = ends[i] < -size ? lowest : ends[i] + size;
        ends[i] = ends[i] < lowest ? lowest : ends[i] > highest ? highest : ends[i];
    }
    int64_t length = step > 0 ? ends[1] - ends[0] : ends[0] - ends[1];
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    return (struct slice){ends[0], step,
                          length > 0 ? (size_t)(((uint64_t)length - 1) / stride) + 1 : 0};
}

cnn_status cnn_onnx_slice(struct cnn_onnx_call *call)
{
    static const char *const names[] = {"starts", "ends", "axes", "steps"};
    const struct cnn_onnx_array *x = call->in[0];
    struct cnn_onnx_list lists[4], *starts = &lists[0], *ends = &lists[1], *axes = &lists[2],
                                   *steps = &lists[3];
    int64_t strides[CNN_ONNX_MAX_RANK], at = 0;
    size_t dims[CNN_ONNX_MAX_RANK], axis;
    for (size_t i = 0; i < 4; i++)
        if (!cnn_onnx_get_list(call, names[i], i + 1, 10, &lists[i]))
            return CNN_FAILED;
    signed_strides(x, strides);
    memcpy(dims, x->dims, sizeof dims);
    for (size_t i = 1; i < 4; i++)
        if ((lists[i].given || i == 1) && lists[i].count != starts->count)
            return cnn_onnx_call_fail(call, "%s has %zu numbers, starts %zu", names[i],
                                      lists[i].count, starts->count);
    for (size_t i = 0; i < starts->count; i++) {
        int64_t step = steps->given ? steps->values[i] : 1;
        if (step == 0 ||
            !cnn_onnx_axis(call, axes->given ? axes->values[i] : (int64_t)i, x->rank, false, &axis))
            return step == 0 ? cnn_onnx_call_fail(call, "a step is 0") : CNN_FAILED;
        struct slice s = slice_of((int64_t)x->dims[axis], starts->values[i], ends->values[i], step);
        dims[axis] = s.count;
        at += s.count > 0 ? s.begin * strides[axis] : 0;
        strides[axis] = s.count > 1 ? strides[axis] * step : 0;
    }
    if (!cnn_onnx_output(call, 0, x->type, x->rank, dims))
        return CNN_FAILED;
    if (call->out[0].data)
        copy_strided(x, at, strides, &call->out[0]);
    return CNN_OK;
}

cnn_status cnn_onnx_split(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    struct cnn_onnx_list sizes;
    int64_t given, strides[CNN_ONNX_MAX_RANK];
    size_t axis, dims[CNN_ONNX_MAX_RANK], at = 0;
    if (!cnn_onnx_get_int(call, "axis", 0, &given) ||
        !cnn_onnx_axis(call, given, x->rank, false, &axis) ||
        !cnn_onnx_get_list(call, "split", 1, 13, &sizes))
        return CNN_FAILED;
    if (sizes.given && sizes.count != call->out_count)
        return cnn_onnx_call_fail(call, "%zu sizes for %zu outputs", sizes.count, call->out_count);
    size_t each = (x->dims[axis] + call->out_count - 1) / call->out_count;
    signed_strides(x, strides);
    memcpy(dims, x->dims, sizeof dims);
    for (size_t i = 0; i < call->out_count; i++) {
        size_t left = x->dims[axis] - at;
        dims[axis] = each < left ? each : left;
        if (sizes.given && !cnn_onnx_size_of(call, sizes.values[i], &dims[axis]))
            return CNN_FAILED;
        if (dims[axis] > left || (i + 1 == call->out_count && dims[axis] != left))
            return cnn_onnx_call_fail(call, "its parts do not make up size %zu", x->dims[axis]);
        if (!cnn_onnx_output(call, i, x->type, x->rank, dims))
            return CNN_FAILED;
        if (call->out[i].data)
            copy_strided(x, (int64_t)at * strides[axis], strides, &call->out[i]);
        at += dims[axis];
    }
    return CNN_OK;
}

cnn_status cnn_onnx_gather(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0], *chosen = call->in[1];
    int64_t given;
    size_t axis, rank = 0, dims[2 * CNN_ONNX_MAX_RANK], inner = 1;
    if (!cnn_onnx_get_int(call, "axis", 0, &given) ||
        !cnn_onnx_axis(call, given, x->rank, false, &axis))
        return CNN_FAILED;
    for (size_t i = 0; i < axis; i++)
        dims[rank++] = x->dims[i];
    for (size_t i = 0; i < chosen->rank; i++)
        dims[rank++] = chosen->dims[i];
    for (size_t i = axis + 1; i < x->rank; i++) {
        dims[rank++] = x->dims[i];
        inner *= x->dims[i];
    }
    if (!cnn_onnx_output(call, 0, x->type, rank, dims))
        return CNN_FAILED;
    struct cnn_onnx_array *y = &call->out[0];
    for (size_t i = 0; y->data && i < y->count; i++) {
        double number = chosen->data[i / inner % chosen->count];
        number = number < 0 ? number + (double)x->dims[axis] : number;
        if (!(number >= 0 && number < (double)x->dims[axis]))
            return cnn_onnx_call_fail(call, "it takes number %.0f of %zu", number, x->dims[axis]);
        size_t outer = i / inner / chosen->count;
        y->data[i] = x->data[(outer * x->dims[axis] + (size_t)number) * inner + i % inner];
    }
    return CNN_OK;
}

cnn_status cnn_onnx_concat(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    int64_t given;
    size_t axis, dims[CNN_ONNX_MAX_RANK], outer = 1;
    if (!x || !cnn_onnx_get_int(call, "axis", 1, &given) ||
        !cnn_onnx_axis(call, given, x->rank, false, &axis))
        return CNN_FAILED;
    memcpy(dims, x->dims, sizeof dims);
    for (size_t i = 0; i < axis; i++)
        outer *= dims[i];
    for (size_t i = 1; i < call->in_count; i++) {
        const struct cnn_onnx_array *other = call->in[i];
        if (!other || other->rank != x->rank)
            return cnn_onnx_call_fail(call, "its inputs differ in their number of dimensions");
        for (size_t k = 0; k < x->rank; k++)
            if (k != axis && other->dims[k] != x->dims[k])
                return cnn_onnx_call_fail(call,
                                          "sizes %zu and %zu of its inputs do not go together",
                                          x->dims[k], other->dims[k]);
        dims[axis] += other->dims[axis];
    }
    if (!cnn_onnx_output(call, 0, x->type, x->rank, dims))
        return CNN_FAILED;
    double *y = call->out[0].data;
    for (size_t o = 0; y && o < outer; o++)
        for (size_t i = 0; i < call->in_count; i++) {
            size_t row = call->in[i]->count / outer;
            memcpy(y, call->in[i]->data + o * row, row * sizeof *y);
            y += row;
        }
    return CNN_OK;
}

/* ---- Padding ---- */

/* Where number `at` of a padded dimension of this size comes from; -1: it is padding. mode:
 * constant, reflect, edge. */
static int64_t pad_source(int64_t at, int64_t size, size_t mode)
{
    if (at >= 0 && at < size)
        return at;
    if (mode == 0)
        return -1;
    if (mode == 2)
        return at < 0 ? 0 : size - 1;
    int64_t period = 2 * (size - 1);
    at = ((at % period) + period) % period;
    return at < size ? at : period - at;
}

/* Numbers before and behind each dimension. */
static bool get_pads(const struct cnn_onnx_call *call, int64_t *before, int64_t *behind)
{
    const struct cnn_onnx_array *x = call->in[0], *pads = cnn_onnx_in(call, 1);
    const bool input = call->file->opset >= 11;
    int64_t axes[CNN_ONNX_MAX_RANK];
    const int64_t *values = NULL;
    size_t count = input && pads ? pads->count : 0, axis_count = x->rank;
    if (!input && !cnn_onnx_get_ints(call, "pads", &values, &count))
        return false;
    for (size_t i = 0; i < x->rank; i++)
        axes[i] = (int64_t)i;
    if (cnn_onnx_in(call, 3) && !cnn_onnx_whole_input(call, 3, axes, &axis_count))
        return false;
    if ((input && (!pads || !pads->data)) || count != 2 * axis_count) {
        cnn_onnx_call_fail(call, "%zu known numbers of padding for %zu dimensions",
                           input && (!pads || !pads->data) ? 0 : count, axis_count);
        return false;
    }
    memset(before, 0, CNN_ONNX_MAX_RANK * sizeof *before);
    memset(behind, 0, CNN_ONNX_MAX_RANK * sizeof *behind);
    for (size_t i = 0; i < count; i++) {
        size_t axis;
        double value = values ? (double)values[i] : pads->data[i];
        if (!cnn_onnx_axis(call, axes[i % axis_count], x->rank, false, &axis) ||
            !(fabs(value) < 1 << 24)) {
            cnn_onnx_call_fail(call, "%.0f is no number of padding", value);
            return false;
        }
        *(i < axis_count ? &before[axis] : &behind[axis]) = (int64_t)value;
    }
    return true;
}

cnn_status cnn_onnx_pad(struct cnn_onnx_call *call)
{
    static const char *const modes[] = {"constant", "reflect", "edge", NULL};
    const struct cnn_onnx_array *x = call->in[0], *filling = cnn_onnx_in(call, 2);
    int64_t before[CNN_ONNX_MAX_RANK], behind[CNN_ONNX_MAX_RANK];
    size_t mode, dims[CNN_ONNX_MAX_RANK], index[CNN_ONNX_MAX_RANK] = {0};
    double value = 0;
    if (!cnn_onnx_get_word(call, "mode", modes, &mode) || !get_pads(call, before, behind) ||
        (call->file->opset < 11 && !cnn_onnx_get_float(call, "value", 0, &value)))
        return CNN_FAILED;
    if (call->file->opset >= 11 && filling && filling->data && filling->count == 1)
        value = filling->data[0];
    for (size_t i = 0; i < x->rank; i++) {
        int64_t size = (int64_t)x->dims[i];
        if (!cnn_onnx_size_of(call, size + before[i] + behind[i], &dims[i]))
            return CNN_FAILED;
        if (mode > 0 && (size == 0 || (mode == 1 && size < 2 && (before[i] || behind[i]))))
            return cnn_onnx_call_fail(call, "there is nothing to pad size %zu with", x->dims[i]);
    }
    if (!cnn_onnx_output(call, 0, x->type, x->rank, dims))
        return CNN_FAILED;
    struct cnn_onnx_array *y = &call->out[0];
    for (size_t i = 0; y->data && i < y->count; i++) {
        int64_t from = 0;
        for (size_t k = 0; k < x->rank && from >= 0; k++) {
            int64_t at = pad_source((int64_t)index[k] - before[k], (int64_t)x->dims[k], mode);
            from = at < 0 ? -1 : from * (int64_t)x->dims[k] + at;
        }
        y->data[i] = from < 0 ? value : x->data[from];
        cnn_onnx_next(y->rank, y->dims, index);
    }
    return CNN_OK;
}

/* ---- Between depth and space ---- */

/* x as dimensions `sizes`, in the order `order`. */
static cnn_status reordered(struct cnn_onnx_call *call, const size_t *sizes, const size_t *order,
                            const size_t *dims)
{
    struct cnn_onnx_array from = *call->in[0], to = {.rank = 6};
    int64_t own[CNN_ONNX_MAX_RANK], strides[CNN_ONNX_MAX_RANK];
    if (!cnn_onnx_output(call, 0, from.type, 4, dims))
        return CNN_FAILED;
    from.rank = 6;
    memcpy(from.dims, sizes, 6 * sizeof *sizes);
    signed_strides(&from, own);
    for (size_t i = 0; i < 6; i++) {
        to.dims[i] = sizes[order[i]];
        strides[i] = own[order[i]];
    }
    to.count = call->out[0].count;
    to.data = call->out[0].data;
    if (to.data)
        copy_strided(&from, 0, strides, &to);
    return CNN_OK;
}

static bool get_block(const struct cnn_onnx_call *call, size_t *block)
{
    int64_t given;
    if (!cnn_onnx_get_int(call, "blocksize", 0, &given))
        return false;
    if (given < 1 || given > 1024 || call->in[0]->rank != 4) {
        cnn_onnx_call_fail(call, "blocksize %" PRId64 " of %zu dimensions", given,
                           call->in[0]->rank);
        return false;
    }
    *block = (size_t)given;
    return true;
}

cnn_status cnn_onnx_depth_to_space(struct cnn_onnx_call *call)
{
    static const char *const modes[] = {"DCR", "CRD", NULL};
    const size_t *d = call->in[0]->dims;
    size_t b, mode;
    if (!get_block(call, &b) || !cnn_onnx_get_word(call, "mode", modes, &mode))
        return CNN_FAILED;
    if (d[1] % (b * b) != 0)
        return cnn_onnx_call_fail(call, "%zu channels are no multiple of %zu", d[1], b * b);
    size_t c = d[1] / (b * b), dims[4] = {d[0], c, d[2] * b, d[3] * b};
    if (mode == 0)
        return reordered(call, (const size_t[]){d[0], b, b, c, d[2], d[3]},
                         (const size_t[]){0, 3, 4, 1, 5, 2}, dims);
    return reordered(call, (const size_t[]){d[0], c, b, b, d[2], d[3]},
                     (const size_t[]){0, 1, 4, 2, 5, 3}, dims);
}

cnn_status cnn_onnx_space_to_depth(struct cnn_onnx_call *call)
{
    const size_t *d = call->in[0]->dims;
    size_t b;
    if (!get_block(call, &b))
        return CNN_FAILED;
    if (d[2] % b != 0 || d[3] % b != 0)
        return cnn_onnx_call_fail(call, "%zu x %zu is no multiple of %zu", d[2], d[3], b);
    size_t dims[4] = {d[0], d[1] * b * b, d[2] / b, d[3] / b};
    return reordered(call, (const size_t[]){d[0], d[1], dims[2], b, dims[3], b},
                     (const size_t[]){0, 3, 5, 1, 2, 4}, dims);
}
