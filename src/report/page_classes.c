/* How well each class is recognised, and what it is taken for. */

#include <string.h>

#include "report/classes.html.h"
#include "report/page.h"

enum {
    MATRIX_MAX = 30, /* classes: of more, the pairs are listed */
    PAIRS_MAX = 20,
    LONG_TABLE = 30 /* classes: longer tables are folded */
};

/* The name of a class, or without a model its number. */
static struct cnn_html_value name_class(const char *name, const cnn_model *model, size_t i)
{
    return model ? cnn_html_string(name, cnn_model_class(model, i))
                 : cnn_html_number(name, "%zu", i);
}

/* Of the images of a class, the share in a cell is how strong its colour is: blue where the answer
 * is right, orange where it is wrong. */
static void write_cell(struct cnn_text *page, const cnn_model *model, const cnn_evaluation *e,
                       size_t truth, size_t answer)
{
    size_t images = cnn_evaluation_confusion(e, truth, answer), all = e->per_class[truth].images;
    double share = all > 0 ? (double)images / (double)all : 0;
    bool right = truth == answer;
    double strength = right ? share : share > 0.25 ? 1 : 4 * share;
    const struct cnn_html_value values[] = {
        cnn_html_flag("some", images > 0),
        cnn_html_flag("right", right),
        cnn_html_number("strength", "%.2f", 0.1 + 0.9 * strength),
        cnn_html_flag("dark", right && share > 0.5),
        name_class("truth", model, truth),
        name_class("answer", model, answer),
        cnn_html_number("share", "%.1f %%", 100 * share),
        cnn_html_number("images", "%zu", images),
        {0}};
    cnn_html_fill(page, matrix_cell, values);
}

static void write_matrix(struct cnn_text *page, const cnn_model *model, const cnn_evaluation *e)
{
    bool tall = false; /* the heads of the columns stand upright */
    for (size_t j = 0; model && j < e->classes; j++)
        tall = tall || strlen(cnn_model_class(model, j)) > 3;
    cnn_html_fill(page, matrix_begin,
                  (const struct cnn_html_value[]){cnn_html_flag("tall", tall), {0}});
    for (size_t j = 0; j < e->classes; j++)
        cnn_html_fill(page, matrix_column,
                      (const struct cnn_html_value[]){name_class("class", model, j), {0}});
    cnn_html_fill(page, matrix_row_end, NULL);
    for (size_t i = 0; i < e->classes; i++) {
        cnn_html_fill(page, matrix_row,
                      (const struct cnn_html_value[]){name_class("class", model, i), {0}});
        for (size_t j = 0; j < e->classes; j++)
            write_cell(page, model, e, i, j);
        cnn_html_fill(page, matrix_row_end, NULL);
    }
    cnn_html_fill(page, table_end, NULL);
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
    cnn_html_fill(page, pairs_begin, NULL);
    for (size_t k = 0; k < count; k++) {
        size_t truth = pairs[k]->truth, images = pairs[k]->images, all = e->per_class[truth].images;
        const struct cnn_html_value values[] = {
            name_class("truth", model, truth),
            name_class("answer", model, pairs[k]->answer),
            cnn_html_number("images", "%zu", images),
            cnn_page_percent("share", all > 0 ? (double)images / (double)all : 0),
            {0}};
        cnn_html_fill(page, pair, values);
    }
    cnn_html_fill(page, table_end, NULL);
}

static void write_scores(struct cnn_text *page, const cnn_model *model, const cnn_evaluation *e)
{
    const struct cnn_html_value head[] = {cnn_html_flag("open", e->classes <= LONG_TABLE),
                                          cnn_html_number("classes", "%zu", e->classes),
                                          {0}};
    cnn_html_fill(page, scores_begin, head);
    for (size_t i = 0; i < e->classes; i++) {
        const cnn_class_score *of = &e->per_class[i];
        const struct cnn_html_value values[] = {
            name_class("class", model, i),
            cnn_html_number("images", "%zu", of->images),
            cnn_html_number("precision", "%.1f %%", 100 * of->precision),
            cnn_html_number("recall", "%.1f %%", 100 * of->recall),
            cnn_html_number("f1", "%.1f", 100 * of->f1),
            {0}};
        cnn_html_fill(page, score, values);
    }
    cnn_html_fill(page, scores_end, NULL);
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
