/* Reading a run's csv files: lines that end with a newline, fields separated by commas, numbers as
 * C writes them. */
#include "report/history.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/table.h"
#include "util/allocate.h"
#include "util/arena.h"

#define MOST_FIELDS    8
#define LARGEST_NUMBER 9e15 /* of those that count something: still exact in a double */

struct table {
    struct cnn_source source; /* the file's text */
    const char *at;           /* of the next line */
    size_t line;              /* the number of the line that was read last */
};

/* The next line, without its end; NULL: no more. */
static const char *next_line(struct table *table, size_t *size)
{
    const char *line = table->at, *end = table->source.text + table->source.size;
    const char *newline = line < end ? memchr(line, '\n', (size_t)(end - line)) : NULL;
    if (!newline)
        return NULL;
    table->at = newline + 1;
    table->line++;
    *size = (size_t)(newline - line);
    return line;
}

/* A place in the line that was read last: the field that begins at byte `at` of it. */
static struct cnn_where where(const struct table *table, size_t at)
{
    return (struct cnn_where){.source = &table->source, .line = table->line, .column = at + 1};
}

static bool read_number(const char *field, size_t size, double *out)
{
    char text[64], *end;
    if (size == 0 || size >= sizeof text || strspn(field, " \t") > 0)
        return false;
    memcpy(text, field, size);
    text[size] = '\0';
    *out = strtod(text, &end);
    return end == text + size;
}

/* A row of numbers, put into place i of rows. */
typedef void store_row(void *rows, size_t i, const double *fields);

struct format {
    const char *header; /* of epochs.csv it is the task's */
    size_t fields;      /* of a row */
    size_t counters;    /* the first so many count from 1 */
    size_t row_size;
    store_row *store;
};

/* The fields of one line: exactly as many numbers as the format has. */
static cnn_status read_row(const struct table *table, const char *line, size_t size,
                           const struct format *format, double *fields, cnn_diag *diag)
{
    const size_t count = format->fields;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        const char *comma = memchr(line + at, ',', size - at);
        size_t length = comma ? (size_t)(comma - (line + at)) : size - at;
        struct cnn_where place = where(table, at);
        if (!read_number(line + at, length, &fields[i]))
            return cnn_fail(diag, CNN_FAILED, &place, "field %zu is '%.*s', which is no number",
                            i + 1, (int)(length < 40 ? length : 40), line + at);
        if (i < format->counters &&
            !(fields[i] >= 1 && fields[i] <= LARGEST_NUMBER && floor(fields[i]) == fields[i]))
            return cnn_fail(diag, CNN_FAILED, &place, "field %zu is '%.*s', which counts nothing",
                            i + 1, (int)(length < 40 ? length : 40), line + at);
        if ((comma != NULL) != (i + 1 < count))
            return cnn_fail(diag, CNN_FAILED, &place, "the row has %s than %zu fields",
                            comma ? "more" : "fewer", count);
        at += length + 1;
    }
    return CNN_OK;
}

static size_t count_lines(const char *text, size_t size)
{
    size_t count = 0;
    for (const char *at = text, *end = text + size;
         at < end && (at = memchr(at, '\n', (size_t)(end - at))); at++)
        count++;
    return count;
}

static void store_epoch(void *rows, size_t i, const double *f)
{
    ((struct cnn_history_epoch *)rows)[i] =
        (struct cnn_history_epoch){(size_t)f[0], f[1], f[2], f[3], f[4], f[5], f[6]};
}

static void store_step(void *rows, size_t i, const double *f)
{
    ((struct cnn_history_step *)rows)[i] =
        (struct cnn_history_step){(size_t)f[0], (size_t)f[1], f[2], f[3], f[4]};
}

static const struct format epochs_format = {NULL, 7, 1, sizeof(struct cnn_history_epoch),
                                            store_epoch};
static const struct format steps_format = {CNN_STEPS_HEADER, 5, 2, sizeof(struct cnn_history_step),
                                           store_step};

const char *cnn_epochs_header(const struct cnn_task *task, char buffer[CNN_HEADER_SIZE])
{
    snprintf(buffer, CNN_HEADER_SIZE, "epoch,train_loss,train_%s,val_loss,val_%s,lr,seconds\n",
             task->measure, task->measure);
    return buffer;
}

static cnn_status read_rows(struct table *table, const struct format *format, void *rows,
                            size_t *count, cnn_diag *diag)
{
    const char *line;
    size_t size;
    double previous = 0;
    cnn_status status = CNN_OK;
    next_line(table, &size); /* the header */
    while (status == CNN_OK && (line = next_line(table, &size))) {
        double fields[MOST_FIELDS];
        struct cnn_where place = where(table, 0);
        if ((status = read_row(table, line, size, format, fields, diag)) != CNN_OK)
            return status;
        if (fields[0] <= previous)
            return cnn_fail(diag, CNN_FAILED, &place, "%.0f comes after %.0f", fields[0], previous);
        previous = fields[0];
        format->store(rows, (*count)++, fields);
    }
    return status;
}

static cnn_status read_table(const char *path, const struct format *format, void **rows,
                             size_t *count, cnn_diag *diag)
{
    char *text;
    size_t size;
    cnn_status status = cnn_table_read(path, format->header, &text, &size, diag);
    if (status != CNN_OK || !text)
        return status;
    struct table table = {.source = {.name = path, .text = text, .size = size}, .at = text};
    size_t lines = count_lines(text, size) + 1;
    *rows = cnn_calloc(lines, format->row_size);
    status = *rows ? read_rows(&table, format, *rows, count, diag)
                   : cnn_fail_memory(diag, lines * format->row_size, "a run's history");
    cnn_free(text);
    return status;
}

cnn_status cnn_history_read(const char *directory, const struct cnn_task *task,
                            struct cnn_history *out, cnn_diag *diag)
{
    struct cnn_history history = {.task = task};
    struct format of_epochs = epochs_format;
    char header[CNN_HEADER_SIZE];
    of_epochs.header = cnn_epochs_header(task, header);
    void *epochs = NULL, *steps = NULL;
    struct cnn_arena *arena = cnn_arena_new();
    const char *epochs_path = arena ? cnn_arena_printf(arena, "%s/epochs.csv", directory) : NULL;
    const char *steps_path = arena ? cnn_arena_printf(arena, "%s/steps.csv", directory) : NULL;
    const char *health_path = arena ? cnn_arena_printf(arena, "%s/health.csv", directory) : NULL;
    cnn_status status = CNN_OK;
    if (!epochs_path || !steps_path || !health_path)
        status = cnn_fail_memory(diag, strlen(directory), "the run directory's paths");
    if (status == CNN_OK)
        status = read_table(epochs_path, &of_epochs, &epochs, &history.epoch_count, diag);
    if (status == CNN_OK)
        status = read_table(steps_path, &steps_format, &steps, &history.step_count, diag);
    if (status == CNN_OK)
        status = cnn_health_read(health_path, &history.health, &history.health_count, diag);
    history.epochs = epochs;
    history.steps = steps;
    if (status == CNN_OK)
        *out = history;
    else
        cnn_history_free(&history);
    cnn_arena_free(arena);
    return status;
}

void cnn_history_free(struct cnn_history *history)
{
    cnn_free(history->epochs);
    cnn_free(history->steps);
    cnn_free(history->health);
    *history = (struct cnn_history){0};
}

void cnn_history_describe(struct cnn_history *history, struct cnn_arena *arena,
                          const struct cnn_yaml *train)
{
    const struct cnn_yaml *keep = cnn_yaml_get(train, "keep"), *ema = cnn_yaml_get(train, "ema"),
                          *stopping = cnn_yaml_get(train, "early_stopping");
    history->keep_last = keep && keep->kind == CNN_YAML_SCALAR && strcmp(keep->text, "last") == 0;
    history->averaged = ema && !cnn_yaml_is_null(ema);
    if (stopping && !cnn_yaml_is_null(stopping))
        cnn_stopping_read(arena, stopping, &history->stopping, NULL);
    const struct cnn_yaml *freeze = cnn_yaml_get(train, "freeze_epochs");
    long long epochs = 0;
    if (freeze && cnn_yaml_as_integer(freeze, &epochs) && epochs > 0)
        history->freeze_epochs = (size_t)epochs;
}

bool cnn_history_stopped(const struct cnn_history *history)
{
    struct cnn_stopping stopping = {.best = INFINITY};
    for (size_t i = 0; i < history->epoch_count; i++)
        cnn_stopping_update(&history->stopping, &stopping, history->epochs[i].val_loss);
    return cnn_stopping_reached(&history->stopping, &stopping);
}

static struct cnn_score score_of(const struct cnn_history_epoch *row)
{
    return (struct cnn_score){row->val_measure, row->val_loss};
}

size_t cnn_history_best(const struct cnn_history *history)
{
    size_t best = CNN_NO_INDEX;
    if (history->keep_last)
        return history->epoch_count > 0 ? history->epoch_count - 1 : CNN_NO_INDEX;
    for (size_t i = 0; i < history->epoch_count; i++)
        if (best == CNN_NO_INDEX ||
            history->task->better(score_of(&history->epochs[i]), score_of(&history->epochs[best])))
            best = i;
    return best;
}

size_t cnn_history_jump(const struct cnn_history *history)
{
    const struct cnn_history_epoch *epochs = history->epochs;
    size_t found = CNN_NO_INDEX;
    double largest = CNN_HISTORY_JUMP;
    for (size_t i = 1; i < history->epoch_count; i++) {
        double before = epochs[i - 1].train_loss, after = epochs[i].train_loss;
        if (before > 0 && after / before >= largest &&
            after - before > 0.1 * epochs[0].train_loss) {
            largest = after / before;
            found = i;
        }
    }
    return found;
}

double cnn_history_seconds(const struct cnn_history *history)
{
    double seconds = 0;
    for (size_t i = 0; i < history->epoch_count; i++)
        seconds += history->epochs[i].seconds;
    return seconds;
}
