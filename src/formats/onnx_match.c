/* Recognising activations by their values, and LayerNorm by its shape. */
#include "formats/onnx_match.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/allocate.h"
#include "util/text.h"

enum { SAMPLES = 129, REGION = 12 };

static const char *const pointwise[] = {
    "Abs", "Add",  "Celu", "Clip",       "Div",     "Elu",         "Erf", "Exp",       "Gelu",
    "Log", "Max",  "Min",  "Mish",       "Mul",     "HardSigmoid", "Neg", "HardSwish", "LeakyRelu",
    "Pow", "Relu", "Sqrt", "Reciprocal", "Sigmoid", "Softplus",    "Sub", "Tanh",      NULL};

struct matcher {
    const struct cnn_onnx *file;
    const struct cnn_onnx_array *arrays;
    struct cnn_onnx_match *matches;
    double samples[SAMPLES];
    cnn_diag *diag; /* of trials, which may fail */
    bool wanting;   /* memory has been */
};

struct region {
    size_t steps[REGION]; /* the first is the one whose output is the result */
    size_t count;
    size_t outer[REGION]; /* values from outside that are no constants */
    size_t outer_count;
};

/* ---- What activations compute, from their papers and PyTorch's manual ---- */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double relu6(double x)
{
    return x < 0 ? 0 : x > 6 ? 6 : x;
}

static double f_relu(double x)
{
    return x < 0 ? 0 : x;
}

static double f_elu(double x)
{
    return x < 0 ? expm1(x) : x;
}

static double f_gelu(double x)
{
    return x / 2 * (1 + erf(x / sqrt(2)));
}

static double f_silu(double x)
{
    return x * sigmoid(x);
}

static double f_hardswish(double x)
{
    return x * relu6(x + 3) / 6;
}

static double f_hard_sigmoid(double x)
{
    return relu6(x + 3) / 6;
}

static double f_mish(double x)
{
    return x * tanh(log1p(exp(x)));
}

static const struct {
    const char *type;
    double (*function)(double x);
} functions[] = {{"relu", f_relu},
                 {"relu6", relu6},
                 {"sigmoid", sigmoid},
                 {"tanh", tanh},
                 {"elu", f_elu},
                 {"gelu", f_gelu},
                 {"silu", f_silu},
                 {"hardswish", f_hardswish},
                 {"hard_sigmoid", f_hard_sigmoid},
                 {"mish", f_mish}};

static bool near(double a, double b)
{
    return fabs(a - b) <= 2e-6 * fmax(1, fabs(b));
}

/* The activation whose values at the samples are y. */
static bool recognise(const double *samples, const double *y, struct cnn_onnx_match *match)
{
    for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
        bool same = true;
        for (size_t i = 0; same && i < SAMPLES; i++)
            same = near(y[i], functions[f].function(samples[i]));
        if (same) {
            match->type = functions[f].type;
            return true;
        }
    }
    double slope = y[0] / samples[0], low = y[0], high = y[SAMPLES - 1];
    bool leaky = true, clip = low < high;
    for (size_t i = 0; i < SAMPLES; i++) {
        double x = samples[i];
        leaky = leaky && near(y[i], x < 0 ? slope * x : x);
        clip = clip && near(y[i], x < low ? low : x > high ? high : x);
    }
    match->numbers[0] = leaky ? slope : low;
    match->numbers[1] = high;
    match->type = leaky ? "leaky_relu" : "clip";
    return (leaky && slope != 1) || (clip && samples[0] < low && high < samples[SAMPLES - 1]);
}

/* ---- Regions ---- */

static bool is_pointwise(const struct matcher *m, size_t step)
{
    const struct cnn_onnx_step *s = &m->file->steps[step];
    if (s->output_count != 1 || s->outputs[0] == CNN_ONNX_NONE ||
        m->arrays[s->outputs[0]].constant || m->arrays[s->outputs[0]].type != CNN_ONNX_FLOAT)
        return false;
    for (size_t i = 0; i < s->input_count; i++) {
        const struct cnn_onnx_array *in =
            s->inputs[i] == CNN_ONNX_NONE ? NULL : &m->arrays[s->inputs[i]];
        if (in && in->constant && (in->count != 1 || !in->data))
            return false;
    }
    return cnn_word_among(s->node->op_type, pointwise);
}

static bool contains(const size_t *list, size_t count, size_t value)
{
    for (size_t i = 0; i < count; i++)
        if (list[i] == value)
            return true;
    return false;
}

/* Puts into region->outer what its steps read from outside. False where that is too much. */
static bool find_outer(const struct matcher *m, struct region *region)
{
    region->outer_count = 0;
    for (size_t i = 0; i < region->count; i++) {
        const struct cnn_onnx_step *s = &m->file->steps[region->steps[i]];
        for (size_t k = 0; k < s->input_count; k++) {
            size_t value = s->inputs[k];
            if (value == CNN_ONNX_NONE || m->arrays[value].constant ||
                contains(region->steps, region->count, m->file->values[value].producer) ||
                contains(region->outer, region->outer_count, value))
                continue;
            if (region->outer_count == REGION)
                return false;
            region->outer[region->outer_count++] = value;
        }
    }
    return true;
}

/* How many times the steps of the region read the value. */
static size_t uses(const struct matcher *m, const struct region *region, size_t value)
{
    size_t count = 0;
    for (size_t i = 0; i < region->count; i++) {
        const struct cnn_onnx_step *s = &m->file->steps[region->steps[i]];
        for (size_t k = 0; k < s->input_count; k++)
            count += s->inputs[k] == value;
    }
    return count;
}

/* Takes in the latest step whose result nobody else reads. */
static bool grow(const struct matcher *m, struct region *region)
{
    size_t best = CNN_ONNX_NONE;
    for (size_t i = 0; i < region->outer_count; i++) {
        const struct cnn_onnx_value *value = &m->file->values[region->outer[i]];
        size_t step = value->producer;
        if (step == CNN_ONNX_NONE || !is_pointwise(m, step) || m->matches[step].inside ||
            m->matches[step].type || value->readers != uses(m, region, region->outer[i]))
            continue;
        if (best == CNN_ONNX_NONE || step > best)
            best = step;
    }
    if (best == CNN_ONNX_NONE || region->count == REGION)
        return false;
    region->steps[region->count++] = best;
    return find_outer(m, region);
}

static int compare_steps(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

struct trial { /* the arrays of a region's values while it is computed */
    size_t values[2 * REGION];
    struct cnn_onnx_array arrays[2 * REGION];
    size_t count;
};

static const struct cnn_onnx_array *trial_array(const struct matcher *m, const struct trial *t,
                                                size_t value)
{
    if (value == CNN_ONNX_NONE)
        return NULL;
    for (size_t i = 0; i < t->count; i++)
        if (t->values[i] == value)
            return &t->arrays[i];
    return &m->arrays[value];
}

static bool run_trial_step(const struct matcher *m, struct trial *t, size_t step)
{
    const struct cnn_onnx_step *s = &m->file->steps[step];
    const struct cnn_onnx_array *in[REGION];
    if (s->input_count > REGION || t->count == 2 * REGION)
        return false;
    for (size_t i = 0; i < s->input_count; i++)
        in[i] = trial_array(m, t, s->inputs[i]);
    t->values[t->count] = s->outputs[0];
    if (cnn_onnx_run_node(m->file, step, in, &t->arrays[t->count], m->diag) != CNN_OK)
        return false;
    return t->arrays[t->count++].count == SAMPLES;
}

/* Whether the region, as a function of its one outer value, is an activation. */
static bool test_region(struct matcher *m, const struct region *region,
                        struct cnn_onnx_match *match)
{
    struct trial *t = cnn_calloc(1, sizeof *t);
    size_t order[REGION];
    if (!t) {
        m->wanting = true;
        return false;
    }
    t->values[0] = region->outer[0];
    t->arrays[0] = (struct cnn_onnx_array){.type = CNN_ONNX_FLOAT,
                                           .rank = 1,
                                           .count = SAMPLES,
                                           .dims = {SAMPLES},
                                           .data = (double *)m->samples};
    t->count = 1;
    memcpy(order, region->steps, sizeof order);
    qsort(order, region->count, sizeof *order, compare_steps);
    bool right = true;
    for (size_t i = 0; right && i < region->count; i++)
        right = run_trial_step(m, t, order[i]);
    *match = (struct cnn_onnx_match){.root = region->outer[0],
                                     .uses = uses(m, region, region->outer[0])};
    right = right && recognise(m->samples, t->arrays[t->count - 1].data, match);
    cnn_onnx_arrays_free(t->arrays + 1, t->count - 1);
    cnn_free(t);
    m->wanting = m->wanting || cnn_diag_want(m->diag) != CNN_WANT_NOTHING;
    cnn_diag_clear(m->diag);
    return right;
}

static void match_activation(struct matcher *m, size_t step)
{
    struct region region = {.steps = {step}, .count = 1}, best = {0};
    struct cnn_onnx_match match = {0}, found;
    if (!is_pointwise(m, step) || !find_outer(m, &region))
        return;
    do
        if (region.outer_count == 1 && test_region(m, &region, &found)) {
            best = region;
            match = found;
        }
    while (grow(m, &region));
    for (size_t i = 1; i < best.count; i++)
        m->matches[best.steps[i]].inside = true;
    if (best.count > 0)
        m->matches[step] = match;
}

/* ---- LayerNorm as PyTorch writes it before opset 17 ---- */

/* The step whose first output is input i of step, if its operator is this one; else NULL. */
static const struct cnn_onnx_step *
input_step(const struct matcher *m, const struct cnn_onnx_step *step, size_t i, const char *op_type)
{
    size_t value = step && i < step->input_count ? step->inputs[i] : CNN_ONNX_NONE;
    size_t producer = value == CNN_ONNX_NONE ? value : m->file->values[value].producer;
    if (producer == CNN_ONNX_NONE || m->file->steps[producer].outputs[0] != value ||
        strcmp(m->file->steps[producer].node->op_type, op_type) != 0)
        return NULL;
    return &m->file->steps[producer];
}

static void swallow(const struct matcher *m, const struct cnn_onnx_step *step)
{
    m->matches[step - m->file->steps].inside = true;
}

/* The constant among the two inputs of step, and the other one in *x, which may be left out;
 * CNN_ONNX_NONE: there is none. step may be NULL. */
static size_t constant_input(const struct matcher *m, const struct cnn_onnx_step *step, size_t *x)
{
    *x = CNN_ONNX_NONE;
    for (size_t i = 0; step && i < 2 && step->input_count == 2; i++)
        if (step->inputs[i] != CNN_ONNX_NONE && m->arrays[step->inputs[i]].constant) {
            *x = step->inputs[1 - i];
            return step->inputs[i];
        }
    return CNN_ONNX_NONE;
}

/* Whether the value is a constant of one number, in *number. */
static bool is_number(const struct matcher *m, size_t value, double *number)
{
    if (value == CNN_ONNX_NONE || !m->arrays[value].data || m->arrays[value].count != 1)
        return false;
    *number = m->arrays[value].data[0];
    return true;
}

/* The step that alone reads a value, if it is this operator with a constant. */
static const struct cnn_onnx_step *next_constant(const struct matcher *m, size_t value,
                                                 const char *op_type, size_t *constant)
{
    size_t x;
    if (m->file->values[value].readers != 1)
        return NULL;
    for (size_t i = m->file->values[value].producer + 1; i < m->file->step_count; i++) {
        const struct cnn_onnx_step *s = &m->file->steps[i];
        if (!contains(s->inputs, s->input_count, value))
            continue;
        if (strcmp(s->node->op_type, op_type) != 0 || s->output_count == 0 ||
            s->outputs[0] == CNN_ONNX_NONE)
            return NULL;
        *constant = constant_input(m, s, &x);
        return *constant != CNN_ONNX_NONE && x == value ? s : NULL;
    }
    return NULL;
}

/* divide: (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps), then perhaps a scale and a bias. */
static void match_layer_norm(struct matcher *m, size_t divide)
{
    const struct cnn_onnx_step *d = &m->file->steps[divide];
    const struct cnn_onnx_step *sub = input_step(m, d, 0, "Sub");
    const struct cnn_onnx_step *root = input_step(m, d, 1, "Sqrt");
    const struct cnn_onnx_step *add = input_step(m, root, 0, "Add");
    const struct cnn_onnx_step *mean = input_step(m, sub, 1, "ReduceMean");
    const struct cnn_onnx_step *variance = input_step(m, add, 0, "ReduceMean");
    const struct cnn_onnx_step *power = input_step(m, variance, 0, "Pow");
    size_t base, sum, two = constant_input(m, power, &base), eps = constant_input(m, add, &sum);
    double exponent;
    struct cnn_onnx_match match = {
        .type = "layer_norm", .scale = CNN_ONNX_NONE, .bias = CNN_ONNX_NONE};
    if (d->output_count == 0 || d->outputs[0] == CNN_ONNX_NONE || !sub || !mean || !power ||
        sub->inputs[0] == CNN_ONNX_NONE || mean->inputs[0] != sub->inputs[0] ||
        base != sub->outputs[0] || base != power->inputs[0] || !is_number(m, two, &exponent) ||
        exponent != 2 || sum != add->inputs[0] || !is_number(m, eps, &match.numbers[0]))
        return;
    match.root = sub->inputs[0];
    const struct cnn_onnx_step *inner[] = {sub, root, add, mean, variance, power}, *last = d, *next;
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        if (m->file->values[inner[i]->outputs[0]].readers != (i == 0 ? 2 : 1))
            return; /* somebody else looks inside */
    for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
        swallow(m, inner[i]);
    if ((next = next_constant(m, last->outputs[0], "Mul", &match.scale))) {
        swallow(m, last);
        last = next;
    }
    if (match.scale != CNN_ONNX_NONE &&
        (next = next_constant(m, last->outputs[0], "Add", &match.bias))) {
        swallow(m, last);
        last = next;
    }
    m->matches[last - m->file->steps] = match;
}

cnn_status cnn_onnx_find_matches(const struct cnn_onnx *file, const struct cnn_onnx_array *arrays,
                                 struct cnn_onnx_match *matches, cnn_diag *diag)
{
    struct matcher m = {.file = file, .arrays = arrays, .matches = matches, .diag = cnn_diag_new()};
    for (size_t i = 0; i < SAMPLES; i++) /* from -16 to 16, none of them 0 */
        m.samples[i] = ((double)i - SAMPLES / 2 + 0.125) / 4;
    for (size_t i = 0; i < file->step_count; i++)
        if (strcmp(file->steps[i].node->op_type, "Div") == 0)
            match_layer_norm(&m, i);
    for (size_t i = file->step_count; i-- > 0;)
        if (!matches[i].inside && !matches[i].type)
            match_activation(&m, i);
    m.wanting = m.wanting || !m.diag;
    cnn_diag_free(m.diag);
    return m.wanting ? cnn_fail_memory(diag, sizeof(struct trial), file->name) : CNN_OK;
}
