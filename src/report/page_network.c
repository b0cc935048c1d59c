/* The network: its layers, and what its first convolution looks for. */
#include "model/model.h"
#include "report/page.h"
#include "viz/html.h"
#include "viz/sheet.h"

enum { MOST_TILES = 1024 }; /* kernels on the picture */

static void write_layer(struct cnn_text *page, const struct cnn_node *node)
{
    char shape[80];
    cnn_text_printf(page, "<tr><td>");
    cnn_html_text(page, node->name);
    cnn_text_printf(page, "</td><td>");
    cnn_html_text(page, node->type->variant.name);
    cnn_text_printf(page, "</td><td class=\"n\">%s</td><td class=\"n\">",
                    cnn_shape_format(node->out, shape, sizeof shape));
    cnn_page_count(page, cnn_node_parameters(node));
    cnn_text_printf(page, "</td><td class=\"n\">");
    cnn_page_count(page, node->macs);
    cnn_text_printf(page, "</td><td class=\"n\">%zu x %zu</td></tr>\n", node->receptive_field[0],
                    node->receptive_field[1]);
}

static void write_layers(struct cnn_text *page, const struct cnn_graph *graph)
{
    uint64_t parameters = 0, macs = 0;
    char shape[80];
    cnn_text_printf(
        page,
        "<div class=\"scroll\"><table>\n<tr><th>layer</th><th>type</th><th "
        "class=\"n\">output</th><th class=\"n\">parameters</th>"
        "<th class=\"n\">multiply-adds</th><th class=\"n\">receptive field</th></tr>\n"
        "<tr><td>input</td><td></td><td class=\"n\">%s</td><td></td><td></td><td></td></tr>\n",
        cnn_shape_format(graph->input, shape, sizeof shape));
    for (size_t i = 0; i < graph->count; i++) {
        write_layer(page, &graph->nodes[i]);
        parameters += cnn_node_parameters(&graph->nodes[i]);
        macs += graph->nodes[i].macs;
    }
    cnn_text_printf(page, "<tr><th>in all</th><th></th><th></th><th class=\"n\">");
    cnn_page_count(page, parameters);
    cnn_text_printf(page, "</th><th class=\"n\">");
    cnn_page_count(page, macs);
    cnn_text_printf(page, "</th><th></th></tr>\n</table></div>\n");
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
        cnn_text_printf(page, "<h3>Kernels of ");
        cnn_html_text(page, node->name);
        cnn_text_printf(page, "</h3>\n<figure>");
        status = cnn_html_picture(page, &picture, 1, "kernels of the first convolution", diag);
        cnn_text_printf(page, "<figcaption>");
        if (shown < filters)
            cnn_text_printf(page, "The first %zu of %zu kernels, ", shown, filters);
        else
            cnn_text_printf(page, "%zu kernels, ", filters);
        cnn_text_printf(page, "%zu x %zu%s</figcaption></figure>\n", tensor->dims[2],
                        tensor->dims[3],
                        colours ? " in colour; grey is zero" : "; blue is below zero, red above");
    }
    cnn_canvas_free(&picture);
    return status;
}

cnn_status cnn_page_network(struct cnn_text *page, const cnn_model *model, cnn_diag *diag)
{
    cnn_text_printf(page, "<h2>Network ");
    cnn_html_text(page, model->name);
    cnn_text_printf(page, "</h2>\n");
    write_layers(page, &model->graph);
    return write_kernels(page, model, diag);
}
