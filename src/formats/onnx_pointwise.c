/* Operators that take number by number: functions of one. Those of several: onnx_broadcast.c. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "formats/onnx_operator.h"

static double f_abs(double x, const double *p)
{
    (void)p;
    return fabs(x);
}

static double f_ceil(double x, const double *p)
{
    (void)p;
    return ceil(x);
}

static double f_celu(double x, const double *p)
{
    return x >= 0 ? x : p[0] * expm1(x / p[0]);
}

static double f_elu(double x, const double *p)
{
    return x >= 0 ? x : p[0] * expm1(x);
}

static double f_erf(double x, const double *p)
{
    (void)p;
    return erf(x);
}

static double f_exp(double x, const double *p)
{
    (void)p;
    return exp(x);
}

static double f_floor(double x, const double *p)
{
    (void)p;
    return floor(x);
}

static double clamp(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x; /* NaN stays */
}

static double f_hard_sigmoid(double x, const double *p)
{
    return clamp(p[0] * x + p[1], 0, 1);
}

static double f_hard_swish(double x, const double *p)
{
    (void)p;
    return x * clamp(x / 6 + 0.5, 0, 1);
}

static double f_leaky_relu(double x, const double *p)
{
    return x < 0 ? p[0] * x : x;
}

static double f_log(double x, const double *p)
{
    (void)p;
    return log(x);
}

static double f_softplus(double x, const double *p)
{
    (void)p;
    return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
}

static double f_mish(double x, const double *p)
{
    return x * tanh(f_softplus(x, p));
}

static double f_neg(double x, const double *p)
{
    (void)p;
    return -x;
}

static double f_not(double x, const double *p)
{
    (void)p;
    return x == 0;
}

static double f_reciprocal(double x, const double *p)
{
    (void)p;
    return 1 / x;
}

static double f_relu(double x, const double *p)
{
    (void)p;
    return x < 0 ? 0 : x;
}

static double f_round(double x, const double *p)
{
    (void)p;
    return nearbyint(x); /* halves to even */
}

static double f_selu(double x, const double *p)
{
    return x > 0 ? p[1] * x : p[1] * p[0] * expm1(x);
}

static double f_sigmoid(double x, const double *p)
{
    (void)p;
    return 1 / (1 + exp(-x));
}

static double f_sign(double x, const double *p)
{
    (void)p;
    return (x > 0) - (x < 0);
}

static double f_softsign(double x, const double *p)
{
    (void)p;
    return x / (1 + fabs(x));
}

static double f_sqrt(double x, const double *p)
{
    (void)p;
    return sqrt(x);
}

static double f_tanh(double x, const double *p)
{
    (void)p;
    return tanh(x);
}

static double f_thresholded_relu(double x, const double *p)
{
    return x > p[0] ? x : 0;
}

struct unary {
    const char *name;
    double (*function)(double x, const double *p);
    const char *attributes[2];
    double defaults[2];
};

static const struct unary unaries[] = {
    {"Abs", f_abs, {NULL}, {0}},
    {"Ceil", f_ceil, {NULL}, {0}},
    {"Celu", f_celu, {"alpha"}, {1}},
    {"Elu", f_elu, {"alpha"}, {1}},
    {"Erf", f_erf, {NULL}, {0}},
    {"Exp", f_exp, {NULL}, {0}},
    {"Floor", f_floor, {NULL}, {0}},
    {"HardSigmoid", f_hard_sigmoid, {"alpha", "beta"}, {0.2, 0.5}},
    {"HardSwish", f_hard_swish, {NULL}, {0}},
    {"LeakyRelu", f_leaky_relu, {"alpha"}, {0.01}},
    {"Log", f_log, {NULL}, {0}},
    {"Mish", f_mish, {NULL}, {0}},
    {"Neg", f_neg, {NULL}, {0}},
    {"Not", f_not, {NULL}, {0}},
    {"Reciprocal", f_reciprocal, {NULL}, {0}},
    {"Relu", f_relu, {NULL}, {0}},
    {"Round", f_round, {NULL}, {0}},
    {"Selu", f_selu, {"alpha", "gamma"}, {1.67326319217681884765625, 1.05070102214813232421875}},
    {"Sigmoid", f_sigmoid, {NULL}, {0}},
    {"Sign", f_sign, {NULL}, {0}},
    {"Softplus", f_softplus, {NULL}, {0}},
    {"Softsign", f_softsign, {NULL}, {0}},
    {"Sqrt", f_sqrt, {NULL}, {0}},
    {"Tanh", f_tanh, {NULL}, {0}},
    {"ThresholdedRelu", f_thresholded_relu, {"alpha"}, {1}}};

static cnn_status each(struct cnn_onnx_call *call, double (*function)(double, const double *),
                       const double *p)
{
    const struct cnn_onnx_array *x = call->in[0];
    if (!cnn_onnx_output(call, 0, x->type, x->rank, x->dims))
        return CNN_FAILED;
    double *y = call->out[0].data;
    for (size_t i = 0; y && i < x->count; i++)
        y[i] = cnn_onnx_wrap(x->type, function(x->data[i], p));
    return CNN_OK;
}

cnn_status cnn_onnx_unary(struct cnn_onnx_call *call)
{
    const struct unary *u = unaries;
    double p[2] = {0};
    while (strcmp(u->name, call->node->op_type) != 0)
        u++;
    for (size_t i = 0; i < 2 && u->attributes[i]; i++)
        if (!cnn_onnx_get_float(call, u->attributes[i], u->defaults[i], &p[i]))
            return CNN_FAILED;
    return each(call, u->function, p);
}

static double f_gelu(double x, const double *p)
{
    const double root = 0.79788456080286535588; /* sqrt(2 / pi) */
    return p[0] != 0 ? 0.5 * x * (1 + tanh(root * (x + 0.044715 * x * x * x)))
                     : 0.5 * x * (1 + erf(x * 0.70710678118654752440));
}

cnn_status cnn_onnx_gelu(struct cnn_onnx_call *call)
{
    static const char *const words[] = {"none", "tanh", NULL};
    size_t word;
    if (!cnn_onnx_get_word(call, "approximate", words, &word))
        return CNN_FAILED;
    return each(call, f_gelu, (const double[]){(double)word});
}

/* A limit of Clip: an input from opset 11 on, an attribute before. */
static bool clip_limit(const struct cnn_onnx_call *call, size_t i, const char *name,
                       double otherwise, double *out)
{
    const struct cnn_onnx_array *limit = cnn_onnx_in(call, i);
    *out = otherwise;
    if (call->file->opset < 11)
        return cnn_onnx_get_float(call, name, otherwise, out);
    if (limit && limit->count != 1) {
        cnn_onnx_call_fail(call, "'%s' is no single number", name);
        return false;
    }
    if (limit && limit->data)
        *out = limit->data[0];
    return true;
}

static double f_clip(double x, const double *p)
{
    double least = x < p[0] ? p[0] : x; /* max wins where it is below min */
    return least > p[1] ? p[1] : least;
}

cnn_status cnn_onnx_clip(struct cnn_onnx_call *call)
{
    double p[2];
    if (!clip_limit(call, 1, "min", -INFINITY, &p[0]) ||
        !clip_limit(call, 2, "max", INFINITY, &p[1]))
        return CNN_FAILED;
    return each(call, f_clip, p);
}

/* x as a float with so many bits of fraction, the next one, or the even one of two, taken. */
static double round_fraction(double x, int bits, int lowest_exponent)
{
    int exponent;
    if (x == 0 || !isfinite(x))
        return x;
    frexp(x, &exponent);
    int shift = bits + 1 - (exponent > lowest_exponent ? exponent : lowest_exponent);
    return ldexp(nearbyint(ldexp(x, shift)), -shift);
}

static double f_cast(double x, const double *p)
{
    int64_t type = (int64_t)p[0];
    double rounded;
    switch (type) {
    case CNN_ONNX_BOOL:
        return x != 0;
    case CNN_ONNX_FLOAT:
        return (double)(float)x;
    case CNN_ONNX_FLOAT16:
        rounded = round_fraction(x, 10, -13);
        return fabs(rounded) > 65504 ? copysign(INFINITY, x) : rounded;
    case CNN_ONNX_BFLOAT16:
        return round_fraction(x, 7, -125);
    case CNN_ONNX_DOUBLE:
        return x;
    default:
        return cnn_onnx_wrap(type, trunc(x));
    }
}

cnn_status cnn_onnx_cast(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    int64_t type;
    if (!cnn_onnx_get_int(call, "to", 0, &type))
        return CNN_FAILED;
    if (strncmp(cnn_onnx_type_name(type), "type", 4) == 0)
        return cnn_onnx_call_fail(call, "it makes elements of %s, which are not read",
                                  cnn_onnx_type_name(type));
    if (!cnn_onnx_output(call, 0, type, x->rank, x->dims))
        return CNN_FAILED;
    double *y = call->out[0].data;
    for (size_t i = 0; y && i < x->count; i++)
        y[i] = f_cast(x->data[i], (const double[]){(double)type});
    return CNN_OK;
}
