/* HTML pages: escaping, the head with the one style of all pages, pictures as data: URIs (base64:
 * RFC 4648), tables of predictions. The style's classes: n (a cell with a number), scroll (around
 * what may be wider than the page), figures (figures next to each other), facts (a row of labelled
 * numbers: div with span and b), bar (a share: i with its width in per cent), chart, legend, matrix
 * (of classes; tall: its column heads stand upright), sheet (with scroll, around a picture with
 * small text: in a narrow window it keeps its full size), sample (a small picture with its answer),
 * truth (a row with the right answer), note, good, bad. */
#include "viz/html.h"

#include <math.h>
#include <string.h>

#include "util/file.h"
#include "util/output.h"

static const char style[] =
    "*{box-sizing:border-box}"
    "body{max-width:72rem;margin:0 auto;padding:1rem 1.25rem 4rem;font:16px/1.5 "
    "system-ui,sans-serif;color:#1b1f24;"
    "background:#fff;overflow-wrap:break-word}"
    "h1{font-size:1.7rem;line-height:1.2;margin:.5rem 0 1rem}"
    "h2{font-size:1.25rem;margin:2.5rem 0 .75rem;padding-bottom:.25rem;border-bottom:1px solid "
    "#d5dae0}"
    "h3{font-size:1.05rem;margin:1.5rem 0 .5rem}"
    "p{margin:.5rem 0;max-width:50rem}a{color:#0550ae}"
    "img,svg{max-width:100%;height:auto;vertical-align:top}"
    "img.pixels{image-rendering:pixelated}"
    "figure{margin:0 0 "
    "1rem;max-width:100%}figcaption{font-size:.875rem;color:#4b535d;margin-top:.25rem}"
    ".figures{display:flex;flex-wrap:wrap;gap:1rem 1.5rem;align-items:flex-start;margin:.75rem "
    "0}.figures figure{margin:0}"
    /* What is cut off shows that it is: a shadow on the side where there is more (it stays with the
       box, the white that hides it moves with the contents), and where browsers hide scrollbars
       until one scrolls, one that is always there. */
    ".scroll{overflow-x:auto;margin:.75rem 0;background:linear-gradient(90deg,#fff 50%,#fff0) 0 "
    "0/2rem 100% local,"
    "linear-gradient(270deg,#fff 50%,#fff0) 100% 0/2rem 100% "
    "local,linear-gradient(90deg,#0004,#0000) 0 0/.9rem 100%,"
    "linear-gradient(270deg,#0004,#0000) 100% 0/.9rem 100%;background-repeat:no-repeat}"
    ".scroll::-webkit-scrollbar{height:.6rem}.scroll::-webkit-scrollbar-track{background:#eceff2}"
    ".scroll::-webkit-scrollbar-thumb{background:#8b949e;border-radius:.3rem}"
    "table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}"
    "th,td{padding:.2rem .7rem .2rem 0;text-align:left;vertical-align:top;border-bottom:1px solid "
    "#e6e9ed}"
    "th{font-weight:600;color:#4b535d}th.n,td.n{text-align:right;padding:.2rem .35rem .2rem "
    ".7rem}td.n{white-space:nowrap}"
    "pre{font:.85rem/1.45 "
    "ui-monospace,monospace;background:#f5f7f9;border-radius:4px;padding:.75rem "
    "1rem;overflow-x:auto}"
    "code{font-family:ui-monospace,monospace;font-size:.9em}"
    "summary{cursor:pointer;color:#0550ae}"
    ".facts{display:flex;flex-wrap:wrap;gap:.75rem 2.25rem;margin:1rem 0}"
    ".facts span{display:block;font-size:.8rem;color:#4b535d}.facts "
    "b{font-size:1.3rem;font-weight:600}"
    ".chart{flex:1 1 24rem;max-width:33rem}.legend "
    "span{display:inline-block;margin-right:1rem}.legend svg{vertical-align:middle}"
    ".matrix td{text-align:right;min-width:2.2rem;padding:.15rem .35rem;border:1px solid #fff}"
    ".matrix th{border:0;padding:.15rem "
    ".35rem;font-weight:400;vertical-align:bottom;text-align:right}"
    ".tall tr:first-child th span{writing-mode:vertical-rl;transform:rotate(180deg)}"
    ".sample{width:7rem}.sample span{white-space:nowrap}"
    ".bar{display:inline-block;width:9rem;height:.8em;background:#eceff2;vertical-align:-.05em}"
    ".bar i{display:block;height:100%;background:#0072b2}"
    ".truth{background:#e9f6ef}.truth .bar i{background:#009e73}"
    ".note{color:#4b535d;font-size:.9rem}.good{color:#00704f}.bad{color:#a83a00}"
    ".sheet{margin:0}"
    "@media(max-width:40rem){.sheet img{max-width:none}body{font-size:15px;padding:.5rem .75rem "
    "2rem}.bar{width:5rem}}";

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
