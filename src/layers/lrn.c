/* Local response normalisation across channels, Krizhevsky et al. 2012, with PyTorch's 1/size: y =
 * x / (k + alpha / size * sum of x^2 over `size` channels)^beta. */
#include <math.h>

#include "layers/explain.h"
#include "layers/window.h"
#include "util/words.h"

enum { SLOT_SUMS };

struct settings {
    size_t size;
    double alpha, beta, k;
};

#define FIELD(member) offsetof(struct settings, member)

static const struct cnn_key keys[] = {{.name = "size",
                                       .kind = CNN_KEY_SIZE,
                                       .at = FIELD(size),
                                       .otherwise = "5",
                                       .min = 1,
                                       .max = 65535,
                                       .help = "channels that are summed over"},
                                      {.name = "alpha",
                                       .kind = CNN_KEY_NUMBER,
                                       .at = FIELD(alpha),
                                       .otherwise = "1e-4",
                                       .max = 1e6,
                                       .help = "weight of the sum of squares"},
                                      {.name = "beta",
                                       .kind = CNN_KEY_NUMBER,
                                       .at = FIELD(beta),
                                       .otherwise = "0.75",
                                       .max = 100,
                                       .help = "exponent"},
                                      {.name = "k",
                                       .kind = CNN_KEY_NUMBER,
                                       .at = FIELD(k),
                                       .otherwise = "1",
                                       .max = 1e6,
                                       .open_min = true,
                                       .help = "added to the sum"},
                                      CNN_KEY_END};

static struct cnn_lrn geometry(const struct cnn_node *node, size_t n)
{
    const struct settings *s = node->settings;
    const cnn_shape shape = node->out;
    return (struct cnn_lrn){n * shape.h * shape.w, shape.c,        s->size,
                            (float)s->alpha,       (float)s->beta, (float)s->k};
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    (void)arena;
    cnn_status status = cnn_require_image(node, diag);
    node->out = node->in[0];
    cnn_node_declare_saved(node, SLOT_SUMS, cnn_shape_count(node->out), 0);
    node->reads_x = true;
    node->y_over_x = true;
    node->dx_over_dy = true;
    return status;
}

static size_t scratch(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n)
{
    struct cnn_lrn lrn = geometry(node, n);
    return kernels->lrn_scratch_floats(&lrn);
}

static void forward(const struct cnn_call *call)
{
    struct cnn_lrn lrn = geometry(call->node, call->n);
    call->kernels->lrn_forward(&lrn, call->x[0], call->y, call->value[SLOT_SUMS], call->scratch);
}

static void backward(const struct cnn_call *call)
{
    struct cnn_lrn lrn = geometry(call->node, call->n);
    if (call->dx[0])
        call->kernels->lrn_backward(&lrn, call->x[0], call->value[SLOT_SUMS], call->dy, call->dx[0],
                                    call->scratch);
}

/* The squares of the channels first..last at the question's place, and their sum. */
static double write_squares(const struct cnn_call *call, const struct cnn_question *q, size_t first,
                            size_t last, struct cnn_text *out)
{
    double squares = 0;
    for (size_t channel = first; channel <= last; channel++) {
        double x = cnn_explain_input(call, q, 0, channel);
        squares += x * x;
    }
    if (last - first >= CNN_EXPLAIN_ALL) {
        cnn_text_printf(out, "sum of the squares of channels %zu to %zu = %s\n", first, last,
                        cnn_explain_number(squares).text);
        return squares;
    }
    cnn_text_printf(out, "the squares of channels %zu to %zu:\n", first, last);
    struct cnn_sum sum = cnn_sum_begin(out);
    for (size_t channel = first; channel <= last; channel++)
        cnn_sum_add(&sum, "%s^2", cnn_explain_factor(cnn_explain_input(call, q, 0, channel)).text);
    cnn_sum_end(&sum, squares);
    return squares;
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct cnn_lrn l = geometry(call->node, call->n);
    size_t before = l.size / 2, after = (l.size - 1) / 2;
    size_t first = q->channel > before ? q->channel - before : 0,
           last = q->channel + after < l.channels ? q->channel + after : l.channels - 1;
    double x = cnn_explain_input(call, q, 0, q->channel);
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(
        out, "x / (k + alpha / size * sum of squares)^beta, where x is the same place of %s\n",
        cnn_explain_source(call->node, q, 0));
    double squares = write_squares(call, q, first, last, out);
    double y = x / pow((double)l.k + (double)l.alpha / (double)l.size * squares, (double)l.beta);
    cnn_text_printf(out, "%s / (%s + %s / %zu * %s)^%s = %s\n", cnn_explain_number(x).text,
                    cnn_explain_number((double)l.k).text, cnn_explain_number((double)l.alpha).text,
                    l.size, cnn_explain_number(squares).text,
                    cnn_explain_number((double)l.beta).text, cnn_explain_number(y).text);
    return y;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    const struct cnn_lrn l = geometry(call->node, call->n);
    size_t before = l.size / 2, after = (l.size - 1) / 2, j = operand->channel;
    bool here = cnn_operand_here(operand, q, j);
    if (!here || j + before < q->channel || j > q->channel + after)
        return 0;
    double squares = 0, x = cnn_explain_input(call, q, 0, q->channel);
    for (size_t c = q->channel > before ? q->channel - before : 0;
         c < l.channels && c <= q->channel + after; c++)
        squares += cnn_explain_input(call, q, 0, c) * cnn_explain_input(call, q, 0, c);
    double share = (double)l.alpha / (double)l.size, beta = (double)l.beta,
           divisor = (double)l.k + share * squares,
           value =
               (j == q->channel ? pow(divisor, -beta) : 0) -
               2 * beta * share * x * cnn_explain_input(call, q, 0, j) * pow(divisor, -beta - 1);
    return cnn_slope_factor(value, "slope of lrn", out);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    return (struct cnn_operation){.kind = CNN_OPERATION_LRN, .lrn = geometry(node, 1)};
}

const struct cnn_layer_type cnn_layer_lrn = {
    .variant = {.name = "lrn",
                .help = CNN_WORDS("local response normalisation across neighbouring channels"),
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = operation,
    .execution =
        &(const struct cnn_execution){
            .scratch = scratch,
            .forward = forward,
            .backward = backward,
        },
    .explain = explain,
    .slope = slope,
};
