/* The csv files of a run as text that their readers agree on. */
#ifndef CNN_REPORT_TABLE_H
#define CNN_REPORT_TABLE_H

#include "util/diag.h"

/* The file at path as text, cnn_malloc'ed; *text is NULL where there is none. A byte order mark and
 * carriage returns before newlines, which spreadsheets write, are taken out. A last row without its
 * newline gets one if it has all fields; else it is half of one, and is cut off. CNN_FAILED where
 * the first line is not header (which ends with a newline): the message says what differs. */
cnn_status cnn_table_read(const char *path, const char *header, char **text, size_t *size,
                          cnn_diag *diag);

#endif
