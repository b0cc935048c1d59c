/* Operators that take number by number from several inputs, which are broadcast to one shape. */
#include <math.h>
#include <string.h>

#include "formats/onnx_operator.h"

static double g_add(double a, double b)
{
    return a + b;
}

static double g_and(double a, double b)
{
    return a != 0 && b != 0;
}

static double g_div(double a, double b)
{
    return a / b;
}

static double g_equal(double a, double b)
{
    return a == b;
}

static double g_greater(double a, double b)
{
    return a > b;
}

static double g_greater_or_equal(double a, double b)
{
    return a >= b;
}

static double g_less(double a, double b)
{
    return a < b;
}

static double g_less_or_equal(double a, double b)
{
    return a <= b;
}

static double g_max(double a, double b)
{
    return a > b || isnan(a) ? a : b;
}

static double g_min(double a, double b)
{
    return a < b || isnan(a) ? a : b;
}

static double g_mul(double a, double b)
{
    return a * b;
}

static double g_or(double a, double b)
{
    return a != 0 || b != 0;
}

static double g_prelu(double a, double b)
{
    return a < 0 ? a * b : a;
}

static double g_sub(double a, double b)
{
    return a - b;
}

static const struct binary {
    const char *name;
    double (*function)(double a, double b);
    bool truth; /* the result is of type bool */
} binaries[] = {{"Add", g_add, false},        {"And", g_and, true},
                {"Div", g_div, false},        {"Equal", g_equal, true},
                {"Greater", g_greater, true}, {"GreaterOrEqual", g_greater_or_equal, true},
                {"Less", g_less, true},       {"LessOrEqual", g_less_or_equal, true},
                {"Max", g_max, false},        {"Mean", g_add, false},
                {"Min", g_min, false},        {"Mul", g_mul, false},
                {"Or", g_or, true},           {"Pow", pow, false},
                {"PRelu", g_prelu, false},    {"Sub", g_sub, false},
                {"Sum", g_add, false}};

/* NumPy's broadcasting: the shape that all inputs are brought to. */
static cnn_status broadcast_shape(const struct cnn_onnx_call *call, size_t *rank, size_t *dims)
{
    *rank = 0;
    for (size_t i = 0; i < call->in_count; i++) {
        if (!call->in[i])
            return cnn_onnx_call_fail(call, "input %zu is left out", i + 1);
        if (call->in[i]->rank > *rank)
            *rank = call->in[i]->rank;
    }
    for (size_t k = 0; k < *rank; k++)
        dims[k] = 1;
    for (size_t i = 0; i < call->in_count; i++)
        for (size_t k = 0; k < call->in[i]->rank; k++) {
            size_t *dim = &dims[*rank - call->in[i]->rank + k], other = call->in[i]->dims[k];
            if (*dim == 1)
                *dim = other;
            else if (other != 1 && other != *dim)
                return cnn_onnx_call_fail(
                    call, "sizes %zu and %zu of its inputs do not go together", *dim, other);
        }
    return CNN_OK;
}

/* An input that is broadcast to the shape of the output. */
struct spread {
    const struct cnn_onnx_array *x;
    size_t strides[CNN_ONNX_MAX_RANK]; /* 0 where its one number serves all */
};

static struct spread spread_to(const struct cnn_onnx_array *x, size_t rank, const size_t *dims)
{
    struct spread s = {x, {0}};
    size_t own[CNN_ONNX_MAX_RANK], first = rank - x->rank;
    cnn_onnx_strides(x->rank, x->dims, own);
    for (size_t k = 0; k < x->rank; k++)
        s.strides[first + k] = x->dims[k] == 1 && dims[first + k] != 1 ? 0 : own[k];
    return s;
}

static double spread_get(const struct spread *s, size_t rank, const size_t *index)
{
    size_t at = 0;
    for (size_t k = 0; k < rank; k++)
        at += index[k] * s->strides[k];
    return s->x->data[at];
}

/* y = function(y, x), or x alone where it is the first. */
static void accumulate(struct cnn_onnx_array *y, const struct cnn_onnx_array *x, bool first,
                       double (*function)(double, double))
{
    const struct spread s = spread_to(x, y->rank, y->dims);
    size_t index[CNN_ONNX_MAX_RANK] = {0};
    for (size_t i = 0; i < y->count; i++) {
        double value = spread_get(&s, y->rank, index);
        y->data[i] = first ? value : function(y->data[i], value);
        cnn_onnx_next(y->rank, y->dims, index);
    }
}

static void finish_whole(const struct cnn_onnx_call *call, int64_t type)
{
    struct cnn_onnx_array *y = &call->out[0];
    for (size_t i = 0; cnn_onnx_type_whole(type) && i < y->count; i++)
        y->data[i] = cnn_onnx_wrap(type, trunc(y->data[i]));
}

cnn_status cnn_onnx_binary(struct cnn_onnx_call *call)
{
    const struct binary *b = binaries;
    size_t rank, dims[CNN_ONNX_MAX_RANK];
    while (strcmp(b->name, call->node->op_type) != 0)
        b++;
    if (broadcast_shape(call, &rank, dims) != CNN_OK)
        return CNN_FAILED;
    int64_t type = b->truth ? CNN_ONNX_BOOL : call->in[0]->type;
    if (!cnn_onnx_output(call, 0, type, rank, dims))
        return CNN_FAILED;
    struct cnn_onnx_array *y = &call->out[0];
    for (size_t i = 0; y->data && i < call->in_count; i++)
        accumulate(y, call->in[i], i == 0, b->function);
    if (y->data && strcmp(b->name, "Mean") == 0)
        for (size_t i = 0; i < y->count; i++)
            y->data[i] /= (double)call->in_count;
    if (y->data)
        finish_whole(call, type);
    return CNN_OK;
}

cnn_status cnn_onnx_where(struct cnn_onnx_call *call)
{
    size_t rank, dims[CNN_ONNX_MAX_RANK], index[CNN_ONNX_MAX_RANK] = {0};
    if (broadcast_shape(call, &rank, dims) != CNN_OK ||
        !cnn_onnx_output(call, 0, call->in[1]->type, rank, dims))
        return CNN_FAILED;
    struct cnn_onnx_array *y = &call->out[0];
    struct spread s[3];
    for (size_t i = 0; i < 3; i++)
        s[i] = spread_to(call->in[i], rank, dims);
    for (size_t i = 0; y->data && i < y->count; i++) {
        bool first = spread_get(&s[0], rank, index) != 0;
        y->data[i] = spread_get(&s[first ? 1 : 2], rank, index);
        cnn_onnx_next(rank, dims, index);
    }
    return CNN_OK;
}
