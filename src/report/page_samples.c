/* Pictures of a data set with the network's answers. */
#include "report/page.h"
#include "report/samples.html.h"
#include "util/words.h"

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

static void write_caption(struct cnn_text *page, const cnn_model *model,
                          const struct cnn_sample *sample)
{
    const struct cnn_html_value values[] = {
        cnn_html_flag("right", sample->label == sample->predicted),
        cnn_html_string("answer", cnn_model_class(model, sample->predicted)),
        cnn_html_probability("probability", sample->probability),
        cnn_html_string("truth", cnn_model_class(model, sample->label)),
        cnn_html_probability("truth_probability", sample->label_probability),
        {0}};
    cnn_html_fill(page, sample_end, values);
}

static cnn_status write_sample(struct cnn_text *page, const cnn_model *model,
                               const struct cnn_sample *sample, cnn_diag *diag)
{
    struct cnn_canvas picture = {0};
    cnn_status status = cnn_sample_picture(sample->pixels, cnn_model_input(model), &picture, diag);
    if (status == CNN_OK)
        status = shrink(&picture, diag);
    if (status == CNN_OK) {
        size_t side = picture.width > picture.height ? picture.width : picture.height;
        const struct cnn_html_value alt =
            cnn_html_number("image", cnn_say("image %zu"), sample->image);
        cnn_html_fill(page, sample_begin, (const struct cnn_html_value[]){alt, {0}});
        status = cnn_html_picture(page, &picture, side < SIDE ? SIDE / side : 1, alt.number, diag);
        write_caption(page, model, sample);
    }
    cnn_canvas_free(&picture);
    return status;
}

static cnn_status write_list(struct cnn_text *page, const cnn_model *model, const char *title,
                             const struct cnn_sample *samples, size_t count, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    if (count == 0)
        return CNN_OK;
    cnn_html_fill(page, samples_begin,
                  (const struct cnn_html_value[]){cnn_html_string("title", title), {0}});
    for (size_t i = 0; i < count && status == CNN_OK; i++)
        status = write_sample(page, model, &samples[i], diag);
    cnn_html_fill(page, samples_end, NULL);
    return status;
}

cnn_status cnn_page_samples(struct cnn_text *page, const cnn_model *model,
                            const struct cnn_samples *samples, cnn_diag *diag)
{
    cnn_status status = write_list(page, model, cnn_say("Wrong answers, the most confident first"),
                                   samples->wrong, samples->wrong_count, diag);
    if (status == CNN_OK)
        status = write_list(page, model, cnn_say("Right answers"), samples->right,
                            samples->right_count, diag);
    return status;
}
