/* The functions of lab.h. */
#include "lab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static cnn_model *model;
static cnn_inspector *inspector; /* of the model, once it is wanted and until weights change */
static cnn_trainer *trainer;

enum { SAMPLES = 8 };

/* The network of a run, as it is now, and images of its data set that show what it answers. */
static struct {
    cnn_model *model;
    cnn_inspector *inspector;
    size_t count;
    struct {
        float *input;
        size_t label;
    } samples[SAMPLES];
} watched;

/* ---- Memory and messages ---- */

void *lab_allocate(size_t bytes)
{
    return malloc(bytes);
}

void lab_release(void *memory)
{
    free(memory);
}

static void print_message(const cnn_message *message)
{
    char *text = cnn_message_format(message, "cnn");
    cnn_json_open(NULL, '{');
    cnn_json_flag("warning", message->warning);
    cnn_json_count("line", message->line);
    cnn_json_count("column", message->column);
    cnn_json_text("text", text ? text : message->text);
    cnn_json_close();
    cnn_free(text);
}

/* Ends a call: prints what went wrong, and gives back the status. */
static cnn_status finish(cnn_status status, cnn_diag *diag)
{
    if (status != CNN_OK) {
        cnn_json_open(NULL, '[');
        for (size_t i = 0; i < cnn_diag_count(diag); i++)
            print_message(cnn_diag_get(diag, i));
        cnn_json_close();
    }
    cnn_diag_free(diag);
    fflush(stdout);
    return status;
}

/* ---- The model ---- */

static void drop_inspector(void)
{
    cnn_inspector_free(inspector);
    inspector = NULL;
}

static void take_model(cnn_model *opened)
{
    drop_inspector();
    cnn_model_free(model);
    model = opened;
}

cnn_status lab_open(const void *bytes, size_t size, const char *name)
{
    const cnn_open_options options = {.untrained = true};
    cnn_diag *diag = cnn_diag_new();
    cnn_model *opened = NULL;
    cnn_status status = cnn_model_open_memory(bytes, size, name, &options, &opened, diag);
    if (status == CNN_OK)
        take_model(opened);
    return finish(status, diag);
}

cnn_status lab_check(const void *text, size_t size, const char *name)
{
    const cnn_open_options options = {.untrained = true, .shapes = true};
    cnn_diag *diag = cnn_diag_new();
    cnn_model *opened = NULL;
    cnn_status status = cnn_model_open_memory(text, size, name, &options, &opened, diag);
    cnn_layer_info info = {0};
    if (status == CNN_OK) {
        cnn_json_open(NULL, '[');
        for (size_t i = 0; cnn_model_layer(opened, i, &info, NULL) == CNN_OK; i++) {
            cnn_json_open(NULL, '{');
            cnn_json_text("name", info.name);
            cnn_json_text("explanation", info.explanation);
            cnn_json_text("warning", info.warning);
            cnn_json_close();
        }
        cnn_json_close();
    }
    cnn_model_free(opened);
    return finish(status, diag);
}

static void print_layer(const cnn_layer_info *layer)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("name", layer->name);
    cnn_json_text("type", layer->type);
    cnn_json_open("inputs", '[');
    for (size_t i = 0; i < layer->input_count; i++)
        cnn_json_text(NULL, layer->inputs[i]);
    cnn_json_close();
    cnn_json_shape("output", layer->output);
    cnn_json_count("params", layer->params);
    cnn_json_count("macs", layer->macs);
    cnn_json_open("receptive_field", '[');
    cnn_json_count(NULL, layer->receptive_field[0]);
    cnn_json_count(NULL, layer->receptive_field[1]);
    cnn_json_close();
    cnn_json_text("explanation", layer->explanation);
    cnn_json_text("warning", layer->warning);
    cnn_json_close();
}

static void print_tensors(void)
{
    cnn_json_open("tensors", '[');
    for (size_t i = 0; i < cnn_model_tensors(model); i++) {
        const cnn_tensor_info tensor = cnn_model_tensor(model, i);
        cnn_json_open(NULL, '{');
        cnn_json_text("name", tensor.name);
        cnn_json_flag("trainable", tensor.trainable);
        cnn_json_open("dims", '[');
        for (size_t d = 0; d < tensor.rank; d++)
            cnn_json_count(NULL, tensor.dims[d]);
        cnn_json_close();
        cnn_json_close();
    }
    cnn_json_close();
}

cnn_status lab_summary(void)
{
    cnn_layer_info info = {0};
    cnn_json_open(NULL, '{');
    cnn_json_text("version", cnn_version());
    cnn_json_text("kernels", cnn_instruction_set());
    cnn_json_text("name", cnn_model_name(model));
    cnn_json_flag("trained", cnn_model_trained(model));
    cnn_json_shape("input", cnn_model_input(model));
    cnn_json_open("classes", '[');
    for (size_t i = 0; i < cnn_model_outputs(model); i++)
        cnn_json_text(NULL, cnn_model_class(model, i));
    cnn_json_close();
    cnn_json_open("layers", '[');
    for (size_t i = 0; cnn_model_layer(model, i, &info, NULL) == CNN_OK; i++)
        print_layer(&info);
    cnn_json_close();
    print_tensors();
    cnn_json_close();
    fflush(stdout);
    return CNN_OK;
}

cnn_status lab_describe(void)
{
    char *text = cnn_model_compact(model);
    cnn_diag *diag = cnn_diag_new();
    if (text)
        fputs(text, stdout);
    cnn_status status = text ? CNN_OK : CNN_FAILED;
    cnn_free(text);
    return finish(status, diag);
}

cnn_status lab_tensor_get(size_t i, float *values)
{
    return cnn_model_tensor_get(model, i, values, NULL);
}

cnn_status lab_tensor_set(size_t i, const float *values)
{
    drop_inspector();
    return cnn_model_tensor_set(model, i, values, NULL);
}

cnn_status lab_write(const char *path)
{
    cnn_diag *diag = cnn_diag_new();
    return finish(cnn_model_write(model, path, diag), diag);
}

/* ---- One picture ---- */

cnn_status lab_pixels(const uint8_t *data, size_t width, size_t height, float *out)
{
    const cnn_pixels pixels = {
        .data = data, .width = width, .height = height, .order = CNN_PIXELS_RGBA};
    cnn_diag *diag = cnn_diag_new();
    return finish(cnn_model_load_pixels(model, &pixels, out, diag), diag);
}

cnn_status lab_run(const float *image, float *probabilities)
{
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = cnn_model_run(model, image, 1, probabilities, diag);
    if (status == CNN_OK)
        cnn_model_probabilities(model, probabilities, 1, probabilities);
    return finish(status, diag);
}

/* The inspector has run the image afterwards. */
static cnn_status inspect(const float *image, cnn_diag *diag)
{
    cnn_status status = inspector ? CNN_OK : cnn_inspector_new(model, &inspector, diag);
    return status == CNN_OK ? cnn_inspector_run(inspector, image, diag) : status;
}

cnn_status lab_activations(const float *image, float *const *values, size_t count)
{
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = inspect(image, diag);
    for (size_t i = 0; status == CNN_OK && i < count; i++)
        status = cnn_inspector_get(inspector, i, values[i], diag);
    return finish(status, diag);
}

cnn_status lab_explain(const float *image, size_t layer, const size_t *place, int input)
{
    const cnn_explain_options options = {.layer = layer,
                                         .channel = place[0],
                                         .row = place[1],
                                         .column = place[2],
                                         .has_input_channel = input >= 0,
                                         .input_channel = input >= 0 ? (size_t)input : 0};
    cnn_explanation *explanation = NULL;
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = inspect(image, diag);
    if (status == CNN_OK)
        status = cnn_inspector_explain(inspector, &options, &explanation, diag);
    if (status == CNN_OK) {
        char terms[32], network[32];
        fputs(explanation->text, stdout);
        snprintf(terms, sizeof terms, "%.6g", explanation->value);
        snprintf(network, sizeof network, "%.6g", (double)explanation->activation);
        if (strcmp(terms, network) != 0)
            printf("the network, which rounds to float32 at each step, computed %.9g; the terms "
                   "come to %.9g\n",
                   (double)explanation->activation, explanation->value);
    }
    cnn_explanation_free(explanation);
    return finish(status, diag);
}

cnn_status lab_gradient(const float *image, const char *label, const char *const *places,
                        size_t count, float *numbers)
{
    const cnn_gradient_options options = {.label = label, .places = places, .place_count = count};
    cnn_gradient_explanation *explanation = NULL;
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = cnn_explain_gradient(model, image, &options, &explanation, diag);
    if (status == CNN_OK) {
        fputs(explanation->text, stdout);
        *numbers++ = (float)explanation->loss;
        *numbers++ = (float)explanation->next_loss;
        for (size_t i = 0; i < count; i++) {
            *numbers++ = explanation->before[i];
            *numbers++ = explanation->gradients[i];
            *numbers++ = explanation->after[i];
        }
    }
    cnn_gradient_explanation_free(explanation);
    return finish(status, diag);
}

cnn_status lab_visualize(const char *input, const char *directory, int kind, const char *class_name)
{
    const cnn_visualize_options options = {
        .directory = directory, .kinds = 1u << kind, .class_name = class_name};
    cnn_diag *diag = cnn_diag_new();
    return finish(cnn_visualize(model, input, &options, diag), diag);
}

/* ---- Training ---- */

static int tell(void *context, const cnn_event *event)
{
    const double numbers[] = {(double)event->step,
                              (double)event->steps,
                              (double)event->epoch,
                              (double)event->epochs,
                              (double)event->step_in_epoch,
                              (double)event->steps_in_epoch,
                              event->loss,
                              event->accuracy,
                              event->val_loss,
                              event->val_accuracy,
                              event->lr,
                              event->images_per_s,
                              (double)event->train_images,
                              (double)event->val_images};
    (void)context;
    return lab_event((int)event->kind, event->text, numbers);
}

cnn_status lab_train_begin(const char *config, const char *directory, const char *weights,
                           const char *const *overrides, size_t count)
{
    const cnn_train_options options = {.config = config,
                                       .directory = config ? directory : NULL,
                                       .weights = weights,
                                       .resume = config ? NULL : directory,
                                       .overrides = overrides,
                                       .override_count = count,
                                       .event = tell};
    cnn_diag *diag = cnn_diag_new();
    cnn_trainer_free(trainer);
    trainer = NULL;
    return finish(cnn_trainer_new(&options, &trainer, diag), diag);
}

cnn_status lab_train(void)
{
    cnn_diag *diag = cnn_diag_new();
    return finish(cnn_trainer_run(trainer, diag), diag);
}

/* ---- A run from inside ---- */

static void forget_network(void)
{
    cnn_inspector_free(watched.inspector);
    cnn_model_free(watched.model);
    watched.inspector = NULL;
    watched.model = NULL;
}

void lab_forget(void)
{
    forget_network();
    for (size_t i = 0; i < watched.count; i++)
        free(watched.samples[i].input);
    watched.count = 0;
}

/* One more sample: the image of that name, as the network takes it. */
static cnn_status take_sample(const char *name, cnn_diag *diag)
{
    const cnn_shape in = cnn_model_input(watched.model);
    cnn_data_image *image = NULL;
    float *input = malloc(in.c * in.h * in.w * sizeof *input);
    cnn_status status = input ? cnn_data_image_open(name, &image, diag) : CNN_FAILED;
    if (status == CNN_OK)
        status = cnn_model_load_pixels(watched.model, &image->pixels, input, diag);
    if (status == CNN_OK) {
        watched.samples[watched.count].input = input;
        watched.samples[watched.count++].label = image->label;
    } else {
        free(input);
    }
    cnn_data_image_free(image);
    return status;
}

/* The first images of the validation set; without one, of the training set. */
static cnn_status take_samples(const char *data, cnn_diag *diag)
{
    const char *const splits[] = {"val", "train"};
    cnn_status status = CNN_OK;
    for (size_t s = 0; s < 2 && watched.count == 0; s++) {
        cnn_diag_clear(diag);
        status = CNN_OK;
        for (size_t i = 0; status == CNN_OK && i < SAMPLES; i++) {
            char name[256];
            snprintf(name, sizeof name, "%s:%s:%zu", data, splits[s], i);
            status = take_sample(name, diag);
        }
    }
    return watched.count > 0 ? CNN_OK : status;
}

static void print_answer(size_t label, const float *probabilities)
{
    cnn_prediction best = {0};
    size_t count = 0;
    cnn_model_top(watched.model, probabilities, 1, &best, &count);
    cnn_json_open(NULL, '{');
    cnn_json_text("class", cnn_model_class(watched.model, label));
    cnn_json_text("answer", best.name);
    cnn_json_flag("right", best.index == label);
    cnn_json_real("probability", (double)best.probability);
    cnn_json_close();
}

static cnn_status print_answers(cnn_diag *diag)
{
    const size_t outputs = cnn_model_outputs(watched.model);
    float *probabilities = malloc(outputs * sizeof *probabilities);
    cnn_status status = probabilities ? CNN_OK : CNN_FAILED;
    cnn_json_open("samples", '[');
    for (size_t i = 0; status == CNN_OK && i < watched.count; i++) {
        status = cnn_model_run(watched.model, watched.samples[i].input, 1, probabilities, diag);
        cnn_model_probabilities(watched.model, probabilities, 1, probabilities);
        if (status == CNN_OK)
            print_answer(watched.samples[i].label, probabilities);
    }
    cnn_json_close();
    free(probabilities);
    return status;
}

cnn_status lab_watch(const void *bytes, size_t size, const char *data)
{
    cnn_diag *diag = cnn_diag_new();
    cnn_layer_info info = {0};
    forget_network();
    cnn_status status = cnn_model_open_memory(bytes, size, "run", NULL, &watched.model, diag);
    if (status == CNN_OK && watched.count == 0)
        status = take_samples(data, diag);
    if (status == CNN_OK)
        status = cnn_inspector_new(watched.model, &watched.inspector, diag);
    if (status == CNN_OK)
        status = cnn_inspector_run(watched.inspector, watched.samples[0].input, diag);
    if (status != CNN_OK)
        return finish(status, diag);
    cnn_json_open(NULL, '{');
    cnn_json_shape("input", cnn_model_input(watched.model));
    cnn_json_open("layers", '[');
    for (size_t i = 0; cnn_model_layer(watched.model, i, &info, NULL) == CNN_OK; i++)
        print_layer(&info);
    cnn_json_close();
    status = print_answers(diag);
    cnn_json_close();
    return finish(status, diag);
}

cnn_status lab_watched_values(size_t layer, float *values)
{
    return cnn_inspector_get(watched.inspector, layer, values, NULL);
}

cnn_status lab_watched_image(size_t sample, float *values)
{
    const cnn_shape in = cnn_model_input(watched.model);
    if (sample >= watched.count)
        return CNN_INVALID;
    memcpy(values, watched.samples[sample].input, in.c * in.h * in.w * sizeof *values);
    return CNN_OK;
}
