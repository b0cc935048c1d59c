/* Classification: each image is of one class, and a network answers with a number for each. */
#include <stdio.h>

#include "recipe/loss_type.h"
#include "tasks/metrics.h"
#include "tasks/task.h"
#include "util/words.h"

static cnn_status find_target(const struct cnn_graph *graph, const struct cnn_loss *loss,
                              size_t *value, cnn_diag *diag)
{
    size_t target = loss->type->logits ? graph->logits : cnn_graph_output(graph);
    cnn_shape shape = cnn_graph_shape(graph, target);
    if (shape.h * shape.w != 1) {
        const struct cnn_where *where = graph->count ? &graph->nodes[graph->count - 1].where : NULL;
        cnn_fail(
            diag, CNN_INVALID, where,
            "the last layer gives %zu x %zu x %zu numbers; the loss needs one number per class",
            shape.c, shape.h, shape.w);
        cnn_hint(diag, "end with {type: flatten} and {type: dense, units: CLASSES}, or with {type: "
                       "global_pool} after a conv of CLASSES filters");
        return CNN_INVALID;
    }
    if (target == 0)
        return cnn_fail(diag, CNN_INVALID, &graph->nodes[graph->count - 1].where,
                        "the softmax reads the network's input: no layer stands before the loss");
    size_t weights = loss->class_weights.count;
    if (weights > 0 && weights != shape.c) {
        const struct cnn_yaml *list = loss->own->class_weights;
        return cnn_fail(diag, CNN_INVALID, list ? &list->where : NULL,
                        "class_weights has %zu number%s; the network answers with %zu", weights,
                        weights == 1 ? "" : "s", shape.c);
    }
    *value = target;
    return CNN_OK;
}

static cnn_status match(const struct cnn_graph *graph, const struct cnn_dataset *dataset,
                        cnn_diag *diag)
{
    const struct cnn_node *last = &graph->nodes[graph->count - 1];
    size_t classes = cnn_dataset_classes(dataset), outputs = cnn_shape_count(last->out);
    if (classes == outputs)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &last->where,
             "the network answers with %zu numbers; the data set has %zu class%s", outputs, classes,
             classes == 1 ? "" : "es");
    if (classes == 1)
        cnn_hint(diag, "a network learns to tell classes apart: a folder of images for each of two "
                       "at least");
    else
        cnn_hint(diag, "a last layer of %zu: {type: dense, units: %zu}", classes, classes);
    return CNN_INVALID;
}

static void add(cnn_evaluation *evaluation, const struct cnn_task_batch *batch, size_t *answers)
{
    cnn_metrics_add(evaluation, batch->n, batch->targets->labels, batch->scores,
                    batch->probabilities, answers);
}

static struct cnn_score score(const cnn_evaluation *evaluation)
{
    return (struct cnn_score){.measure = evaluation->accuracy, .loss = evaluation->loss};
}

/* The higher accuracy, of equals the smaller loss. */
static bool better(struct cnn_score score, struct cnn_score than)
{
    return score.measure > than.measure ||
           (score.measure >= than.measure && score.loss < than.loss);
}

static size_t facts(const cnn_evaluation *e, struct cnn_task_fact facts[CNN_TASK_FACTS])
{
    size_t count = 0;
    facts[count] =
        (struct cnn_task_fact){.name = CNN_WORDS("accuracy"), .share = true, .value = e->accuracy};
    snprintf(facts[count].note, sizeof facts->note, cnn_say("95 %% interval: %.2f to %.2f"),
             100 * e->accuracy_low, 100 * e->accuracy_high);
    count++;
    if (e->classes > 5)
        facts[count++] = (struct cnn_task_fact){
            .name = CNN_WORDS("true class among the first five"), .share = true, .value = e->top5};
    facts[count++] = (struct cnn_task_fact){.name = CNN_WORDS("loss"), .value = e->loss};
    return count;
}

const struct cnn_task cnn_task_classification = {
    .name = "classification",
    .loss = "cross_entropy",
    .measure = CNN_WORDS("accuracy"),
    .title = CNN_WORDS("Accuracy"),
    .find_target = find_target,
    .match = match,
    .open = cnn_metrics_new,
    .clear = cnn_metrics_clear,
    .add = add,
    .finish = cnn_metrics_finish,
    .score = score,
    .better = better,
    .facts = facts,
};
