/* Pictures -> what a network takes: from a file, from the bytes of one, or from pixels. All are
 * brought to the network's size and normalised in one way, channels last, as they are decoded and
 * as the network computes. */

#include "data/image.h"
#include "data/pixels.h"
#include "model/model.h"
#include "util/allocate.h"

static cnn_status check_model(const cnn_model *model, cnn_diag *diag)
{
    if (model->normalization.channels > 0)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, NULL, "%s: images cannot be prepared for this network: %s",
             model->source,
             model->data.normalize_auto ? "`normalize: auto` is known only after training"
                                        : "it does not have 1, 3 or 4 input channels");
    cnn_hint(diag, "numbers in a .npy, .txt or .csv file go in as they are");
    return CNN_INVALID;
}

static cnn_status bring(const struct cnn_given_picture *p, cnn_shape shape, uint8_t *out,
                        cnn_diag *diag)
{
    if (p->path)
        return cnn_image_read(p->path, shape, out, diag);
    if (p->pixels)
        return cnn_pixels_bring(p->pixels, shape, out, diag);
    return cnn_image_read_memory(p->name, p->bytes, p->size, shape, out, diag);
}

cnn_status cnn_model_take_picture(const cnn_model *model, const struct cnn_given_picture *picture,
                                  float *out, cnn_diag *diag)
{
    const cnn_shape shape = model->graph.input;
    size_t size = cnn_shape_count(shape);
    cnn_status status = check_model(model, diag);
    if (status != CNN_OK)
        return status;
    uint8_t *bytes = cnn_malloc(size);
    status = bytes ? bring(picture, shape, bytes, diag) : cnn_fail_memory(diag, size, "an image");
    if (status == CNN_OK)
        cnn_normalize(&model->normalization, bytes, shape.h * shape.w, out);
    cnn_free(bytes);
    return status;
}

/* For users: channel by channel. */
static cnn_status load(const cnn_model *model, const struct cnn_given_picture *picture, float *out,
                       cnn_diag *diag)
{
    const cnn_shape shape = model->graph.input;
    size_t bytes = cnn_shape_count(shape) * sizeof(float);
    float *values = cnn_malloc(bytes);
    cnn_status status = values ? cnn_model_take_picture(model, picture, values, diag)
                               : cnn_fail_memory(diag, bytes, "an image");
    if (status == CNN_OK)
        cnn_transpose(1, shape.h * shape.w, shape.c, values, out);
    cnn_free(values);
    return status;
}

cnn_status cnn_model_load_image(const cnn_model *model, const char *path, float *pixels,
                                cnn_diag *diag)
{
    if (!model || !path || !pixels)
        return cnn_fail_missing(diag, "cnn_model_load_image", "model, path or pixels");
    return load(model, &(struct cnn_given_picture){.path = path}, pixels, diag);
}

cnn_status cnn_model_decode_image(const cnn_model *model, const void *bytes, size_t size,
                                  const char *name, float *pixels, cnn_diag *diag)
{
    if (!model || !bytes || !pixels)
        return cnn_fail_missing(diag, "cnn_model_decode_image", "model, bytes or pixels");
    const struct cnn_given_picture picture = {
        .name = name ? name : "memory", .bytes = bytes, .size = size};
    return load(model, &picture, pixels, diag);
}

cnn_status cnn_model_load_pixels(const cnn_model *model, const cnn_pixels *pixels, float *out,
                                 cnn_diag *diag)
{
    if (!model || !pixels || !pixels->data || !out)
        return cnn_fail_missing(diag, "cnn_model_load_pixels", "model, pixels with data, or out");
    return load(model, &(struct cnn_given_picture){.pixels = pixels}, out, diag);
}
