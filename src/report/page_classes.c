/* How well each class is recognised, and what it is taken for. */

#include <string.h>

#include "report/page.h"
#include "viz/html.h"

enum {
    MATRIX_MAX = 30, /* classes: of more, the pairs are listed */
    PAIRS_MAX = 20,
    LONG_TABLE = 30 /* classes: longer tables are folded */
};

static void write_class(struct cnn_text *page, const cnn_model *model, size_t i)
{
    if (model)
        cnn_html_text(page, cnn_model_class(model, i));
    else
        cnn_text_printf(page, "%zu", i);
}

/* Of the images of a class, the share in a cell is how strong its colour is: blue where the answer
 * is right, orange where it is wrong. */
static void write_cell(struct cnn_text *page, const cnn_model *model, const cnn_evaluation *e,
                       size_t truth, size_t answer)
{
    size_t images = cnn_evaluation_confusion(e, truth, answer), all = e->per_class[truth].images;
    double share = all > 0 ? (double)images / (double)all : 0;
    if (images == 0) {
        cnn_text_printf(page, "<td></td>");
        return;
    }
    cnn_text_printf(page, "<td style=\"background:rgba(%s,%.2f)%s\" title=\"",
                    truth == answer ? "0,114,178" : "213,94,0",
                    truth == answer ? 0.1 + 0.9 * share
                                    : 0.1 + 0.9 * (share > 0.25 ? 1 : 4 * share),
                    truth == answer && share > 0.5 ? ";color:#fff" : "");
    write_class(page, model, truth);
    cnn_text_printf(page, truth == answer ? " recognised as " : " taken for ");
    write_class(page, model, answer);
    cnn_text_printf(page, ": %.1f %%\">%zu</td>", 100 * share, images);
}

static void write_matrix(struct cnn_text *page, const cnn_model *model, const cnn_evaluation *e)
{
    bool tall = false; /* the heads of the columns stand upright */
    for (size_t j = 0; model && j < e->classes; j++)
        tall = tall || strlen(cnn_model_class(model, j)) > 3;
    cnn_text_printf(
        page,
        "<h3>Confusion matrix</h3>\n<p class=\"note\">A row per true class, a column per answer; "
        "orange: mistakes, full at a quarter of the "
        "class's images.</p>\n<div class=\"scroll\"><table class=\"matrix%s\">\n<tr><th></th>",
        tall ? " tall" : "");
    for (size_t j = 0; j < e->classes; j++) {
        cnn_text_printf(page, "<th><span>");
        write_class(page, model, j);
        cnn_text_printf(page, "</span></th>");
    }
    cnn_text_printf(page, "</tr>\n");
    for (size_t i = 0; i < e->classes; i++) {
        cnn_text_printf(page, "<tr><th>");
        write_class(page, model, i);
        cnn_text_printf(page, "</th>");
        for (size_t j = 0; j < e->classes; j++)
            write_cell(page, model, e, i, j);
        cnn_text_printf(page, "</tr>\n");
    }
    cnn_text_printf(page, "</table></div>\n");
}

/* The largest cells off the diagonal, largest first; returns how many. */
static size_t find_pairs(const cnn_evaluation *e, const cnn_confusion_cell *pairs[PAIRS_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < e->confusion_cells; i++) {
        const cnn_confusion_cell *cell = &e->confusion[i];
        if (cell->truth == cell->answer ||
            (count == PAIRS_MAX && cell->images <= pairs[count - 1]->images))
            continue;
        size_t at = count < PAIRS_MAX ? count++ : count - 1;
        for (; at > 0 && pairs[at - 1]->images < cell->images; at--)
            pairs[at] = pairs[at - 1];
        pairs[at] = cell;
    }
    return count;
}

static void write_pairs(struct cnn_text *page, const cnn_model *model, const cnn_evaluation *e)
{
    const cnn_confusion_cell *pairs[PAIRS_MAX];
    size_t count = find_pairs(e, pairs);
    if (count == 0)
        return;
    cnn_text_printf(
        page, "<h3>Most confused</h3>\n<div class=\"scroll\"><table>\n<tr><th>class</th><th>taken "
              "for</th><th class=\"n\">images</th>"
              "<th class=\"n\">of the class</th></tr>\n");
    for (size_t k = 0; k < count; k++) {
        size_t truth = pairs[k]->truth, images = pairs[k]->images, all = e->per_class[truth].images;
        cnn_text_printf(page, "<tr><td>");
        write_class(page, model, truth);
        cnn_text_printf(page, "</td><td>");
        write_class(page, model, pairs[k]->answer);
        cnn_text_printf(page, "</td><td class=\"n\">%zu</td><td class=\"n\">", images);
        cnn_page_percent(page, all > 0 ? (double)images / (double)all : 0);
        cnn_text_printf(page, "</td></tr>\n");
    }
    cnn_text_printf(page, "</table></div>\n");
}

static void write_scores(struct cnn_text *page, const cnn_model *model, const cnn_evaluation *e)
{
    cnn_text_printf(page,
                    "<h3>Scores of the classes</h3>\n<details%s><summary>Precision, recall and F1 "
                    "of %zu classes</summary>\n"
                    "<div class=\"scroll\"><table>\n<tr><th>class</th><th "
                    "class=\"n\">images</th><th class=\"n\">precision</th>"
                    "<th class=\"n\">recall</th><th class=\"n\">F1</th><th></th></tr>\n",
                    e->classes > LONG_TABLE ? "" : " open", e->classes);
    for (size_t i = 0; i < e->classes; i++) {
        const cnn_class_score *score = &e->per_class[i];
        cnn_text_printf(page, "<tr><td>");
        write_class(page, model, i);
        cnn_text_printf(page,
                        "</td><td class=\"n\">%zu</td><td class=\"n\">%.1f %%</td><td "
                        "class=\"n\">%.1f %%</td><td class=\"n\">%.1f %%</td>",
                        score->images, 100 * score->precision, 100 * score->recall,
                        100 * score->f1);
        cnn_text_printf(page,
                        "<td><span class=\"bar\"><i style=\"width:%.1f%%\"></i></span></td></tr>\n",
                        100 * score->f1);
    }
    cnn_text_printf(page, "</table></div>\n</details>\n");
}

void cnn_page_classes(struct cnn_text *page, const cnn_model *model,
                      const cnn_evaluation *evaluation)
{
    if (!evaluation->confusion || !evaluation->per_class)
        return;
    if (evaluation->classes <= MATRIX_MAX)
        write_matrix(page, model, evaluation);
    else
        write_pairs(page, model, evaluation);
    write_scores(page, model, evaluation);
}
