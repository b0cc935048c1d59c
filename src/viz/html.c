/* HTML pages: escaping, fragments (page.html and others) that are filled with values, the head with
 * the one style of all pages (page.css, which lists its classes), pictures as data: URIs (base64:
 * RFC 4648), tables of predictions. */
#include "viz/html.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/file.h"
#include "util/output.h"
#include "util/words.h"
#include "viz/page.html.h"

static const char style[] =
#include "viz/page.css.h"
    ;

/* What stands for a character that cannot stand for itself; NULL: it can. */
static const char *escape(uint32_t code)
{
    switch (code) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\n':
    case '\t':
        return NULL;
    default:
        return code < 0x20 || (code >= 0x7F && code < 0xA0) ? "&#xFFFD;" : NULL;
    }
}

static void append_escaped(struct cnn_text *page, const char *text, size_t size)
{
    size_t plain = 0, at = 0;
    while (at < size) {
        uint32_t code = 0;
        size_t length = cnn_utf8_decode(text + at, size - at, &code);
        const char *instead = length > 0 ? escape(code) : "&#xFFFD;";
        if (length == 0)
            length = 1;
        if (instead) {
            cnn_text_append(page, text + plain, at - plain);
            cnn_text_append(page, instead, strlen(instead));
            plain = at + length;
        }
        at += length;
    }
    cnn_text_append(page, text + plain, size - plain);
}

void cnn_html_text(struct cnn_text *page, const char *text)
{
    append_escaped(page, text, strlen(text));
}

struct cnn_html_value cnn_html_string(const char *name, const char *text)
{
    return (struct cnn_html_value){.name = name, .text = text};
}

struct cnn_html_value cnn_html_number(const char *name, const char *format, ...)
{
    struct cnn_html_value value = {.name = name};
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(value.number, sizeof value.number, format, arguments);
    va_end(arguments);
    return length >= 0 && (size_t)length < sizeof value.number ? value : cnn_html_string(name, "?");
}

struct cnn_html_value cnn_html_flag(const char *name, bool set)
{
    return cnn_html_string(name, set ? "1" : "");
}

struct cnn_html_value cnn_html_probability(const char *name, float probability)
{
    double percent = 100 * (double)probability;
    if (isnan(percent))
        return cnn_html_string(name, cnn_say("not a number"));
    if (percent > 0 && percent < 0.05)
        return cnn_html_string(name, "< 0.1 %");
    if (percent >= 99.95 && percent < 100)
        return cnn_html_string(name, "> 99.9 %");
    return cnn_html_number(name, "%.1f %%", percent);
}

/* The text of the value with the name name[0..size). */
static const char *find_value(const struct cnn_html_value *values, const char *name, size_t size)
{
    for (; values && values->name; values++)
        if (strncmp(values->name, name, size) == 0 && values->name[size] == '\0')
            return values->text ? values->text : values->number;
    assert(false && "a fragment asks for a value that it is not given");
    return "";
}

/* Where the section with the name name[0..size) ends. */
static const char *find_end(const char *fragment, const char *name, size_t size)
{
    do {
        fragment = strstr(fragment, "{{/") + 3;
    } while (strncmp(fragment, name, size) != 0 || fragment[size] != '}');
    return fragment + size + 2;
}

/* The next {{, [[ or ]]; NULL: there is none. */
static const char *find_mark(const char *fragment)
{
    while ((fragment = strpbrk(fragment, "{[]")) && fragment[1] != *fragment)
        fragment++;
    return fragment;
}

/* What stands behind [[: the text in the page's language is filled in, else left to the caller. */
static const char *fill_words(struct cnn_text *page, const char *words,
                              const struct cnn_html_value *values)
{
    const char *end = strstr(words, "]]"), *said = cnn_say_part(words, (size_t)(end - words));
    if (!said)
        return words;
    cnn_html_fill(page, said, values);
    return end;
}

void cnn_html_fill(struct cnn_text *page, const char *fragment, const struct cnn_html_value *values)
{
    for (const char *open; (open = find_mark(fragment));) {
        cnn_text_append(page, fragment, (size_t)(open - fragment));
        fragment = *open == '[' ? fill_words(page, open + 2, values) : open + 2;
        if (*open != '{')
            continue;
        const char *name = open + 2 + strspn(open + 2, "#^/&");
        const size_t size = strcspn(name, "}");
        const char mark = open[2];
        fragment = name + size + 2;
        if (mark == '/')
            continue;
        const char *text = find_value(values, name, size);
        if (mark == '&')
            cnn_text_append(page, text, strlen(text));
        else if (mark != '#' && mark != '^')
            cnn_html_text(page, text);
        else if ((*text != '\0') != (mark == '#'))
            fragment = find_end(fragment, name, size);
    }
    cnn_text_append(page, fragment, strlen(fragment));
}

const char *cnn_html_shape(cnn_shape shape, char *buffer, size_t size)
{
    if (shape.rank == 3)
        return cnn_shape_format(shape, buffer, size);
    snprintf(buffer, size, cnn_say("%zu numbers"), shape.c);
    return buffer;
}

void cnn_html_begin(struct cnn_text *page, const char *title, unsigned refresh)
{
    const struct cnn_html_value values[] = {cnn_html_string("language", cnn_language()),
                                            cnn_html_string("mark", CNN_OUTPUT_MARK_PAGE),
                                            cnn_html_string("title", title),
                                            cnn_html_string("style", style),
                                            refresh > 0 ? cnn_html_number("refresh", "%u", refresh)
                                                        : cnn_html_string("refresh", ""),
                                            {0}};
    cnn_html_fill(page, page_begin, values);
}

void cnn_html_end(struct cnn_text *page)
{
    cnn_html_fill(page, page_end, NULL);
}

static void write_label(struct cnn_text *page, const struct cnn_label *l, const char *text)
{
    const double rim = 0.6, baseline = 0.7; /* what enlarging spreads letters by; of the height */
    cnn_text_printf(page,
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                    "fill=\"#%02x%02x%02x\"/>",
                    (double)l->x - rim, (double)l->y - rim, (double)l->covered[0] + 2 * rim,
                    (double)l->covered[1] + 2 * rim, l->paper.r, l->paper.g, l->paper.b);
    cnn_text_printf(page,
                    "<text x=\"%zu\" y=\"%.0f\" font-size=\"%zu\" textLength=\"%zu\" "
                    "lengthAdjust=\"spacingAndGlyphs\" fill=\"#%02x%02x%02x\">",
                    l->x, (double)l->y + baseline * (double)l->height, l->height, l->width,
                    l->ink.r, l->ink.g, l->ink.b);
    cnn_html_text(page, text);
    cnn_text_printf(page, "</text>");
}

void cnn_html_labels(struct cnn_text *page, const struct cnn_canvas *picture)
{
    struct cnn_label label;
    const char *text;
    page->failed = page->failed || picture->labels.failed;
    if (picture->labels.size == 0)
        return;
    cnn_text_printf(page, "<svg viewBox=\"0 0 %zu %zu\">", picture->width, picture->height);
    for (size_t at = 0; cnn_canvas_next_label(picture, &at, &label, &text);)
        write_label(page, &label, text);
    cnn_text_printf(page, "</svg>");
}

/* Enlarged pixels stay squares; a picture at its own size, which a narrow page makes smaller, is
 * averaged so that its small text can still be read. */
cnn_status cnn_html_picture(struct cnn_text *page, const struct cnn_canvas *picture, size_t scale,
                            const char *alt, cnn_diag *diag)
{
    struct cnn_text png = {0};
    cnn_status status = cnn_canvas_encode(picture, &png, diag);
    if (status == CNN_OK) {
        const struct cnn_html_value values[] = {
            cnn_html_flag("pixels", scale > 1),
            cnn_html_flag("labels", picture->labels.size > 0),
            cnn_html_number("width", "%zu", picture->width * scale),
            cnn_html_number("height", "%zu", picture->height * scale),
            cnn_html_string("alt", alt),
            {0}};
        cnn_html_fill(page, picture_begin, values);
        cnn_text_base64(page, png.data, png.size);
        cnn_text_printf(page, "\">");
        cnn_html_labels(page, picture);
        cnn_html_fill(page, picture_end, values);
    }
    cnn_text_free(&png);
    return status;
}

void cnn_html_predictions(struct cnn_text *page, const cnn_prediction *predictions, size_t count,
                          size_t label)
{
    cnn_html_fill(page, predictions_begin, NULL);
    for (size_t i = 0; i < count; i++) {
        double percent = 100 * (double)predictions[i].probability;
        const struct cnn_html_value values[] = {
            cnn_html_string("class", predictions[i].name),
            cnn_html_flag("truth", predictions[i].index == label),
            cnn_html_number("width", "%.1f", isfinite(percent) ? percent : 0),
            cnn_html_probability("probability", predictions[i].probability),
            {0}};
        cnn_html_fill(page, prediction, values);
    }
    cnn_html_fill(page, predictions_end, NULL);
}

cnn_status cnn_html_write(const struct cnn_text *page, const char *path, cnn_diag *diag)
{
    if (page->failed)
        return cnn_fail_memory(diag, page->size, "a page");
    cnn_status status = cnn_output_replaces(path, CNN_OUTPUT_PAGE, NULL, diag);
    return status == CNN_OK ? cnn_file_write(path, page->data, page->size, diag) : status;
}
