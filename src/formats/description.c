/* A description in YAML: a network without weights, unless its layers give their values. */
#include "formats/format.h"
#include "util/allocate.h"

/* What no other format knows: the reader's message says what is wrong with it. */
static bool recognise(const struct cnn_model_source *source)
{
    (void)source;
    return true;
}

/* Whether the description itself gives all there is to know: no layer has parameters but those with
 * literal values. */
static bool is_complete(const cnn_model *model)
{
    bool complete = true;
    for (size_t i = 0; i < model->tensor_count; i++)
        complete = complete && model->graph.nodes[model->tensors[i].node].literal;
    return complete;
}

static cnn_status open_text(const struct cnn_model_source *text, const cnn_open_options *options,
                            cnn_model **out, cnn_diag *diag)
{
    cnn_model *model = NULL;
    const struct cnn_overrides overrides = {.words = options->overrides,
                                            .count = options->override_count};
    cnn_status status =
        cnn_model_from_text(text->name, text->bytes, text->size, &overrides, &model, diag);
    if (status == CNN_OK && !options->weights && !options->untrained && !is_complete(model)) {
        status = cnn_fail(diag, CNN_INVALID, NULL, "%s describes a network but holds no weights",
                          text->name);
        cnn_hint(diag, "give a checkpoint or a run directory, or --weights FILE");
    }
    bool draw = status == CNN_OK && !options->weights && !options->shapes;
    if (draw)
        status = cnn_model_allocate(model, diag);
    if (draw && status == CNN_OK)
        cnn_graph_init(&model->graph, model->recipe.seed, model->parameters);
    if (status == CNN_OK) {
        model->shapes = options->shapes;
        model->run_only = options->run_only && !options->shapes;
        *out = model;
    } else {
        cnn_model_free(model);
    }
    return status;
}

static cnn_status open_description(const struct cnn_model_source *source,
                                   const cnn_open_options *options, cnn_model **out, cnn_diag *diag)
{
    if (source->bytes)
        return open_text(source, options, out, diag);
    char *text = NULL;
    struct cnn_model_source read = {.name = source->name};
    cnn_status status = cnn_yaml_read_text(source->name, &text, &read.size, diag);
    read.bytes = text;
    if (status == CNN_OK)
        status = open_text(&read, options, out, diag);
    cnn_free(text);
    return status;
}

const struct cnn_model_format cnn_format_description = {
    .name = "description", .recognise = recognise, .open = open_description};
