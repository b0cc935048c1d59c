/* HTML pages: text escaped, the head with the style that all pages share, pictures within the page.
 * Nothing is fetched from a network. */
#ifndef CNN_VIZ_HTML_H
#define CNN_VIZ_HTML_H

#include "graph/layer.h"
#include "viz/canvas.h"

/* Text with & < > " ' escaped, and what is no UTF-8 or a control character shown as U+FFFD. */
void cnn_html_text(struct cnn_text *page, const char *text);

/* A value of a fragment, under the name that stands there. */
struct cnn_html_value {
    const char *name, *text; /* text NULL: number */
    char number[48];
};
struct cnn_html_value cnn_html_string(const char *name, const char *text);
/* Numbers as printf writes them; "?" where that is longer than 47 characters. */
struct cnn_html_value cnn_html_number(const char *name, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* For {{#name}}: a text that is empty where the flag is not set. */
struct cnn_html_value cnn_html_flag(const char *name, bool set);
/* A probability as per cent with one digit; one that is not certain is not shown as such: "> 99.9
 * %", "< 0.1 %". */
struct cnn_html_value cnn_html_probability(const char *name, float probability);

/* Appends a fragment, a string that make has made from an .html or .svg file (fragments.sed).
 *
 *   {{name}}                the value, escaped
 *   {{&name}}               the value as it is
 *   {{#name}}...{{/name}}   what stands between, only if the value is not empty
 *   {{^name}}...{{/name}}   what stands between, only if it is empty
 *   [[text]]                a text, in the language of pages (util/words.h), with its values
 *
 * values ends with an empty one; NULL: the fragment has none. */
void cnn_html_fill(struct cnn_text *page, const char *fragment,
                   const struct cnn_html_value *values);

/* A shape as cnn_shape_format writes it, in the language of pages. Returns buffer. */
const char *cnn_html_shape(cnn_shape shape, char *buffer, size_t size);

/* <!DOCTYPE html> to <body> and the page's heading; refresh: seconds after which a browser reads
 * the page again, 0: never. */
void cnn_html_begin(struct cnn_text *page, const char *title, unsigned refresh);
void cnn_html_end(struct cnn_text *page);

/* The labels of a picture as SVG of its size, to be laid over it: text that is sharp at any size
 * and in any script, each on the colour that lay under it. Nothing where there is none. */
void cnn_html_labels(struct cnn_text *page, const struct cnn_canvas *picture);

/* <img> with the picture within the page (data: URI), its size in CSS pixels scaled by `scale`
 * without blur, and its labels. alt is escaped. */
cnn_status cnn_html_picture(struct cnn_text *page, const struct cnn_canvas *picture, size_t scale,
                            const char *alt, cnn_diag *diag);

/* A table of the top classes with bars: names, probabilities; the true class (CNN_NO_INDEX:
 * unknown) is marked. */
void cnn_html_predictions(struct cnn_text *page, const cnn_prediction *predictions, size_t count,
                          size_t label);

/* The page to path as cnn_file_write: an open page never sees half a file. Nothing but a page is
 * replaced. */
cnn_status cnn_html_write(const struct cnn_text *page, const char *path, cnn_diag *diag);

#endif
