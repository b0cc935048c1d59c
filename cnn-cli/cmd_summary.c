/* cnn summary: the network layer by layer, with shapes, parameters, multiply-adds, receptive fields
 * and memory. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "show.h"
#include "table.h"
#include "terminal.h"

struct settings {
    bool explain, json, yaml, blocks;
    struct cnn_option_list set;
};

static const struct cnn_option options[] = {
    {.name = "explain",
     .kind = CNN_OPTION_FLAG,
     .offset = offsetof(struct settings, explain),
     .help = "show the arithmetic of every layer"},
    CNN_OPTION_JSON(struct settings),
    {.name = "yaml",
     .kind = CNN_OPTION_FLAG,
     .offset = offsetof(struct settings, yaml),
     .help = "write only the description, with every default filled in"},
    {.name = "blocks",
     .kind = CNN_OPTION_FLAG,
     .offset = offsetof(struct settings, blocks),
     .help = "the same without defaults, and with repeated layers as blocks"},
    CNN_OPTION_SET(struct settings),
    CNN_OPTION_END,
};

struct totals {
    uint64_t params, trainable, macs;
};

/* All layers of model, malloc'ed, and their totals; NULL after a message. */
static cnn_layer_info *read_layers(const cnn_model *model, struct totals *totals, cnn_diag *diag)
{
    size_t count = cnn_model_layers(model);
    cnn_layer_info *layers = calloc(count + 1, sizeof *layers);
    cnn_status status = layers ? CNN_OK : cnn_command_out_of_memory();

    *totals = (struct totals){0, 0, 0};
    for (size_t i = 0; i < count && status == CNN_OK; i++) {
        status = cnn_model_layer(model, i, &layers[i], diag);
        totals->params += layers[i].params;
        totals->trainable += layers[i].trainable_params;
        totals->macs += layers[i].macs;
    }
    if (status == CNN_OK)
        return layers;
    free(layers);
    return NULL;
}

static void print_layer_json(const cnn_layer_info *layer)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("name", layer->name);
    cnn_json_text("type", layer->type);
    cnn_json_shape("output", layer->output);
    cnn_json_count("params", layer->params);
    cnn_json_count("macs", layer->macs);
    cnn_json_open("receptive_field", '[');
    cnn_json_count(NULL, layer->receptive_field[0]);
    cnn_json_count(NULL, layer->receptive_field[1]);
    cnn_json_close();
    cnn_json_close();
}

static void print_json(const cnn_model *model, const cnn_layer_info *layers,
                       const struct totals *totals)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("name", cnn_model_name(model));
    cnn_json_shape("input", cnn_model_input(model));
    cnn_json_open("layers", '[');
    for (size_t i = 0; i < cnn_model_layers(model); i++)
        print_layer_json(&layers[i]);
    cnn_json_close();
    cnn_json_count("params", totals->params);
    cnn_json_count("trainable_params", totals->trainable);
    cnn_json_count("macs", totals->macs);
    cnn_json_close();
}

/* Whether layer i reads just what stands above it. */
static bool follows(const cnn_layer_info *layers, size_t i)
{
    return layers[i].input_count == 1 &&
           strcmp(layers[i].inputs[0], i > 0 ? layers[i - 1].name : "input") == 0;
}

/* "from a, b" and the explanation, as far as there are any. */
static void add_note(struct cnn_table *table, const cnn_layer_info *layers, size_t i, bool explain)
{
    const cnn_layer_info *layer = &layers[i];
    const char *explanation = explain && layer->explanation ? layer->explanation : "";
    bool from = !follows(layers, i) && layer->input_count > 0;
    size_t size = sizeof "from ";
    char *text;

    if (!from && explanation[0] == '\0')
        return;
    for (size_t k = 0; k < layer->input_count; k++)
        size += strlen(layer->inputs[k]) + 2;
    text = calloc(1, size);
    if (text && from) {
        strcpy(text, "from ");
        for (size_t k = 0; k < layer->input_count; k++) {
            strcat(text, k > 0 ? ", " : "");
            strcat(text, layer->inputs[k]);
        }
    }
    if (text)
        cnn_table_note(table, "%s%s%s", text, from ? "\n" : "", explanation);
    else
        cnn_table_fail(table);
    free(text);
}

static void add_layer(struct cnn_table *table, const cnn_layer_info *layer,
                      const struct totals *totals)
{
    const char *times = cnn_terminal_utf8(stdout) ? "\u00D7" : "x";
    const size_t *field = layer->receptive_field;

    cnn_table_add(table, "%s", layer->name);
    cnn_table_add(table, "%s", layer->type);
    cnn_table_add(table, "%s", cnn_show_shape(layer->output, times).text);
    cnn_table_add(table, "%s", layer->params > 0 ? cnn_show_integer(layer->params).text : "");
    if (layer->params > 0)
        cnn_table_add(table, "%.1f", 100 * (double)layer->params / (double)totals->params);
    else
        cnn_table_add(table, "%s", "");
    cnn_table_add(table, "%s", layer->macs > 0 ? cnn_show_count(layer->macs).text : "");
    if (field[0] == field[1])
        cnn_table_add(table, "%zu", field[0]);
    else
        cnn_table_add(table, "%zu%s%zu", field[0], times, field[1]);
    cnn_table_add(table, "%s", cnn_show_bytes(layer->activation_bytes).text);
}

static cnn_status print_table(const cnn_model *model, const cnn_layer_info *layers,
                              const struct totals *totals, bool explain)
{
    static const struct cnn_column columns[] = {
        {"layer", false}, {"type", false}, {"output", false}, {"params", true},
        {"%", true},      {"MACs", true},  {"field", true},   {"memory", true}};
    struct cnn_table *table = cnn_table_new(columns, sizeof columns / sizeof *columns);
    bool printed = false;

    if (table) {
        for (size_t i = 0; i < cnn_model_layers(model); i++) {
            add_layer(table, &layers[i], totals);
            add_note(table, layers, i, explain);
        }
        printed = cnn_table_print(table, stdout);
    }
    cnn_table_free(table);
    return printed ? CNN_OK : cnn_command_out_of_memory();
}

/* The batch size that the model trains with; 0 where its description says nothing about training.
 * The resolved description writes every key out, one a line, and only train has this one. */
static size_t batch_size(const cnn_model *model)
{
    static const char key[] = "batch_size:";
    const char *place = strstr(cnn_model_resolved(model), key);

    return place ? strtoul(place + strlen(key), NULL, 10) : 0;
}

static cnn_status print_memory(cnn_model *model, cnn_diag *diag)
{
    size_t batch = batch_size(model);
    cnn_memory one, many = {0, 0, 0};
    cnn_status status = cnn_model_memory(model, 1, &one, diag);

    if (status == CNN_OK && batch > 0)
        status = cnn_model_memory(model, batch, &many, diag);
    if (status != CNN_OK)
        return status;
    printf("memory       %s to run one image", cnn_show_bytes(one.parameters + one.inference).text);
    if (batch > 0)
        printf(", %s to train with batches of %zu",
               cnn_show_bytes(many.parameters + many.training).text, batch);
    printf("\n");
    return CNN_OK;
}

static cnn_status print_warnings(const cnn_model *model, cnn_diag *diag)
{
    cnn_findings *findings = NULL;
    cnn_status status = cnn_model_check(model, &findings, diag);

    if (status != CNN_OK)
        return status;
    for (size_t i = 0; i < findings->count; i++) {
        const cnn_finding *finding = &findings->items[i];

        printf("%swarning:%s ", cnn_style(stdout, CNN_STYLE_YELLOW),
               cnn_style(stdout, CNN_STYLE_PLAIN));
        cnn_print_text(stdout, finding->text, 0, false);
        printf("\n");
        if (finding->hint)
            printf("  hint: %s\n", cnn_show_text(finding->hint).text);
    }
    cnn_findings_free(findings);
    return CNN_OK;
}

static cnn_status print_human(cnn_model *model, const cnn_layer_info *layers,
                              const struct totals *totals, bool explain, cnn_diag *diag)
{
    const char *times = cnn_terminal_utf8(stdout) ? "\u00D7" : "x";
    cnn_status status;

    printf("%s%s%s  input %s  ", cnn_style(stdout, CNN_STYLE_BOLD),
           cnn_show_text(cnn_model_name(model)).text, cnn_style(stdout, CNN_STYLE_PLAIN),
           cnn_show_shape(cnn_model_input(model), times).text);
    printf("%s%s\n\n", cnn_show_text(cnn_model_source(model)).text,
           cnn_model_trained(model) ? "" : " (untrained)");
    status = print_table(model, layers, totals, explain);
    if (status != CNN_OK)
        return status;
    printf("\nparameters   %s", cnn_show_integer(totals->params).text);
    if (totals->trainable != totals->params)
        printf(" (%s trainable)", cnn_show_integer(totals->trainable).text);
    printf("\n");
    printf("MACs         %s per image\n", cnn_show_count(totals->macs).text);
    status = print_memory(model, diag);
    return status == CNN_OK ? print_warnings(model, diag) : status;
}

static cnn_status print_description(const cnn_model *model, bool blocks)
{
    char *compact = blocks ? cnn_model_compact(model) : NULL;

    if (blocks && !compact)
        return cnn_command_out_of_memory();
    fputs(blocks ? compact : cnn_model_resolved(model), stdout);
    cnn_free(compact);
    return CNN_OK;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options open = {.overrides = settings->set.items,
                                   .override_count = settings->set.count,
                                   .untrained = true,
                                   .shapes = true};
    cnn_model *model = NULL;
    cnn_layer_info *layers = NULL;
    struct totals totals;
    cnn_status status;

    if ((settings->yaml || settings->blocks) && (settings->json || settings->explain)) {
        cnn_print_error("--%s writes the description alone: give no --%s with it",
                        settings->yaml ? "yaml" : "blocks", settings->json ? "json" : "explain");
        return CNN_INVALID;
    }
    if (settings->yaml && settings->blocks) {
        cnn_print_error("--yaml writes all that --blocks leaves out: give one of them");
        return CNN_INVALID;
    }
    status = cnn_command_open(operand_count > 0 ? operands[0] : NULL, &open, &model, diag);

    if (status != CNN_OK)
        return status;
    if (settings->yaml || settings->blocks) {
        status = print_description(model, settings->blocks);
        cnn_model_free(model);
        return status;
    }
    layers = read_layers(model, &totals, diag);
    if (!layers)
        status = CNN_FAILED;
    else if (settings->json)
        print_json(model, layers, &totals);
    else
        status = print_human(model, layers, &totals, settings->explain, diag);
    free(layers);
    cnn_model_free(model);
    return status;
}

const struct cnn_command cnn_command_summary = {
    .name = "summary",
    .synopsis = "[MODEL] [options]",
    .summary = "Show a network layer by layer",
    .details = "MODEL is a description, a checkpoint or a run directory; without it the model\n"
               "that ships with the program is used. Columns: output is channels x rows x\n"
               "columns; MACs are multiply-adds for one image; field is the side of the square\n"
               "of input pixels that one output value sees; memory is the size of the output.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_max = 1,
    .run = run,
};
