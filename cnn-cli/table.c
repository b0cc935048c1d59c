/* Tables: the cells are kept as text until the widths of the columns are known. */
#include "table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "terminal.h"

enum { GAP = 2, NOTE_INDENT = 4 };

struct row {
    char *cells[CNN_TABLE_COLUMNS];
    char *note; /* NULL: none */
};

struct cnn_table {
    struct cnn_column columns[CNN_TABLE_COLUMNS];
    size_t column_count;
    struct row *rows;
    size_t row_count, row_capacity;
    size_t filled; /* cells of the last row */
    bool failed;
};

struct cnn_table *cnn_table_new(const struct cnn_column *columns, size_t count)
{
    struct cnn_table *table = calloc(1, sizeof *table);

    if (!table)
        return NULL;
    memcpy(table->columns, columns, count * sizeof *columns);
    table->column_count = count;
    table->filled = count;
    return table;
}

void cnn_table_free(struct cnn_table *table)
{
    if (!table)
        return;
    for (size_t r = 0; r < table->row_count; r++) {
        for (size_t c = 0; c < table->column_count; c++)
            free(table->rows[r].cells[c]);
        free(table->rows[r].note);
    }
    free(table->rows);
    free(table);
}

static char *format_text(const char *format, va_list arguments)
{
    va_list again;
    char *text = NULL;
    int length;

    va_copy(again, arguments);
    length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length >= 0)
        text = malloc((size_t)length + 1);
    if (text)
        vsnprintf(text, (size_t)length + 1, format, arguments);
    return text;
}

static bool row_add(struct cnn_table *table)
{
    if (table->row_count == table->row_capacity) {
        size_t capacity = table->row_capacity == 0 ? 16 : 2 * table->row_capacity;
        struct row *rows = capacity <= SIZE_MAX / sizeof *rows
                               ? realloc(table->rows, capacity * sizeof *rows)
                               : NULL;

        if (!rows)
            return false;
        table->rows = rows;
        table->row_capacity = capacity;
    }
    table->rows[table->row_count++] = (struct row){{NULL}, NULL};
    table->filled = 0;
    return true;
}

void cnn_table_add(struct cnn_table *table, const char *format, ...)
{
    va_list arguments;
    char *text;

    if (table->failed || (table->filled == table->column_count && !row_add(table))) {
        table->failed = true;
        return;
    }
    va_start(arguments, format);
    text = format_text(format, arguments);
    va_end(arguments);
    table->failed = !text;
    table->rows[table->row_count - 1].cells[table->filled++] = text;
}

void cnn_table_note(struct cnn_table *table, const char *format, ...)
{
    va_list arguments;
    char *text;

    if (table->failed)
        return;
    va_start(arguments, format);
    text = format_text(format, arguments);
    va_end(arguments);
    table->failed = !text;
    free(table->rows[table->row_count - 1].note);
    table->rows[table->row_count - 1].note = text;
}

void cnn_table_fail(struct cnn_table *table)
{
    table->failed = true;
}

static void measure_columns(const struct cnn_table *table, size_t *widths)
{
    for (size_t c = 0; c < table->column_count; c++) {
        widths[c] = cnn_terminal_measure(table->columns[c].title);
        for (size_t r = 0; r < table->row_count; r++) {
            size_t width =
                table->rows[r].cells[c] ? cnn_terminal_measure(table->rows[r].cells[c]) : 0;

            widths[c] = width > widths[c] ? width : widths[c];
        }
    }
}

static void print_cell(const struct cnn_table *table, FILE *stream, const char *text, size_t column,
                       const size_t *widths)
{
    bool right = table->columns[column].right;
    bool last = column + 1 == table->column_count;

    cnn_print_text(stream, text, last && !right ? 0 : widths[column], right);
    fprintf(stream, "%*s", last ? 0 : GAP, "");
}

static void print_titles(const struct cnn_table *table, FILE *stream, const size_t *widths)
{
    size_t total = GAP * (table->column_count - 1);

    fputs(cnn_style(stream, CNN_STYLE_BOLD), stream);
    for (size_t c = 0; c < table->column_count; c++) {
        print_cell(table, stream, table->columns[c].title, c, widths);
        total += widths[c];
    }
    fprintf(stream, "%s\n%s", cnn_style(stream, CNN_STYLE_PLAIN), cnn_style(stream, CNN_STYLE_DIM));
    for (size_t i = 0; i < total; i++)
        fputs(cnn_terminal_utf8(stream) ? "\u2500" : "-", stream);
    fprintf(stream, "%s\n", cnn_style(stream, CNN_STYLE_PLAIN));
}

static void print_note(FILE *stream, const char *note)
{
    fputs(cnn_style(stream, CNN_STYLE_DIM), stream);
    while (*note != '\0') {
        size_t length = strcspn(note, "\n");

        fprintf(stream, "%*s%.*s\n", NOTE_INDENT, "", (int)length, note);
        note += length + (note[length] == '\n');
    }
    fputs(cnn_style(stream, CNN_STYLE_PLAIN), stream);
}

bool cnn_table_print(const struct cnn_table *table, FILE *stream)
{
    size_t widths[CNN_TABLE_COLUMNS];

    if (table->failed)
        return false;
    measure_columns(table, widths);
    print_titles(table, stream, widths);
    for (size_t r = 0; r < table->row_count; r++) {
        for (size_t c = 0; c < table->column_count; c++)
            print_cell(table, stream, table->rows[r].cells[c] ? table->rows[r].cells[c] : "", c,
                       widths);
        putc('\n', stream);
        if (table->rows[r].note)
            print_note(stream, table->rows[r].note);
    }
    return true;
}
