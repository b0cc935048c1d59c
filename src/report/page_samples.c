/* Pictures of a data set with the network's answers. */
#include "report/page.h"
#include "viz/html.h"

enum { SIDE = 96 }; /* pixels that a picture is shown with, about */

/* Photographs are made smaller, so that the page does not grow with them. */
static cnn_status shrink(struct cnn_canvas *picture, cnn_diag *diag)
{
    size_t side = picture->width > picture->height ? picture->width : picture->height;
    struct cnn_canvas small;
    if (side <= 2 * SIDE)
        return CNN_OK;
    size_t width = picture->width * SIDE / side, height = picture->height * SIDE / side;
    cnn_status status =
        cnn_canvas_resize(picture, width ? width : 1, height ? height : 1, &small, diag);
    if (status == CNN_OK) {
        cnn_canvas_free(picture);
        *picture = small;
    }
    return status;
}

static void write_answer(struct cnn_text *page, const char *class, float probability)
{
    cnn_html_text(page, class);
    cnn_text_printf(page, "</b> <span>");
    cnn_html_probability(page, probability);
    cnn_text_printf(page, "</span>");
}

static void write_caption(struct cnn_text *page, const cnn_model *model,
                          const struct cnn_sample *sample)
{
    bool right = sample->label == sample->predicted;
    cnn_text_printf(page, "<figcaption><b class=\"%s\">", right ? "good" : "bad");
    write_answer(page, cnn_model_class(model, sample->predicted), sample->probability);
    if (!right) {
        cnn_text_printf(page, "<br>is <b>");
        write_answer(page, cnn_model_class(model, sample->label), sample->label_probability);
    }
    cnn_text_printf(page, "</figcaption>");
}

static cnn_status write_sample(struct cnn_text *page, const cnn_model *model,
                               const struct cnn_sample *sample, cnn_diag *diag)
{
    struct cnn_canvas picture = {0};
    struct cnn_text alt = {0};
    cnn_status status = cnn_sample_picture(sample->pixels, cnn_model_input(model), &picture, diag);
    if (status == CNN_OK)
        status = shrink(&picture, diag);
    if (status == CNN_OK) {
        size_t side = picture.width > picture.height ? picture.width : picture.height;
        cnn_text_printf(&alt, "image %zu", sample->image);
        cnn_text_printf(page, "<figure class=\"sample\" title=\"image %zu\">", sample->image);
        status = cnn_html_picture(page, &picture, side < SIDE ? SIDE / side : 1,
                                  alt.data ? alt.data : "", diag);
        write_caption(page, model, sample);
        cnn_text_printf(page, "</figure>\n");
    }
    cnn_text_free(&alt);
    cnn_canvas_free(&picture);
    return status;
}

static cnn_status write_list(struct cnn_text *page, const cnn_model *model, const char *title,
                             const struct cnn_sample *samples, size_t count, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    if (count == 0)
        return CNN_OK;
    cnn_text_printf(page, "<h3>%s</h3>\n<div class=\"figures\">\n", title);
    for (size_t i = 0; i < count && status == CNN_OK; i++)
        status = write_sample(page, model, &samples[i], diag);
    cnn_text_printf(page, "</div>\n");
    return status;
}

cnn_status cnn_page_samples(struct cnn_text *page, const cnn_model *model,
                            const struct cnn_samples *samples, cnn_diag *diag)
{
    cnn_status status = write_list(page, model, "Wrong answers, the most confident first",
                                   samples->wrong, samples->wrong_count, diag);
    if (status == CNN_OK)
        status =
            write_list(page, model, "Right answers", samples->right, samples->right_count, diag);
    return status;
}
