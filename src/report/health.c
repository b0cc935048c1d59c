/* health.csv, written and read back, and the hints that follow from its rows. Where the thresholds
 * come from stands in health.h. */
#include "report/health.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "recipe/optimizer_type.h"
#include "report/table.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/words.h"

static void format_number(double value, struct cnn_text *line)
{
    if (isnan(value))
        cnn_text_append(line, ",", 1);
    else
        cnn_text_printf(line, ",%.6g", value);
}

void cnn_health_format(const struct cnn_health_row *row, struct cnn_text *line)
{
    cnn_text_printf(line, "%zu,%s,%zu", row->epoch, row->layer, row->channels);
    format_number(row->dead, line);
    format_number(row->gradient_norm, line);
    format_number(row->weight_norm, line);
    format_number(row->update_norm, line);
    format_number(row->lr_factor, line);
    cnn_text_append(line, "\n", 1);
}

/* A count, and the character that must follow it; *text moves behind that. */
static bool read_count(const char **text, char end, size_t *out)
{
    char *stop;
    if (**text < '0' || **text > '9')
        return false;
    errno = 0;
    *out = strtoull(*text, &stop, 10);
    *text = stop + 1;
    return errno == 0 && *stop == end;
}

/* strtod would pass over white space, and so over the end of a line. */
static bool read_number(const char **text, char end, double *out)
{
    char *stop = (char *)(uintptr_t)*text;
    *out = NAN;
    if (**text != end && !strchr(" \t\n\v\f\r", **text))
        *out = strtod(*text, &stop);
    *text = stop + 1;
    return *stop == end;
}

static bool read_row(const char *line, struct cnn_health_row *row)
{
    *row = (struct cnn_health_row){0};
    if (!read_count(&line, ',', &row->epoch))
        return false;
    size_t length = strcspn(line, ",\n");
    if (line[length] != ',' || length == 0 || length >= sizeof row->layer)
        return false;
    memcpy(row->layer, line, length);
    line += length + 1;
    return read_count(&line, ',', &row->channels) && read_number(&line, ',', &row->dead) &&
           read_number(&line, ',', &row->gradient_norm) &&
           read_number(&line, ',', &row->weight_norm) &&
           read_number(&line, ',', &row->update_norm) && read_number(&line, '\n', &row->lr_factor);
}

static size_t count_lines(const char *text)
{
    size_t lines = 0;
    for (const char *end; (end = strchr(text, '\n')); text = end + 1)
        lines++;
    return lines;
}

/* Rows of text, which begins with the header or is empty. */
static cnn_status read_rows(const char *path, const char *text, struct cnn_health_row **out,
                            size_t *count, cnn_diag *diag)
{
    const char *line = *text ? text + strlen(CNN_HEALTH_HEADER) : text;
    size_t lines = count_lines(line);
    struct cnn_health_row *rows = cnn_calloc(lines + 1, sizeof *rows);
    if (!rows)
        return cnn_fail_memory(diag, lines * sizeof *rows, path);
    for (size_t i = 0; i < lines; i++, line = strchr(line, '\n') + 1)
        if (!read_row(line, &rows[i])) {
            cnn_free(rows);
            return cnn_fail(diag, CNN_FAILED, NULL, "line %zu of %s is not a row of its table",
                            i + 2, path);
        }
    *out = rows;
    *count = lines;
    return CNN_OK;
}

cnn_status cnn_health_read(const char *path, struct cnn_health_row **rows, size_t *count,
                           cnn_diag *diag)
{
    char *text;
    size_t size;
    *rows = NULL;
    *count = 0;
    cnn_status status = cnn_table_read(path, CNN_HEALTH_HEADER, &text, &size, diag);
    if (status == CNN_OK && text)
        status = read_rows(path, text, rows, count, diag);
    cnn_free(text);
    return status;
}

/* Whether a layer has weights whose size something can be compared with. */
static bool has_weights(const struct cnn_health_row *row)
{
    return isfinite(row->weight_norm) && row->weight_norm > 0;
}

static double update_ratio(const struct cnn_health_row *row)
{
    return row->update_norm / row->weight_norm;
}

/* The same for a step at the full learning rate; NaN where the step was so small that rounding
 * decides what changes. */
static double full_update_ratio(const struct cnn_health_row *row)
{
    return row->lr_factor >= CNN_HEALTH_FACTOR_MIN ? update_ratio(row) / row->lr_factor : NAN;
}

static bool is_broken(const struct cnn_health_row *row)
{
    return isinf(row->gradient_norm) || isinf(row->weight_norm) || isinf(row->update_norm);
}

static bool hint_not_finite(const struct cnn_health_row *rows, size_t count, size_t i,
                            struct cnn_text *out)
{
    (void)count;
    if (!is_broken(&rows[i]))
        return false;
    for (size_t k = 0; k < i; k++)
        if (is_broken(&rows[k]))
            return false;
    cnn_text_printf(
        out,
        cnn_say("%s of %s hold numbers that are not finite: a smaller learning rate, a warm-up "
                "or batch_norm keeps them within bounds\n"),
        isinf(rows[i].weight_norm) ? cnn_say("the weights") : cnn_say("the gradients"),
        rows[i].layer);
    return true;
}

/* The first layer that lets nothing through; count where there is none. What layers before and
 * behind it show follows from that. */
static size_t find_cut(const struct cnn_health_row *rows, size_t count)
{
    size_t i = 0;
    while (i < count && !(rows[i].channels > 0 && rows[i].dead >= 1))
        i++;
    return i;
}

static bool hint_cut(const struct cnn_health_row *rows, size_t count, size_t i,
                     struct cnn_text *out)
{
    if (i != find_cut(rows, count))
        return false;
    cnn_text_printf(
        out,
        cnn_say("%s is dead: none of its %zu channels fires for any validation image tried, so "
                "nothing gets through it, and no gradient back to "
                "the layers before it, and it seldom recovers: begin anew with a smaller "
                "learning rate, batch_norm or leaky_relu\n"),
        rows[i].layer, rows[i].channels);
    return true;
}

static bool hint_dead(const struct cnn_health_row *rows, size_t count, size_t i,
                      struct cnn_text *out)
{
    const struct cnn_health_row *row = &rows[i];
    if (row->channels == 0 || !(row->dead >= CNN_HEALTH_DEAD_SHARE) || i >= find_cut(rows, count))
        return false;
    cnn_text_printf(
        out,
        cnn_say("%.*f %% of %s's %zu channels never fire, they are zero for every validation "
                "image tried: a smaller learning rate, batch_norm or "
                "leaky_relu keeps them alive\n"),
        row->dead > 0.99 ? 1 : 0, 100 * row->dead, row->layer, row->channels);
    return true;
}

/* Of the layers with weights: whether rows[i] is the first, and which is the last. */
static bool is_first(const struct cnn_health_row *rows, size_t count, size_t i, size_t *last)
{
    size_t first = count;
    *last = i;
    for (size_t k = 0; k < count; k++)
        if (has_weights(&rows[k]) && isfinite(rows[k].gradient_norm)) {
            first = first == count ? k : first;
            *last = k;
        }
    return first == i;
}

static bool vanishes(const struct cnn_health_row *rows, size_t count, size_t i, size_t *last)
{
    return is_first(rows, count, i, last) &&
           rows[i].gradient_norm < CNN_HEALTH_GRADIENT_RATIO * rows[*last].gradient_norm;
}

static bool hint_vanishing(const struct cnn_health_row *rows, size_t count, size_t i,
                           struct cnn_text *out)
{
    size_t last;
    if (!vanishes(rows, count, i, &last) || find_cut(rows, count) < count)
        return false;
    cnn_text_printf(
        out,
        cnn_say("the gradient vanishes on its way back: its norm is %.3g at %s and %.3g at %s; "
                "batch_norm, relu in place of sigmoid or tanh, or "
                "add as a way around layers lets it through\n"),
        rows[last].gradient_norm, rows[last].layer, rows[i].gradient_norm, rows[i].layer);
    return true;
}

static bool hint_growing(const struct cnn_health_row *rows, size_t count, size_t i,
                         struct cnn_text *out)
{
    size_t last;
    if (!is_first(rows, count, i, &last) || !(rows[last].gradient_norm > 0) ||
        !(rows[last].gradient_norm < CNN_HEALTH_GRADIENT_RATIO * rows[i].gradient_norm))
        return false;
    cnn_text_printf(
        out,
        cnn_say("the gradient grows on its way back: its norm is %.3g at %s and %.3g at %s; "
                "batch_norm after each layer, or smaller first "
                "weights, keep it in bounds\n"),
        rows[last].gradient_norm, rows[last].layer, rows[i].gradient_norm, rows[i].layer);
    return true;
}

/* ", and 3 other layers": how many layers have what the hint is about, beside the one that it
 * names. */
static void add_others(size_t layers, struct cnn_text *out)
{
    if (layers > 1)
        cnn_text_printf(out, cnn_say(", and %zu other layer%s likewise"), layers - 1,
                        layers == 2 ? "" : "s");
}

/* Whether rows[i] has the largest ratio (the first of equals), and how many are above the limit. */
static bool hint_fast(const struct cnn_health_row *rows, size_t count, size_t i,
                      struct cnn_text *out)
{
    size_t layers = 0;
    if (!has_weights(&rows[i]) || !(update_ratio(&rows[i]) > CNN_HEALTH_UPDATE_MAX) ||
        isinf(rows[i].update_norm))
        return false;
    for (size_t k = 0; k < count; k++) {
        double ratio =
            has_weights(&rows[k]) && isfinite(rows[k].update_norm) ? update_ratio(&rows[k]) : 0;
        if (ratio > update_ratio(&rows[i]) || (k < i && ratio >= update_ratio(&rows[i])))
            return false;
        layers += ratio > CNN_HEALTH_UPDATE_MAX;
    }
    cnn_text_printf(out, cnn_say("one step changes the weights of %s by %.0f %%"), rows[i].layer,
                    100 * update_ratio(&rows[i]));
    add_others(layers, out);
    cnn_text_printf(
        out, cnn_say(": about 0.1 %% is usual, so the learning rate is probably too high\n"));
    return true;
}

/* The cause comes alone: where a layer is dead or the gradient vanishes, that is why weights stand
 * still. */
static bool is_slow(const struct cnn_health_row *rows, size_t count, size_t i)
{
    size_t last;
    for (size_t k = 0; k < count; k++)
        if (vanishes(rows, count, k, &last))
            return false;
    return has_weights(&rows[i]) && full_update_ratio(&rows[i]) < CNN_HEALTH_UPDATE_MIN &&
           find_cut(rows, count) == count;
}

static bool hint_slow(const struct cnn_health_row *rows, size_t count, size_t i,
                      struct cnn_text *out)
{
    size_t layers = 0;
    if (!is_slow(rows, count, i))
        return false;
    for (size_t k = 0; k < count; k++) {
        double ratio = has_weights(&rows[k]) ? full_update_ratio(&rows[k]) : INFINITY;
        if (ratio < full_update_ratio(&rows[i]) || (k < i && ratio <= full_update_ratio(&rows[i])))
            return false;
        layers += ratio < CNN_HEALTH_UPDATE_MIN;
    }
    cnn_text_printf(out, cnn_say("%s stands still"), rows[i].layer);
    add_others(layers, out);
    if (rows[i].gradient_norm > 0)
        cnn_text_printf(
            out,
            cnn_say(": at the full learning rate one step changes its weights by less than a "
                    "millionth; about a thousandth is usual, so the "
                    "learning rate is probably too low (its gradient's norm is %.3g)\n"),
            rows[i].gradient_norm);
    else
        cnn_text_printf(out, cnn_say(": no gradient arrives there\n"));
    return true;
}

/* The row with the largest weights that are finite, NULL where they are not too large. */
static const struct cnn_health_row *find_largest(const struct cnn_health_row *rows, size_t count)
{
    const struct cnn_health_row *largest = NULL;
    for (size_t i = 0; i < count; i++)
        if (isfinite(rows[i].weight_norm) &&
            rows[i].weight_norm > (largest ? largest->weight_norm : CNN_HEALTH_WEIGHT_MAX))
            largest = &rows[i];
    return largest;
}

bool cnn_health_hint_blown_up(const struct cnn_health_row *rows, size_t count, double loss,
                              struct cnn_text *out)
{
    const struct cnn_health_row *largest = find_largest(rows, count);
    bool high = loss > CNN_HEALTH_LOSS_MAX;
    if (!high && !largest)
        return false;
    cnn_text_printf(out, cnn_say("the run has blown up: "));
    if (high)
        cnn_text_printf(
            out,
            cnn_say("the mean loss of the epoch is %.3g (guessing among 10 classes has a "
                    "cross-entropy of 2.3)%s"),
            loss, largest ? cnn_say(", and ") : "");
    if (largest)
        cnn_text_printf(out,
                        cnn_say("the weights of %s have a norm of %.3g, which is seldom above 100"),
                        largest->layer, largest->weight_norm);
    cnn_text_printf(
        out, cnn_say("; begin anew with a smaller learning rate, a warm-up or batch_norm\n"));
    return true;
}

bool cnn_health_hint(const struct cnn_health_row *rows, size_t count, size_t i,
                     enum cnn_health_kind kind, struct cnn_text *out)
{
    static bool (*const hints[CNN_HEALTH_KINDS])(const struct cnn_health_row *, size_t, size_t,
                                                 struct cnn_text *) = {
        [CNN_HEALTH_NOT_FINITE] = hint_not_finite,
        [CNN_HEALTH_CUT] = hint_cut,
        [CNN_HEALTH_DEAD] = hint_dead,
        [CNN_HEALTH_VANISHING] = hint_vanishing,
        [CNN_HEALTH_GROWING] = hint_growing,
        [CNN_HEALTH_FAST] = hint_fast,
        [CNN_HEALTH_SLOW] = hint_slow,
    };
    return hints[kind](rows, count, i, out);
}

bool cnn_health_applies(const cnn_model *model, enum cnn_health_kind kind)
{
    return kind != CNN_HEALTH_FAST || !model->recipe.optimizer.type->long_steps;
}

void cnn_health_hints(const struct cnn_health_row *rows, size_t count, double loss,
                      const cnn_model *model, struct cnn_text *out)
{
    cnn_health_hint_blown_up(rows, count, loss, out);
    for (enum cnn_health_kind kind = 0; kind < CNN_HEALTH_KINDS; kind++)
        for (size_t i = 0; i < count && (!model || cnn_health_applies(model, kind)); i++)
            cnn_health_hint(rows, count, i, kind, out);
}
