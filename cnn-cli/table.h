/* Tables on a stream: columns as wide as their cells, a rule under the titles. */
#ifndef CNN_CLI_TABLE_H
#define CNN_CLI_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CNN_TABLE_COLUMNS = 24 };

struct cnn_column {
    const char *title;
    bool right; /* numbers: aligned at their right */
};

struct cnn_table;

/* count: at most CNN_TABLE_COLUMNS; titles are borrowed. NULL when out of memory. */
struct cnn_table *cnn_table_new(const struct cnn_column *columns, size_t count);
void cnn_table_free(struct cnn_table *table);

/* The next cell; count cells make a row. Where memory runs out, cnn_table_print says so. */
void cnn_table_add(struct cnn_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Text under the row that was filled last, each of its lines indented. */
void cnn_table_note(struct cnn_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Memory ran out for what was to stand in it. */
void cnn_table_fail(struct cnn_table *table);

/* Writes the whole table; false when memory ran out while it was filled: then it is not complete,
 * and nothing is written. */
bool cnn_table_print(const struct cnn_table *table, FILE *stream);

#endif
