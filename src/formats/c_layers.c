/* The functions of an exported network's steps: what all of them have (c_export.h). */
#include "formats/c_export.h"

/* The layers whose work the step does: "conv1 (conv), bn1 (batch_norm), relu1 (relu)". */
static void write_members(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_graph *graph = &net->e->model->graph;
    const char *before = "";
    for (size_t i = 0; i < graph->count; i++) {
        if (net->fused.lead[i] != step->y - 1)
            continue;
        cnn_text_printf(&net->code, "%s", before);
        cnn_c_comment(&net->code, graph->nodes[i].name);
        cnn_text_printf(&net->code, " (%s)", graph->nodes[i].type->variant.name);
        before = ", ";
    }
}

static const char *formula(const struct cnn_c_step *step)
{
    static const char *const formulas[CNN_OPERATION_KINDS] = {
        [CNN_OPERATION_CONVOLVE] = ("y[f][i][j] = b[f] + sum over c, u, v of w[f][c][u][v] * "
                                    "x[c][i + u][j + v]"),
        [CNN_OPERATION_DECONVOLVE] = ("x[c][i][j] * w[c][f] is added to the window of y[f] that "
                                      "begins at i, j times the stride"),
        [CNN_OPERATION_DENSE] = "y[f] = b[f] + sum over c of w[f][c] * x[c]",
        [CNN_OPERATION_POOL] = "y[c][i][j] = the largest number or the mean of a window of x[c]",
        [CNN_OPERATION_GLOBAL_POOL] = "y[c] = the mean or the largest number of x[c]",
        [CNN_OPERATION_BATCH_NORM] = "y[c] = s[c] * x[c] + b[c]",
        [CNN_OPERATION_SCALE] = "y[c] = s[c] * x[c] + b[c]",
        [CNN_OPERATION_GROUP_NORM] = "y = (x - mean) / sqrt(variance + eps) * gamma[c] + beta[c]",
        [CNN_OPERATION_LAYER_NORM] = "y = (x - mean) / sqrt(variance + eps) * gamma[c] + beta[c]",
        [CNN_OPERATION_PRELU] = "y[c] = x[c] > 0 ? x[c] : slope[c] * x[c]",
        [CNN_OPERATION_LRN] = "y = x * (k + alpha / size * sum of squares)^-beta",
        [CNN_OPERATION_ADD] = "y = the sum of its inputs",
        [CNN_OPERATION_MULTIPLY] = "y = the product of its inputs",
    };
    return formulas[step->operation.kind];
}

static void write_head(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_node *node = step->node;
    cnn_text_printf(&net->code, "/* ");
    write_members(net, step);
    cnn_text_printf(&net->code, "\n * ");
    for (size_t k = 0; k < node->input_count; k++)
        cnn_text_printf(&net->code, "%s%s", k == 0 ? "" : ", ",
                        cnn_c_shape(net->values[node->inputs[k]].shape).text);
    cnn_text_printf(&net->code, " -> %s", cnn_c_shape(net->values[step->y].shape).text);
    if (step->lead->macs > 0)
        cnn_text_printf(&net->code, "; %s multiply-adds", cnn_c_count(step->lead->macs).text);
    if (formula(step))
        cnn_text_printf(&net->code, "\n * %s", formula(step));
    cnn_text_printf(&net->code, " */\nstatic void %s(unsigned char *arena%s)\n{\n", step->function,
                    net->streams && step == net->steps ? ", int32_t begin, int32_t end" : "");
}

static void write_step(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    write_head(net, step);
    if (step->bytes) {
        cnn_c_write_bytes(net, step);
        cnn_text_printf(&net->code, "}\n\n");
        return;
    }
    switch (step->operation.kind) {
    case CNN_OPERATION_CONVOLVE:
    case CNN_OPERATION_DENSE:
    case CNN_OPERATION_DECONVOLVE:
    case CNN_OPERATION_POOL:
        cnn_c_write_windows(net, step);
        break;
    default:
        cnn_c_write_other(net, step);
    }
    cnn_text_printf(&net->code, "}\n\n");
}

cnn_status cnn_c_write_layers(struct cnn_c_net *net)
{
    for (size_t i = 0; i < net->count; i++)
        write_step(net, &net->steps[i]);
    if (net->infinite)
        return cnn_fail(
            net->e->diag, CNN_INVALID, NULL,
            "layer '%s': its weights times batch_norm's scale are too large for float32",
            net->infinite->name);
    return net->failed ? cnn_fail_memory(net->e->diag, 0, net->e->path) : CNN_OK;
}
