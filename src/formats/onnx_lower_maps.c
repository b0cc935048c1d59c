/* Lowering of operators that change the size of maps: padding, resizing, blocks of pixels. */
#include <math.h>
#include <string.h>

#include "formats/onnx_lower_internal.h"
#include "util/allocate.h"

/* A border of other numbers than zeros is a layer of its own. */
static cnn_status add_border(struct cnn_lower_step *step, const struct cnn_view *x, bool last,
                             const size_t pads[4], const char *mode)
{
    const cnn_shape shape = {3, x->shape.c, x->shape.h + pads[0] + pads[2],
                             x->shape.w + pads[1] + pads[3]};
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, "pad", &x->layer, 1, CNN_ONNX_NONE, shape);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "padding: [%zu, %zu, %zu, %zu], padding_mode: %s", pads[0], pads[2],
                  pads[1], pads[3], mode);
    struct cnn_view y = cnn_view_of(step->l->count, shape);
    cnn_view_give_last(&y, last);
    cnn_lower_give(step, &y);
    return CNN_OK;
}

struct padding {
    int64_t values[CNN_ONNX_MAX_RANK]; /* before each dimension, then behind each */
    size_t count;
    bool zeros; /* of which it is made */
};

/* Dimensions that are named are some of them; the others get nothing. Count 0: they are too many
 * for maps. */
static bool spread_padding(const struct cnn_lower_step *step, struct padding *p)
{
    const size_t rank = cnn_lower_array(step, 0)->rank;
    int64_t axes[CNN_ONNX_MAX_RANK], values[CNN_ONNX_MAX_RANK] = {0};
    size_t count, axis;
    if (!cnn_onnx_whole_input(&step->call, 3, axes, &count))
        return false;
    if (2 * rank > CNN_ONNX_MAX_RANK || p->count != 2 * count) {
        p->count = 0;
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (!cnn_onnx_axis(&step->call, axes[i], rank, false, &axis))
            return false;
        values[axis] = p->values[i];
        values[axis + rank] = p->values[i + count];
    }
    memcpy(p->values, values, sizeof values);
    p->count = 2 * rank;
    return true;
}

/* What is an attribute before opset 11, and an input from then on. */
static bool get_padding(const struct cnn_lower_step *step, struct padding *out)
{
    if (step->l->file->opset >= 11) {
        const struct cnn_onnx_array *value = cnn_lower_array(step, 2);
        out->zeros = !value || (value->data && value->count == 1 && value->data[0] == 0);
        return cnn_onnx_whole_input(&step->call, 1, out->values, &out->count) &&
               (!cnn_lower_array(step, 3) || spread_padding(step, out));
    }
    const int64_t *values;
    double value;
    if (!cnn_onnx_get_ints(&step->call, "pads", &values, &out->count) ||
        !cnn_onnx_get_float(&step->call, "value", 0, &value))
        return false;
    out->zeros = value == 0;
    for (size_t i = 0; i < out->count && i < CNN_ONNX_MAX_RANK; i++)
        out->values[i] = values[i];
    return true;
}

static cnn_status lower_pad(struct cnn_lower_step *step)
{
    static const char *const modes[] = {"constant", "reflect", "edge", NULL};
    struct cnn_view view = *cnn_lower_view(step, 0);
    struct padding padding;
    size_t mode, groups, pads[4] = {0};
    if (!cnn_onnx_get_word(&step->call, "mode", modes, &mode) || !get_padding(step, &padding))
        return CNN_INVALID;
    if (cnn_view_is_shuffle(&view, &groups) && !cnn_lower_natural(step, &view))
        return CNN_INVALID;
    if (mode == 0 && !padding.zeros)
        return cnn_lower_refuse(step, "it pads with another number than zero");
    const bool last = cnn_view_take_last(&view);
    if (padding.count != 8 || !cnn_view_is_natural(&view))
        return cnn_lower_refuse(step, "it pads something other than maps");
    for (size_t i = 0; i < 8; i++) {
        const int64_t pad = padding.values[i];
        const size_t axis = i % 4 - (last ? 1 : 2); /* of rows and columns */
        if (pad < 0 || (axis > 1 && pad != 0))
            return cnn_lower_refuse(step, "it pads something other than rows and columns, or cuts");
        if (axis <= 1)
            pads[i / 4 * 2 + axis] = (size_t)pad;
    }
    if (mode != 0)
        return add_border(step, &view, last, pads, mode == 1 ? "reflect" : "replicate");
    memcpy(view.pads, pads, sizeof pads);
    cnn_view_give_last(&view, last);
    cnn_lower_pass(step, &view);
    return CNN_OK;
}

static bool has_word(const struct cnn_lower_step *step, const char *name, const char *word)
{
    const struct cnn_onnx_attribute *a = cnn_onnx_attribute(step->step->node, name);
    return a && a->s.size == strlen(word) && memcmp(a->s.data, word, a->s.size) == 0;
}

/* How the places of the output lie on the input; before opset 11 nothing says so. */
static cnn_status check_places(struct cnn_lower_step *step, bool linear, bool whole)
{
    static const char name[] = "coordinate_transformation_mode";
    const bool old = step->l->file->opset < 11, beside = has_word(step, name, "asymmetric");
    if (linear && (old || beside))
        return cnn_lower_refuse(step, "only half_pixel and align_corners are supported between "
                                      "pixels");
    if (!linear && !whole && !(old || (beside && has_word(step, "nearest_mode", "floor"))))
        return cnn_lower_refuse(step, "the nearest pixel by a factor that is not whole is "
                                      "supported for asymmetric places that are rounded down");
    return CNN_OK;
}

/* Whether the output's places along an axis, of in and out pixels, are those of the layer. */
static cnn_status compare_places(struct cnn_lower_step *step, size_t axis, size_t in, size_t out,
                                 bool linear)
{
    const bool corners = has_word(step, "coordinate_transformation_mode", "align_corners");
    double *places = cnn_malloc((out + 1) * sizeof *places), most = (double)in - 1;
    bool alike = true;
    cnn_status status = places ? cnn_onnx_resize_places(&step->call, axis, places)
                               : cnn_fail_memory(step->l->diag, out * sizeof *places, "places");
    for (size_t i = 0; status == CNN_OK && i < out; i++) {
        double place = !linear   ? (double)(i * in / out)
                       : corners ? (double)i * most / (double)(out > 1 ? out - 1 : 1)
                                 : ((double)i + 0.5) * (double)in / (double)out - 0.5;
        place = place < 0 ? 0 : place > most ? most : place;
        alike = alike && fabs(place - places[i]) < 1e-4;
    }
    cnn_free(places);
    if (status == CNN_OK && !alike)
        return cnn_lower_refuse(step, "it reads its %s in other places than a layer does",
                                axis == 2 ? "rows" : "columns");
    return status;
}

static cnn_status lower_resize(struct cnn_lower_step *step)
{
    static const char *const modes[] = {"nearest", "linear", "bilinear", NULL};
    const cnn_shape y = cnn_lower_shape(step);
    struct cnn_view *x = cnn_lower_maps(step, 0);
    size_t mode;
    if (!x || !cnn_onnx_get_word(&step->call, "mode", modes, &mode))
        return CNN_INVALID;
    if (x->rank != 3 || y.c != x->shape.c)
        return cnn_lower_refuse(step, "it resizes something other than maps");
    const size_t rows = y.h / x->shape.h, columns = y.w / x->shape.w;
    const bool whole = y.h == rows * x->shape.h && y.w == columns * x->shape.w;
    if (check_places(step, mode > 0, whole) != CNN_OK ||
        compare_places(step, 2, x->shape.h, y.h, mode > 0) != CNN_OK ||
        compare_places(step, 3, x->shape.w, y.w, mode > 0) != CNN_OK)
        return CNN_INVALID;
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, "upsample", &x->layer, 1, CNN_ONNX_NONE, y);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "%s: [%zu, %zu], mode: %s", whole ? "scale" : "size", whole ? rows : y.h,
                  whole ? columns : y.w, mode == 0 ? "nearest" : "bilinear");
    if (mode > 0 && has_word(step, "coordinate_transformation_mode", "align_corners"))
        cnn_lower_key(layer, "align_corners: true");
    struct cnn_view out = cnn_view_of(step->l->count, y);
    cnn_lower_give(step, &out);
    return CNN_OK;
}

/* Channels that become blocks of pixels, and back. */
static cnn_status lower_depth(struct cnn_lower_step *step)
{
    static const char *const modes[] = {"DCR", "CRD", NULL};
    const bool to_space = strcmp(step->step->node->op_type, "DepthToSpace") == 0;
    const cnn_shape y = cnn_lower_shape(step);
    struct cnn_view *x = cnn_lower_maps(step, 0);
    int64_t block;
    size_t mode;
    if (!x || !cnn_onnx_get_int(&step->call, "blocksize", 1, &block) ||
        !cnn_onnx_get_word(&step->call, "mode", modes, &mode))
        return CNN_INVALID;
    struct cnn_lowered_layer *layer = cnn_lower_add(
        step, to_space ? "depth_to_space" : "space_to_depth", &x->layer, 1, CNN_ONNX_NONE, y);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "block: %zu, order: %s", (size_t)block, mode == 0 ? "place" : "channel");
    struct cnn_view out = cnn_view_of(step->l->count, y);
    cnn_lower_give(step, &out);
    return CNN_OK;
}

const struct cnn_lower_rule cnn_lower_map_rules[] = {{"Pad", lower_pad},
                                                     {"Resize", lower_resize},
                                                     {"Upsample", lower_resize},
                                                     {"DepthToSpace", lower_depth},
                                                     {"SpaceToDepth", lower_depth},
                                                     {NULL, NULL}};
