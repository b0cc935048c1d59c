/* cnn_find_similar: the pictures nearest to one by a layer's numbers, as in A. Babenko et al.,
 * "Neural Codes for Image Retrieval", 2014. A layer with maps gives the mean of each map (A.
 * Babenko and V. Lempitsky, "Aggregating Deep Convolutional Features for Image Retrieval", 2015).
 * Two lists of numbers are as similar as the cosine of their angle. */
#include <math.h>
#include <string.h>

#include "data/image.h"
#include "data/loader.h"
#include "model/record.h"
#include "report/samples.h"
#include "report/similar.html.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/words.h"
#include "viz/html.h"
#include "viz/sheet.h"

enum { BATCH = 32, TOP = 9, SIDE = 96 };

/* A result with its memory. */
struct kept {
    cnn_similar shown;
    struct cnn_arena *arena;
};

struct search {
    const cnn_model *model;
    const cnn_similar_options *options;
    struct cnn_graph graph; /* up to the layer */
    size_t value, features;
    struct cnn_plan *plan;
    struct cnn_dataset *dataset; /* NULL: paths */
    enum cnn_split used;
    double *wanted, *found; /* [features]: of the picture, and of one that is compared */
    struct kept *kept;
    size_t total;
};

/* ---- Features ---- */

/* What the last layer with weights reads; of a network without one, what its last layer reads. */
static size_t default_value(const struct cnn_graph *graph)
{
    size_t last = graph->count;
    while (last > 1 && graph->nodes[last - 1].macs == 0)
        last--;
    size_t value = graph->nodes[last - 1].inputs[0];
    return value > 0 ? value : last;
}

/* Of image i of the plan's last batch; false where they are no finite numbers. */
static bool read_features(const struct search *s, size_t i, double *out)
{
    const cnn_shape shape = cnn_graph_shape(&s->graph, s->value);
    size_t places = shape.h * shape.w;
    const float *y = cnn_plan_value(s->plan, s->value) + i * places * shape.c;
    double squares = 0;
    for (size_t c = 0; c < shape.c; c++) {
        double sum = 0;
        for (size_t p = 0; p < places; p++)
            sum += (double)y[p * shape.c + c];
        out[c] = sum / (double)places;
        squares += out[c] * out[c];
    }
    double length = sqrt(squares);
    for (size_t c = 0; length > 0 && c < shape.c; c++)
        out[c] /= length;
    return isfinite(squares);
}

static double similarity(const struct search *s)
{
    double sum = 0;
    for (size_t c = 0; c < s->features; c++)
        sum += s->wanted[c] * s->found[c];
    return sum;
}

/* Pictures come in their order, so an equal one stays behind. */
static void insert(struct search *s, size_t image)
{
    cnn_similar *r = &s->kept->shown;
    double value = similarity(s);
    size_t most = s->options->top ? s->options->top : TOP, at = r->count;
    while (at > 0 && value > r->images[at - 1].similarity)
        at--;
    if (at == most)
        return;
    size_t last = r->count < most ? r->count++ : most - 1;
    memmove(r->images + at + 1, r->images + at, (last - at) * sizeof *r->images);
    r->images[at] = (cnn_similar_image){.image = image, .similarity = value};
}

/* The plan's first n inputs are pictures `first` and so on. */
static cnn_status compare_batch(struct search *s, size_t first, size_t n, cnn_diag *diag)
{
    cnn_plan_forward(s->plan, n, false, 0);
    for (size_t i = 0; i < n; i++) {
        if (!read_features(s, i, s->found))
            return cnn_fail(diag, CNN_FAILED, NULL, "%s: the numbers of picture %zu are not finite",
                            s->graph.nodes[s->value - 1].name, first + i);
        insert(s, first + i);
    }
    s->kept->shown.searched += n;
    const cnn_similar_options *o = s->options;
    if (cnn_flag_raised(o->stop) ||
        (o->progress && o->progress(o->context, s->kept->shown.searched, s->total) != 0))
        return cnn_fail(diag, CNN_INTERRUPTED, NULL, "interrupted");
    return CNN_OK;
}

/* ---- Pictures ---- */

static cnn_status compare_dataset(struct search *s, cnn_diag *diag)
{
    const struct cnn_loader_options options = {.dataset = s->dataset,
                                               .normalization = s->model->normalization,
                                               .shape = s->graph.input,
                                               .batch = BATCH};
    const size_t bytes = cnn_shape_count(s->graph.input) * sizeof(float);
    struct cnn_loader *loader = NULL;
    const struct cnn_batch *batch;
    s->total = cnn_dataset_count(s->dataset);
    cnn_status status = cnn_loader_new(&options, &loader, diag);
    if (status == CNN_OK)
        cnn_loader_start(loader, 0, 0);
    while (status == CNN_OK && (batch = cnn_loader_next(loader))) {
        memcpy(cnn_plan_input(s->plan), batch->images, batch->n * bytes);
        status = compare_batch(s, batch->index[0], batch->n, diag);
    }
    cnn_loader_free(loader);
    return status == CNN_OK ? cnn_dataset_report(s->dataset, NULL, NULL, diag) : status;
}

/* A file that cannot be read stands in no order: the whole fails, and names it. */
static cnn_status compare_paths(struct search *s, cnn_diag *diag)
{
    const cnn_similar_options *o = s->options;
    const size_t floats = cnn_shape_count(s->graph.input);
    cnn_status status = CNN_OK;
    s->total = o->path_count;
    for (size_t first = 0; status == CNN_OK && first < o->path_count; first += BATCH) {
        size_t n = o->path_count - first < BATCH ? o->path_count - first : BATCH;
        for (size_t i = 0; status == CNN_OK && i < n; i++)
            status = cnn_model_take_picture(
                s->model, &(struct cnn_given_picture){.path = o->paths[first + i]},
                cnn_plan_input(s->plan) + i * floats, diag);
        if (status == CNN_OK)
            status = compare_batch(s, first, n, diag);
    }
    return status;
}

/* ---- The result ---- */

static cnn_status name_images(struct search *s, cnn_diag *diag)
{
    cnn_similar *r = &s->kept->shown;
    for (size_t i = 0; i < r->count; i++) {
        cnn_similar_image *image = &r->images[i];
        const char *path = s->dataset ? cnn_dataset_path(s->dataset, image->image)
                                      : s->options->paths[image->image];
        image->name = path ? cnn_arena_strdup(s->kept->arena, path)
                           : cnn_arena_printf(s->kept->arena, "%s:%zu", cnn_split_names[s->used],
                                              image->image);
        if (s->dataset)
            image->class_name = cnn_arena_strdup(
                s->kept->arena,
                cnn_dataset_class(s->dataset, cnn_dataset_label(s->dataset, image->image)));
        if (!image->name || (s->dataset && !image->class_name))
            return cnn_fail_memory(diag, 0, "the names of pictures");
    }
    return CNN_OK;
}

static cnn_status draw(struct search *s, const cnn_similar_image *image, struct cnn_canvas *out,
                       cnn_diag *diag)
{
    const cnn_shape in = s->graph.input;
    uint8_t *buffer = cnn_malloc(cnn_shape_count(in));
    const uint8_t *pixels = buffer;
    cnn_status status = buffer ? CNN_OK : cnn_fail_memory(diag, cnn_shape_count(in), "a picture");
    if (status == CNN_OK && s->dataset)
        pixels = cnn_dataset_read(s->dataset, image->image, buffer);
    else if (status == CNN_OK)
        status = cnn_image_read(s->options->paths[image->image], in, buffer, diag);
    if (status == CNN_OK)
        status = cnn_sample_picture(pixels, in, out, diag);
    cnn_free(buffer);
    return status;
}

static cnn_status add_picture(struct cnn_text *page, struct cnn_canvas *picture, const char *name,
                              const cnn_similar_image *image, cnn_diag *diag)
{
    size_t longer = picture->width > picture->height ? picture->width : picture->height;
    const struct cnn_html_value values[] = {
        cnn_html_string("name", name),
        cnn_html_string("class", image && image->class_name ? image->class_name : ""),
        image ? cnn_html_number("similarity", "%.3f", image->similarity)
              : cnn_html_string("similarity", ""),
        {0}};
    cnn_html_fill(page, picture_begin, values);
    cnn_status status =
        cnn_html_picture(page, picture, longer < SIDE ? SIDE / longer : 1, name, diag);
    cnn_html_fill(page, picture_end, values);
    cnn_canvas_free(picture);
    return status;
}

static cnn_status write_page(struct search *s, const float *image, cnn_diag *diag)
{
    const cnn_similar *r = &s->kept->shown;
    const cnn_shape in = s->graph.input, shape = cnn_graph_shape(&s->graph, s->value);
    struct cnn_text page = {0};
    struct cnn_canvas picture = {0};
    cnn_html_begin(&page, cnn_say("Similar pictures"), 0);
    cnn_html_fill(&page, introduction,
                  (const struct cnn_html_value[]){cnn_html_number("searched", "%zu", r->searched),
                                                  cnn_html_number("features", "%zu", r->features),
                                                  cnn_html_string("layer", r->layer),
                                                  cnn_html_flag("maps", shape.h * shape.w > 1),
                                                  {0}});
    cnn_status status = cnn_sheet_image(image, in.c, in.h, in.w, &picture, diag);
    if (status == CNN_OK)
        status = add_picture(&page, &picture, cnn_say("your picture"), NULL, diag);
    for (size_t i = 0; status == CNN_OK && i < r->count; i++) {
        status = draw(s, &r->images[i], &picture, diag);
        if (status == CNN_OK)
            status = add_picture(&page, &picture, r->images[i].name, &r->images[i], diag);
    }
    cnn_html_fill(&page, pictures_end, NULL);
    cnn_html_end(&page);
    if (status == CNN_OK)
        status = cnn_html_write(&page, s->options->page, diag);
    cnn_text_free(&page);
    return status;
}

/* ---- The whole ---- */

static cnn_status open_data(struct search *s, cnn_diag *diag)
{
    const cnn_similar_options *o = s->options;
    const struct cnn_named_split named = {
        .word = o->split ? o->split : "train", .path = o->data_path, .what = "search"};
    return o->path_count > 0 ? CNN_OK
                             : cnn_record_open_named(s->model, &named, &s->dataset, &s->used, diag);
}

static cnn_status find_layer(struct search *s, cnn_diag *diag)
{
    size_t layer = 0;
    s->value = default_value(&s->model->graph);
    if (s->options->layer) {
        cnn_status status = cnn_model_find_layer(s->model, s->options->layer, &layer, diag);
        if (status != CNN_OK)
            return status;
        s->value = layer + 1;
    }
    s->graph = cnn_graph_until(&s->model->graph, s->value);
    s->features = cnn_graph_shape(&s->graph, s->value).c;
    return CNN_OK;
}

static cnn_status allocate(struct search *s, cnn_diag *diag)
{
    size_t top = s->options->top ? s->options->top : TOP;
    struct kept *kept = s->kept = cnn_calloc(1, sizeof *kept);
    s->wanted = cnn_calloc(s->features, sizeof *s->wanted);
    s->found = cnn_calloc(s->features, sizeof *s->found);
    if (!kept || !s->wanted || !s->found || !(kept->arena = cnn_arena_new()))
        return cnn_fail_memory(diag, s->features * sizeof *s->found, "features");
    kept->shown.images = cnn_calloc(top, sizeof *kept->shown.images);
    kept->shown.layer = cnn_arena_strdup(kept->arena, s->graph.nodes[s->value - 1].name);
    kept->shown.features = s->features;
    return kept->shown.images && kept->shown.layer
               ? cnn_plan_new(&s->graph, s->model->parameters,
                              &(struct cnn_plan_options){.batch = BATCH, .mode = CNN_PLAN_INFER},
                              &s->plan, diag)
               : cnn_fail_memory(diag, top * sizeof *kept->shown.images, "a result");
}

/* The features of the picture itself. */
static cnn_status look(struct search *s, const float *image, cnn_diag *diag)
{
    const cnn_shape in = s->graph.input;
    cnn_transpose(1, in.c, in.h * in.w, image, cnn_plan_input(s->plan));
    cnn_plan_forward(s->plan, 1, false, 0);
    if (read_features(s, 0, s->wanted))
        return CNN_OK;
    return cnn_fail(diag, CNN_FAILED, NULL, "%s: the numbers of the picture are not finite",
                    s->graph.nodes[s->value - 1].name);
}

static cnn_status run(struct search *s, const float *image, cnn_diag *diag)
{
    cnn_status status =
        s->options->page ? cnn_output_check(s->options->page, CNN_OUTPUT_PAGE, NULL, diag) : CNN_OK;
    if (status == CNN_OK)
        status = find_layer(s, diag);
    if (status == CNN_OK)
        status = open_data(s, diag);
    if (status == CNN_OK)
        status = allocate(s, diag);
    if (status == CNN_OK)
        status = look(s, image, diag);
    if (status == CNN_OK)
        status = s->dataset ? compare_dataset(s, diag) : compare_paths(s, diag);
    if (status == CNN_OK)
        status = name_images(s, diag);
    return status == CNN_OK && s->options->page ? write_page(s, image, diag) : status;
}

cnn_status cnn_find_similar(const cnn_model *model, const float *image,
                            const cnn_similar_options *options, cnn_similar **out, cnn_diag *diag)
{
    const cnn_similar_options o = options ? *options : (cnn_similar_options){0};
    struct search search = {.model = model, .options = &o};
    if (!model || !image || !out || !cnn_words_given(o.paths, o.path_count))
        return cnn_fail_missing(diag, "cnn_find_similar", "model, image, out or a path");
    if (o.version > CNN_SIMILAR_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_similar_options", o.version,
                                CNN_SIMILAR_OPTIONS_VERSION);
    cnn_status status = cnn_model_has_parameters(model, diag);
    if (status == CNN_OK)
        status = run(&search, image, diag);
    cnn_plan_free(search.plan);
    cnn_dataset_free(search.dataset);
    cnn_free(search.wanted);
    cnn_free(search.found);
    if (status == CNN_OK)
        *out = &search.kept->shown;
    else if (search.kept)
        cnn_similar_free(&search.kept->shown);
    return status;
}

void cnn_similar_free(cnn_similar *similar)
{
    struct kept *kept = (struct kept *)(void *)similar; /* its first member */
    if (!kept)
        return;
    cnn_free(similar->images);
    cnn_arena_free(kept->arena);
    cnn_free(kept);
}
