/* See strongest.h. */
#include "viz/strongest.h"

#include <math.h>
#include <string.h>

#include "data/loader.h"

#define BATCH 32

struct search {
    cnn_shape shape; /* of the value */
    struct cnn_strongest *places;
};

/* The largest number of a channel of one image's maps; false: there is none. */
static bool find_largest(const float *maps, cnn_shape s, size_t channel, struct cnn_strongest *out)
{
    bool any = false;
    for (size_t i = 0; i < s.h * s.w; i++) {
        float value = maps[i * s.c + channel];
        if (isnan(value) || (any && value <= out->value))
            continue;
        any = true;
        out->value = value;
        out->row = i / s.w;
        out->column = i % s.w;
    }
    return any;
}

/* Images come in their order, so an equal one stays behind. */
static void insert(struct cnn_strongest *places, struct cnn_strongest place)
{
    size_t at = CNN_STRONGEST;
    while (at > 0 && (places[at - 1].image == CNN_NO_INDEX || place.value > places[at - 1].value))
        at--;
    if (at == CNN_STRONGEST)
        return;
    memmove(places + at + 1, places + at, (CNN_STRONGEST - 1 - at) * sizeof *places);
    places[at] = place;
}

static void add_batch(struct search *s, const struct cnn_batch *batch, const float *maps)
{
    for (size_t i = 0; i < batch->n; i++)
        for (size_t c = 0; c < s->shape.c; c++) {
            struct cnn_strongest place = {.image = batch->index[i]};
            if (find_largest(maps + i * cnn_shape_count(s->shape), s->shape, c, &place))
                insert(s->places + c * CNN_STRONGEST, place);
        }
}

static cnn_status run(struct search *s, struct cnn_plan *plan, size_t value,
                      struct cnn_loader *loader, const cnn_flag *stop, size_t numbers)
{
    const struct cnn_batch *batch;
    cnn_loader_start(loader, 0, 0);
    while ((batch = cnn_loader_next(loader))) {
        if (cnn_flag_raised(stop))
            return CNN_INTERRUPTED;
        memcpy(cnn_plan_input(plan), batch->images, batch->n * numbers * sizeof(float));
        cnn_plan_forward(plan, batch->n, false, 0);
        add_batch(s, batch, cnn_plan_value(plan, value));
    }
    return CNN_OK;
}

cnn_status cnn_strongest_find(const cnn_model *model, const struct cnn_dataset *dataset,
                              size_t value, const cnn_flag *stop, struct cnn_strongest *places,
                              cnn_diag *diag)
{
    const struct cnn_graph graph = cnn_graph_until(&model->graph, value);
    struct search search = {.shape = cnn_graph_shape(&graph, value), .places = places};
    const struct cnn_loader_options options = {.dataset = dataset,
                                               .normalization = model->normalization,
                                               .shape = graph.input,
                                               .batch = BATCH};
    struct cnn_plan *plan = NULL;
    struct cnn_loader *loader = NULL;
    for (size_t i = 0; i < search.shape.c * CNN_STRONGEST; i++)
        places[i] = (struct cnn_strongest){.image = CNN_NO_INDEX};
    cnn_status status = cnn_plan_new(
        &graph, model->parameters,
        &(struct cnn_plan_options){.batch = BATCH, .mode = CNN_PLAN_INFER}, &plan, diag);
    if (status == CNN_OK)
        status = cnn_loader_new(&options, &loader, diag);
    if (status == CNN_OK)
        status = run(&search, plan, value, loader, stop, cnn_shape_count(graph.input));
    if (status == CNN_OK)
        status = cnn_dataset_report(dataset, NULL, NULL, diag);
    cnn_loader_free(loader);
    cnn_plan_free(plan);
    return status;
}
