/* How the layers felt while they trained: hints, the last epoch's numbers, and charts of how they
 * moved. */
#include <math.h>
#include <string.h>

#include "report/chart.h"
#include "report/health.html.h"
#include "report/page.h"
#include "util/arena.h"
#include "util/words.h"

enum { MOST_LINES = 12 }; /* layers in one chart */

static double measure_dead(const struct cnn_health_row *row)
{
    return row->dead;
}

static double measure_gradient(const struct cnn_health_row *row)
{
    return row->gradient_norm;
}

static double measure_update(const struct cnn_health_row *row)
{
    return row->update_norm / row->weight_norm;
}

struct measure {
    const char *title;
    bool percent, above_zero; /* above_zero: layers where it is always 0 are left out */
    double (*of)(const struct cnn_health_row *row);
};

static const struct measure measures[] = {
    {CNN_WORDS("Channels that never fire (%)"), true, true, measure_dead},
    {CNN_WORDS("Norm of the gradient"), false, false, measure_gradient},
    {CNN_WORDS("Size of an update, relative to the weights"), false, false, measure_update},
};

/* Rows [first, history->health_count) are those of the last epoch: one for each layer. */
static size_t first_of_last_epoch(const struct cnn_history *history)
{
    size_t first = history->health_count;
    while (first > 0 &&
           history->health[first - 1].epoch == history->health[history->health_count - 1].epoch)
        first--;
    return first;
}

static size_t count_rows(const struct cnn_history *history, const char *layer)
{
    size_t count = 0;
    for (size_t i = 0; i < history->health_count; i++)
        count += strcmp(history->health[i].layer, layer) == 0;
    return count;
}

/* The measure of one layer by epoch: numbers x and y from arena. count 0: nothing to draw. False
 * when out of memory. */
static bool collect(const struct cnn_history *history, const char *layer,
                    const struct measure *measure, struct cnn_arena *arena, struct cnn_series *out)
{
    size_t rows = count_rows(history, layer), n = 0;
    double *x = cnn_arena_array(arena, rows, sizeof *x),
           *y = cnn_arena_array(arena, rows, sizeof *y);
    bool any = false;
    if (!x || !y)
        return false;
    for (size_t i = 0; i < history->health_count; i++) {
        const struct cnn_health_row *row = &history->health[i];
        if (strcmp(row->layer, layer) != 0)
            continue;
        x[n] = (double)row->epoch;
        y[n] = measure->of(row);
        any = any || (isfinite(y[n]) && (!measure->above_zero || y[n] > 0));
        n++;
    }
    *out = (struct cnn_series){.name = layer, .x = x, .y = y, .count = any ? n : 0};
    return true;
}

/* Where more than MOST_LINES layers have something to show, some from all depths are drawn. Returns
 * how many. */
static size_t thin(struct cnn_series *series, size_t count)
{
    if (count <= MOST_LINES)
        return count;
    for (size_t i = 0; i < MOST_LINES; i++)
        series[i] = series[i * (count - 1) / (MOST_LINES - 1)];
    return MOST_LINES;
}

static void draw_measure(struct cnn_text *page, const struct cnn_history *history,
                         const struct measure *measure)
{
    struct cnn_arena *arena = cnn_arena_new();
    size_t first = first_of_last_epoch(history), layers = history->health_count - first, count = 0;
    struct cnn_series *series = arena ? cnn_arena_array(arena, layers, sizeof *series) : NULL;
    bool good = series != NULL;
    for (size_t l = 0; l < layers && good; l++) {
        good = collect(history, history->health[first + l].layer, measure, arena, &series[count]);
        count += good && series[count].count > 0;
    }
    if (good)
        cnn_chart_draw(page, &(struct cnn_chart){.title = cnn_say(measure->title),
                                                 .x_name = cnn_say("epoch"),
                                                 .series = series,
                                                 .count = thin(series, count),
                                                 .percent = measure->percent,
                                                 .y_from_zero = measure->percent,
                                                 .logarithm = !measure->percent,
                                                 .whole = true});
    page->failed = page->failed || !good;
    cnn_arena_free(arena);
}

/* Cells; empty where the number does not apply. */
static struct cnn_html_value tell_number(const char *name, double value)
{
    if (isnan(value))
        return cnn_html_string(name, "");
    return isinf(value) ? cnn_html_string(name, cnn_say("infinite"))
                        : cnn_html_number(name, "%.3g", value);
}

static struct cnn_html_value tell_share(const char *name, double share)
{
    return isfinite(share) ? cnn_html_number(name, "%.1f %%", 100 * share)
                           : cnn_html_string(name, "");
}

static void write_rows(struct cnn_text *page, const struct cnn_health_row *rows, size_t count)
{
    cnn_html_fill(page, rows_begin, NULL);
    for (size_t i = 0; i < count; i++) {
        const struct cnn_html_value values[] = {cnn_html_string("layer", rows[i].layer),
                                                tell_share("dead", rows[i].dead),
                                                tell_number("gradient", rows[i].gradient_norm),
                                                tell_number("weights", rows[i].weight_norm),
                                                tell_number("update", rows[i].update_norm),
                                                tell_number("relative", measure_update(&rows[i])),
                                                {0}};
        cnn_html_fill(page, layer_row, values);
    }
    cnn_html_fill(page, rows_end, NULL);
}

/* The mean training loss of an epoch; NaN where its row is not written yet. */
static double loss_of(const struct cnn_history *history, size_t epoch)
{
    for (size_t i = history->epoch_count; i > 0; i--)
        if (history->epochs[i - 1].epoch == epoch)
            return history->epochs[i - 1].train_loss;
    return NAN;
}

/* What the numbers of the last epoch no longer show. */
static void hint_jump(const struct cnn_history *history, struct cnn_text *hints)
{
    size_t i = cnn_history_jump(history);
    if (i == CNN_NO_INDEX)
        return;
    const struct cnn_history_epoch *before = &history->epochs[i - 1], *after = before + 1;
    cnn_text_printf(hints,
                    cnn_say("the mean training loss rose from %.3g in epoch %zu to %.3g in epoch "
                            "%zu%s: its steps were too large; a smaller learning rate from there "
                            "on, or a warm-up, keeps what has been learned\n"),
                    before->train_loss, before->epoch, after->train_loss, after->epoch,
                    before->epoch == history->freeze_epochs
                        ? cnn_say(", the first in which the frozen layers were trained")
                        : "");
}

/* first: of the last epoch's rows. */
static void write_hints(struct cnn_text *page, const struct cnn_history *history, size_t first,
                        const cnn_model *model)
{
    const struct cnn_health_row *rows = history->health + first;
    struct cnn_text hints = {0};
    hint_jump(history, &hints);
    cnn_health_hints(rows, history->health_count - first, loss_of(history, rows->epoch), model,
                     &hints);
    page->failed = page->failed || hints.failed;
    if (hints.size == 0)
        cnn_html_fill(page, no_hints,
                      (const struct cnn_html_value[]){
                          cnn_html_flag("slow", rows->lr_factor < CNN_HEALTH_FACTOR_MIN), {0}});
    else {
        cnn_html_fill(page, hints_begin, NULL);
        for (char *line = hints.data, *end; *line; line = end) {
            end = line + strcspn(line, "\n");
            end += *end ? (*end = '\0', 1) : 0;
            cnn_html_fill(page, hint,
                          (const struct cnn_html_value[]){cnn_html_string("hint", line), {0}});
        }
        cnn_html_fill(page, hints_end, NULL);
    }
    cnn_text_free(&hints);
}

void cnn_page_health(struct cnn_text *page, const struct cnn_history *history,
                     const cnn_model *model)
{
    size_t first = first_of_last_epoch(history), count = history->health_count - first;
    if (count == 0)
        return;
    cnn_html_fill(page, health, NULL);
    write_hints(page, history, first, model);
    if (first > 0) {
        cnn_html_fill(page, figures_begin, NULL);
        for (size_t i = 0; i < sizeof measures / sizeof *measures; i++)
            draw_measure(page, history, &measures[i]);
        cnn_html_fill(page, figures_end, NULL);
    }
    const struct cnn_html_value values[] = {
        cnn_html_number("epoch", "%zu", history->health[first].epoch), {0}};
    cnn_html_fill(page, health_epoch, values);
    write_rows(page, history->health + first, count);
}
