/* The network: its layers, and what its first convolution looks for. */
#include "model/model.h"
#include "report/network.html.h"
#include "report/page.h"
#include "util/words.h"
#include "viz/sheet.h"

enum { MOST_TILES = 1024 }; /* kernels on the picture */

static void write_layer(struct cnn_text *page, const struct cnn_node *node)
{
    char shape[80];
    const struct cnn_html_value values[] = {
        cnn_html_string("name", node->name),
        cnn_html_string("type", node->type->variant.name),
        cnn_html_string("output", cnn_html_shape(node->out, shape, sizeof shape)),
        cnn_page_count("parameters", cnn_node_parameters(node)),
        cnn_page_count("macs", node->macs),
        cnn_html_number("field", "%zu x %zu", node->receptive_field[0], node->receptive_field[1]),
        {0}};
    cnn_html_fill(page, layer_row, values);
}

static void write_layers(struct cnn_text *page, const struct cnn_graph *graph)
{
    uint64_t parameters = 0, macs = 0;
    char shape[80];
    const char *input = cnn_html_shape(graph->input, shape, sizeof shape);
    cnn_html_fill(page, layers_begin,
                  (const struct cnn_html_value[]){cnn_html_string("input", input), {0}});
    for (size_t i = 0; i < graph->count; i++) {
        write_layer(page, &graph->nodes[i]);
        parameters += cnn_node_parameters(&graph->nodes[i]);
        macs += graph->nodes[i].macs;
    }
    const struct cnn_html_value values[] = {
        cnn_page_count("parameters", parameters), cnn_page_count("macs", macs), {0}};
    cnn_html_fill(page, layers_end, values);
}

/* The first layer with kernels, and their tensor; NULL where the network has none. */
static const struct cnn_tensor *find_kernels(const struct cnn_graph *graph,
                                             const struct cnn_node **layer)
{
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *tensor = &graph->nodes[i].tensors[slot];
            if (tensor->role == CNN_ROLE_WEIGHT && tensor->rank == 4) {
                *layer = &graph->nodes[i];
                return tensor;
            }
        }
    return NULL;
}

static cnn_status write_kernels(struct cnn_text *page, const cnn_model *model, cnn_diag *diag)
{
    const struct cnn_node *node = NULL;
    const struct cnn_tensor *tensor = find_kernels(&model->graph, &node);
    struct cnn_canvas picture = {0};
    if (!tensor || !model->parameters)
        return CNN_OK;
    size_t filters = tensor->dims[0], channels = tensor->dims[1], tiles = channels;
    size_t shown = filters * tiles <= MOST_TILES ? filters
                   : tiles < MOST_TILES          ? MOST_TILES / tiles
                                                 : 1;
    bool colours = channels == 3 && node->input_count == 1 && node->inputs[0] == 0;
    const struct cnn_kernel_view kernels = {.weights = model->parameters + tensor->offset,
                                            .filters = shown,
                                            .channels = channels,
                                            .h = tensor->dims[2],
                                            .w = tensor->dims[3]};
    cnn_status status = cnn_sheet_filters(&kernels, colours, NULL, &picture, diag);
    if (status == CNN_OK) {
        const struct cnn_html_value values[] = {
            cnn_html_string("layer", node->name),
            cnn_html_flag("some", shown < filters),
            cnn_html_number("shown", "%zu", shown),
            cnn_html_number("filters", "%zu", filters),
            cnn_html_number("size", "%zu x %zu", tensor->dims[2], tensor->dims[3]),
            cnn_html_flag("colours", colours),
            {0}};
        cnn_html_fill(page, kernels_begin, values);
        status =
            cnn_html_picture(page, &picture, 1, cnn_say("kernels of the first convolution"), diag);
        cnn_html_fill(page, kernels_end, values);
    }
    cnn_canvas_free(&picture);
    return status;
}

cnn_status cnn_page_network(struct cnn_text *page, const cnn_model *model, cnn_diag *diag)
{
    cnn_html_fill(page, network,
                  (const struct cnn_html_value[]){cnn_html_string("name", model->name), {0}});
    write_layers(page, &model->graph);
    return write_kernels(page, model, diag);
}
