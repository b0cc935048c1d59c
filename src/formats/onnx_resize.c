/* Resize and Upsample, one dimension after another: what they compute is a product of what they do
 * along each. */
#include <math.h>
#include <string.h>

#include "formats/onnx_operator.h"
#include "util/allocate.h"

enum { NEAREST, LINEAR };
enum { HALF_PIXEL, PYTORCH_HALF_PIXEL, ALIGN_CORNERS, ASYMMETRIC };
enum { ROUND_PREFER_FLOOR, ROUND_PREFER_CEIL, FLOOR, CEIL };

struct resize {
    size_t mode, transform, rounding;
    size_t dims[CNN_ONNX_MAX_RANK];
    double scales[CNN_ONNX_MAX_RANK];
};

static double source(const struct resize *r, size_t axis, size_t in, size_t at)
{
    double x = (double)at, scale = r->scales[axis];
    switch (r->transform) {
    case HALF_PIXEL:
        return (x + 0.5) / scale - 0.5;
    case PYTORCH_HALF_PIXEL:
        return r->dims[axis] > 1 ? (x + 0.5) / scale - 0.5 : 0;
    case ALIGN_CORNERS:
        return r->dims[axis] > 1 ? x * (double)(in - 1) / (double)(r->dims[axis] - 1) : 0;
    default:
        return x / scale;
    }
}

static double nearest(const struct resize *r, double x)
{
    switch (r->rounding) {
    case ROUND_PREFER_FLOOR:
        return ceil(x - 0.5);
    case ROUND_PREFER_CEIL:
        return floor(x + 0.5);
    case FLOOR:
        return floor(x);
    default:
        return ceil(x);
    }
}

static double limit(double x, size_t in)
{
    return x < 0 ? 0 : x > (double)(in - 1) ? (double)(in - 1) : x;
}

/* Where place `at` of the output lies on the input: between two pixels, or on the nearest. */
static double place(const struct resize *r, size_t axis, size_t in, size_t at)
{
    double x = source(r, axis, in, at);
    return limit(r->mode == NEAREST ? nearest(r, x) : x, in);
}

/* x [outer][in][inner] to y [outer][out][inner]. */
static void resize_axis(const struct resize *r, size_t axis, const struct cnn_onnx_array *x,
                        double *y)
{
    size_t outer = 1, inner = 1, in = x->dims[axis], out = r->dims[axis];
    for (size_t i = 0; i < x->rank; i++)
        *(i < axis ? &outer : i > axis ? &inner : &(size_t){1}) *= i == axis ? 1 : x->dims[i];
    for (size_t i = 0; i < out; i++) {
        double at = place(r, axis, in, i);
        size_t low = (size_t)at, high = low + 1 < in ? low + 1 : low;
        double share = at - (double)low;
        for (size_t o = 0; o < outer; o++)
            for (size_t k = 0; k < inner; k++)
                y[(o * out + i) * inner + k] = (1 - share) * x->data[(o * in + low) * inner + k] +
                                               share * x->data[(o * in + high) * inner + k];
    }
}

static cnn_status resize_all(struct cnn_onnx_call *call, const struct resize *r)
{
    struct cnn_onnx_array now = *call->in[0];
    double *owned = NULL;
    for (size_t axis = 0; axis < now.rank; axis++) {
        if (now.dims[axis] == r->dims[axis] && r->scales[axis] == 1)
            continue;
        size_t count = now.count / now.dims[axis] * r->dims[axis];
        double *y = cnn_malloc((count + 1) * sizeof *y);
        if (!y) {
            cnn_free(owned);
            return cnn_fail_memory(call->diag, count * sizeof *y, call->file->name);
        }
        resize_axis(r, axis, &now, y);
        cnn_free(owned);
        owned = now.data = y;
        now.dims[axis] = r->dims[axis];
        now.count = count;
    }
    memcpy(call->out[0].data, now.data, now.count * sizeof *now.data);
    cnn_free(owned);
    return CNN_OK;
}

static bool refuse_attribute(const struct cnn_onnx_call *call, const char *name)
{
    const struct cnn_onnx_attribute *a = cnn_onnx_attribute(call->node, name);
    if (!a || (a->type == 2 && a->i == 0) ||
        (a->type == 3 && a->s.size == 7 && memcmp(a->s.data, "stretch", 7) == 0))
        return false;
    cnn_onnx_call_fail(call, "attribute '%s' is not supported", name);
    return true;
}

/* The words of the attributes. Before opset 11 places are divided by the scale, and rounded down.
 */
static bool read_words(const struct cnn_onnx_call *call, struct resize *r)
{
    static const char *const modes[] = {"nearest", "linear", "bilinear", NULL};
    static const char *const transforms[] = {"half_pixel", "pytorch_half_pixel", "align_corners",
                                             "asymmetric", NULL};
    static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                            "ceil", NULL};
    if (!cnn_onnx_get_word(call, "mode", modes, &r->mode))
        return false;
    r->mode = r->mode == 0 ? NEAREST : LINEAR;
    r->transform = ASYMMETRIC;
    r->rounding = FLOOR;
    if (call->file->opset < 11)
        return true;
    return cnn_onnx_get_word(call, "coordinate_transformation_mode", transforms, &r->transform) &&
           cnn_onnx_get_word(call, "nearest_mode", roundings, &r->rounding) &&
           !refuse_attribute(call, "axes") && !refuse_attribute(call, "antialias") &&
           !refuse_attribute(call, "keep_aspect_ratio_policy");
}

static bool set_scale(const struct cnn_onnx_call *call, struct resize *r, size_t axis, double scale)
{
    double size = floor((double)call->in[0]->dims[axis] * scale);
    if (!(scale > 0) || !(size >= 1 && size <= (double)CNN_ONNX_MAX_COUNT)) {
        cnn_onnx_call_fail(call, "scale %g of size %zu", scale, call->in[0]->dims[axis]);
        return false;
    }
    r->scales[axis] = scale;
    r->dims[axis] = (size_t)size;
    if (r->transform == ALIGN_CORNERS && size != (double)call->in[0]->dims[axis] * scale &&
        !cnn_onnx_in(call, 3)) {
        cnn_onnx_call_fail(call, "align_corners and a scale that gives no whole size, which "
                                 "programs read differently, are not supported");
        return false;
    }
    return true;
}

/* Scales: an attribute of Upsample 7, input 2 of Upsample 9 and Resize 10, input 3 of Resize from
 * 11 on, which has sizes in input 4, too. */
static bool read_sizes(const struct cnn_onnx_call *call, struct resize *r)
{
    const struct cnn_onnx_array *x = call->in[0];
    const struct cnn_onnx_array *scales = cnn_onnx_in(call, call->file->opset < 11 ? 1 : 2);
    const struct cnn_onnx_array *sizes = call->file->opset < 11 ? NULL : cnn_onnx_in(call, 3);
    const struct cnn_onnx_attribute *a = cnn_onnx_attribute(call->node, "scales");
    const bool wants_sizes = sizes && sizes->count > 0;
    const struct cnn_onnx_array *list = wants_sizes ? sizes : scales;
    const bool attribute = call->file->opset < 9 && a;
    if (attribute ? a->floats.count != x->rank : !list || !list->data || list->count != x->rank) {
        cnn_onnx_call_fail(call, "its scales or sizes are not known before any image is");
        return false;
    }
    for (size_t i = 0; i < x->rank; i++) {
        double scale = attribute     ? (double)((const float *)a->floats.items)[i]
                       : wants_sizes ? list->data[i] / (double)x->dims[i]
                                     : list->data[i];
        if (!set_scale(call, r, i, scale))
            return false;
        if (wants_sizes)
            r->dims[i] = (size_t)list->data[i];
    }
    return true;
}

cnn_status cnn_onnx_resize_places(const struct cnn_onnx_call *call, size_t axis, double *places)
{
    struct resize r;
    if (!read_words(call, &r) || !read_sizes(call, &r))
        return CNN_INVALID;
    for (size_t i = 0; i < r.dims[axis]; i++)
        places[i] = place(&r, axis, call->in[0]->dims[axis], i);
    return CNN_OK;
}

cnn_status cnn_onnx_resize(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    struct resize r;
    if (x->count == 0)
        return cnn_onnx_call_fail(call, "its input is empty");
    if (!read_words(call, &r) || !read_sizes(call, &r))
        return CNN_FAILED;
    if (!cnn_onnx_output(call, 0, x->type, x->rank, r.dims))
        return CNN_FAILED;
    return call->out[0].data ? resize_all(call, &r) : CNN_OK;
}
