/* What translates layers of Darknet: messages, options, activations. */
#include <stdarg.h>
#include <string.h>

#include "formats/darknet_internal.h"

cnn_status cnn_darknet_refuse(struct cnn_darknet_net *n, const struct cnn_darknet_layer *layer,
                              const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    cnn_status status =
        text.failed ? cnn_fail_memory(n->diag, 100, layer->section->name)
                    : cnn_fail(n->diag, CNN_INVALID, &layer->section->where, "layer %zu [%s]: %s",
                               n->number, layer->section->name, text.data);
    cnn_text_free(&text);
    return status;
}

bool cnn_darknet_get(struct cnn_darknet_net *n, const struct cnn_darknet_layer *layer,
                     const char *key, int64_t least, int64_t *value)
{
    return cnn_darknet_integer(layer->section, key, least, CNN_DARKNET_SIDE, value, n->diag) ==
           CNN_OK;
}

cnn_status cnn_darknet_activate(struct cnn_darknet_net *n, const struct cnn_darknet_layer *layer,
                                const char *otherwise, const char **value)
{
    static const char *const simple[][2] = {
        {"relu", "Relu"}, {"logistic", "Sigmoid"}, {"tanh", "Tanh"},      {"mish", "Mish"},
        {"elu", "Elu"},   {"selu", "Selu"},        {"leaky", "LeakyRelu"}};
    const struct cnn_darknet_option *option = cnn_darknet_find(layer->section, "activation");
    const char *word = option ? option->value : otherwise, *x = *value;
    if (strcmp(word, "linear") == 0)
        return CNN_OK;
    if (strcmp(word, "swish") == 0) {
        *value = cnn_onnx_draft_binary(&n->draft, "Mul", layer->name, x,
                                       cnn_onnx_draft_unary(&n->draft, "Sigmoid", layer->name, x));
        return CNN_OK;
    }
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
        if (strcmp(simple[i][0], word) != 0)
            continue;
        cnn_onnx_draft_node(&n->draft, simple[i][1], layer->name);
        cnn_onnx_draft_input(&n->draft, x);
        if (strcmp(word, "leaky") == 0)
            cnn_onnx_draft_float(&n->draft, "alpha", 0.1);
        *value = cnn_onnx_draft_output(&n->draft);
        return CNN_OK;
    }
    return cnn_darknet_refuse(n, layer, "no layer has the activation '%s'", word);
}
