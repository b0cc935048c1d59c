/* The nodes of activations, which follow those of an operation. */
#include "formats/onnx_export.h"

const char *cnn_onnx_number(struct cnn_onnx_writer *w, const char *suffix, float value)
{
    return cnn_onnx_draft_floats(&w->draft, w->node->name, suffix, (struct cnn_onnx_dims){0},
                                 &value);
}

static const char *clip(struct cnn_onnx_writer *w, const char *x, float low, float high)
{
    if (w->draft.opset == CNN_ONNX_OLD_OPSET) {
        const char *y = cnn_onnx_emit1(w, "Clip", x);
        cnn_onnx_draft_float(&w->draft, "min", low);
        cnn_onnx_draft_float(&w->draft, "max", high);
        return y;
    }
    const char *inputs[3] = {x, cnn_onnx_number(w, "min", low), cnn_onnx_number(w, "max", high)};
    return cnn_onnx_emit(w, "Clip", 3, inputs);
}

static const char *gelu(struct cnn_onnx_writer *w, const char *x)
{
    const char *erf = cnn_onnx_emit1(
        w, "Erf", cnn_onnx_emit2(w, "Div", x, cnn_onnx_number(w, "sqrt2", 1.41421356237309505f)));
    const char *share = cnn_onnx_emit2(w, "Add", erf, cnn_onnx_number(w, "one", 1));
    return cnn_onnx_emit2(w, "Mul", cnn_onnx_emit2(w, "Mul", x, share),
                          cnn_onnx_number(w, "half", 0.5f));
}

static const char *with_number(struct cnn_onnx_writer *w, const char *op_type, const char *x,
                               const char *attribute, float value)
{
    const char *y = cnn_onnx_emit1(w, op_type, x);
    cnn_onnx_draft_float(&w->draft, attribute, value);
    return y;
}

static const char *hard_sigmoid(struct cnn_onnx_writer *w, const char *x)
{
    const char *y = with_number(w, "HardSigmoid", x, "alpha", 1.0f / 6);
    cnn_onnx_draft_float(&w->draft, "beta", 0.5f);
    return y;
}

static const char *softmax(struct cnn_onnx_writer *w, const char *x)
{
    const char *y = cnn_onnx_emit1(w, "Softmax", x);
    cnn_onnx_draft_int(&w->draft, "axis", 1);
    return y;
}

const char *cnn_onnx_activate(struct cnn_onnx_writer *w, const char *x)
{
    const struct cnn_activation a = w->operation.activation;
    if (!cnn_activation_cuts(a))
        x = cnn_onnx_coded_sum(w, x);
    switch (a.kind) {
    case CNN_ACT_NONE:
        return x;
    case CNN_ACT_RELU:
        return cnn_onnx_emit1(w, "Relu", x);
    case CNN_ACT_RELU6:
        return clip(w, x, 0, 6);
    case CNN_ACT_LEAKY_RELU:
        return with_number(w, "LeakyRelu", x, "alpha", a.slope);
    case CNN_ACT_ELU:
        return with_number(w, "Elu", x, "alpha", 1);
    case CNN_ACT_SIGMOID:
        return cnn_onnx_emit1(w, "Sigmoid", x);
    case CNN_ACT_TANH:
        return cnn_onnx_emit1(w, "Tanh", x);
    case CNN_ACT_GELU:
        return gelu(w, x);
    case CNN_ACT_SILU:
        return cnn_onnx_emit2(w, "Mul", x, cnn_onnx_emit1(w, "Sigmoid", x));
    case CNN_ACT_HARDSWISH:
        return cnn_onnx_emit1(w, "HardSwish", x);
    case CNN_ACT_HARD_SIGMOID:
        return hard_sigmoid(w, x);
    case CNN_ACT_MISH:
        return cnn_onnx_emit2(w, "Mul", x,
                              cnn_onnx_emit1(w, "Tanh", cnn_onnx_emit1(w, "Softplus", x)));
    case CNN_ACT_SOFTMAX:
        return softmax(w, x);
    case CNN_ACT_CLIP:
        return clip(w, x, a.min, a.max);
    }
    return x;
}
