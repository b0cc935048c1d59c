/* Blobs of a .caffemodel: protocol buffers, of which only the layers' names and numbers count. */
#include <inttypes.h>
#include <string.h>

#include "formats/caffe.h"

#define MAX_COUNT ((size_t)1 << 28) /* numbers in one blob */

struct cnn_caffe_blob_shape {
    size_t at;
    struct cnn_protobuf_list dims;
};

struct layer_message {
    size_t at;
    const char *name;
    struct cnn_protobuf_list blobs;
};

struct net_message {
    size_t at;
    struct cnn_protobuf_list old_layers, layers;
};

#define ENTRY(number, kind, repeated, type, member, message)                                       \
    {                                                                                              \
        number, CNN_PROTOBUF_##kind, repeated, offsetof(type, member), message, 0, 0               \
    }

static const struct cnn_protobuf_field shape_fields[] = {
    ENTRY(1, INT, true, struct cnn_caffe_blob_shape, dims, NULL), {0}};
static const struct cnn_protobuf_message shape_message = {
    "BlobShape", sizeof(struct cnn_caffe_blob_shape), shape_fields};

static const struct cnn_protobuf_field blob_fields[] = {
    ENTRY(1, INT, false, struct cnn_caffe_blob, num, NULL),
    ENTRY(2, INT, false, struct cnn_caffe_blob, channels, NULL),
    ENTRY(3, INT, false, struct cnn_caffe_blob, height, NULL),
    ENTRY(4, INT, false, struct cnn_caffe_blob, width, NULL),
    ENTRY(5, BYTES, true, struct cnn_caffe_blob, data, NULL),
    ENTRY(7, SUBMESSAGE, false, struct cnn_caffe_blob, shape, &shape_message),
    ENTRY(8, BYTES, true, struct cnn_caffe_blob, doubles, NULL),
    {0}};
static const struct cnn_protobuf_message blob_message = {"BlobProto", sizeof(struct cnn_caffe_blob),
                                                         blob_fields};

static const struct cnn_protobuf_field layer_fields[] = {
    ENTRY(1, TEXT, false, struct layer_message, name, NULL),
    ENTRY(7, SUBMESSAGE, true, struct layer_message, blobs, &blob_message),
    {0}};
static const struct cnn_protobuf_message layer_message = {
    "LayerParameter", sizeof(struct layer_message), layer_fields};

static const struct cnn_protobuf_field old_layer_fields[] = {
    ENTRY(4, TEXT, false, struct layer_message, name, NULL),
    ENTRY(6, SUBMESSAGE, true, struct layer_message, blobs, &blob_message),
    {0}};
static const struct cnn_protobuf_message old_layer_message = {
    "V1LayerParameter", sizeof(struct layer_message), old_layer_fields};

static const struct cnn_protobuf_field net_fields[] = {
    ENTRY(2, SUBMESSAGE, true, struct net_message, old_layers, &old_layer_message),
    ENTRY(100, SUBMESSAGE, true, struct net_message, layers, &layer_message),
    {0}};
static const struct cnn_protobuf_message net_message = {"NetParameter", sizeof(struct net_message),
                                                        net_fields};

cnn_status cnn_caffe_weights_read(struct cnn_arena *arena, const struct cnn_protobuf_file *file,
                                  struct cnn_caffe_weights **out, cnn_diag *diag)
{
    void *read = NULL;
    cnn_status status = cnn_protobuf_read(arena, file, &net_message, &read, diag);
    if (status != CNN_OK)
        return status;
    const struct net_message *net = read;
    const struct cnn_protobuf_list *list = net->layers.count > 0 ? &net->layers : &net->old_layers;
    const struct layer_message *layers = list->items;
    struct cnn_caffe_weights *weights = cnn_arena_alloc(arena, sizeof *weights);
    struct cnn_caffe_blobs *blobs = cnn_arena_array(arena, list->count + 1, sizeof *blobs);
    if (list->count > CNN_CAFFE_LAYERS)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s has %zu layers: more than %d", file->name,
                        list->count, CNN_CAFFE_LAYERS);
    if (!weights || !blobs)
        return cnn_fail_memory(diag, list->count * sizeof *blobs, file->name);
    *weights = (struct cnn_caffe_weights){.name = file->name, .layers = blobs};
    for (size_t i = 0; i < list->count; i++)
        if (layers[i].name && layers[i].blobs.count > 0)
            blobs[weights->count++] = (struct cnn_caffe_blobs){
                layers[i].name, layers[i].blobs.items, layers[i].blobs.count};
    if (weights->count == 0)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s: no layer in it has weights", file->name);
    *out = weights;
    return CNN_OK;
}

const struct cnn_caffe_blobs *cnn_caffe_weights_find(const struct cnn_caffe_weights *weights,
                                                     const char *layer)
{
    for (size_t i = 0; i < weights->count; i++)
        if (strcmp(weights->layers[i].layer, layer) == 0)
            return &weights->layers[i];
    return NULL;
}

static cnn_status fail(const struct cnn_caffe_weights *weights, const struct cnn_caffe_blob *blob,
                       const char *what, cnn_diag *diag)
{
    return cnn_fail(diag, CNN_FAILED, NULL, "%s: byte %zu: a blob %s", weights->name, blob->at,
                    what);
}

/* The old way gives four sizes, of which those in front may be 1. */
static bool read_dims(const struct cnn_caffe_blob *blob, struct cnn_onnx_dims *dims)
{
    const int64_t old[4] = {blob->num, blob->channels, blob->height, blob->width};
    const int64_t *sizes = blob->shape ? blob->shape->dims.items : old;
    dims->rank = blob->shape ? blob->shape->dims.count : 4;
    if (dims->rank > 4)
        return false;
    for (size_t i = 0; i < dims->rank; i++)
        dims->dims[i] = sizes[i];
    return true;
}

cnn_status cnn_caffe_blob_look(const struct cnn_caffe_weights *weights,
                               const struct cnn_caffe_blob *blob, struct cnn_onnx_dims *dims,
                               struct cnn_protobuf_bytes *bytes, cnn_diag *diag)
{
    size_t count = 1;
    if (blob->doubles.count > 0)
        return fail(weights, blob, "has numbers in double, which are not read", diag);
    if (blob->data.count > 1)
        return fail(weights, blob, "has its numbers in several parts", diag);
    if (!read_dims(blob, dims))
        return fail(weights, blob, "has more than 4 dimensions", diag);
    for (size_t i = 0; i < dims->rank; i++)
        if (dims->dims[i] < 1 || (uint64_t)dims->dims[i] > MAX_COUNT ||
            !cnn_size_mul(count, (size_t)dims->dims[i], &count) || count > MAX_COUNT)
            return fail(weights, blob, "has a size below 1, or more than 2^28 numbers", diag);
    const struct cnn_protobuf_bytes *data = blob->data.items;
    *bytes = blob->data.count > 0 ? data[0] : (struct cnn_protobuf_bytes){NULL, 0};
    if (bytes->size != 4 * count)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: byte %zu: a blob of %zu numbers has %zu bytes, not %zu", weights->name,
                        blob->at, count, bytes->size, 4 * count);
    return CNN_OK;
}
