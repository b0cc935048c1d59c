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

/* The kernels of the first convolution, and its layer; false where the network has none. */
static bool find_kernels(const cnn_model *model, const struct cnn_node **layer,
                         struct cnn_kernel_view *out)
{
    const struct cnn_graph *graph = &model->graph;
    for (size_t i = 0; model->parameters && i < graph->count; i++) {
        *layer = &graph->nodes[i];
        if ((*layer)->out.rank == 3 && cnn_layer_kernels(graph, model->parameters, i, out))
            return true;
    }
    return false;
}

static cnn_status write_kernels(struct cnn_text *page, const cnn_model *model, cnn_diag *diag)
{
    const struct cnn_node *node;
    struct cnn_kernel_view kernels;
    struct cnn_canvas picture = {0};
    if (!find_kernels(model, &node, &kernels))
        return CNN_OK;
    size_t filters = kernels.filters, tiles = kernels.channels;
    kernels.filters = filters * tiles <= MOST_TILES ? filters
                      : tiles < MOST_TILES          ? MOST_TILES / tiles
                                                    : 1;
    bool colours = tiles == 3 && node->input_count == 1 && node->inputs[0] == 0;
    cnn_status status = cnn_sheet_filters(&kernels, colours, NULL, &picture, diag);
    if (status == CNN_OK) {
        const struct cnn_html_value values[] = {
            cnn_html_string("layer", node->name),
            cnn_html_flag("some", kernels.filters < filters),
            cnn_html_number("shown", "%zu", kernels.filters),
            cnn_html_number("filters", "%zu", filters),
            cnn_html_number("size", "%zu x %zu", kernels.h, kernels.w),
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
