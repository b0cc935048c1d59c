/* Where images go into a network of Caffe: `input`, or a layer of data. */
#include <string.h>

#include "formats/caffe.h"
#include "util/text.h"

bool cnn_caffe_is_data(const struct cnn_caffe_layer *layer)
{
    static const char *const types[] = {"Input",      "Data",          "ImageData",
                                        "MemoryData", "DummyData",     "HDF5Data",
                                        "WindowData", "AnnotatedData", NULL};
    return cnn_word_among(layer->type, types);
}

static cnn_status fail(struct cnn_caffe *c, const struct cnn_prototxt_field *field,
                       const char *what)
{
    return cnn_fail(c->diag, CNN_INVALID, &field->where, "%s", what);
}

/* batch, channels, rows, columns: repeated field `name` of message */
static cnn_status read_dims(struct cnn_caffe *c, const struct cnn_prototxt_field *message,
                            const char *name)
{
    int64_t dims[4];
    struct cnn_caffe_list list = {1, dims, 4, 0};
    if (!cnn_caffe_integers(c, message, name, &list))
        return CNN_FAILED;
    if (list.count == 0)
        return CNN_OK;
    if (list.count != 4)
        return fail(c, message, "the input does not have the 4 dimensions of images");
    c->shape = (cnn_shape){3, (size_t)dims[1], (size_t)dims[2], (size_t)dims[3]};
    return CNN_OK;
}

/* channels and sizes that a layer of data names on its own */
static cnn_status read_sizes(struct cnn_caffe *c, const struct cnn_prototxt_field *message,
                             const char *rows, const char *columns, int64_t channels)
{
    int64_t h = 0, w = 0;
    if (!cnn_caffe_integer(c, message, "channels", 1, &channels) ||
        !cnn_caffe_integer(c, message, rows, 0, &h) ||
        !cnn_caffe_integer(c, message, columns, 0, &w))
        return CNN_FAILED;
    if (h > 0 && w > 0)
        c->shape = (cnn_shape){3, (size_t)channels, (size_t)h, (size_t)w};
    return CNN_OK;
}

static cnn_status read_crop(struct cnn_caffe *c, int64_t channels)
{
    int64_t size = 0;
    bool grey = false;
    if (!cnn_caffe_integer(c, c->transform, "crop_size", 0, &size) ||
        !cnn_caffe_flag(c, c->transform, "force_gray", &grey))
        return CNN_FAILED;
    if (size > 0)
        c->shape = (cnn_shape){3, grey ? 1 : (size_t)channels, (size_t)size, (size_t)size};
    return CNN_OK;
}

static cnn_status read_data_layer(struct cnn_caffe *c, const struct cnn_caffe_layer *layer)
{
    const struct cnn_prototxt_field *f = layer->field;
    bool colour = true;
    c->transform = cnn_prototxt_find(f, "transform_param");
    if (!cnn_caffe_flag(c, cnn_prototxt_find(f, "image_data_param"), "is_color", &colour))
        return CNN_FAILED;
    cnn_status status =
        read_dims(c, cnn_prototxt_find(cnn_prototxt_find(f, "input_param"), "shape"), "dim");
    if (status == CNN_OK)
        status = read_dims(c, cnn_prototxt_find(cnn_prototxt_find(f, "dummy_data_param"), "shape"),
                           "dim");
    if (status == CNN_OK)
        status = read_sizes(c, cnn_prototxt_find(f, "memory_data_param"), "height", "width", 1);
    if (status == CNN_OK)
        status = read_sizes(c, cnn_prototxt_find(f, "image_data_param"), "new_height", "new_width",
                            colour ? 3 : 1);
    return status == CNN_OK ? read_crop(c, colour ? 3 : 1) : status;
}

/* `input: "data"` at the top of the file, in all its forms. */
static cnn_status read_top(struct cnn_caffe *c, const struct cnn_prototxt_field *root)
{
    const struct cnn_prototxt_field *input = cnn_prototxt_find(root, "input");
    if (!input)
        return CNN_OK;
    cnn_status status = cnn_prototxt_string(input, &c->input, c->diag);
    if (status == CNN_OK && cnn_prototxt_next(input))
        return fail(c, cnn_prototxt_next(input), "networks with one input are read");
    if (status == CNN_OK)
        status = read_dims(c, root, "input_dim");
    return status == CNN_OK ? read_dims(c, cnn_prototxt_find(root, "input_shape"), "dim") : status;
}

cnn_status cnn_caffe_find_input(struct cnn_caffe *c, const struct cnn_prototxt_field *root)
{
    cnn_status status = read_top(c, root);
    for (size_t i = 0; i < c->count && status == CNN_OK; i++) {
        const struct cnn_caffe_layer *layer = &c->layers[i];
        if (!cnn_caffe_is_data(layer) || layer->top_count == 0)
            continue;
        if (c->input)
            return fail(c, layer->field, "networks with one input are read, and this is another");
        c->input = layer->tops[0];
        status = read_data_layer(c, layer);
    }
    if (status == CNN_OK && !c->input)
        return fail(c, root,
                    "nothing says where images go in: neither 'input' nor a layer of "
                    "type Input");
    return status;
}
