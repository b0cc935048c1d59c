/* Rows of numbers, as text. The text is read to its end before its size is compared with what is
 * wanted, so that the message can say what the file holds; values beyond the wanted ones are read
 * and dropped. */
#include "data/matrix.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/allocate.h"
#include "util/arena.h"
#include "util/file.h"
#include "util/text.h"

#define LARGEST_FILE ((size_t)1 << 30)

struct reader {
    struct cnn_source source;
    const char *start, *end; /* of the line */
    size_t line;             /* its number, from 1 */
    size_t channels;         /* that have ended */
    size_t rows;             /* of the channel so far */
    size_t last_row;         /* the line of the newest row */
    size_t height, width;    /* of the first channel, the first row; 0 until known */
    float *values;           /* the first `wanted` numbers */
    size_t count, wanted;
};

/* All before a mistake is ASCII: bytes are columns. */
static struct cnn_where place(const struct reader *r, const char *at)
{
    return (struct cnn_where){
        .source = &r->source, .line = r->line, .column = (size_t)(at - r->start) + 1};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_comma(char c)
{
    return c == ',' || c == ';';
}

static cnn_status read_number(struct reader *r, const char *token, size_t length, cnn_diag *diag)
{
    const struct cnn_where where = place(r, token);
    char word[64] = "", shown[48], *end;
    memcpy(word, token, length < sizeof word ? length : sizeof word - 1);
    errno = 0;
    float value = strtof(token, &end);
    if (end != token + length) {
        cnn_fail(diag, CNN_FAILED, &where, "'%s' is not a number",
                 cnn_word_cut(word, shown, sizeof shown));
        cnn_hint(diag, "numbers stand between blanks, tabs, commas or semicolons; a line that "
                       "begins with # is a comment");
        return CNN_FAILED;
    }
    if (errno == ERANGE && isinf(value))
        return cnn_fail(diag, CNN_FAILED, &where,
                        "%s is too large for a float32, which ends at about 3.4e38",
                        cnn_word_cut(word, shown, sizeof shown));
    if (r->count < r->wanted)
        r->values[r->count] = value;
    r->count++;
    return CNN_OK;
}

/* The row that ends at r->end has `numbers` numbers, which is not what the rows above it have;
 * extra: the first one too many, if any. */
static cnn_status fail_ragged(const struct reader *r, size_t numbers, const char *extra,
                              cnn_diag *diag)
{
    const struct cnn_where where = place(r, extra ? extra : r->end);
    char channel[48] = "";
    if (r->channels > 0)
        snprintf(channel, sizeof channel, " of channel %zu", r->channels + 1);
    return cnn_fail(diag, CNN_FAILED, &where, "row %zu%s has %zu number%s, the rows above have %zu",
                    r->rows + 1, channel, numbers, numbers == 1 ? "" : "s", r->width);
}

static cnn_status read_row(struct reader *r, cnn_diag *diag)
{
    size_t numbers = 0;
    const char *extra = NULL;
    bool wants_number = true; /* before the next comma */
    for (const char *at = r->start; at < r->end;) {
        const char *token = at++;
        if (is_blank(*token))
            continue;
        if (is_comma(*token)) {
            const struct cnn_where where = place(r, token);
            if (wants_number)
                return cnn_fail(diag, CNN_FAILED, &where, "a number is missing before this '%c'",
                                *token);
            wants_number = true;
            continue;
        }
        while (at < r->end && !is_blank(*at) && !is_comma(*at))
            at++;
        cnn_status status = read_number(r, token, (size_t)(at - token), diag);
        if (status != CNN_OK)
            return status;
        wants_number = false;
        if (r->width > 0 && numbers == r->width)
            extra = token;
        numbers++;
    }
    if (r->width == 0)
        r->width = numbers;
    if (numbers != r->width)
        return fail_ragged(r, numbers, extra, diag);
    r->rows++;
    r->last_row = r->line;
    return CNN_OK;
}

/* At a blank line and at the end of the text; without rows above it, it says nothing. */
static cnn_status end_channel(struct reader *r, cnn_diag *diag)
{
    if (r->rows == 0)
        return CNN_OK;
    if (r->channels == 0)
        r->height = r->rows;
    r->channels++;
    if (r->rows != r->height) {
        const struct cnn_where where = {.source = &r->source, .line = r->last_row, .column = 1};
        return cnn_fail(diag, CNN_FAILED, &where,
                        "channel %zu ends here with %zu row%s, the channels above have %zu",
                        r->channels, r->rows, r->rows == 1 ? "" : "s", r->height);
    }
    r->rows = 0;
    return CNN_OK;
}

static cnn_status read_line(struct reader *r, cnn_diag *diag)
{
    const char *first = r->start;
    while (first < r->end && is_blank(*first))
        first++;
    if (first == r->end)
        return end_channel(r, diag);
    return *first == '#' ? CNN_OK : read_row(r, diag);
}

/* Spreadsheets may write UTF-16, of which every other byte is 0. */
static cnn_status check_text(const struct reader *r, cnn_diag *diag)
{
    const struct cnn_where where = {.source = &r->source};
    if (!memchr(r->source.text, '\0', r->source.size))
        return CNN_OK;
    cnn_fail(diag, CNN_FAILED, &where, "the file is no plain text: it holds bytes of 0");
    cnn_hint(diag, "where it is UTF-16, save it as UTF-8");
    return CNN_FAILED;
}

static cnn_status read_lines(struct reader *r, cnn_diag *diag)
{
    const char *at = r->source.text, *end = at + r->source.size;
    while (at < end) {
        r->line++;
        r->start = at;
        while (at < end && *at != '\n' && *at != '\r')
            at++;
        r->end = at;
        cnn_status status = read_line(r, diag);
        if (status != CNN_OK)
            return status;
        at += end - at >= 2 && at[0] == '\r' && at[1] == '\n' ? 2 : at < end;
    }
    return end_channel(r, diag);
}

static cnn_status check_size(const struct reader *r, cnn_shape shape, cnn_diag *diag)
{
    const struct cnn_where where = {.source = &r->source};
    if (r->channels == shape.c && r->height == shape.h && r->width == shape.w)
        return CNN_OK;
    if (r->count == 0)
        cnn_fail(diag, CNN_FAILED, &where,
                 "the network wants %zu x %zu x %zu numbers, the file holds none", shape.c, shape.h,
                 shape.w);
    else
        cnn_fail(diag, CNN_FAILED, &where,
                 "the network wants %zu x %zu x %zu, the file holds %zu x %zu x %zu", shape.c,
                 shape.h, shape.w, r->channels, r->height, r->width);
    cnn_hint(diag, "channels x rows x columns: one row a line, and a blank line between channels");
    return CNN_FAILED;
}

/* A decimal point is a point here, whatever the program that uses the library has chosen. */
static cnn_status read_in_c_locale(struct reader *r, cnn_diag *diag)
{
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    if (!c)
        return cnn_fail_memory(diag, 0, "a locale");
    locale_t before = uselocale(c);
    cnn_status status = check_text(r, diag);
    if (status == CNN_OK)
        status = read_lines(r, diag);
    uselocale(before);
    freelocale(c);
    return status;
}

cnn_status cnn_matrix_read(const char *path, cnn_shape shape, float *out, cnn_diag *diag)
{
    static const char mark[] = "\xEF\xBB\xBF"; /* byte order mark */
    char *text = NULL;
    size_t size = 0, wanted, bytes;
    if (!cnn_size_mul(shape.c, shape.h, &wanted) || !cnn_size_mul(wanted, shape.w, &wanted) ||
        !cnn_size_mul(wanted, sizeof *out, &bytes))
        return cnn_fail_memory(diag, SIZE_MAX, path);
    cnn_status status = cnn_file_read(path, LARGEST_FILE, &text, &size, diag);
    if (status != CNN_OK)
        return status;
    size_t skip =
        size >= sizeof mark - 1 && memcmp(text, mark, sizeof mark - 1) == 0 ? sizeof mark - 1 : 0;
    struct reader reader = {
        .source = {path, text + skip, size - skip}, .wanted = wanted, .values = cnn_malloc(bytes)};
    status = reader.values ? read_in_c_locale(&reader, diag) : cnn_fail_memory(diag, bytes, path);
    if (status == CNN_OK)
        status = check_size(&reader, shape, diag);
    if (status == CNN_OK)
        memcpy(out, reader.values, bytes);
    cnn_free(reader.values);
    cnn_free(text);
    return status;
}
