/* One call of cnn_visualize: the input, what the network made of it, and the pictures and the page
 * that come of it. The kinds of pictures are in kind.h. */
#ifndef CNN_VIZ_VISUALIZE_H
#define CNN_VIZ_VISUALIZE_H

#include "model/model.h"
#include "util/arena.h"
#include "viz/sheet.h"

/* pixels: the longer side of pictures, so that three stand side by side on a page */
#define CNN_VIEW_SIDE 352

struct cnn_view {
    cnn_model *model;
    const cnn_visualize_options *options;
    const char *input, *input_name; /* the path, and what it is called */
    struct cnn_arena *arena;
    struct cnn_plan *plan; /* mode KEEP, after its forward */
    float *x, *image;      /* the input as the network takes it: NHWC, and NCHW */
    unsigned kinds;        /* bits 1 << kind */
    /* of these, whether some stand with the layers, others after them, and some of those show what
     * the answer rests on */
    bool with_layers, after_layers, about_answer;
    bool *chosen; /* by layer: named in the options */
    /* the one that heat maps are taken from unless others are named; CNN_NO_INDEX: there is no
     * map */
    size_t main_layer;

    struct cnn_dataset *dataset; /* of the kinds that need one; else NULL */
    enum cnn_split split;        /* of these images */

    bool numbers;            /* the input is a file of numbers, no picture */
    size_t width, height;    /* of the picture in its file */
    struct cnn_canvas given; /* the picture as it is, its longer side about CNN_VIEW_SIDE */
    struct cnn_canvas seen;  /* what the network sees, a pixel for a pixel */

    size_t classes;       /* 0: the outputs are no classes */
    float *probabilities; /* of the classes */
    bool answered;        /* all of them are numbers */
    bool stopped;         /* a function of the options wants it so */
    size_t predicted;
    size_t label;  /* CNN_NO_INDEX: unknown */
    size_t target; /* the class that is explained */

    struct cnn_text page;
    /* of the picture that was written last: its labels, as SVG, and its width and height in pixels
     */
    struct cnn_text labels;
    size_t drawn[2];
};

static inline const struct cnn_node *cnn_view_node(const struct cnn_view *view, size_t layer)
{
    return &view->model->graph.nodes[layer];
}

/* input.c: x, given, seen, width, height, numbers. */
cnn_status cnn_view_load(struct cnn_view *view, cnn_diag *diag);

/* files.c: files in the directory, from a stem such as "conv1-maps"; each is reported to
 * options->written. CNN_INTERRUPTED where the caller wants to stop. */
cnn_status cnn_view_write_picture(struct cnn_view *view, const char *stem,
                                  const struct cnn_canvas *picture, cnn_diag *diag);
cnn_status cnn_view_write_npy(struct cnn_view *view, const char *stem, const float *values,
                              const size_t *dims, size_t rank, cnn_diag *diag);
cnn_status cnn_view_write_page(struct cnn_view *view, cnn_diag *diag);
cnn_status cnn_view_drop_page(struct cnn_view *view,
                              /* the page of an earlier call: it would tell of pictures that are
                                 replaced now */
                              cnn_diag *diag);
/* "conv1-maps", from the arena: the layer's name (cut where it is very long) and what follows it.
 * NULL when out of memory. */
const char *cnn_view_stem(struct cnn_view *view, size_t layer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The output of a layer, NCHW: cnn_malloc'ed. */
cnn_status cnn_view_values(struct cnn_view *view, size_t layer, float **values, cnn_diag *diag);

/* panels.c: pictures side by side, each with a title, and where it shows numbers the scale of its
 * colours. */
struct cnn_panel {
    struct cnn_canvas picture;
    const char *title;
    bool bare;     /* without a rim: a legend, or what has a scale of its own */
    size_t values; /* numbers that it shows, of this range, whose scale is drawn; 0: none */
    struct cnn_range range;
    cnn_palette palette;
};
/* A caption (util/words.h) from the arena; "", with page.failed set, when out of memory. */
const char *cnn_view_caption(struct cnn_view *view, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* At most four; four stand two by two. */
cnn_status cnn_panels_write(struct cnn_view *view, const char *stem, const struct cnn_panel *panels,
                            size_t count, cnn_diag *diag);
void cnn_panels_free(struct cnn_panel *panels, size_t count); /* their pictures */
/* A map drawn over the whole of width x height pixels, a rectangle for each value, so that it lies
 * on a picture of that size. */
cnn_status cnn_panel_map(struct cnn_map map, struct cnn_colouring colouring, size_t width,
                         size_t height, struct cnn_canvas *out, cnn_diag *diag);
/* picture, crisp and enlarged by a whole factor to at most about CNN_VIEW_SIDE. */
cnn_status cnn_panel_enlarge(const struct cnn_canvas *picture, struct cnn_canvas *out,
                             size_t *factor, cnn_diag *diag);
cnn_status cnn_panel_copy(const struct cnn_canvas *picture, struct cnn_canvas *out, cnn_diag *diag);
/* Pixels of the network's input: rows begin[0] to end[0] - 1, columns alike; none where begin ==
 * end. */
struct cnn_rectangle {
    size_t begin[2], end[2];
};
/* The rectangle framed on picture, which shows the whole input. */
void cnn_panel_frame(struct cnn_canvas *picture, cnn_shape in, const struct cnn_rectangle *field,
                     struct cnn_colour colour);
/* Colours and what they stand for, a line each. */
struct cnn_legend_line {
    struct cnn_colour colour;
    char text[256];
};
cnn_status cnn_panel_legend(const struct cnn_legend_line *lines, size_t count,
                            struct cnn_canvas *out, cnn_diag *diag);

/* story.c: the page's parts. Formats are said in the language of pages. */
void cnn_story_begin(struct cnn_view *view);
/* the heading, and links to the layers that follow */
void cnn_story_layers(struct cnn_view *view);
void cnn_story_layer(struct cnn_view *view, size_t layer); /* heading and sentences of one layer */
/* the heading of what comes after the layers */
void cnn_story_evidence(struct cnn_view *view);
/* A picture of this directory with its caption, which is escaped. */
void cnn_story_figure(struct cnn_view *view, const char *stem, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A paragraph, escaped. */
void cnn_story_paragraph(struct cnn_view *view, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Numbers [c][h][w] as a table, where they are few. */
void cnn_story_numbers(struct cnn_view *view, const float *values, size_t c, size_t h, size_t w);
void cnn_story_heading(struct cnn_view *view, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* A class's name, cut short where it is long; in one of a few buffers that later calls
 * overwrite. */
const char *cnn_story_class(const struct cnn_view *view, size_t class);
const char *cnn_story_percent(double share); /* likewise */

/* The pixels that can change the value at (row, column) of a value's map; none where the windows
 * lie on padding alone. The smallest rectangle that holds them: strides and dilation can leave gaps
 * in it. */
cnn_status cnn_receptive_field(const struct cnn_graph *graph, size_t value, size_t row,
                               size_t column, struct cnn_rectangle *out, cnn_diag *diag);

#endif
