/* Where the answer comes from: maps of what counted, beside the picture and laid over it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/allocate.h"
#include "util/words.h"
#include "viz/attribution.h"
#include "viz/kind.h"

/* Measured on the shipped model: clearer than 25 copies with noise of a tenth. */
#define SMOOTHGRAD_SAMPLES 50
#define SMOOTHGRAD_NOISE   0.05f

/* Text from the arena, which the page cannot do without. */
static const char *text_or_fail(struct cnn_view *view, const char *text)
{
    view->page.failed = view->page.failed || !text;
    return text ? text : "";
}

/* "predicted: cat, true: dog", as far as is known: a caption. */
static const char *tell_classes(struct cnn_view *view)
{
    if (!view->answered)
        return cnn_view_caption(view, "the picture");
    const char *predicted = cnn_story_class(view, view->predicted);
    return view->label == CNN_NO_INDEX
               ? cnn_view_caption(view, "predicted: %s", predicted)
               : cnn_view_caption(view, "predicted: %s, true: %s", predicted,
                                  cnn_story_class(view, view->label));
}

/* What one map is shown as: its picture, its numbers, and the panels' titles. */
struct overlay {
    const char *stem, *title;
    const float *map;
    size_t h, w, value;  /* of which value of the graph; CNN_NO_INDEX: its cells fill the picture */
    cnn_palette palette; /* of the map alone */
    bool falls;          /* below zero is the opposite of above: over the picture in SIGNED */
};

/* Over the picture, low values let it through, darkened: only with HEAT, whose low end is dark,
 * does that look as the scale says. */
static cnn_palette over_palette(const struct overlay *o)
{
    return o->falls ? CNN_PALETTE_SIGNED : CNN_PALETTE_HEAT;
}

/* Three panels: the picture, the map in squares, the map over the picture; the squares lie where
 * the map does. frame: drawn on the picture; NULL: none. */
static cnn_status write_overlay(struct cnn_view *view, const struct overlay *o,
                                const struct cnn_rectangle *frame, cnn_diag *diag)
{
    const struct cnn_canvas *given = &view->given;
    const struct cnn_map map = {o->map, o->h, o->w};
    const struct cnn_range range = cnn_range_of(o->map, o->h * o->w);
    struct cnn_panel panels[3] = {
        {.title = frame ? cnn_view_caption(view, "what counts most, framed") : tell_classes(view)},
        {.title = o->title, .values = o->h * o->w, .palette = o->palette, .range = range},
        {.title = cnn_view_caption(view, "the two together"), .bare = true}};
    struct cnn_placement placement[2];
    if (!o->stem)
        return cnn_fail_memory(diag, 0, "a name");
    if (o->value != CNN_NO_INDEX)
        cnn_value_placement(&view->model->graph, o->value, placement);
    cnn_status status = cnn_panel_copy(given, &panels[0].picture, diag);
    if (status == CNN_OK && frame)
        cnn_panel_frame(&panels[0].picture, view->model->graph.input, frame,
                        (struct cnn_colour){255, 0, 0});
    const struct cnn_colouring colouring = {o->palette, range};
    if (status == CNN_OK)
        status = o->value == CNN_NO_INDEX
                     ? cnn_panel_map(map, colouring, given->width, given->height,
                                     &panels[1].picture, diag)
                     : cnn_sheet_placed(given, map, placement, colouring, &panels[1].picture, diag);
    if (status == CNN_OK)
        status = cnn_sheet_overlay(given, map, o->value == CNN_NO_INDEX ? NULL : placement,
                                   over_palette(o), &panels[2].picture, diag);
    if (status == CNN_OK)
        status = cnn_panels_write(view, o->stem, panels, 3, diag);
    cnn_panels_free(panels, 3);
    return status;
}

/* " of 8 x 8 values from 0 to 3.2", and of those that are none. */
static const char *tell_range(struct cnn_view *view, const float *map, size_t h, size_t w)
{
    const struct cnn_range range = cnn_range_of(map, h * w);
    const char *text =
        range.nan == h * w
            ? cnn_arena_printf(view->arena, cnn_say("%zu x %zu values, none of which is a number"),
                               h, w)
        : range.nan > 0
            ? cnn_arena_printf(view->arena,
                               cnn_say("%zu x %zu values from %.3g to %.3g; %zu %s, shown in "
                                       "magenta"),
                               h, w, (double)range.low, (double)range.high, range.nan,
                               range.nan == 1 ? "is no number" : "are no numbers")
            : cnn_arena_printf(view->arena, cnn_say("%zu x %zu values from %.3g to %.3g"), h, w,
                               (double)range.low, (double)range.high);
    return text_or_fail(view, text);
}

static cnn_status show_heatmap(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    const cnn_shape s = node->out;
    size_t positions = s.h * s.w;
    float *values = NULL, *map = cnn_calloc(positions, sizeof *map);
    cnn_status status = map ? cnn_view_values(view, layer, &values, diag)
                            : cnn_fail_memory(diag, positions, "a map");
    for (size_t p = 0; status == CNN_OK && p < positions; p++) {
        double sum = 0;
        for (size_t c = 0; c < s.c; c++)
            sum += (double)values[c * positions + p];
        map[p] = (float)sum;
    }
    const struct overlay o = {cnn_view_stem(view, layer, "-heatmap"),
                              cnn_view_caption(view, "sum of all channels"),
                              map,
                              s.h,
                              s.w,
                              layer + 1,
                              view->options->palette,
                              false};
    if (status == CNN_OK)
        status = write_overlay(view, &o, NULL, diag);
    if (status == CNN_OK)
        status = cnn_view_write_npy(view, o.stem, map, (const size_t[]){s.h, s.w}, 2, diag);
    if (status == CNN_OK) {
        cnn_story_heading(view, "Heat map of %s", node->name);
        cnn_story_paragraph(
            view,
            "The sum of the layer's %zu map%s: where the layer answers at all, whatever the class.",
            s.c, s.c == 1 ? "" : "s");
        cnn_story_figure(view, o.stem, "%s: %s%s%s.", node->name, tell_range(view, map, s.h, s.w),
                         view->answered ? "; " : "",
                         view->answered ? cnn_caption_said(tell_classes(view)) : "");
    }
    cnn_free(map);
    cnn_free(values);
    return status;
}

const struct cnn_view_kind cnn_kind_heatmap = {
    .number = CNN_PICTURE_HEATMAP,
    .name = "heatmap",
    .help = "the sum of a layer's maps, over the picture",
    .source = CNN_KIND_MAIN_LAYER,
    .needs_map = true,
    .usual = true,
    .about_answer = true,
    .show = show_heatmap,
};

static cnn_status show_gradcam_of(struct cnn_view *view, size_t layer, size_t class,
                                  const char *stem, cnn_diag *diag)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    const cnn_shape s = node->out;
    float *map = cnn_calloc(s.h * s.w, sizeof *map);
    cnn_status status = map ? cnn_gradcam(view->model, view->x, class, layer + 1, map, diag)
                            : cnn_fail_memory(diag, s.h * s.w, "a map");
    const char *title = cnn_view_caption(view, "Grad-CAM for %s", cnn_story_class(view, class));
    const struct overlay o = {stem, title, map, s.h, s.w, layer + 1, view->options->palette, false};
    if (status == CNN_OK)
        status = write_overlay(view, &o, NULL, diag);
    if (status == CNN_OK)
        status = cnn_view_write_npy(view, stem, map, (const size_t[]){s.h, s.w}, 2, diag);
    if (status == CNN_OK) {
        const struct cnn_range range = cnn_range_of(map, s.h * s.w);
        const char *truth = class == view->label ? cnn_say(", the true class")
                            : class == view->predicted && view->answered
                                ? cnn_say(", the predicted class")
                                : "";
        cnn_story_figure(view, stem, "Grad-CAM for %s%s (%s), at %s: %s.%s",
                         cnn_story_class(view, class), truth,
                         cnn_story_percent((double)view->probabilities[class]), node->name,
                         tell_range(view, map, s.h, s.w),
                         range.nan == 0 && range.high <= 0
                             ? cnn_say(" Nothing in these maps speaks for this class.")
                             : "");
    }
    cnn_free(map);
    return status;
}

static cnn_status show_gradcam(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    bool both =
        !view->options->class_name && view->label != CNN_NO_INDEX && view->label != view->target;
    cnn_story_heading(view, "Where %s is seen: Grad-CAM", cnn_story_class(view, view->target));
    cnn_story_paragraph(view,
                        "The maps of %s, each weighted by how much the class's score grows with "
                        "it. High values speak for the class; where it is "
                        "zero, nothing does, or more speaks against it.",
                        cnn_view_node(view, layer)->name);
    cnn_status status =
        show_gradcam_of(view, layer, view->target, cnn_view_stem(view, layer, "-gradcam"), diag);
    if (status == CNN_OK && both)
        status = show_gradcam_of(view, layer, view->label,
                                 cnn_view_stem(view, layer, "-gradcam-true"), diag);
    return status;
}

const struct cnn_view_kind cnn_kind_gradcam = {
    .number = CNN_PICTURE_GRADCAM,
    .name = "gradcam",
    .help = "where a class is seen (Grad-CAM)",
    .source = CNN_KIND_MAIN_LAYER,
    .explains = CNN_KIND_CLASS,
    .needs_map = true,
    .usual = true,
    .about_answer = true,
    .show = show_gradcam,
};

/* Both gradients as panels, and the smoother one over the picture. maps: two of h x w. */
static cnn_status draw_saliency(struct cnn_view *view, const float *plain, const float *smooth,
                                cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    const struct cnn_canvas *given = &view->given;
    const cnn_palette palette = view->options->palette;
    const struct cnn_map maps[2] = {{plain, in.h, in.w}, {smooth, in.h, in.w}};
    const struct cnn_range ranges[2] = {cnn_range_of(plain, in.h * in.w),
                                        cnn_range_of(smooth, in.h * in.w)};
    struct cnn_panel panels[4] = {
        {.title = cnn_view_caption(view, "the picture")},
        {.title = cnn_view_caption(view, "gradient, largest magnitude of the channels"),
         .values = in.h * in.w,
         .palette = palette,
         .range = ranges[0]},
        {.title = cnn_view_caption(view, "SmoothGrad laid over the picture"), .bare = true},
        {.title = cnn_view_caption(view, "SmoothGrad, mean of %d noisy copies", SMOOTHGRAD_SAMPLES),
         .values = in.h * in.w,
         .palette = palette,
         .range = ranges[1]}};
    cnn_status status = cnn_panel_copy(given, &panels[0].picture, diag);
    if (status == CNN_OK)
        status = cnn_panel_map(maps[0], (struct cnn_colouring){palette, ranges[0]}, given->width,
                               given->height, &panels[1].picture, diag);
    if (status == CNN_OK)
        status =
            cnn_sheet_overlay(given, maps[1], NULL, CNN_PALETTE_HEAT, &panels[2].picture, diag);
    if (status == CNN_OK)
        status = cnn_panel_map(maps[1], (struct cnn_colouring){palette, ranges[1]}, given->width,
                               given->height, &panels[3].picture, diag);
    if (status == CNN_OK)
        status = cnn_panels_write(view, "saliency", panels, 4, diag);
    cnn_panels_free(panels, 4);
    return status;
}

/* A gradient, NHWC, as a file in the outside's order. */
static cnn_status write_gradient(struct cnn_view *view, const char *stem, const float *gradient,
                                 float *turned, cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    cnn_transpose(1, in.h * in.w, in.c, gradient, turned);
    return cnn_view_write_npy(view, stem, turned, (const size_t[]){in.c, in.h, in.w}, 3, diag);
}

static cnn_status show_saliency(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    const cnn_visualize_options *options = view->options;
    const cnn_shape in = view->model->graph.input;
    size_t size = cnn_shape_count(in), pixels = in.h * in.w;
    float *plain = cnn_calloc(3 * size + 2 * pixels, sizeof *plain);
    const struct cnn_smoothgrad settings = {.samples = SMOOTHGRAD_SAMPLES,
                                            .noise = SMOOTHGRAD_NOISE,
                                            .seed = options->seed,
                                            .stop = options->stop};
    (void)layer;
    if (!plain)
        return cnn_fail_memory(diag, 3 * size * sizeof *plain, "a gradient");
    float *smooth = plain + size, *turned = smooth + size, *maps = turned + size;
    cnn_status status = cnn_saliency(view->model, view->x, view->target, plain, diag);
    if (status == CNN_OK)
        status = cnn_smoothgrad(view->model, view->x, view->target, &settings, smooth, diag);
    if (status == CNN_OK) {
        cnn_saliency_map(plain, pixels, in.c, maps);
        cnn_saliency_map(smooth, pixels, in.c, maps + pixels);
        status = draw_saliency(view, maps, maps + pixels, diag);
    }
    if (status == CNN_OK)
        status = write_gradient(view, "saliency", plain, turned, diag);
    if (status == CNN_OK)
        status = write_gradient(view, "saliency-smooth", smooth, turned, diag);
    if (status == CNN_OK) {
        cnn_story_heading(view, "Pixels that count for %s: saliency",
                          cnn_story_class(view, view->target));
        cnn_story_paragraph(view,
                            "How much the class's score changes when a pixel changes a little, up "
                            "or down. SmoothGrad is the mean of that over %d copies of the "
                            "input with some noise: what stays is less speckled.",
                            SMOOTHGRAD_SAMPLES);
        cnn_story_figure(view, "saliency", "Gradient: %s. SmoothGrad: %s.",
                         tell_range(view, maps, in.h, in.w),
                         tell_range(view, maps + pixels, in.h, in.w));
    }
    cnn_free(plain);
    return status;
}

const struct cnn_view_kind cnn_kind_saliency = {
    .number = CNN_PICTURE_SALIENCY,
    .name = "saliency",
    .help = "which pixels change a class's score (gradient, SmoothGrad)",
    .source = CNN_KIND_NO_LAYER,
    .explains = CNN_KIND_CLASS,
    .usual = true,
    .about_answer = true,
    .show = show_saliency,
};

/* Drops by patch -> by pixel: the mean over the patches that hide the pixel. */
static void spread_drops(const struct cnn_occlusion *o, cnn_shape in, const float *drop, float *map)
{
    for (size_t y = 0; y < in.h; y++)
        for (size_t x = 0; x < in.w; x++) {
            double sum = 0;
            size_t patches = 0;
            for (size_t i = y < o->size ? 0 : (y - o->size) / o->step + 1;
                 i < o->rows && i * o->step <= y; i++)
                for (size_t j = x < o->size ? 0 : (x - o->size) / o->step + 1;
                     j < o->columns && j * o->step <= x; j++, patches++)
                    sum += (double)drop[i * o->columns + j];
            map[y * in.w + x] = patches > 0 ? (float)(sum / (double)patches) : 0;
        }
}

/* What patch number `patch` hides. */
static struct cnn_rectangle rectangle_of(const struct cnn_occlusion *o, cnn_shape in, size_t patch)
{
    size_t y = patch / o->columns * o->step, x = patch % o->columns * o->step;
    return (struct cnn_rectangle){
        {y, x}, {y + o->size < in.h ? y + o->size : in.h, x + o->size < in.w ? x + o->size : in.w}};
}

static void mean_colour(const float *x, cnn_shape in, float *fill)
{
    for (size_t c = 0; c < in.c; c++) {
        double sum = 0;
        for (size_t p = 0; p < in.h * in.w; p++)
            sum += (double)x[p * in.c + c];
        fill[c] = (float)(sum / (double)(in.h * in.w));
    }
}

static void tell_occlusion(struct cnn_view *view, const struct cnn_occlusion *g, const float *drop,
                           size_t most)
{
    const cnn_shape in = view->model->graph.input;
    const char *class = cnn_story_class(view, view->target);
    struct cnn_text frame = {0};
    if (drop[most] > 0)
        cnn_text_printf(&frame,
                        cnn_say("The framed patch matters most: hidden, the probability falls by "
                                "%.3g."),
                        (double)drop[most]);
    else if (isfinite(drop[most]))
        cnn_text_printf(&frame, "%s",
                        cnn_say("No patch lowers the probability where it is put; the framed one "
                                "raises it least."));
    cnn_story_heading(view, "What happens when a part is hidden: occlusion");
    cnn_story_paragraph(view,
                        "A patch of %zu x %zu of the network's %zu x %zu pixels, in the picture's "
                        "mean colour, is put at %zu x %zu places. Each "
                        "pixel of the map has the "
                        "mean of the patches that hide it. Red: without that part the probability "
                        "of %s falls; blue: it rises.",
                        g->size < in.h ? g->size : in.h, g->size < in.w ? g->size : in.w, in.h,
                        in.w, g->rows, g->columns, class);
    cnn_story_figure(view, "occlusion", "%s has %s. Drop by patch: %s. %s", class,
                     cnn_story_percent((double)view->probabilities[view->target]),
                     tell_range(view, drop, g->rows, g->columns), frame.data ? frame.data : "");
    view->page.failed = view->page.failed || frame.failed;
    cnn_text_free(&frame);
}

static cnn_status show_occlusion(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    struct cnn_occlusion g = cnn_occlusion_geometry(in);
    size_t count = g.rows * g.columns, most = 0;
    float *drop = cnn_calloc(count + in.h * in.w + in.c, sizeof *drop);
    (void)layer;
    if (!drop)
        return cnn_fail_memory(diag, count * sizeof *drop, "a map");
    float *map = drop + count, *fill = map + in.h * in.w;
    mean_colour(view->x, in, fill);
    g.fill = fill;
    g.stop = view->options->stop;
    cnn_status status = cnn_occlusion(view->model, view->x, view->target, &g, drop, diag);
    for (size_t i = 1; status == CNN_OK && i < count; i++)
        most = drop[i] > drop[most] || isnan(drop[most]) ? i : most;
    if (status == CNN_OK) {
        const struct overlay o = {"occlusion",
                                  cnn_view_caption(view, "drop of the probability"),
                                  map,
                                  in.h,
                                  in.w,
                                  CNN_NO_INDEX,
                                  CNN_PALETTE_SIGNED,
                                  true};
        const struct cnn_rectangle frame = rectangle_of(&g, in, most);
        spread_drops(&g, in, drop, map);
        status = write_overlay(view, &o, &frame, diag);
    }
    if (status == CNN_OK)
        status = cnn_view_write_npy(view, "occlusion", drop, (const size_t[]){g.rows, g.columns}, 2,
                                    diag);
    if (status == CNN_OK)
        tell_occlusion(view, &g, drop, most);
    cnn_free(drop);
    return status;
}

const struct cnn_view_kind cnn_kind_occlusion = {
    .number = CNN_PICTURE_OCCLUSION,
    .name = "occlusion",
    .help = "how a class's probability drops when a part is hidden",
    .source = CNN_KIND_NO_LAYER,
    .explains = CNN_KIND_CLASS,
    .about_answer = true,
    .show = show_occlusion,
};
