/* The model that a file of float32 arithmetic is compared with. */
#include <string.h>

#include "formats/export.h"

cnn_status cnn_export_floats(const struct cnn_export *e, cnn_model **out)
{
    static const char *const words[] = {"precision=fp32"};
    const struct cnn_overrides overrides = {.words = words, .count = 1};
    const cnn_model *model = e->model;
    *out = e->model;
    if (model->graph.nodes[0].precision != CNN_PRECISION_BF16)
        return CNN_OK;
    cnn_status status = cnn_model_from_text(model->name, model->resolved, strlen(model->resolved),
                                            &overrides, out, e->diag);
    if (status == CNN_OK)
        (*out)->parameters = model->parameters;
    return status;
}

void cnn_export_floats_free(const struct cnn_export *e, cnn_model *floats)
{
    if (!floats || floats == e->model)
        return;
    floats->parameters = NULL;
    cnn_model_free(floats);
}
