/* Group normalisation, Wu and He 2018: in every image the numbers of each group of channels get
 * mean 0 and variance 1, and every channel then a factor and a shift. The same in training and
 * afterwards. */
#include <math.h>

#include "graph/halves.h"
#include "layers/group_norm.h"
#include "util/words.h"

enum { SLOT_GAMMA, SLOT_BETA, SLOT_STATISTICS };

#define FIELD(member) offsetof(struct cnn_group_norm_settings, member)
const struct cnn_key cnn_group_norm_keys[] = {
    {.name = "eps",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(eps),
     .otherwise = "1e-5",
     .min = 1e-37, /* a float that is not 0 */
     .max = 1,
     .help = "added to the variance before the square root"},
    {.name = "affine",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(affine),
     .otherwise = "true",
     .help = "then scale and shift every channel with trained numbers"},
    CNN_KEY_END};

static const struct cnn_key keys[] = {{.name = "groups",
                                       .kind = CNN_KEY_SIZE,
                                       .at = FIELD(groups),
                                       .min = 1,
                                       .max = 65536,
                                       .help = "number of groups of channels: 1: all channels "
                                               "together; as many as channels: each channel alone"},
                                      {.kind = CNN_KEY_TABLE, .table = cnn_group_norm_keys},
                                      CNN_KEY_END};

/* A layer_norm's images are the pixels. */
static struct cnn_group_norm geometry(const struct cnn_node *node, size_t n)
{
    const struct cnn_group_norm_settings *s = node->settings;
    size_t pixels = node->out.h * node->out.w;
    return (struct cnn_group_norm){.images = s->groups > 0 ? n : n * pixels,
                                   .pixels = s->groups > 0 ? pixels : 1,
                                   .channels = node->out.c,
                                   .groups = s->groups > 0 ? s->groups : 1,
                                   .eps = (float)s->eps};
}

cnn_status cnn_group_norm_infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct cnn_group_norm_settings *s = node->settings;
    (void)arena;
    (void)diag;
    node->out = node->in[0];
    const struct cnn_group_norm g = geometry(node, 1);
    if (s->affine) {
        cnn_node_declare(node, SLOT_GAMMA, CNN_ROLE_WEIGHT, "weight", 1, &node->out.c)->init =
            cnn_tensor_ones;
        cnn_node_declare(node, SLOT_BETA, CNN_ROLE_BIAS, "bias", 1, &node->out.c);
    }
    cnn_node_declare_saved(node, SLOT_STATISTICS, 2 * g.images * g.groups, 0);
    node->reads_x = true;
    node->gives_again = true;
    node->y_over_x = true;
    node->dx_over_dy = true;
    return CNN_OK;
}

static size_t scratch(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n)
{
    const struct cnn_group_norm g = geometry(node, n);
    return kernels->group_norm_scratch_floats(&g);
}

static struct cnn_group_norm_arrays arrays_of(const struct cnn_call *call)
{
    return (struct cnn_group_norm_arrays){.gamma = call->value[SLOT_GAMMA],
                                          .beta = call->value[SLOT_BETA],
                                          .statistics = call->value[SLOT_STATISTICS],
                                          .scratch = call->scratch};
}

static void forward(const struct cnn_call *call)
{
    const struct cnn_group_norm g = geometry(call->node, call->n);
    const struct cnn_group_norm_arrays arrays = arrays_of(call);
    call->kernels->group_norm_forward(&g, &arrays, call->x[0], call->y);
}

static void backward(const struct cnn_call *call)
{
    const struct cnn_group_norm g = geometry(call->node, call->n);
    struct cnn_group_norm_arrays arrays = arrays_of(call);
    arrays.dgamma = call->grad[SLOT_GAMMA];
    arrays.dbeta = call->grad[SLOT_BETA];
    call->kernels->group_norm_backward(&g, &arrays, call->x[0], call->dy, call->dx[0]);
}

const struct cnn_execution cnn_group_norm_execution = {.scratch = scratch,
                                                       .forward = forward,
                                                       .backward = backward,
                                                       .again = forward,
                                                       .halves = cnn_node_halves_alike};

struct cnn_operation cnn_group_norm_operation(const struct cnn_node *node)
{
    const struct cnn_group_norm_settings *s = node->settings;
    struct cnn_operation operation = {.kind = CNN_OPERATION_LAYER_NORM, .eps = (float)s->eps};
    if (s->groups > 0) {
        operation.kind = CNN_OPERATION_GROUP_NORM;
        operation.group_norm = geometry(node, 1);
    }
    return operation;
}

void cnn_group_norm_describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct cnn_group_norm_settings *s = node->settings;
    const struct cnn_group_norm g = geometry(node, 1);
    if (s->groups > 0)
        cnn_text_printf(out, "each of %zu groups has %zu*%zu*%zu = %zu numbers of an image\n",
                        g.groups, g.channels / g.groups, node->out.h, node->out.w,
                        g.channels / g.groups * g.pixels);
    if (s->affine)
        cnn_text_printf(out, "parameters: scale and shift, 2 * %zu = %zu\n", node->out.c,
                        2 * node->out.c);
}

/* What is normalised together with the question's number: channels of some pixels. */
struct members {
    size_t first, channels, row, column, rows, columns;
};

static struct members members_of(const struct cnn_call *call, const struct cnn_question *q)
{
    const struct cnn_group_norm_settings *s = call->node->settings;
    const cnn_shape shape = call->node->out;
    if (s->groups == 0)
        return (struct members){0, shape.c, q->row, q->column, 1, 1};
    size_t channels = shape.c / s->groups;
    return (struct members){q->channel / channels * channels, channels, 0, 0, shape.h, shape.w};
}

static double member(const struct cnn_call *call, const struct cnn_question *q,
                     const struct members *m, size_t i)
{
    const struct cnn_question at = {.row = m->row + i / m->channels / m->columns,
                                    .column = m->column + i / m->channels % m->columns,
                                    .nodes = q->nodes};
    return cnn_explain_input(call, &at, 0, m->first + i % m->channels);
}

/* The members' mean, or that of their squared distances from it, written out where they are few. */
static double write_mean(const struct cnn_call *call, const struct cnn_question *q,
                         const struct members *m, const double *middle, struct cnn_text *out)
{
    size_t count = m->channels * m->rows * m->columns;
    double total = 0;
    cnn_text_printf(out, middle ? "variance = " : "mean = ");
    struct cnn_sum sum = cnn_sum_begin(out);
    for (size_t i = 0; i < count; i++) {
        double x = member(call, q, m, i);
        total += middle ? (x - *middle) * (x - *middle) : x;
        if (count > CNN_EXPLAIN_ALL)
            continue;
        if (middle)
            cnn_sum_add(&sum, "%s(%s - %s)^2", i == 0 ? "(" : "", cnn_explain_number(x).text,
                        cnn_explain_factor(*middle).text);
        else
            cnn_sum_add(&sum, "%s%s", i == 0 ? "(" : "", cnn_explain_factor(x).text);
    }
    if (count > CNN_EXPLAIN_ALL)
        cnn_text_printf(out, "%s", cnn_explain_number(total).text);
    cnn_text_printf(out, "%s / %zu = %s\n", count > CNN_EXPLAIN_ALL ? "" : ")", count,
                    cnn_explain_number(total / (double)count).text);
    return total / (double)count;
}

double cnn_group_norm_explain(const struct cnn_call *call, const struct cnn_question *q,
                              struct cnn_text *out)
{
    const struct cnn_group_norm_settings *s = call->node->settings;
    const struct members m = members_of(call, q);
    double x = cnn_explain_input(call, q, 0, q->channel),
           gamma = s->affine ? (double)call->value[SLOT_GAMMA][q->channel] : 1,
           beta = s->affine ? (double)call->value[SLOT_BETA][q->channel] : 0;
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "(x - mean) / sqrt(variance + eps)%s, where x is the same place of %s\n",
                    s->affine ? " * weight + bias" : "", cnn_explain_source(call->node, q, 0));
    cnn_text_printf(out, "mean and variance are those of ");
    cnn_explain_range("channel", (ptrdiff_t)m.first, 1, m.channels, out);
    cnn_text_printf(out, "%s\n", s->groups > 0 ? ", all rows and columns" : " here");
    double mean = write_mean(call, q, &m, NULL, out),
           variance = write_mean(call, q, &m, &mean, out),
           y = (x - mean) / sqrt(variance + (double)(float)s->eps) * gamma + beta;
    cnn_text_printf(out, "(%s - %s) / sqrt(%s + %s)", cnn_explain_number(x).text,
                    cnn_explain_factor(mean).text, cnn_explain_number(variance).text,
                    cnn_explain_number(s->eps).text);
    if (s->affine)
        cnn_text_printf(out, " * %s + %s", cnn_explain_factor(gamma).text,
                        cnn_explain_factor(beta).text);
    cnn_text_printf(out, " = %s\n", cnn_explain_number(y).text);
    return y;
}

/* The mean of the question's group, and 1 / sqrt(variance + eps). All numbers that depend on one of
 * an input share them, and in a group_norm those that depend on a channel's parameters. */
static void find_statistics(const struct cnn_call *call, const struct cnn_question *q,
                            const struct members *m, struct cnn_operand *operand)
{
    const struct cnn_group_norm_settings *s = call->node->settings;
    size_t count = m->channels * m->rows * m->columns;
    double sum = 0, squares = 0;
    if (operand->known && (s->groups > 0 || !operand->parameter))
        return;
    for (size_t i = 0; i < count; i++)
        sum += member(call, q, m, i);
    double mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (member(call, q, m, i) - mean) * (member(call, q, m, i) - mean);
    operand->kept[0] = mean;
    operand->kept[1] = 1 / sqrt(squares / (double)count + (double)(float)s->eps);
    operand->known = true;
}

/* Whether the operand is normalised together with the question's number. */
static bool is_member(const struct members *m, const struct cnn_operand *operand)
{
    return operand->channel >= m->first && operand->channel - m->first < m->channels &&
           operand->row >= m->row && operand->row - m->row < m->rows &&
           operand->column >= m->column && operand->column - m->column < m->columns;
}

double cnn_group_norm_slope(const struct cnn_call *call, const struct cnn_question *q,
                            struct cnn_operand *operand, struct cnn_text *out)
{
    const struct cnn_group_norm_settings *s = call->node->settings;
    const struct members m = members_of(call, q);
    const double count = (double)(m.channels * m.rows * m.columns);
    if (operand->parameter ? operand->index != q->channel : !is_member(&m, operand))
        return 0;
    if (operand->parameter && operand->slot == SLOT_BETA)
        return 1;
    find_statistics(call, q, &m, operand);
    const struct cnn_question from = {.row = operand->row, .column = operand->column};
    double mean = operand->kept[0], scale = operand->kept[1],
           own = (cnn_explain_input(call, q, 0, q->channel) - mean) * scale;
    if (operand->parameter)
        return cnn_slope_factor(own, "(input - mean) / sqrt(variance + eps)", out);
    double other = (cnn_explain_input(call, &from, 0, operand->channel) - mean) * scale,
           gamma = s->affine ? (double)call->value[SLOT_GAMMA][q->channel] : 1,
           same = cnn_operand_here(operand, q, q->channel) ? 1 : 0;
    return cnn_slope_factor(gamma * scale * (same - (1 + own * other) / count),
                            "slope of the normalisation", out);
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct cnn_group_norm_settings *s = node->settings;
    size_t channels = node->in[0].c, nearest = s->groups;
    if (channels % s->groups == 0)
        return cnn_group_norm_infer(node, arena, diag);
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s': %zu channels cannot be split into %zu groups: %zu / %zu = %.2f",
             node->name, channels, s->groups, channels, s->groups,
             (double)channels / (double)s->groups);
    while (channels % nearest != 0)
        nearest--;
    cnn_hint(diag, "groups must divide %zu, e.g. %zu", channels, nearest);
    return CNN_INVALID;
}

const struct cnn_layer_type cnn_layer_group_norm = {
    .variant = {.name = "group_norm",
                .help = CNN_WORDS(
                    "normalises groups of channels within every image, then scales and shifts "
                    "each channel"),
                .keys = keys,
                .settings_size = sizeof(struct cnn_group_norm_settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = cnn_group_norm_operation,
    .execution = &cnn_group_norm_execution,
    .describe = cnn_group_norm_describe,
    .explain = cnn_group_norm_explain,
    .slope = cnn_group_norm_slope,
};
