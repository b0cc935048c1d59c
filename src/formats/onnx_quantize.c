/* Operators between numbers and codes, by tensor or by axis. */
#include <math.h>

#include "formats/onnx_operator.h"

/* Scales and zeros of a call: one, or one for each index of an axis, of which neighbours are
 * `inner` numbers apart. */
struct codes {
    const struct cnn_onnx_array *scale, *zero;
    size_t count, inner;
};

static cnn_status read_codes(struct cnn_onnx_call *call, struct codes *out)
{
    const struct cnn_onnx_array *x = call->in[0], *scale = call->in[1],
                                *zero = cnn_onnx_in(call, 2);
    int64_t given, block;
    size_t axis = 0;
    if (!cnn_onnx_get_int(call, "axis", 1, &given) ||
        !cnn_onnx_get_int(call, "block_size", 0, &block))
        return CNN_FAILED;
    *out = (struct codes){.scale = scale, .zero = zero, .count = 1, .inner = 1};
    if (block != 0)
        return cnn_onnx_call_fail(call, "scales of blocks are not supported");
    if (zero && zero->count != scale->count)
        return cnn_onnx_call_fail(call, "it has %zu scales and %zu zeros", scale->count,
                                  zero->count);
    if (scale->count == 1)
        return CNN_OK;
    if (!cnn_onnx_axis(call, given, x->rank, false, &axis))
        return CNN_FAILED;
    if (scale->rank != 1 || scale->count != x->dims[axis])
        return cnn_onnx_call_fail(call, "it has %zu scales for an axis of %zu", scale->count,
                                  x->dims[axis]);
    out->count = scale->count;
    for (size_t i = axis + 1; i < x->rank; i++)
        out->inner *= x->dims[i];
    return CNN_OK;
}

static double zero_of(const struct codes *codes, size_t which)
{
    return codes->zero ? codes->zero->data[which] : 0;
}

static double limit(int64_t type, bool low)
{
    switch (type) {
    case CNN_ONNX_INT8:
        return low ? -128 : 127;
    case CNN_ONNX_UINT8:
        return low ? 0 : 255;
    case CNN_ONNX_INT16:
        return low ? -32768 : 32767;
    default:
        return low ? 0 : 65535;
    }
}

cnn_status cnn_onnx_quantize(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0], *zero = cnn_onnx_in(call, 2);
    const int64_t type = zero ? zero->type : CNN_ONNX_UINT8;
    struct codes codes;
    if (type != CNN_ONNX_UINT8 && type != CNN_ONNX_INT8 && type != CNN_ONNX_INT16 &&
        type != CNN_ONNX_UINT16)
        return cnn_onnx_call_fail(call, "codes of %s are not supported", cnn_onnx_type_name(type));
    if (read_codes(call, &codes) != CNN_OK || !cnn_onnx_output(call, 0, type, x->rank, x->dims))
        return CNN_FAILED;
    const double *scale = codes.scale->data;
    for (size_t i = 0; scale && i < codes.scale->count; i++)
        if (!(scale[i] > 0) || !isfinite(scale[i]))
            return cnn_onnx_call_fail(call, "its scale is %g", scale[i]);
    for (size_t i = 0; call->out[0].data && i < x->count; i++) {
        const size_t which = i / codes.inner % codes.count;
        /* between two codes it is the quotient of floats that decides */
        const float steps = (float)x->data[i] / (float)codes.scale->data[which];
        const double code = (double)nearbyintf(steps) + zero_of(&codes, which);
        call->out[0].data[i] = fmin(limit(type, false), fmax(limit(type, true), code));
    }
    return CNN_OK;
}

cnn_status cnn_onnx_dequantize(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    struct codes codes;
    if (!cnn_onnx_type_whole(x->type))
        return cnn_onnx_call_fail(call, "codes of %s are not supported",
                                  cnn_onnx_type_name(x->type));
    if (read_codes(call, &codes) != CNN_OK ||
        !cnn_onnx_output(call, 0, call->in[1]->type, x->rank, x->dims))
        return CNN_FAILED;
    for (size_t i = 0; call->out[0].data && i < x->count; i++) {
        const size_t which = i / codes.inner % codes.count;
        call->out[0].data[i] = (x->data[i] - zero_of(&codes, which)) * codes.scale->data[which];
    }
    return CNN_OK;
}
