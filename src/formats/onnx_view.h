/* A value of an ONNX graph as a view of what one layer gives: Reshape, Transpose, Flatten and the
 * like move no numbers, they only name them otherwise. So they become no layers, and what comes
 * behind them sees which of the layer's channels, rows and columns each dimension runs over. */
#ifndef CNN_FORMATS_ONNX_VIEW_H
#define CNN_FORMATS_ONNX_VIEW_H

#include "formats/onnx.h"

#define CNN_VIEW_ATOMS 16

/* `size` numbers of the layer, `stride` apart, in channel, row, column order. Sizes are above 1. */
struct cnn_view_atom {
    size_t size, stride;
};

struct cnn_view {
    bool known;
    size_t layer;    /* 0: the network's input; else the number of the layer, from 1 */
    cnn_shape shape; /* of the layer's output */
    size_t rank;     /* dimensions without the batch, which is always the first */
    size_t dims[CNN_ONNX_MAX_RANK];
    size_t atom_count; /* row-major: those of the first dimension come first, its outermost first */
    struct cnn_view_atom atoms[CNN_VIEW_ATOMS + 1]; /* the last is for channels that were one */
    /* zeros that stand around rows and columns and have no layer yet: top, left, bottom, right.
     * dims and atoms are without them. */
    size_t pads[4];
};

/* All numbers in their own order: c x h x w, or c. */
struct cnn_view cnn_view_of(size_t layer, cnn_shape shape);

/* The same numbers under other dimensions; false where that cannot be said by strides. */
bool cnn_view_reshape(struct cnn_view *view, size_t rank, const size_t *dims);
bool cnn_view_transpose(struct cnn_view *view, const size_t *order);
/* Without dimension `axis`, which has size 1. */
void cnn_view_drop(struct cnn_view *view, size_t axis);

bool cnn_view_has_pads(const struct cnn_view *view);
/* Whether dimension `axis` runs over the channels, all of them in their order, and nothing else. */
bool cnn_view_is_channels(const struct cnn_view *view, size_t axis);
/* Whether it is the layer's c x h x w, as it stands. */
bool cnn_view_is_natural(const struct cnn_view *view);
/* Rows, columns, channels of a layer, as they stand, become its channels, rows, columns, with their
 * padding; false, and no change, where it is something else. And back. */
bool cnn_view_channels_first(struct cnn_view *view);
void cnn_view_channels_last(struct cnn_view *view);
/* Around a layer that wants channels first. take: whether the view has them last, and is turned
 * then; give: turns what the layer gives back where that was so. */
bool cnn_view_take_last(struct cnn_view *view);
void cnn_view_give_last(struct cnn_view *view, bool last);
/* Whether its numbers, whatever their dimensions, stand in the layer's order. */
bool cnn_view_in_order(const struct cnn_view *view);
/* Whether two views order numbers of two layers of one shape in the same way. */
bool cnn_view_same(const struct cnn_view *a, const struct cnn_view *b);
/* Whether it is c x h x w with channels shuffled as by so many groups (above 1). */
bool cnn_view_is_shuffle(const struct cnn_view *view, size_t *groups);

/* The place in the layer's output of number i of the view. */
size_t cnn_view_place(const struct cnn_view *view, size_t i);
size_t cnn_view_count(const struct cnn_view *view);

/* The view of another layer, which differs in its number of channels; `axis` runs over them. */
struct cnn_view cnn_view_with_channels(const struct cnn_view *view, size_t axis, size_t layer,
                                       cnn_shape shape);

#endif
