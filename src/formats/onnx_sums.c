/* Operators that add up: matrix products, normalisations, reductions. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "formats/onnx_operator.h"
#include "util/parallel.h"

/* ---- Matrix products ---- */

struct product { /* c[m][n] += a[m][k] b[k][n], with strides */
    const double *a, *b;
    double *c;
    size_t m, n, k, a_row, a_column, b_row, b_column;
    double alpha;
};

static void product_row(void *context, size_t i, size_t thread)
{
    const struct product *p = context;
    double *c = p->c + i * p->n;
    (void)thread;
    if (p->b_row == 1) { /* rows of b's transpose lie in one piece */
        for (size_t j = 0; j < p->n; j++) {
            double sum = 0;
            for (size_t k = 0; k < p->k; k++)
                sum += p->a[i * p->a_row + k * p->a_column] * p->b[j * p->b_column + k];
            c[j] += p->alpha * sum;
        }
        return;
    }
    for (size_t k = 0; k < p->k; k++) {
        double a = p->alpha * p->a[i * p->a_row + k * p->a_column];
        for (size_t j = 0; j < p->n; j++)
            c[j] += a * p->b[k * p->b_row + j * p->b_column];
    }
}

/* beta * c, broadcast, as the first values of y [m][n]. */
static cnn_status gemm_bias(const struct cnn_onnx_call *call, double beta)
{
    const struct cnn_onnx_array *c = cnn_onnx_in(call, 2);
    struct cnn_onnx_array *y = &call->out[0];
    size_t dims[2] = {1, 1};
    if (!c)
        return CNN_OK;
    if (c->rank > 2)
        return cnn_onnx_call_fail(call, "C has %zu dimensions", c->rank);
    for (size_t i = 0; i < c->rank; i++)
        dims[2 - c->rank + i] = c->dims[i];
    if ((dims[0] != 1 && dims[0] != y->dims[0]) || (dims[1] != 1 && dims[1] != y->dims[1]))
        return cnn_onnx_call_fail(call, "C of %zu x %zu does not go with %zu x %zu", dims[0],
                                  dims[1], y->dims[0], y->dims[1]);
    for (size_t i = 0; y->data && i < y->count; i++) {
        size_t row = i / y->dims[1], column = i % y->dims[1];
        y->data[i] =
            beta * c->data[(dims[0] == 1 ? 0 : row * dims[1]) + (dims[1] == 1 ? 0 : column)];
    }
    return CNN_OK;
}

cnn_status cnn_onnx_gemm(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *a = call->in[0], *b = call->in[1];
    double alpha, beta;
    int64_t ta, tb;
    if (!cnn_onnx_get_float(call, "alpha", 1, &alpha) ||
        !cnn_onnx_get_float(call, "beta", 1, &beta) || !cnn_onnx_get_int(call, "transA", 0, &ta) ||
        !cnn_onnx_get_int(call, "transB", 0, &tb))
        return CNN_FAILED;
    if (a->rank != 2 || b->rank != 2)
        return cnn_onnx_call_fail(call, "A and B have %zu and %zu dimensions, not 2", a->rank,
                                  b->rank);
    size_t dims[2] = {a->dims[ta ? 1 : 0], b->dims[tb ? 0 : 1]}, k = a->dims[ta ? 0 : 1];
    if (k != b->dims[tb ? 1 : 0])
        return cnn_onnx_call_fail(call, "A has %zu numbers in a row, and B %zu in a column", k,
                                  b->dims[tb ? 1 : 0]);
    if (!cnn_onnx_output(call, 0, a->type, 2, dims))
        return CNN_FAILED;
    cnn_status status = gemm_bias(call, beta);
    struct product p = {a->data,    b->data,          call->out[0].data, dims[0],    dims[1], k,
                        ta ? 1 : k, ta ? dims[0] : 1, tb ? 1 : dims[1],  tb ? k : 1, alpha};
    if (status == CNN_OK && p.c)
        cnn_parallel_for(p.m, product_row, &p);
    return status;
}

/* Batches of MatMul are broadcast: how far apart the matrices of an input lie. */
struct matrices {
    size_t rank, dims[CNN_ONNX_MAX_RANK]; /* with 1 where the array is a vector */
    size_t steps[CNN_ONNX_MAX_RANK];      /* of the batch dimensions of the output */
};

static void as_matrices(const struct cnn_onnx_array *x, bool left, struct matrices *out)
{
    out->rank = x->rank;
    memcpy(out->dims, x->dims, sizeof x->dims);
    if (x->rank == 1) {
        out->rank = 2;
        out->dims[left ? 1 : 0] = x->dims[0];
        out->dims[left ? 0 : 1] = 1;
    }
}

static bool batch_steps(struct matrices *x, size_t batch, const size_t *dims)
{
    size_t own = x->rank - 2, stride = x->dims[x->rank - 2] * x->dims[x->rank - 1];
    for (size_t i = batch; i-- > 0;) {
        x->steps[i] = 0;
        if (i + own < batch)
            continue;
        size_t dim = x->dims[i + own - batch];
        if (dim != 1 && dim != dims[i])
            return false;
        x->steps[i] = dim == 1 ? 0 : stride;
        stride *= dim;
    }
    return true;
}

static void multiply_batches(const struct cnn_onnx_call *call, const struct matrices *a,
                             const struct matrices *b, size_t batch, const size_t *dims)
{
    struct product p = {.m = a->dims[a->rank - 2],
                        .n = b->dims[b->rank - 1],
                        .k = a->dims[a->rank - 1],
                        .a_column = 1,
                        .b_column = 1,
                        .alpha = 1};
    size_t index[CNN_ONNX_MAX_RANK] = {0};
    p.a_row = p.k;
    p.b_row = p.n;
    p.c = call->out[0].data;
    do {
        size_t at = 0, bt = 0;
        for (size_t i = 0; i < batch; i++) {
            at += index[i] * a->steps[i];
            bt += index[i] * b->steps[i];
        }
        p.a = call->in[0]->data + at;
        p.b = call->in[1]->data + bt;
        cnn_parallel_for(p.m, product_row, &p);
        p.c += p.m * p.n;
    } while (cnn_onnx_next(batch, dims, index));
}

cnn_status cnn_onnx_matmul(struct cnn_onnx_call *call)
{
    struct matrices a, b;
    size_t dims[CNN_ONNX_MAX_RANK], given[CNN_ONNX_MAX_RANK];
    if (call->in[0]->rank == 0 || call->in[1]->rank == 0)
        return cnn_onnx_call_fail(call, "an input is a single number");
    as_matrices(call->in[0], true, &a);
    as_matrices(call->in[1], false, &b);
    size_t batch = (a.rank > b.rank ? a.rank : b.rank) - 2, rank = 0;
    for (size_t i = 0; i < batch; i++) {
        size_t x = i + a.rank < batch + 2 ? 1 : a.dims[i + a.rank - 2 - batch];
        size_t y = i + b.rank < batch + 2 ? 1 : b.dims[i + b.rank - 2 - batch];
        given[rank++] = dims[i] = x == 1 ? y : x;
    }
    if (a.dims[a.rank - 1] != b.dims[b.rank - 2] || !batch_steps(&a, batch, dims) ||
        !batch_steps(&b, batch, dims))
        return cnn_onnx_call_fail(call, "the shapes of its inputs do not go together");
    if (call->in[0]->rank > 1)
        given[rank++] = a.dims[a.rank - 2];
    if (call->in[1]->rank > 1)
        given[rank++] = b.dims[b.rank - 1];
    if (!cnn_onnx_output(call, 0, call->in[0]->type, rank, given))
        return CNN_FAILED;
    if (call->out[0].data && call->out[0].count > 0)
        multiply_batches(call, &a, &b, batch, dims);
    return CNN_OK;
}

/* ---- Normalisations ---- */

static cnn_status check_channels(const struct cnn_onnx_call *call, size_t first)
{
    const struct cnn_onnx_array *x = call->in[0];
    if (x->rank < 2)
        return cnn_onnx_call_fail(call, "its input has %zu dimensions", x->rank);
    for (size_t i = first; i < call->in_count; i++)
        if (call->in[i] && call->in[i]->count != x->dims[1])
            return cnn_onnx_call_fail(call, "input %zu has %zu numbers for %zu channels", i + 1,
                                      call->in[i]->count, x->dims[1]);
    return CNN_OK;
}

cnn_status cnn_onnx_batch_norm(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    double epsilon;
    int64_t training, spatial;
    if (!cnn_onnx_get_float(call, "epsilon", (double)1e-5f, &epsilon) ||
        !cnn_onnx_get_int(call, "training_mode", 0, &training) ||
        !cnn_onnx_get_int(call, "spatial", 1, &spatial) || check_channels(call, 1) != CNN_OK)
        return CNN_FAILED;
    if (training || !spatial)
        return cnn_onnx_call_fail(call, training ? "it is in training mode: the file must be "
                                                   "written in evaluation mode"
                                                 : "statistics of each place are not supported");
    if (!cnn_onnx_output(call, 0, x->type, x->rank, x->dims))
        return CNN_FAILED;
    double *y = call->out[0].data;
    size_t inner = 1;
    for (size_t i = 2; i < x->rank; i++)
        inner *= x->dims[i];
    for (size_t i = 0; y && i < x->count; i++) {
        size_t c = i / inner % x->dims[1];
        y[i] = (x->data[i] - call->in[3]->data[c]) / sqrt(call->in[4]->data[c] + epsilon) *
                   call->in[1]->data[c] +
               call->in[2]->data[c];
    }
    return CNN_OK;
}

static void mean_and_inverse(const double *x, size_t count, double epsilon, double *mean,
                             double *inverse)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++)
        sum += x[i];
    *mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (x[i] - *mean) * (x[i] - *mean);
    *inverse = 1 / sqrt(squares / (double)count + epsilon);
}

cnn_status cnn_onnx_instance_norm(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    double epsilon, mean, inverse;
    if (!cnn_onnx_get_float(call, "epsilon", (double)1e-5f, &epsilon) ||
        check_channels(call, 1) != CNN_OK || !cnn_onnx_output(call, 0, x->type, x->rank, x->dims))
        return CNN_FAILED;
    double *y = call->out[0].data;
    size_t maps = x->dims[0] * x->dims[1], inner = maps > 0 ? x->count / maps : 0;
    for (size_t m = 0; y && m < maps; m++) {
        size_t c = m % x->dims[1];
        mean_and_inverse(x->data + m * inner, inner, epsilon, &mean, &inverse);
        for (size_t i = m * inner; i < (m + 1) * inner; i++)
            y[i] = (x->data[i] - mean) * inverse * call->in[1]->data[c] + call->in[2]->data[c];
    }
    return CNN_OK;
}

/* Mean and inverse deviation of each row, where they are wanted. */
static bool layer_norm_statistics(struct cnn_onnx_call *call, size_t first)
{
    const struct cnn_onnx_array *x = call->in[0];
    size_t dims[CNN_ONNX_MAX_RANK];
    for (size_t i = 0; i < x->rank; i++)
        dims[i] = i < first ? x->dims[i] : 1;
    for (size_t i = 1; i < call->out_count && i < 3; i++)
        if (!cnn_onnx_output(call, i, CNN_ONNX_FLOAT, x->rank, dims))
            return false;
    return true;
}

static void layer_norm_row(const struct cnn_onnx_call *call, size_t row, size_t inner,
                           double epsilon)
{
    const struct cnn_onnx_array *scale = call->in[1], *bias = cnn_onnx_in(call, 2);
    const double *from = call->in[0]->data + row * inner;
    double *y = call->out[0].data + row * inner, statistics[2];
    mean_and_inverse(from, inner, epsilon, &statistics[0], &statistics[1]);
    for (size_t i = 0; i < inner; i++)
        y[i] =
            (from[i] - statistics[0]) * statistics[1] * scale->data[i] + (bias ? bias->data[i] : 0);
    for (size_t i = 1; i < call->out_count && i < 3; i++)
        call->out[i].data[row] = statistics[i - 1];
}

cnn_status cnn_onnx_layer_norm(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0], *bias = cnn_onnx_in(call, 2);
    double epsilon;
    int64_t axis;
    size_t first, inner = 1;
    if (!cnn_onnx_get_float(call, "epsilon", (double)1e-5f, &epsilon) ||
        !cnn_onnx_get_int(call, "axis", -1, &axis) ||
        !cnn_onnx_axis(call, axis, x->rank, false, &first))
        return CNN_FAILED;
    for (size_t i = first; i < x->rank; i++)
        inner *= x->dims[i];
    if (call->in[1]->count != inner || (bias && bias->count != inner))
        return cnn_onnx_call_fail(call, "scale or bias are of another size than its rows");
    if (!cnn_onnx_output(call, 0, x->type, x->rank, x->dims) || !layer_norm_statistics(call, first))
        return CNN_FAILED;
    for (size_t row = 0; call->out[0].data && inner > 0 && row < x->count / inner; row++)
        layer_norm_row(call, row, inner, epsilon);
    return CNN_OK;
}

cnn_status cnn_onnx_lrn(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    double alpha, beta, bias;
    int64_t size;
    if (!cnn_onnx_get_float(call, "alpha", 1e-4, &alpha) ||
        !cnn_onnx_get_float(call, "beta", 0.75, &beta) ||
        !cnn_onnx_get_float(call, "bias", 1, &bias) || !cnn_onnx_get_int(call, "size", 0, &size))
        return CNN_FAILED;
    if (size < 1 || size > 65536 || x->rank < 2)
        return cnn_onnx_call_fail(call, "size %" PRId64 " of %zu dimensions", size, x->rank);
    if (!cnn_onnx_output(call, 0, x->type, x->rank, x->dims))
        return CNN_FAILED;
    double *y = call->out[0].data;
    size_t c = x->dims[1], maps = x->dims[0] * c, inner = maps > 0 ? x->count / maps : 0;
    size_t before = (size_t)(size - 1) / 2, behind = (size_t)size - 1 - before;
    for (size_t i = 0; y && i < x->count; i++) {
        size_t channel = i / inner % c;
        size_t first = channel < before ? 0 : channel - before;
        size_t last = channel + behind >= c ? c - 1 : channel + behind;
        double sum = 0;
        for (size_t k = first; k <= last; k++) {
            double value = x->data[i + k * inner - channel * inner];
            sum += value * value;
        }
        y[i] = x->data[i] / pow(bias + alpha / (double)size * sum, beta);
    }
    return CNN_OK;
}

/* ---- Softmax ---- */

/* outer x middle x inner: softmax over the middle */
static void softmax_rows(const double *x, double *y, const size_t *sizes, bool logarithm)
{
    for (size_t row = 0; row < sizes[0] * sizes[2]; row++) {
        size_t begin = row / sizes[2] * sizes[1] * sizes[2] + row % sizes[2];
        double most = -INFINITY, sum = 0;
        for (size_t i = 0; i < sizes[1]; i++)
            most = fmax(most, x[begin + i * sizes[2]]);
        for (size_t i = 0; i < sizes[1]; i++)
            sum += exp(x[begin + i * sizes[2]] - most);
        for (size_t i = 0; i < sizes[1]; i++) {
            double value = x[begin + i * sizes[2]] - most;
            y[begin + i * sizes[2]] = logarithm ? value - log(sum) : exp(value) / sum;
        }
    }
}

/* Before opset 13 all from the axis on is one row. */
cnn_status cnn_onnx_softmax(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    const bool flat = call->file->opset < 13;
    size_t axis, sizes[3] = {1, 1, 1};
    int64_t given;
    if (!cnn_onnx_get_int(call, "axis", flat ? 1 : -1, &given) ||
        !cnn_onnx_axis(call, given, x->rank, false, &axis) ||
        !cnn_onnx_output(call, 0, x->type, x->rank, x->dims))
        return CNN_FAILED;
    for (size_t i = 0; i < x->rank; i++)
        sizes[i < axis ? 0 : i == axis || flat ? 1 : 2] *= x->dims[i];
    if (call->out[0].data)
        softmax_rows(x->data, call->out[0].data, sizes,
                     strcmp(call->node->op_type, "LogSoftmax") == 0);
    return CNN_OK;
}

/* ---- Reductions ---- */

static const struct reduction {
    const char *name;
    double first;
    char kind; /* of the sum: absolute, square, maximum, minimum, product, plain */
} reductions[] = {{"ReduceL1", 0, 'a'},          {"ReduceL2", 0, 's'},
                  {"ReduceMax", -INFINITY, '>'}, {"ReduceMean", 0, '+'},
                  {"ReduceMin", INFINITY, '<'},  {"ReduceProd", 1, '*'},
                  {"ReduceSum", 0, '+'},         {"ReduceSumSquare", 0, 's'}};

static double reduce_two(char kind, double sum, double x)
{
    switch (kind) {
    case 'a':
        return sum + fabs(x);
    case 's':
        return sum + x * x;
    case '>':
        return isnan(x) || x > sum ? x : sum;
    case '<':
        return isnan(x) || x < sum ? x : sum;
    case '*':
        return sum * x;
    default:
        return sum + x;
    }
}

/* Axes are an attribute, then an input (ReduceSum from opset 13, the others from 18). */
static bool reduced_axes(const struct cnn_onnx_call *call, bool *reduced, bool *none)
{
    const struct cnn_onnx_array *x = call->in[0];
    const bool sum = strcmp(call->node->op_type, "ReduceSum") == 0;
    int64_t values[CNN_ONNX_MAX_RANK];
    const int64_t *axes = values;
    size_t count = 0;
    if (call->file->opset < (sum ? 13 : 18)) {
        if (!cnn_onnx_get_ints(call, "axes", &axes, &count))
            return false;
    } else if (cnn_onnx_in(call, 1) && !cnn_onnx_whole_input(call, 1, values, &count)) {
        return false;
    }
    *none = count == 0;
    for (size_t i = 0; i < x->rank; i++)
        reduced[i] = count == 0;
    for (size_t i = 0; i < count; i++) {
        size_t axis;
        if (!cnn_onnx_axis(call, axes[i], x->rank, false, &axis))
            return false;
        reduced[axis] = true;
    }
    return true;
}

static void reduce_numbers(const struct cnn_onnx_call *call, const struct reduction *r,
                           const bool *reduced, struct cnn_onnx_array *y)
{
    const struct cnn_onnx_array *x = call->in[0];
    size_t index[CNN_ONNX_MAX_RANK] = {0};
    for (size_t i = 0; i < y->count; i++)
        y->data[i] = r->first;
    for (size_t i = 0; i < x->count; i++) {
        size_t at = 0;
        for (size_t k = 0; k < x->rank; k++)
            at = reduced[k] ? at : at * x->dims[k] + index[k];
        y->data[at] = reduce_two(r->kind, y->data[at], x->data[i]);
        cnn_onnx_next(x->rank, x->dims, index);
    }
    double share = y->count > 0 ? (double)x->count / (double)y->count : 1;
    for (size_t i = 0; i < y->count; i++) {
        if (strcmp(r->name, "ReduceMean") == 0)
            y->data[i] =
                cnn_onnx_type_whole(x->type) ? trunc(y->data[i] / share) : y->data[i] / share;
        else if (strcmp(r->name, "ReduceL2") == 0)
            y->data[i] = sqrt(y->data[i]);
    }
}

cnn_status cnn_onnx_reduce(struct cnn_onnx_call *call)
{
    const struct reduction *r = reductions;
    const struct cnn_onnx_array *x = call->in[0];
    bool reduced[CNN_ONNX_MAX_RANK], none;
    int64_t keep, nothing;
    size_t rank = 0, dims[CNN_ONNX_MAX_RANK];
    while (strcmp(r->name, call->node->op_type) != 0)
        r++;
    if (!cnn_onnx_get_int(call, "keepdims", 1, &keep) ||
        !cnn_onnx_get_int(call, "noop_with_empty_axes", 0, &nothing) ||
        !reduced_axes(call, reduced, &none))
        return CNN_FAILED;
    if (none && nothing)
        return cnn_onnx_reshaped(call, 0, x->rank, x->dims);
    for (size_t i = 0; i < x->rank; i++)
        if (keep || !reduced[i])
            dims[rank++] = reduced[i] ? 1 : x->dims[i];
    if (!cnn_onnx_output(call, 0, x->type, rank, dims))
        return CNN_FAILED;
    if (call->out[0].data)
        reduce_numbers(call, r, reduced, &call->out[0]);
    return CNN_OK;
}

cnn_status cnn_onnx_global_pool(struct cnn_onnx_call *call)
{
    const struct cnn_onnx_array *x = call->in[0];
    const bool mean = strcmp(call->node->op_type, "GlobalAveragePool") == 0;
    size_t dims[CNN_ONNX_MAX_RANK];
    if (x->rank < 3)
        return cnn_onnx_call_fail(call, "its input has %zu dimensions", x->rank);
    for (size_t i = 0; i < x->rank; i++)
        dims[i] = i < 2 ? x->dims[i] : 1;
    if (!cnn_onnx_output(call, 0, x->type, x->rank, dims))
        return CNN_FAILED;
    struct cnn_onnx_array *y = &call->out[0];
    size_t inner = y->count > 0 ? x->count / y->count : 0;
    for (size_t m = 0; y->data && m < y->count; m++) {
        double sum = mean ? 0 : -INFINITY;
        for (size_t i = m * inner; i < (m + 1) * inner; i++)
            sum = reduce_two(mean ? '+' : '>', sum, x->data[i]);
        y->data[m] = mean ? sum / (double)inner : sum;
    }
    return CNN_OK;
}
