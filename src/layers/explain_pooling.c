/* The arithmetic of pool and global_pool behind one number: the window, its largest value or its
 * mean. Windows and divisors are those of the kernels. Some of each window lies in the input:
 * `infer` sees to it. */
#include <math.h>
#include <stdio.h>

#include "kernels/internal.h"
#include "layers/explain.h"
#include "layers/pooling.h"

struct window {
    const struct cnn_pool *pool;
    const float *x;                       /* of the channel: every pool->channels floats a pixel */
    struct cnn_pool_window rows, columns; /* what lies in the input */
    /* row and column where the window begins; negative in the padding */
    ptrdiff_t first[2];
    size_t largest[2]; /* row and column of the largest */
};

static double pixel(const struct window *w, size_t row, size_t column)
{
    return (double)w->x[(row * w->pool->in_w + column) * w->pool->channels];
}

static struct window window_at(const struct cnn_call *call, const struct cnn_question *q)
{
    const struct cnn_pooling *state = call->node->state;
    const struct cnn_pool *p = &state->pool;
    struct window w = {.pool = p,
                       .x = call->x[0] + q->channel,
                       .rows = cnn_window_rows(p, q->row),
                       .columns = cnn_window_columns(p, q->column)};
    w.first[0] = (ptrdiff_t)(q->row * p->stride_h) - (ptrdiff_t)p->pad_top;
    w.first[1] = (ptrdiff_t)(q->column * p->stride_w) - (ptrdiff_t)p->pad_left;
    w.largest[0] = w.rows.begin, w.largest[1] = w.columns.begin;
    for (size_t row = w.rows.begin; row < w.rows.end; row++)
        for (size_t column = w.columns.begin; column < w.columns.end; column++)
            if (pixel(&w, row, column) > pixel(&w, w.largest[0], w.largest[1]) ||
                isnan(pixel(&w, row, column)))
                w.largest[0] = row, w.largest[1] = column;
    return w;
}

/* The largest has a star. */
static struct cnn_number window_cell(const void *context, size_t row, size_t column)
{
    const struct window *w = context;
    ptrdiff_t y = w->first[0] + (ptrdiff_t)row, x = w->first[1] + (ptrdiff_t)column;
    if (y < (ptrdiff_t)w->rows.begin || y >= (ptrdiff_t)w->rows.end ||
        x < (ptrdiff_t)w->columns.begin || x >= (ptrdiff_t)w->columns.end)
        return (struct cnn_number){"."};
    struct cnn_number number = cnn_explain_number(pixel(w, (size_t)y, (size_t)x)), starred;
    if (w->pool->average || (size_t)y != w->largest[0] || (size_t)x != w->largest[1])
        return number;
    snprintf(starred.text, sizeof starred.text, "*%.36s", number.text);
    return starred;
}

static size_t divisor_of(const struct window *w)
{
    size_t inside = (w->rows.end - w->rows.begin) * (w->columns.end - w->columns.begin);
    return w->pool->count_include_pad ? w->rows.padded * w->columns.padded : inside;
}

/* How the divisor comes about, where the window is not wholly in the input. */
static void write_divisor(const struct window *w, size_t inside, size_t divisor,
                          struct cnn_text *out)
{
    size_t places = w->pool->kernel_h * w->pool->kernel_w;
    if (inside == places)
        return;
    cnn_text_printf(out, "the window has %zu places: %zu in the input", places, inside);
    if (divisor > inside)
        cnn_text_printf(out, ", %zu of padding that count as 0 (count_include_pad)",
                        divisor - inside);
    if (divisor < places)
        cnn_text_printf(out, ", %zu outside that do not count", places - divisor);
    cnn_text_printf(out, "\n");
}

static double write_mean(const struct window *w, struct cnn_text *out)
{
    size_t inside = (w->rows.end - w->rows.begin) * (w->columns.end - w->columns.begin);
    size_t divisor = divisor_of(w);
    double total = 0;
    write_divisor(w, inside, divisor, out);
    bool all = inside <= CNN_EXPLAIN_ALL;
    struct cnn_sum sum = cnn_sum_begin(out);
    for (size_t row = w->rows.begin; row < w->rows.end; row++)
        for (size_t column = w->columns.begin; column < w->columns.end; column++) {
            total += pixel(w, row, column);
            if (all)
                cnn_sum_add(&sum, "%s%s", sum.terms == 0 ? "(" : "",
                            cnn_explain_factor(pixel(w, row, column)).text);
        }
    double mean = total / (double)divisor;
    if (all)
        cnn_text_printf(out, ") / %zu = %s\n", divisor, cnn_explain_number(mean).text);
    else
        cnn_text_printf(out, "the numbers add up to %s\n%s / %zu = %s\n",
                        cnn_explain_number(total).text, cnn_explain_number(total).text, divisor,
                        cnn_explain_number(mean).text);
    return mean;
}

double cnn_pooling_explain(const struct cnn_call *call, const struct cnn_question *q,
                           struct cnn_text *out)
{
    const struct window w = window_at(call, q);
    const struct cnn_pool *p = w.pool;
    const struct cnn_grid grid = {"",     p->kernel_h, p->kernel_w, true, {w.first[0], w.first[1]},
                                  {1, 1}, window_cell, &w};
    size_t places = p->kernel_h * p->kernel_w,
           inside = (w.rows.end - w.rows.begin) * (w.columns.end - w.columns.begin);
    bool shown = places <= CNN_EXPLAIN_ALL;
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "the %s of ", p->average ? "mean" : "largest");
    cnn_explain_range("row", w.first[0], 1, p->kernel_h, out);
    cnn_text_printf(out, ", ");
    cnn_explain_range("column", w.first[1], 1, p->kernel_w, out);
    cnn_text_printf(out, " of %s[%zu]%s\n", cnn_explain_source(call->node, q, 0), q->channel,
                    shown && inside < places ? "; a dot is outside the input" : "");
    if (shown)
        cnn_explain_grids(&grid, 1, out);
    if (p->average)
        return write_mean(&w, out);
    double largest = pixel(&w, w.largest[0], w.largest[1]);
    cnn_text_printf(out, "row %zu, column %zu holds the largest = %s\n", w.largest[0], w.largest[1],
                    cnn_explain_number(largest).text);
    return largest;
}

double cnn_pooling_slope(const struct cnn_call *call, const struct cnn_question *q,
                         struct cnn_operand *operand, struct cnn_text *out)
{
    const struct cnn_pooling *state = call->node->state;
    const struct cnn_pool *p = &state->pool;
    const struct cnn_pool_window rows = cnn_window_rows(p, q->row),
                                 columns = cnn_window_columns(p, q->column);
    if (operand->channel != q->channel || operand->row < rows.begin || operand->row >= rows.end ||
        operand->column < columns.begin || operand->column >= columns.end)
        return 0;
    const struct window w = window_at(call, q);
    if (!p->average)
        return cnn_slope_copy(operand, q->channel, w.largest[0], w.largest[1]);
    return cnn_slope_factor(1 / (double)divisor_of(&w), "share of the mean", out);
}
