/* The gallery: the mistakes that a network was surest of, each with what speaks for the class it
 * gave and for the one that is right (Grad-CAM). A page, index.html, with its pictures as PNG files
 * beside it. */
#include <stdlib.h>
#include <string.h>

#include "report/gallery.html.h"
#include "report/samples.h"
#include "util/arena.h"
#include "util/file.h"
#include "util/output.h"
#include "util/words.h"
#include "viz/attribution.h"
#include "viz/html.h"
#include "viz/sheet.h"

/* pixels that a small picture is enlarged to, about: three fit next to each other on half a page */
#define SIDE 160

struct gallery {
    const char *directory;
    cnn_model *model;
    cnn_shape shape;
    size_t scale;   /* of the pictures */
    size_t value;   /* that Grad-CAM looks at; 0: the network has no map */
    float *x, *map; /* of one image */
    struct cnn_text page;
    cnn_diag *diag;
};

/* The data set's image, enlarged. */
static cnn_status enlarge(const struct gallery *g, const struct cnn_canvas *small,
                          struct cnn_canvas *out)
{
    cnn_status status = cnn_canvas_new(small->width * g->scale, small->height * g->scale,
                                       (struct cnn_colour){0, 0, 0}, out, g->diag);
    if (status == CNN_OK)
        cnn_canvas_put(out, 0, 0, small, g->scale);
    return status;
}

/* Writes the picture as image-<n><suffix>.png, and begins a figure with it, `scale` times as large,
 * on the page; the caller ends it. */
static cnn_status add_picture(struct gallery *g, const struct cnn_canvas *picture, size_t scale,
                              size_t image, const char *suffix, const char *alt)
{
    struct cnn_text path = {0};
    cnn_text_printf(&path, "%s/image-%zu%s.png", g->directory, image, suffix);
    cnn_status status =
        path.failed ? cnn_fail_memory(g->diag, strlen(g->directory), "a path")
                    : cnn_output_replaces(path.data, CNN_OUTPUT_PICTURE, "--gallery", g->diag);
    if (status == CNN_OK)
        status = cnn_canvas_write(picture, path.data, g->diag);
    cnn_text_free(&path);
    const struct cnn_html_value values[] = {
        cnn_html_flag("pixels", scale > 1),
        cnn_html_number("image", "%zu", image),
        cnn_html_string("suffix", suffix),
        cnn_html_number("width", "%zu", picture->width * scale),
        cnn_html_number("height", "%zu", picture->height * scale),
        cnn_html_string("alt", alt),
        {0}};
    cnn_html_fill(&g->page, picture_begin, values);
    return status;
}

static bool is_blank(const float *map, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (map[i] != 0)
            return false;
    return true;
}

/* The picture, enlarged, with Grad-CAM of one class over it. */
static cnn_status add_reasons(struct gallery *g, const struct cnn_canvas *picture,
                              const struct cnn_sample *sample, bool right)
{
    const size_t class = right ? sample->label : sample->predicted;
    const cnn_shape at = cnn_graph_shape(&g->model->graph, g->value);
    struct cnn_canvas overlay = {0};
    struct cnn_placement placement[2];
    cnn_value_placement(&g->model->graph, g->value, placement);
    cnn_status status = cnn_gradcam(g->model, g->x, class, g->value, g->map, g->diag);
    if (status == CNN_OK)
        status = cnn_sheet_overlay(picture, (struct cnn_map){g->map, at.h, at.w}, placement,
                                   CNN_PALETTE_HEAT, &overlay, g->diag);
    if (status == CNN_OK)
        status = add_picture(g, &overlay, 1, sample->image, right ? "-true" : "-predicted",
                             cnn_say("Grad-CAM over the picture"));
    if (status == CNN_OK) {
        const struct cnn_html_value values[] = {
            cnn_html_string("class", cnn_model_class(g->model, class)),
            cnn_html_probability("probability",
                                 right ? sample->label_probability : sample->probability),
            cnn_html_flag("blank", is_blank(g->map, at.h * at.w)),
            {0}};
        cnn_html_fill(&g->page, reasons_end, values);
    }
    cnn_canvas_free(&overlay);
    return status;
}

static cnn_status add_mistake(struct gallery *g, const struct cnn_sample *sample)
{
    struct cnn_canvas picture = {0}, large = {0};
    const struct cnn_html_value values[] = {
        cnn_html_flag("maps", g->value > 0),
        cnn_html_number("image", "%zu", sample->image),
        cnn_html_string("truth", cnn_model_class(g->model, sample->label)),
        cnn_html_probability("truth_probability", sample->label_probability),
        cnn_html_string("answer", cnn_model_class(g->model, sample->predicted)),
        cnn_html_probability("probability", sample->probability),
        {0}};
    cnn_html_fill(&g->page, mistake_begin, values);
    cnn_status status = cnn_sample_picture(sample->pixels, g->shape, &picture, g->diag);
    /* in its own size, so that the file gives the same answer as the data set's image */
    if (status == CNN_OK)
        status = add_picture(g, &picture, g->scale, sample->image, "",
                             cnn_model_class(g->model, sample->label));
    cnn_html_fill(&g->page, mistake_caption, values);
    if (status == CNN_OK && g->value > 0) {
        cnn_normalize(&g->model->normalization, sample->pixels, g->shape.h * g->shape.w, g->x);
        status = enlarge(g, &picture, &large);
        if (status == CNN_OK)
            status = add_reasons(g, &large, sample, false);
        if (status == CNN_OK)
            status = add_reasons(g, &large, sample, true);
    }
    cnn_html_fill(&g->page, mistake_end, NULL);
    cnn_canvas_free(&picture);
    cnn_canvas_free(&large);
    return status;
}

static void add_introduction(struct gallery *g, const struct cnn_samples *samples)
{
    const size_t wrong = samples->wrong_count;
    const struct cnn_html_value values[] = {
        cnn_html_string("model", g->model->name),
        cnn_html_number("images", "%zu", cnn_dataset_count(samples->dataset)),
        cnn_html_flag("none", wrong == 0),
        cnn_html_flag("one", wrong == 1),
        cnn_html_flag("many", wrong > 1),
        cnn_html_number("mistakes", "%zu", wrong),
        cnn_html_string("layer",
                        wrong > 0 && g->value > 0 ? g->model->graph.nodes[g->value - 1].name : ""),
        {0}};
    cnn_html_fill(&g->page, introduction, values);
}

static cnn_status write_page(struct gallery *g)
{
    struct cnn_text path = {0};
    cnn_text_printf(&path, "%s/index.html", g->directory);
    cnn_status status = path.failed ? cnn_fail_memory(g->diag, 0, "a path")
                                    : cnn_html_write(&g->page, path.data, g->diag);
    cnn_text_free(&path);
    return status;
}

static cnn_status open_gallery(struct gallery *g)
{
    const struct cnn_graph *graph = &g->model->graph;
    size_t longer = g->shape.h > g->shape.w ? g->shape.h : g->shape.w;
    g->scale = longer < SIDE ? SIDE / longer : 1;
    /* CNN_INVALID: there is no map, and value stays 0 */
    if (cnn_gradcam_value(g->model, &g->value, NULL) == CNN_FAILED)
        return cnn_fail_memory(g->diag, graph->count, "a list of layers");
    g->x = cnn_floats_new(cnn_shape_count(g->shape));
    g->map =
        cnn_floats_new(cnn_graph_shape(graph, g->value).h * cnn_graph_shape(graph, g->value).w);
    return g->x && g->map ? cnn_make_directories(g->directory, g->diag)
                          : cnn_fail_memory(g->diag, cnn_shape_count(g->shape), "an image");
}

cnn_status cnn_gallery_write(const char *directory, cnn_model *model,
                             const struct cnn_samples *samples, cnn_diag *diag)
{
    struct gallery g = {
        .directory = directory, .model = model, .shape = model->graph.input, .diag = diag};
    cnn_status status = open_gallery(&g);
    if (status == CNN_OK) {
        cnn_html_begin(&g.page, cnn_say("Mistakes"), 0);
        add_introduction(&g, samples);
    }
    for (size_t i = 0; status == CNN_OK && i < samples->wrong_count; i++)
        status = add_mistake(&g, &samples->wrong[i]);
    if (status == CNN_OK) {
        cnn_html_fill(&g.page, mistakes_end, NULL);
        cnn_html_end(&g.page);
        status = write_page(&g);
    }
    cnn_floats_free(g.x);
    cnn_floats_free(g.map);
    cnn_text_free(&g.page);
    return status;
}
