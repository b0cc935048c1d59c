/* Reading a run's csv files. Programs that people open them with save them in ways of their own:
 * some can be read over, others are named. */
#include "report/table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/allocate.h"
#include "util/file.h"

#define MAX_BYTES ((size_t)1 << 30)

static const char mark[] = "\xef\xbb\xbf";

/* In place: without the byte order mark, with newlines alone, and no empty lines at the end.
 * Returns the new size. */
static size_t take_out(char *text, size_t size)
{
    size_t kept = 0, at = strncmp(text, mark, strlen(mark)) == 0 ? strlen(mark) : 0;
    for (; at < size; at++)
        if (text[at] != '\r' || (at + 1 < size && text[at + 1] != '\n'))
            text[kept++] = text[at];
    while (kept > 1 && text[kept - 1] == '\n' && text[kept - 2] == '\n')
        kept--;
    text[kept] = '\0';
    return kept;
}

static size_t count_commas(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += text[i] == ',';
    return count;
}

/* Whether the last row, which has no newline, has all the fields of the header, and a number as the
 * last one. */
static bool is_whole(const char *row, size_t size, const char *header)
{
    size_t fields = count_commas(header, strlen(header));
    const char *comma = strrchr(row, ',');
    char *end;
    if (strlen(header) == size + 1 && strncmp(row, header, size) == 0)
        return true;
    if (!comma || count_commas(row, size) != fields)
        return false;
    strtod(comma + 1, &end);
    return end > comma + 1 && end == row + size;
}

/* There is room for one more byte: the NUL moves. */
static size_t end_last_row(char *text, size_t size, const char *header)
{
    const char *newline = size > 0 ? strrchr(text, '\n') : NULL;
    size_t begin = newline ? (size_t)(newline - text) + 1 : 0;
    if (begin == size)
        return size;
    if (is_whole(text + begin, size - begin, header))
        text[size++] = '\n';
    else if (begin > 0 || !strchr(text, '\r'))
        size = begin;
    text[size] = '\0';
    return size;
}

/* How the first line differs from the header, in words; NULL: otherwise than those known here. */
static const char *find_difference(const char *text, size_t size, const char *header)
{
    size_t line = strcspn(text, "\n");
    if (strncmp(text, "\xff\xfe", 2) == 0 || strncmp(text, "\xfe\xff", 2) == 0)
        return "the table is UTF-16 text; it must be UTF-8";
    if (strlen(text) < size)
        return "the table holds zero bytes; it must be UTF-8 text";
    if (memchr(text, ';', line))
        return "the fields are separated by semicolons; they must be by commas";
    if (memchr(text, '\t', line))
        return "the fields are separated by tabs; they must be by commas";
    if (memchr(text, '"', line))
        return "the fields stand in quotation marks; they must not";
    if (strncmp(text, header, strlen(header) - 1) == 0 && text[strlen(header) - 1] == '\r')
        return "the lines end with carriage returns alone; they must with newlines";
    return NULL;
}

static cnn_status check_header(const char *path, const char *text, size_t size, const char *header,
                               cnn_diag *diag)
{
    size_t length = strlen(header);
    struct cnn_source source = {.name = path, .text = text, .size = size};
    struct cnn_where where = {.source = &source, .line = 1, .column = 1};
    if (size == 0 || strncmp(text, header, length) == 0)
        return CNN_OK;
    const char *difference = find_difference(text, size, header);
    if (!difference)
        return cnn_fail(diag, CNN_FAILED, &where, "the header is not '%.*s'", (int)length - 1,
                        header);
    cnn_fail(diag, CNN_FAILED, &where, "%s", difference);
    cnn_hint(diag, "save it as UTF-8 text with commas between its fields, as it was");
    return CNN_FAILED;
}

cnn_status cnn_table_read(const char *path, const char *header, char **out, size_t *size,
                          cnn_diag *diag)
{
    char *text = NULL;
    *out = NULL;
    *size = 0;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return CNN_OK;
    cnn_status status = cnn_file_read(path, MAX_BYTES, &text, size, diag);
    if (status != CNN_OK)
        return status;
    char *larger = cnn_realloc(text, *size + 2);
    if (!larger) {
        cnn_free(text);
        return cnn_fail_memory(diag, *size + 2, path);
    }
    text = larger;
    if (!memchr(text, '\0', *size))
        *size = end_last_row(text, take_out(text, *size), header);
    if ((status = check_header(path, text, *size, header, diag)) == CNN_OK)
        *out = text;
    else
        cnn_free(text);
    return status;
}
