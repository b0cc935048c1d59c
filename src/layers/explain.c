/* Numbers, sums, matrices and activations as text, for the layers' explain functions. Each number
 * is written from the double that is computed with. */
#include "layers/explain.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "layers/weighted.h"

#define SOFTMAX_LISTED 20 /* channels that are listed one by one up to this many */

void cnn_explain_place(const struct cnn_node *node, const struct cnn_question *question,
                       struct cnn_text *out)
{
    cnn_text_printf(out, "%s[%zu]", node->name, question->channel);
    if (node->out.rank == 3)
        cnn_text_printf(out, ", row %zu, column %zu", question->row, question->column);
}

void cnn_explain_begin(const struct cnn_node *node, const struct cnn_question *question,
                       struct cnn_text *out)
{
    cnn_explain_place(node, question, out);
    cnn_text_printf(out, ": ");
}

const char *cnn_explain_source(const struct cnn_node *node, const struct cnn_question *question,
                               size_t input)
{
    size_t value = node->inputs[input];
    return value == 0 ? "input" : question->nodes[value - 1].name;
}

double cnn_explain_input(const struct cnn_call *call, const struct cnn_question *question,
                         size_t input, size_t channel)
{
    const cnn_shape s = call->node->in[input];
    return (double)call->x[input][(question->row * s.w + question->column) * s.c + channel];
}

struct cnn_sum cnn_sum_begin(struct cnn_text *out)
{
    return (struct cnn_sum){out, out->size, 0};
}

void cnn_sum_add(struct cnn_sum *sum, const char *format, ...)
{
    char term[256];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(term, sizeof term, format, arguments);
    va_end(arguments);
    if (sum->terms++ > 0) {
        bool fits = sum->out->size - sum->line + 3 + (size_t)length <= CNN_EXPLAIN_WIDTH;
        cnn_text_printf(sum->out, fits ? " + " : "\n");
        if (!fits) {
            sum->line = sum->out->size;
            cnn_text_printf(sum->out, "  + ");
        }
    }
    cnn_text_printf(sum->out, "%s", term);
}

void cnn_sum_end(struct cnn_sum *sum, double total)
{
    cnn_text_printf(sum->out, " = %s\n", cnn_explain_number(total).text);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static ptrdiff_t label_at(const struct cnn_grid *grid, int axis, size_t i)
{
    return grid->first[axis] + (ptrdiff_t)(i * grid->step[axis]);
}

static struct cnn_number label_text(const struct cnn_grid *grid, int axis, size_t i)
{
    return cnn_explain_number((double)label_at(grid, axis, i));
}

/* Characters before the decimal point or the exponent; all where there is neither. The dot that
 * stands for no number is no point. */
static size_t whole_part(const char *text)
{
    return strcmp(text, ".") == 0 ? 1 : strcspn(text, ".e");
}

/* Numbers of a grid have their decimal points under one another: before and from it on. */
struct widths {
    size_t label, before, after, whole;
};

static void measure_cell(struct widths *w, const char *text)
{
    size_t before = whole_part(text);
    w->before = larger(w->before, before);
    w->after = larger(w->after, strlen(text) - before);
}

static struct widths measure(const struct cnn_grid *grid)
{
    struct widths w = {0, 1, 0, 0};
    for (size_t r = 0; r < grid->rows; r++)
        for (size_t c = 0; c < grid->columns; c++)
            measure_cell(&w, grid->cell(grid->context, r, c).text);
    for (size_t r = 0; grid->labelled && r < grid->rows; r++)
        w.label = larger(w.label, strlen(label_text(grid, 0, r).text));
    for (size_t c = 0; grid->labelled && c < grid->columns; c++)
        measure_cell(&w, label_text(grid, 1, c).text);
    w.whole = larger(strlen(grid->title),
                     (grid->labelled ? w.label + 2 : 0) + grid->columns * (w.before + w.after + 1));
    return w;
}

static void write_cell(const struct widths *w, const char *text, struct cnn_text *out)
{
    size_t before = whole_part(text);
    cnn_text_printf(out, " %*.*s%-*s", (int)w->before, (int)before, text, (int)w->after,
                    text + before);
}

/* Line 0 is the title, 1 the numbers of the columns, the rest rows. */
static void write_line(const struct cnn_grid *grid, const struct widths *w, size_t line,
                       struct cnn_text *out)
{
    if (line == 0)
        cnn_text_printf(out, "%s", grid->title);
    if (line > 1 && line - 2 < grid->rows && grid->labelled)
        cnn_text_printf(out, "%*s |", (int)w->label, label_text(grid, 0, line - 2).text);
    if (line == 1 && grid->labelled)
        cnn_text_printf(out, "%*s", (int)w->label + 2, "");
    for (size_t c = 0; c < grid->columns; c++) {
        if (line == 1 && grid->labelled)
            write_cell(w, label_text(grid, 1, c).text, out);
        if (line > 1 && line - 2 < grid->rows)
            write_cell(w, grid->cell(grid->context, line - 2, c).text, out);
    }
}

/* Ends a line without spaces at its end. */
static void end_line(struct cnn_text *out)
{
    while (out->size > 0 && out->data[out->size - 1] == ' ')
        out->data[--out->size] = '\0';
    cnn_text_printf(out, "\n");
}

static void write_grids(const struct cnn_grid *grids, const struct widths *widths, size_t count,
                        struct cnn_text *out)
{
    size_t lines = 0;
    bool titled = grids[0].title[0] != '\0', labelled = false;
    for (size_t g = 0; g < count; g++) {
        lines = larger(lines, grids[g].rows + 2);
        labelled = labelled || grids[g].labelled;
    }
    for (size_t line = titled ? 0 : 1; line < lines; line++) {
        size_t at = 2, start = out->size;
        if (line == 1 && !labelled)
            continue;
        for (size_t g = 0; g < count; g++) {
            cnn_text_printf(out, "%*s", (int)(start + at - out->size), "");
            write_line(&grids[g], &widths[g], line, out);
            at += widths[g].whole + 4;
        }
        end_line(out);
    }
}

void cnn_explain_grids(const struct cnn_grid *grids, size_t count, struct cnn_text *out)
{
    struct widths widths[CNN_EXPLAIN_GRIDS];
    size_t width = 0;
    for (size_t g = 0; g < count; g++) {
        widths[g] = measure(&grids[g]);
        width += widths[g].whole + 4;
    }
    size_t together = width - 2 <= CNN_EXPLAIN_WIDTH ? count : 1;
    for (size_t g = 0; g < count; g += together)
        write_grids(grids + g, widths + g, together, out);
}

void cnn_explain_range(const char *what, ptrdiff_t first, size_t step, size_t count,
                       struct cnn_text *out)
{
    if (count == 1) {
        cnn_text_printf(out, "%s %td", what, first);
        return;
    }
    cnn_text_printf(out, "%ss %td..%td", what, first, first + (ptrdiff_t)((count - 1) * step));
    if (step > 1)
        cnn_text_printf(out, " in steps of %zu", step);
}

static double activate(struct cnn_activation a, double x)
{
    switch (a.kind) {
    case CNN_ACT_RELU:
        return x < 0 ? 0 : x;
    case CNN_ACT_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case CNN_ACT_LEAKY_RELU:
        return x < 0 ? x * (double)a.slope : x;
    case CNN_ACT_ELU:
        return x < 0 ? expm1(x) : x;
    case CNN_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case CNN_ACT_TANH:
        return tanh(x);
    case CNN_ACT_GELU:
        return x * (1 + erf(x / sqrt(2))) / 2;
    case CNN_ACT_SILU:
        return x / (1 + exp(-x));
    case CNN_ACT_HARDSWISH:
        return x < -3 ? 0 : x > 3 ? x : x * (x + 3) / 6;
    case CNN_ACT_HARD_SIGMOID:
        return x < -3 ? 0 : x > 3 ? 1 : (x + 3) / 6;
    case CNN_ACT_MISH:
        return x * tanh(log1p(exp(x)));
    case CNN_ACT_CLIP:
        return x < (double)a.min ? (double)a.min : x > (double)a.max ? (double)a.max : x;
    case CNN_ACT_NONE:
    case CNN_ACT_SOFTMAX:
        break;
    }
    return x;
}

/* The formula with x filled in, where it is more than taking x or a bound. */
static void write_formula(struct cnn_activation a, double x, struct cnn_text *out)
{
    const struct cnn_number plain = cnn_explain_number(x), factor = cnn_explain_factor(x),
                            negated = cnn_explain_number(-x);
    if (a.kind == CNN_ACT_RELU6)
        cnn_text_printf(out, " = min(max(0, %s), 6)", plain.text);
    else if (a.kind == CNN_ACT_LEAKY_RELU && x < 0)
        cnn_text_printf(out, " = %s * %s", cnn_explain_number((double)a.slope).text, factor.text);
    else if (a.kind == CNN_ACT_ELU && x < 0)
        cnn_text_printf(out, " = exp(%s) - 1", plain.text);
    else if (a.kind == CNN_ACT_SIGMOID)
        cnn_text_printf(out, " = 1 / (1 + exp(%s))", negated.text);
    else if (a.kind == CNN_ACT_GELU)
        cnn_text_printf(out, " = %s * (1 + erf(%s / sqrt(2))) / 2", factor.text, plain.text);
    else if (a.kind == CNN_ACT_SILU)
        cnn_text_printf(out, " = %s / (1 + exp(%s))", factor.text, negated.text);
    else if (a.kind == CNN_ACT_HARDSWISH)
        cnn_text_printf(out, " = %s * min(max(0, %s + 3), 6) / 6", factor.text, plain.text);
    else if (a.kind == CNN_ACT_HARD_SIGMOID)
        cnn_text_printf(out, " = min(max(0, %s + 3), 6) / 6", plain.text);
    else if (a.kind == CNN_ACT_MISH)
        cnn_text_printf(out, " = %s * tanh(ln(1 + exp(%s)))", factor.text, plain.text);
    else if (a.kind == CNN_ACT_CLIP)
        cnn_text_printf(out, " = min(max(%s, %s), %s)", cnn_explain_number((double)a.min).text,
                        plain.text, cnn_explain_number((double)a.max).text);
}

static double explain_softmax(const struct cnn_call *call, const struct cnn_question *q,
                              cnn_explain_linear *linear, struct cnn_text *out)
{
    size_t count = call->node->out.c;
    double largest = linear(call, q, 0), sum = 0;
    for (size_t k = 1; k < count; k++)
        largest = fmax(largest, linear(call, q, k));
    const struct cnn_number shift = cnn_explain_factor(largest);
    cnn_text_printf(
        out,
        "softmax over %zu channels: exp(x - %s) divided by the sum of all; %s is the largest x\n",
        count, shift.text, cnn_explain_number(largest).text);
    for (size_t k = 0; k < count; k++) {
        double x = linear(call, q, k), part = exp(x - largest);
        sum += part;
        if (count <= SOFTMAX_LISTED)
            cnn_text_printf(out, "  channel %*zu  exp(%s - %s) = %s\n", count > 10 ? 2 : 1, k,
                            cnn_explain_number(x).text, shift.text, cnn_explain_number(part).text);
    }
    double x = linear(call, q, q->channel), part = exp(x - largest);
    cnn_text_printf(out, "sum of the %zu = %s\n", count, cnn_explain_number(sum).text);
    cnn_text_printf(out, "exp(%s - %s) / %s = %s / %s = %s\n", cnn_explain_number(x).text,
                    shift.text, cnn_explain_number(sum).text, cnn_explain_number(part).text,
                    cnn_explain_number(sum).text, cnn_explain_number(part / sum).text);
    return part / sum;
}

double cnn_explain_activation(const struct cnn_call *call, const struct cnn_question *question,
                              struct cnn_activation activation, cnn_explain_linear *linear,
                              struct cnn_text *out)
{
    if (activation.kind == CNN_ACT_SOFTMAX)
        return explain_softmax(call, question, linear, out);
    double x = linear(call, question, question->channel), y = activate(activation, x);
    if (activation.kind == CNN_ACT_NONE)
        return x;
    cnn_text_printf(out, "%s(%s)", cnn_activation_name(activation), cnn_explain_number(x).text);
    write_formula(activation, x, out);
    cnn_text_printf(out, " = %s\n", cnn_explain_number(y).text);
    return y;
}
