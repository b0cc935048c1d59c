/* How a run went: curves by epoch and by step, and the table of epochs. */
#include <math.h>
#include <stdio.h>

#include "report/chart.h"
#include "report/curves.html.h"
#include "report/page.h"
#include "util/arena.h"
#include "util/words.h"
#include "viz/html.h"

enum {
    BUCKETS = 250,     /* of steps: two points of each are drawn */
    SMOOTH_PARTS = 25, /* the smoothed loss is a mean over about this part of the run, */
    SMOOTH_ROWS = 5,   /* but at least so many rows */
    LONG_TABLE = 30    /* rows: longer tables are folded */
};

struct columns { /* of epochs.csv */
    double *epoch, *train_loss, *train_measure, *val_loss, *val_measure, *lr;
};

/* count doubles; NULL, with page->failed set, where they cannot be had. */
static double *numbers_new(struct cnn_text *page, struct cnn_arena *arena, size_t count)
{
    double *numbers = arena ? cnn_arena_array(arena, count, sizeof *numbers) : NULL;
    if (!numbers)
        page->failed = true;
    return numbers;
}

static bool columns_new(struct cnn_text *page, struct cnn_arena *arena,
                        const struct cnn_history *history, struct columns *out)
{
    size_t count = history->epoch_count;
    double **all[] = {&out->epoch,    &out->train_loss,  &out->train_measure,
                      &out->val_loss, &out->val_measure, &out->lr};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i] = numbers_new(page, arena, count)))
            return false;
    for (size_t i = 0; i < count; i++) {
        const struct cnn_history_epoch *row = &history->epochs[i];
        out->epoch[i] = (double)row->epoch;
        out->train_loss[i] = row->train_loss;
        out->train_measure[i] = row->train_measure;
        out->val_loss[i] = row->val_loss;
        out->val_measure[i] = row->val_measure;
        out->lr[i] = row->lr;
    }
    return true;
}

static void draw_epochs(struct cnn_text *page, struct cnn_arena *arena,
                        const struct cnn_history *history)
{
    struct columns c;
    size_t n = history->epoch_count;
    if (n == 0 || !columns_new(page, arena, history, &c))
        return;
    struct cnn_series loss[] = {
        {.name = cnn_say("training"), .x = c.epoch, .y = c.train_loss, .count = n},
        {.name = cnn_say("validation"), .x = c.epoch, .y = c.val_loss, .count = n}};
    struct cnn_series measure[] = {
        {.name = cnn_say("training"), .x = c.epoch, .y = c.train_measure, .count = n},
        {.name = cnn_say("validation"), .x = c.epoch, .y = c.val_measure, .count = n}};
    char title[64];
    snprintf(title, sizeof title, "%s (%%)", cnn_say(history->task->title));
    struct cnn_series lr = {.name = cnn_say("learning rate"), .x = c.epoch, .y = c.lr, .count = n};
    cnn_chart_draw(page, &(struct cnn_chart){.title = cnn_say("Loss"),
                                             .x_name = cnn_say("epoch"),
                                             .series = loss,
                                             .count = 2,
                                             .logarithm = true,
                                             .whole = true});
    cnn_chart_draw(page, &(struct cnn_chart){.title = title,
                                             .x_name = cnn_say("epoch"),
                                             .series = measure,
                                             .count = 2,
                                             .percent = true,
                                             .whole = true});
    if (history->step_count < 2)
        cnn_chart_draw(page, &(struct cnn_chart){.title = cnn_say("Learning rate"),
                                                 .x_name = cnn_say("epoch"),
                                                 .series = &lr,
                                                 .count = 1,
                                                 .whole = true});
}

/* An exponential mean of the losses, corrected for its beginning (Kingma and Ba, "Adam", 2015,
 * section 3). What is not finite is passed over. */
static void smooth(const struct cnn_history *history, double *out)
{
    double keep = 1 - 1 / fmax(SMOOTH_ROWS, (double)history->step_count / SMOOTH_PARTS), mean = 0,
           weight = 0;
    for (size_t i = 0; i < history->step_count; i++) {
        double loss = history->steps[i].loss;
        if (isfinite(loss)) {
            mean = keep * mean + (1 - keep) * loss;
            weight = keep * weight + (1 - keep);
        }
        out[i] = weight > 0 ? mean / weight : NAN;
    }
}

/* The steps to draw: all, or the smallest and the largest loss of each bucket in their order, so
 * that no spike is lost. Returns how many. */
static size_t choose_steps(const struct cnn_history *history, size_t chosen[2 * BUCKETS])
{
    const struct cnn_history_step *steps = history->steps;
    size_t count = history->step_count, n = 0;
    if (count <= 2 * BUCKETS) {
        for (; n < count; n++)
            chosen[n] = n;
        return n;
    }
    for (size_t b = 0; b < BUCKETS; b++) {
        size_t first = b * count / BUCKETS, end = (b + 1) * count / BUCKETS, low = first,
               high = first;
        for (size_t i = first; i < end; i++) {
            low = steps[i].loss < steps[low].loss || isnan(steps[low].loss) ? i : low;
            high = steps[i].loss > steps[high].loss || isnan(steps[high].loss) ? i : high;
        }
        chosen[n++] = low < high ? low : high;
        if (low != high)
            chosen[n++] = low < high ? high : low;
    }
    return n;
}

static void draw_steps(struct cnn_text *page, struct cnn_arena *arena,
                       const struct cnn_history *history)
{
    size_t chosen[2 * BUCKETS], n = choose_steps(history, chosen);
    double *smoothed = numbers_new(page, arena, history->step_count),
           *x = numbers_new(page, arena, n), *loss = numbers_new(page, arena, n);
    double *mean = numbers_new(page, arena, n), *lr = numbers_new(page, arena, n);
    if (!smoothed || !x || !loss || !mean || !lr)
        return;
    smooth(history, smoothed);
    for (size_t i = 0; i < n; i++) {
        const struct cnn_history_step *row = &history->steps[chosen[i]];
        x[i] = (double)row->step;
        loss[i] = row->loss;
        mean[i] = smoothed[chosen[i]];
        lr[i] = row->lr;
    }
    struct cnn_series losses[] = {
        {.name = cnn_say("one batch"), .x = x, .y = loss, .count = n, .faint = true},
        {.name = cnn_say("smoothed"), .x = x, .y = mean, .count = n}};
    struct cnn_series rate = {.name = cnn_say("learning rate"), .x = x, .y = lr, .count = n};
    cnn_chart_draw(page, &(struct cnn_chart){.title = cnn_say("Training loss by step"),
                                             .x_name = cnn_say("step"),
                                             .series = losses,
                                             .count = 2,
                                             .logarithm = true,
                                             .whole = true});
    cnn_chart_draw(page, &(struct cnn_chart){.title = cnn_say("Learning rate"),
                                             .x_name = cnn_say("step"),
                                             .series = &rate,
                                             .count = 1,
                                             .whole = true});
}

/* Images per second at the last row of steps.csv that is of this epoch; 0 where there is none. Rows
 * ascend, so *at moves on only. */
static double speed_of(const struct cnn_history *history, size_t epoch, size_t *at)
{
    double speed = 0;
    for (; *at < history->step_count && history->steps[*at].epoch <= epoch; ++*at)
        if (history->steps[*at].epoch == epoch)
            speed = history->steps[*at].images_per_s;
    return speed;
}

/* mark: what best.safetensors is; "": it is from another epoch. */
static void write_epoch(struct cnn_text *page, const struct cnn_history_epoch *row,
                        const char *mark, double speed)
{
    const struct cnn_html_value values[] = {cnn_html_string("mark", mark),
                                            cnn_html_number("epoch", "%zu", row->epoch),
                                            cnn_page_loss("train_loss", row->train_loss),
                                            cnn_page_percent("train_measure", row->train_measure),
                                            cnn_page_loss("val_loss", row->val_loss),
                                            cnn_page_percent("val_measure", row->val_measure),
                                            cnn_html_number("lr", "%.3g", row->lr),
                                            cnn_html_number("seconds", "%.1f", row->seconds),
                                            cnn_page_speed("speed", speed),
                                            {0}};
    cnn_html_fill(page, epoch_row, values);
}

static void write_epochs(struct cnn_text *page, const struct cnn_history *history)
{
    size_t best = cnn_history_best(history), at = 0;
    const char *mark = history->keep_last ? cnn_say("kept") : cnn_say("best");
    const struct cnn_html_value values[] = {
        cnn_html_flag("open", history->epoch_count <= LONG_TABLE),
        cnn_html_string("measure", cnn_say(history->task->measure)),
        {0}};
    cnn_html_fill(page, epochs_begin, values);
    for (size_t i = 0; i < history->epoch_count; i++)
        write_epoch(page, &history->epochs[i], i == best ? mark : "",
                    speed_of(history, history->epochs[i].epoch, &at));
    cnn_html_fill(page, epochs_end, NULL);
}

void cnn_page_curves(struct cnn_text *page, const struct cnn_history *history)
{
    struct cnn_arena *arena = cnn_arena_new();
    if (history->epoch_count == 0)
        cnn_html_fill(page, no_epoch, NULL);
    if (history->epoch_count > 0 || history->step_count > 1) {
        cnn_html_fill(page, curves_begin, NULL);
        draw_epochs(page, arena, history);
        if (history->step_count > 1)
            draw_steps(page, arena, history);
        cnn_html_fill(page, curves_end, NULL);
    }
    if (history->epoch_count > 0)
        write_epochs(page, history);
    cnn_arena_free(arena);
}
