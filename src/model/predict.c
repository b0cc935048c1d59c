/* What goes into a model as numbers, and what its outputs mean. */
#include <math.h>
#include <string.h>

#include "checkpoint/npy.h"
#include "data/matrix.h"
#include "model/model.h"
#include "util/allocate.h"
#include "util/file.h"

void cnn_model_probabilities(const cnn_model *model, const float *output, size_t count,
                             float *probabilities)
{
    if (!model || !output || !probabilities)
        return;
    size_t classes = cnn_model_outputs(model);
    if (model->graph.logits != cnn_graph_output(&model->graph)) /* the network ends in a softmax */
        memmove(probabilities, output, count * classes * sizeof *output);
    else
        cnn_softmax(output, count, classes, probabilities);
}

/* Numbers go in as they are, while pictures were normalised in training: bytes given to a network
 * that never saw more than 3 give a sure and wrong answer. */
static void warn_of_range(const cnn_model *model, const char *path, const float *values,
                          size_t count, cnn_diag *diag)
{
    const struct cnn_normalization *n = &model->normalization;
    double lowest = 0, highest = 0, low = 0, high = 0;
    if (!model->has_data || n->channels == 0)
        return;
    for (size_t c = 0; c < n->channels; c++) {
        lowest = fmin(lowest, -(double)n->mean[c] / (double)n->std[c]);
        highest = fmax(highest, (1 - (double)n->mean[c]) / (double)n->std[c]);
    }
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, (double)values[i]);
        high = fmax(high, (double)values[i]);
    }
    double slack = 0.1 * (highest - lowest);
    if (low >= lowest - slack && high <= highest + slack)
        return;
    cnn_warn(diag, NULL,
             "%s holds numbers from %.4g to %.4g, which go in as they are; this network was "
             "trained on %.4g to %.4g",
             path, low, high, lowest, highest);
    cnn_hint(diag,
             "as in training: (byte / 255 - mean) / std, with the mean and std of data.normalize");
}

static cnn_status load_npy(const cnn_model *model, const char *path, float *pixels, cnn_diag *diag)
{
    float *images = NULL;
    size_t count = 0;
    cnn_status status = cnn_model_read_npy(model, path, &images, &count, diag);
    if (status != CNN_OK)
        return status;
    if (count == 1)
        memcpy(pixels, images, cnn_shape_count(model->graph.input) * sizeof *pixels);
    else
        status = cnn_fail(diag, CNN_FAILED, NULL, "%s holds %zu images; one is wanted here", path,
                          count);
    cnn_free(images);
    return status;
}

cnn_status cnn_model_load_input(const cnn_model *model, const char *path, float *pixels,
                                cnn_diag *diag)
{
    if (!model || !path || !pixels)
        return cnn_fail_missing(diag, "cnn_model_load_input", "model, path or pixels");
    if (cnn_file_ends(path, ".npy"))
        return load_npy(model, path, pixels, diag);
    if (cnn_file_ends(path, ".txt") || cnn_file_ends(path, ".csv")) {
        cnn_status status = cnn_matrix_read(path, model->graph.input, pixels, diag);
        if (status == CNN_OK)
            warn_of_range(model, path, pixels, cnn_shape_count(model->graph.input), diag);
        return status;
    }
    return cnn_model_load_image(model, path, pixels, diag);
}

/* The first that is not finite; count where all are. */
static size_t find_not_finite(const float *values, size_t count)
{
    size_t i = 0;
    while (i < count && isfinite(values[i]))
        i++;
    return i;
}

cnn_status cnn_model_check_answer(const cnn_model *model, const char *name, const float *image,
                                  const float *output, cnn_diag *diag)
{
    if (!model || !name || !output)
        return cnn_fail_missing(diag, "cnn_model_check_answer", "model, name or output");
    size_t inputs = cnn_shape_count(model->graph.input), outputs = cnn_model_outputs(model),
           input = image ? find_not_finite(image, inputs) : inputs,
           found = find_not_finite(output, outputs);
    if (input == inputs && found == outputs)
        return CNN_OK;
    if (input < inputs)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: the outputs of %s are no numbers: number %zu of %zu of the input is "
                        "not finite",
                        name, model->source, input + 1, inputs);
    cnn_fail(diag, CNN_FAILED, NULL,
             "%s: the outputs of %s are no finite numbers: output %zu is %g", name, model->source,
             found, (double)output[found]);
    cnn_hint(diag, "`verify` finds numbers in a checkpoint that are not finite; `featmaps` shows "
                   "in which layer they arise");
    return CNN_FAILED;
}

/* What is no number counts least. */
static bool ranks_before(float a, float b)
{
    return a > b || (isnan(b) && !isnan(a));
}

/* The indices of the largest values, largest first; ties to the lower index. */
static size_t pick_top(const float *probabilities, size_t classes, size_t top,
                       cnn_prediction *predictions)
{
    size_t count = 0;
    for (size_t k = 0; k < classes; k++) {
        size_t at = count;
        while (at > 0 && ranks_before(probabilities[k], predictions[at - 1].probability))
            at--;
        if (at >= top)
            continue;
        size_t last = count < top ? count++ : top - 1;
        memmove(predictions + at + 1, predictions + at, (last - at) * sizeof *predictions);
        predictions[at] = (cnn_prediction){k, NULL, probabilities[k]};
    }
    return count;
}

void cnn_model_top(const cnn_model *model, const float *probabilities, size_t top,
                   cnn_prediction *predictions, size_t *written)
{
    if (written)
        *written = 0;
    if (!model || !probabilities || !predictions || !written)
        return;
    *written = pick_top(probabilities, cnn_model_outputs(model), top, predictions);
    for (size_t i = 0; i < *written; i++)
        predictions[i].name = cnn_model_class(model, predictions[i].index);
}

cnn_status cnn_model_predict(cnn_model *model, const char *path, size_t top,
                             cnn_prediction *predictions, size_t *written, cnn_diag *diag)
{
    if (!model || !path || !predictions || !written)
        return cnn_fail_missing(diag, "cnn_model_predict", "model, path, predictions or written");
    const cnn_shape shape = cnn_model_output(model);
    if (shape.h * shape.w != 1)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "the last layer of %s gives maps, %zu x %zu x %zu numbers, and no classes",
                        model->source, shape.c, shape.h, shape.w);
    size_t bytes = cnn_model_outputs(model) * sizeof(float);
    float *output = cnn_malloc(bytes);
    cnn_status status =
        output
            ? cnn_model_run_picture(model, &(struct cnn_given_picture){.path = path}, output, diag)
            : cnn_fail_memory(diag, bytes, "a prediction");
    if (status == CNN_OK)
        status = cnn_model_check_answer(model, path, NULL, output, diag);
    if (status == CNN_OK) {
        cnn_model_probabilities(model, output, 1, output);
        cnn_model_top(model, output, top, predictions, written);
    }
    cnn_free(output);
    return status;
}

cnn_status cnn_model_read_npy(const cnn_model *model, const char *path, float **images,
                              size_t *count, cnn_diag *diag)
{
    if (!model || !path || !images || !count)
        return cnn_fail_missing(diag, "cnn_model_read_npy", "model, path, images or count");
    const cnn_shape shape = model->graph.input;
    size_t dims[CNN_NPY_MAX_RANK], rank;
    float *values = NULL;
    cnn_status status = cnn_npy_read(path, &values, dims, &rank, diag);
    if (status != CNN_OK)
        return status;
    const size_t *sides = dims + (rank == 4 ? 1 : 0);
    if ((rank == 3 || rank == 4) && sides[0] == shape.c && sides[1] == shape.h &&
        sides[2] == shape.w && (rank == 3 || dims[0] > 0)) {
        *images = values;
        *count = rank == 4 ? dims[0] : 1;
        warn_of_range(model, path, values, *count * cnn_shape_count(shape), diag);
        return CNN_OK;
    }
    struct cnn_text found = {0};
    for (size_t i = 0; i < rank; i++)
        cnn_text_printf(&found, "%s%zu", i ? ", " : "", dims[i]);
    status = cnn_fail(
        diag, CNN_FAILED, NULL,
        "%s holds an array of shape [%s]; the network wants [%zu, %zu, %zu] or [N, %zu, %zu, %zu]",
        path, found.data ? found.data : "", shape.c, shape.h, shape.w, shape.c, shape.h, shape.w);
    cnn_text_free(&found);
    cnn_free(values);
    return status;
}
