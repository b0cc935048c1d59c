/* HTML pages: escaping, the head with the one style of all pages (page.css, which lists its
 * classes), pictures as data: URIs (base64: RFC 4648), tables of predictions. */
#include "viz/html.h"

#include <math.h>
#include <string.h>

#include "util/file.h"
#include "util/output.h"

static const char style[] =
#include "viz/page.css.h"
    ;

void cnn_html_begin(struct cnn_text *page, const char *title, unsigned refresh)
{
    cnn_text_printf(page,
                    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta "
                    "charset=\"utf-8\">\n" CNN_OUTPUT_MARK_PAGE "\n"
                    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    if (refresh > 0)
        cnn_text_printf(page, "<meta http-equiv=\"refresh\" content=\"%u\">\n", refresh);
    cnn_text_printf(page, "<title>");
    cnn_html_text(page, title);
    /* A browser that finds no icon named asks the server for one. */
    cnn_text_printf(
        page,
        "</title>\n<link rel=\"icon\" href=\"data:,\">\n<style>%s</style>\n</head>\n<body>\n<h1>",
        style);
    cnn_html_text(page, title);
    cnn_text_printf(page, "</h1>\n");
}

void cnn_html_end(struct cnn_text *page)
{
    cnn_text_printf(page, "</body>\n</html>\n");
}

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

void cnn_html_printf(struct cnn_text *page, const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    if (text.failed)
        page->failed = true;
    else
        append_escaped(page, text.data ? text.data : "", text.size);
    cnn_text_free(&text);
}

static void append_base64(struct cnn_text *page, const uint8_t *bytes, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        char four[4] = {digits[three >> 18], digits[three >> 12 & 63], '=', '='};
        if (left > 1)
            four[2] = digits[three >> 6 & 63];
        if (left > 2)
            four[3] = digits[three & 63];
        cnn_text_append(page, four, sizeof four);
    }
}

/* Enlarged pixels stay squares; a picture at its own size, which a narrow page makes smaller, is
 * averaged so that its small text can still be read. */
cnn_status cnn_html_picture(struct cnn_text *page, const struct cnn_canvas *picture, size_t scale,
                            const char *alt, cnn_diag *diag)
{
    struct cnn_text png = {0};
    cnn_status status = cnn_canvas_encode(picture, &png, diag);
    if (status == CNN_OK) {
        cnn_text_printf(page, "<img%s width=\"%zu\" height=\"%zu\" alt=\"",
                        scale > 1 ? " class=\"pixels\"" : "", picture->width * scale,
                        picture->height * scale);
        cnn_html_text(page, alt);
        cnn_text_printf(page, "\" src=\"data:image/png;base64,");
        append_base64(page, (const uint8_t *)png.data, png.size);
        cnn_text_printf(page, "\">");
    }
    cnn_text_free(&png);
    return status;
}

void cnn_html_probability(struct cnn_text *page, float probability)
{
    double percent = 100 * (double)probability;
    if (isnan(percent))
        cnn_text_printf(page, "not a number");
    else if (percent > 0 && percent < 0.05)
        cnn_text_printf(page, "&lt; 0.1 %%");
    else if (percent >= 99.95 && percent < 100)
        cnn_text_printf(page, "&gt; 99.9 %%");
    else
        cnn_text_printf(page, "%.1f %%", percent);
}

void cnn_html_predictions(struct cnn_text *page, const cnn_prediction *predictions, size_t count,
                          size_t label)
{
    cnn_text_printf(page, "<div class=\"scroll\"><table>\n<tr><th>class</th><th></th><th "
                          "class=\"n\">probability</th></tr>\n");
    for (size_t i = 0; i < count; i++) {
        bool truth = predictions[i].index == label;
        double percent = 100 * (double)predictions[i].probability;
        cnn_text_printf(page, "<tr%s><td>", truth ? " class=\"truth\"" : "");
        cnn_html_text(page, predictions[i].name);
        cnn_text_printf(page,
                        "%s</td><td><span class=\"bar\"><i "
                        "style=\"width:%.1f%%\"></i></span></td><td class=\"n\">",
                        truth ? " <span class=\"note\">(true class)</span>" : "",
                        isfinite(percent) ? percent : 0);
        cnn_html_probability(page, predictions[i].probability);
        cnn_text_printf(page, "</td></tr>\n");
    }
    cnn_text_printf(page, "</table></div>\n");
}

cnn_status cnn_html_write(const struct cnn_text *page, const char *path, cnn_diag *diag)
{
    if (page->failed)
        return cnn_fail_memory(diag, page->size, "a page");
    cnn_status status = cnn_output_replaces(path, CNN_OUTPUT_PAGE, NULL, diag);
    return status == CNN_OK ? cnn_file_write(path, page->data, page->size, diag) : status;
}
