/* Contact sheets: all maps, kernels or numbers of a layer on one labelled picture, and maps laid
 * over a photograph. */
#ifndef CNN_VIZ_SHEET_H
#define CNN_VIZ_SHEET_H

#include "graph/graph.h"
#include "viz/colour.h"

/* One map, several of one size, and kernels as they are stored. */
struct cnn_map {
    const float *values; /* [h][w] */
    size_t h, w;
};
struct cnn_maps {
    const float *values; /* [count][h][w] */
    size_t count, h, w;
};
struct cnn_kernel_view {
    const float *weights; /* [filters][channels][h][w] */
    size_t filters, channels, h, w;
};

/* The mean of the block of shrink x shrink values at this place among the blocks, cut off at the
 * map's borders. One that holds NaN is NaN. */
float cnn_map_mean(struct cnn_map map, size_t shrink, size_t row, size_t column);

/* The layer's tensor of kernels (or, of a dense layer that reads the flattened input, of
 * templates) in this slab; false: it has none. */
bool cnn_layer_kernels(const struct cnn_graph *graph, const float *parameters, size_t layer,
                       struct cnn_kernel_view *out);

/* Whether the layer's maps are shown by a later one: the next layer, its one reader, only changes
 * the numbers in place. */
bool cnn_layer_merged(const struct cnn_graph *graph, size_t layer);

struct cnn_sheet_style {
    cnn_palette palette;
    bool one_scale; /* all maps on one scale, else each on its own */
    /* the layer rectifies: a map that is zero everywhere is called silent, else constant maps are
     * just constant */
    bool mark_silent;
    bool kernels;      /* these may well be constant: nothing is said of it */
    bool numbers;      /* in the cells, where there is room for all of them */
    const char *title; /* above; NULL: none */
    /* of flat values that are drawn as bars, one each; NULL: their numbers */
    const char *const *names;
};

/* Counts for captions. */
struct cnn_sheet_summary {
    size_t maps, silent, constant, nan; /* nan: maps that hold one */
};

/* Each map is drawn with its number, minimum, maximum and the bar of its scale;
 * enlarged by a whole factor where small; where the sheet would be larger than about 40 million
 * pixels, maps are shrunk (averaged) by a whole factor and the sheet says so. summary may be
 * NULL. */
cnn_status cnn_sheet_maps(const struct cnn_maps *maps, const struct cnn_sheet_style *style,
                          struct cnn_canvas *out, struct cnn_sheet_summary *summary,
                          cnn_diag *diag);

/* One map alone, enlarged by a whole factor to about `side` pixels, nothing around it. */
cnn_status cnn_sheet_map(struct cnn_map map, struct cnn_colouring colouring, size_t side,
                         struct cnn_canvas *out, cnn_diag *diag);

/* Flat values (dense layers): bars with numbers or names where there are few, else a grid of
 * cells. */
cnn_status cnn_sheet_values(const float *values, size_t count, const struct cnn_sheet_style *style,
                            struct cnn_canvas *out, struct cnn_sheet_summary *summary,
                            cnn_diag *diag);

/* colours: channels is 3 and the input a colour picture: each kernel is one tile in colour (zero is
 * grey); else one row per filter and one tile per channel, SIGNED on one scale. */
cnn_status cnn_sheet_filters(const struct cnn_kernel_view *kernels, bool colours, const char *title,
                             struct cnn_canvas *out, cnn_diag *diag);

/* Kernels or maps in a row without captions, each enlarged by a whole factor to about `side`
 * pixels: with three channels a tile is in colour (zero is grey), else the first one is shown by
 * palette. scales: of each tile. */
cnn_status cnn_sheet_tiles(const struct cnn_kernel_view *tiles, cnn_palette palette,
                           const struct cnn_range *scales, size_t side, struct cnn_canvas *out,
                           cnn_diag *diag);

/* Where the cells of a map lie on a picture, along one direction: the middle of cell i is at first
 * + i * step of the picture's size. */
struct cnn_placement {
    double first, step;
};

/* Of a graph's value over the input: each cell over the middle of what it sees. [0]: rows. */
void cnn_value_placement(const struct cnn_graph *graph, size_t value, struct cnn_placement out[2]);

/* picture with the map laid over it, where placement says (NULL: the map's cells fill it),
 * interpolated to its size: a colour's weight grows with the value (palette HEAT), or with its
 * magnitude (SIGNED). */
cnn_status cnn_sheet_overlay(const struct cnn_canvas *picture, struct cnn_map map,
                             const struct cnn_placement *placement, cnn_palette palette,
                             struct cnn_canvas *out, cnn_diag *diag);

/* The map alone in squares, where they lie on the picture, whose size it has; paper where none
 * does. */
cnn_status cnn_sheet_placed(const struct cnn_canvas *picture, struct cnn_map map,
                            const struct cnn_placement *placement, struct cnn_colouring colouring,
                            struct cnn_canvas *out, cnn_diag *diag);

/* What a network is given, as a picture: image [c][h][w] (NCHW) stretched from its range to 0..255,
 * c 1 or 3 (others: the first channel in grey), no enlargement. */
cnn_status cnn_sheet_image(const float *image, size_t c, size_t h, size_t w, struct cnn_canvas *out,
                           cnn_diag *diag);

/* Several pictures side by side (or below each other), with a gap. */
cnn_status cnn_sheet_row(const struct cnn_canvas *pictures, size_t count, bool down,
                         struct cnn_canvas *out, cnn_diag *diag);

#endif
