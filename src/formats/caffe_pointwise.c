/* Layers of Caffe that take number by number. */
#include "formats/caffe.h"

static void translate_relu(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                           const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    double slope = 0;
    if (!cnn_caffe_real(c, p, "negative_slope", &slope))
        return;
    cnn_onnx_draft_node(&c->draft, slope == 0 ? "Relu" : "LeakyRelu", layer->name);
    cnn_onnx_draft_input(&c->draft, x.value);
    if (slope != 0)
        cnn_onnx_draft_float(&c->draft, "alpha", slope);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), x.rank);
}

static void translate_elu(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                          const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    double alpha = 1;
    if (!cnn_caffe_real(c, p, "alpha", &alpha))
        return;
    cnn_onnx_draft_node(&c->draft, "Elu", layer->name);
    cnn_onnx_draft_input(&c->draft, x.value);
    cnn_onnx_draft_float(&c->draft, "alpha", alpha);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), x.rank);
}

static void translate_sigmoid(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                              const struct cnn_prototxt_field *p)
{
    (void)p;
    cnn_caffe_give_unary(c, layer, "Sigmoid");
}

static void translate_tanh(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                           const struct cnn_prototxt_field *p)
{
    (void)p;
    cnn_caffe_give_unary(c, layer, "Tanh");
}

static void translate_swish(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                            const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    double beta = 1;
    if (!cnn_caffe_real(c, p, "beta", &beta))
        return;
    if (beta != 1) {
        cnn_caffe_refuse(c, layer, "beta can only be 1");
        return;
    }
    const char *gate = cnn_onnx_draft_unary(&c->draft, "Sigmoid", layer->name, x.value);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_binary(&c->draft, "Mul", layer->name, x.value, gate),
                   x.rank);
}

static void give_clip(struct cnn_caffe *c, const struct cnn_caffe_layer *layer, double least,
                      double most)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    const float limits[] = {(float)least, (float)most};
    const char *names[2];
    for (size_t i = 0; i < 2; i++)
        names[i] = cnn_onnx_draft_floats(&c->draft, layer->name, i == 0 ? "min" : "max",
                                         (struct cnn_onnx_dims){0, {0}}, &limits[i]);
    cnn_onnx_draft_node(&c->draft, "Clip", layer->name);
    cnn_onnx_draft_input(&c->draft, x.value);
    cnn_onnx_draft_input(&c->draft, names[0]);
    cnn_onnx_draft_input(&c->draft, names[1]);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), x.rank);
}

static void translate_clip(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                           const struct cnn_prototxt_field *p)
{
    double least = 0, most = 0;
    if (!cnn_caffe_real(c, p, "min", &least) || !cnn_caffe_real(c, p, "max", &most))
        return;
    if (!(least < most))
        cnn_caffe_refuse(c, layer, "min is not below max");
    else
        give_clip(c, layer, least, most);
}

static void translate_relu6(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                            const struct cnn_prototxt_field *p)
{
    (void)p;
    give_clip(c, layer, 0, 6);
}

/* (shift + scale * x) ^ power */
static void translate_power(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                            const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    double power = 1, scale = 1, shift = 0;
    const char *value = x.value;
    if (!cnn_caffe_real(c, p, "power", &power) || !cnn_caffe_real(c, p, "scale", &scale) ||
        !cnn_caffe_real(c, p, "shift", &shift))
        return;
    if (power != 1) {
        cnn_caffe_refuse(c, layer, "its power is %g, and only 1 is supported", power);
        return;
    }
    if (scale != 1)
        value = cnn_onnx_draft_binary(&c->draft, "Mul", layer->name, value,
                                      cnn_caffe_constant(c, layer, "scale", scale));
    if (shift != 0)
        value = cnn_onnx_draft_binary(&c->draft, "Add", layer->name, value,
                                      cnn_caffe_constant(c, layer, "shift", shift));
    c->dropped += scale == 1 && shift == 0;
    cnn_caffe_give(c, layer, 0, value, x.rank);
}

const struct cnn_caffe_rule cnn_caffe_pointwise_rules[] = {
    {"ReLU", "relu_param", 1, 1, translate_relu},
    {"ReLU6", NULL, 1, 1, translate_relu6},
    {"ELU", "elu_param", 1, 1, translate_elu},
    {"Sigmoid", "sigmoid_param", 1, 1, translate_sigmoid},
    {"TanH", "tanh_param", 1, 1, translate_tanh},
    {"Swish", "swish_param", 1, 1, translate_swish},
    {"Clip", "clip_param", 1, 1, translate_clip},
    {"Power", "power_param", 1, 1, translate_power},
    {NULL, NULL, 0, 0, NULL}};
