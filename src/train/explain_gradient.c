/* cnn_explain_gradient: one step of training on one image, written out. Backpropagation as in
 * Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", 1986: the
 * gradient of a number is the sum, over the numbers that it goes into, of their gradients times
 * their slopes. */
#include <math.h>
#include <string.h>

#include "train/step.h"
#include "train/trace.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/number.h"

#define FOLLOWED 3  /* terms that are written of a number on the way to the loss */
#define LINKS    24 /* at most, of that way */

struct lesson {
    const cnn_model *model;
    struct cnn_trace trace;
    struct cnn_trace_place *places;
    size_t count, label;
    struct cnn_optimizer *optimizer;
    float *parameters; /* after the update */
    double norm;       /* of all gradients, where they are clipped; else 0 */
    struct cnn_text text;
    cnn_gradient_explanation *out;
};

/* ---- Text ---- */

static const char **class_names(const cnn_model *model, size_t count)
{
    const char **names = cnn_calloc(count, sizeof *names);
    for (size_t i = 0; names && i < count; i++)
        names[i] = cnn_model_class(model, i);
    for (size_t i = 0; names && i < count; i++)
        if (!names[i]) { /* out of memory */
            cnn_free(names);
            return NULL;
        }
    return names;
}

static bool write_loss(struct lesson *l)
{
    const struct cnn_trace *t = &l->trace;
    const char **names = class_names(l->model, t->classes);
    if (names)
        l->out->loss =
            cnn_loss_explain(&l->model->loss, t->classes, cnn_plan_value(t->plan, t->target),
                             l->label, names, &l->text);
    cnn_free(names);
    return names;
}

static void write_name(struct lesson *l, const struct cnn_trace_place *place)
{
    cnn_trace_name(l->model, place, &l->text);
}

/* "  conv2[0], row 1, column 2: gradient 0.5 x 0.25 (weight) = 0.125" */
static void write_term(struct lesson *l, const struct cnn_trace_place *place,
                       const struct cnn_trace_term *term)
{
    cnn_text_printf(&l->text, "  ");
    write_name(l, &term->from);
    cnn_text_printf(&l->text, ": gradient %s", cnn_explain_number(term->gradient).text);
    size_t begin = l->text.size;
    cnn_text_printf(&l->text, " x ");
    cnn_trace_write_slope(&l->trace, place, term, &l->text);
    if (l->text.size == begin + 3)
        cnn_text_printf(&l->text, "1");
    cnn_text_printf(&l->text, " = %s\n", cnn_explain_number(term->gradient * term->slope).text);
}

static void write_terms(struct lesson *l, const struct cnn_trace_place *place,
                        const struct cnn_trace_sum *sum, size_t limit)
{
    size_t shown = sum->listed < limit ? sum->listed : limit;
    double others = sum->total;
    for (size_t order = 0; sum->count <= shown && order < sum->count; order++)
        for (size_t i = 0; i < shown; i++) /* few: in their own order */
            if (sum->terms[i].order == order)
                write_term(l, place, &sum->terms[i]);
    for (size_t i = 0; sum->count > shown && i < shown; i++) {
        write_term(l, place, &sum->terms[i]);
        others -= sum->terms[i].gradient * sum->terms[i].slope;
    }
    if (sum->count > shown)
        cnn_text_printf(&l->text, "  and %zu others: %s\n", sum->count - shown,
                        cnn_explain_number(others).text);
    cnn_text_printf(&l->text, "gradient of ");
    write_name(l, place);
    cnn_text_printf(&l->text, " = %s\n", cnn_explain_number(sum->total).text);
}

static bool is_output(const struct cnn_trace *trace, const struct cnn_trace_place *place)
{
    return !place->parameter && place->value == trace->target;
}

/* From the number that counts most in each sum to the next, up to an output. */
static void write_chain(struct lesson *l, struct cnn_trace_sum sum)
{
    for (size_t links = 0; sum.count > 0; links++) {
        const struct cnn_trace_place place = sum.terms[0].from;
        if (is_output(&l->trace, &place)) {
            write_name(l, &place);
            cnn_text_printf(&l->text, " is an output: the loss gives its gradient\n");
            return;
        }
        if (links == LINKS) {
            cnn_text_printf(&l->text, "and so on, through %zu more layers\n",
                            l->trace.target - place.value);
            return;
        }
        cnn_trace_sum(&l->trace, &place, &sum);
        cnn_text_printf(&l->text, "where the gradient of ");
        write_name(l, &place);
        cnn_text_printf(&l->text, " comes from\n");
        write_terms(l, &place, &sum, FOLLOWED);
    }
}

static void write_clipping(struct lesson *l)
{
    double most = l->model->recipe.clip_norm;
    if (l->norm > most)
        cnn_text_printf(&l->text,
                        "clip_norm: all gradients together have the norm %s, so each is multiplied "
                        "by %s / %s\n",
                        cnn_explain_number(l->norm).text, cnn_explain_number(most).text,
                        cnn_explain_number(l->norm).text);
}

static void write_update(struct lesson *l, const struct cnn_trace_place *place)
{
    const struct cnn_node *node = &l->model->graph.nodes[place->node];
    const struct cnn_tensor *tensor = &node->tensors[place->slot];
    float next = l->parameters[tensor->offset + place->index];
    write_clipping(l);
    cnn_text_printf(&l->text, "update by ");
    cnn_optimizer_explain(l->optimizer, tensor, place->index, l->model->parameters,
                          l->trace.parameters, &l->text);
    write_name(l, place);
    cnn_text_printf(&l->text, ": %s -> %s\n",
                    cnn_explain_number((double)cnn_trace_value(&l->trace, place)).text,
                    cnn_explain_number((double)next).text);
}

static void write_place(struct lesson *l, size_t i)
{
    const struct cnn_trace_place *place = &l->places[i];
    struct cnn_trace_sum sum;
    cnn_trace_sum(&l->trace, place, &sum);
    l->out->terms[i] = sum.total;
    l->out->before[i] = l->out->after[i] = cnn_trace_value(&l->trace, place);
    cnn_text_printf(&l->text, "\n");
    write_name(l, place);
    cnn_text_printf(&l->text, " is %s", cnn_explain_number((double)l->out->before[i]).text);
    if (is_output(&l->trace, place)) {
        l->out->terms[i] = (double)cnn_trace_gradient(&l->trace, place);
        cnn_text_printf(&l->text, ", an output: the loss gives its gradient, %s\n",
                        cnn_explain_number(l->out->terms[i]).text);
    } else if (sum.count == 0) {
        cnn_text_printf(&l->text, "; no number that the loss depends on changes with it: gradient "
                                  "0\n");
    } else {
        cnn_text_printf(
            &l->text, "; %zu number%s depend%s on it: %s, times how fast it grows with this one\n",
            sum.count, sum.count == 1 ? "" : "s", sum.count == 1 ? "s" : "",
            sum.count == 1 ? "its gradient" : "the gradient of each");
        write_terms(l, place, &sum, CNN_TRACE_TERMS);
        write_chain(l, sum);
    }
    if (place->parameter) {
        const struct cnn_node *node = &l->model->graph.nodes[place->node];
        l->out->after[i] = l->parameters[node->tensors[place->slot].offset + place->index];
        write_update(l, place);
    }
}

/* ---- The update ---- */

static double norm_of(const struct lesson *l)
{
    const struct cnn_graph *graph = &l->model->graph;
    double sum = 0;
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *tensor = &graph->nodes[i].tensors[slot];
            for (size_t k = 0; cnn_tensor_trained(tensor) && k < tensor->count; k++)
                sum += pow((double)l->trace.parameters[tensor->offset + k], 2);
        }
    return sqrt(sum);
}

/* The gradients as they were computed, before they are clipped: they are what is explained. */
static void copy_gradients(struct lesson *l)
{
    for (size_t i = 0; i < l->count; i++)
        l->out->gradients[i] = cnn_trace_gradient(&l->trace, &l->places[i]);
}

static cnn_status update(struct lesson *l, cnn_diag *diag)
{
    const cnn_model *model = l->model;
    size_t floats = model->graph.parameter_floats;
    l->parameters = cnn_floats_new(floats + 1);
    if (!l->parameters)
        return cnn_fail_memory(diag, floats * sizeof(float), "the parameters after the update");
    memcpy(l->parameters, model->parameters, floats * sizeof(float));
    copy_gradients(l);
    if (model->recipe.clip_norm > 0) {
        l->norm = norm_of(l);
        cnn_clip_gradients(&model->graph, model->recipe.clip_norm, l->trace.parameters);
    }
    cnn_optimizer_step(l->optimizer, l->parameters, l->trace.parameters,
                       model->recipe.optimizer.lr);
    cnn_optimizer_free(l->optimizer); /* for the text, as it was before the step */
    l->optimizer = NULL;
    return cnn_optimizer_new(&model->recipe.optimizer, &model->graph, &l->optimizer, diag);
}

static void write_outputs(struct lesson *l, const float *before, const float *after)
{
    for (size_t i = 0; i < l->trace.classes && l->trace.classes <= 20; i++)
        cnn_text_printf(&l->text, "  %s: %s -> %s\n", cnn_model_class(l->model, i),
                        cnn_explain_number((double)before[i]).text,
                        cnn_explain_number((double)after[i]).text);
}

/* What the network makes of the picture after the update. */
static cnn_status look_again(struct lesson *l, cnn_diag *diag)
{
    const struct cnn_trace *t = &l->trace;
    const struct cnn_graph *graph = &l->model->graph;
    const struct cnn_targets targets = {.labels = &l->label};
    struct cnn_plan *plan = NULL;
    cnn_status status =
        cnn_plan_new(graph, l->parameters,
                     &(struct cnn_plan_options){.batch = 1, .mode = CNN_PLAN_KEEP}, &plan, diag);
    if (status != CNN_OK)
        return status;
    memcpy(cnn_plan_input(plan), cnn_plan_value(t->plan, 0),
           cnn_shape_count(graph->input) * sizeof(float));
    cnn_plan_forward(plan, 1, false, 0);
    const struct cnn_loss_result result = cnn_loss_compute(
        &l->model->loss, 1, t->classes, cnn_plan_value(plan, t->target), &targets, NULL);
    l->out->next_loss = result.loss / result.weight;
    cnn_text_printf(&l->text,
                    "\nafter one update of all trained parameters with this picture alone:\n");
    write_outputs(l, cnn_plan_value(t->plan, t->target), cnn_plan_value(plan, t->target));
    cnn_text_printf(&l->text, "loss: %s -> %s\n", cnn_explain_number(l->out->loss).text,
                    cnn_explain_number(l->out->next_loss).text);
    cnn_plan_free(plan);
    return CNN_OK;
}

/* ---- The whole ---- */

static cnn_status allocate(struct lesson *l, cnn_diag *diag)
{
    size_t count = l->count + 1;
    cnn_gradient_explanation *out = l->out = cnn_calloc(1, sizeof *out);
    l->places = cnn_calloc(count, sizeof *l->places);
    if (out) {
        out->count = l->count;
        out->terms = cnn_calloc(count, sizeof *out->terms);
        out->gradients = cnn_calloc(count, sizeof *out->gradients);
        out->before = cnn_calloc(count, sizeof *out->before);
        out->after = cnn_calloc(count, sizeof *out->after);
    }
    return out && l->places && out->terms && out->gradients && out->before && out->after
               ? CNN_OK
               : cnn_fail_memory(diag, count * sizeof *l->places, "an explanation");
}

static cnn_status write_all(struct lesson *l, cnn_diag *diag)
{
    cnn_status status = write_loss(l) ? CNN_OK : cnn_fail_memory(diag, 0, "an explanation");
    if (status == CNN_OK)
        status = update(l, diag);
    for (size_t i = 0; status == CNN_OK && i < l->count; i++)
        write_place(l, i);
    return status == CNN_OK ? look_again(l, diag) : status;
}

static cnn_status check(const cnn_model *model, const cnn_gradient_options *o, cnn_diag *diag)
{
    if (o->version > CNN_GRADIENT_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_gradient_options", o->version,
                                CNN_GRADIENT_OPTIONS_VERSION);
    cnn_status status = cnn_model_has_parameters(model, diag);
    if (status == CNN_OK && model->graph.nodes[0].precision == CNN_PRECISION_INT8)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s has `precision: int8`, which is for inference alone: it has no "
                        "gradients",
                        model->source);
    return status;
}

static cnn_status prepare(struct lesson *l, const float *image, const cnn_gradient_options *o,
                          cnn_diag *diag)
{
    const cnn_model *model = l->model;
    size_t target;
    cnn_status status = model->task->find_target(&model->graph, &model->loss, &target, diag);
    if (status == CNN_OK)
        status = cnn_model_find_class(model, cnn_graph_shape(&model->graph, target).c, o->label,
                                      &l->label, diag);
    if (status == CNN_OK)
        status = allocate(l, diag);
    for (size_t i = 0; status == CNN_OK && i < l->count; i++)
        status = cnn_trace_find(model, o->places[i], &l->places[i], diag);
    if (status == CNN_OK)
        status = cnn_optimizer_new(&model->recipe.optimizer, &model->graph, &l->optimizer, diag);
    return status == CNN_OK ? cnn_trace_open(model, image, l->label, &l->trace, diag) : status;
}

cnn_status cnn_explain_gradient(const cnn_model *model, const float *image,
                                const cnn_gradient_options *options, cnn_gradient_explanation **out,
                                cnn_diag *diag)
{
    if (!model || !image || !out || !options || !options->label ||
        !cnn_words_given(options->places, options->place_count))
        return cnn_fail_missing(diag, "cnn_explain_gradient",
                                "model, image, out, the label or a place");
    struct lesson lesson = {.model = model, .count = options->place_count};
    cnn_status status = check(model, options, diag);
    if (status == CNN_OK)
        status = prepare(&lesson, image, options, diag);
    if (status == CNN_OK)
        status = write_all(&lesson, diag);
    if (status == CNN_OK && lesson.text.failed)
        status = cnn_fail_memory(diag, lesson.text.size, "an explanation");
    if (status == CNN_OK) {
        lesson.out->text = lesson.text.data;
        *out = lesson.out;
    } else {
        cnn_text_free(&lesson.text);
        cnn_gradient_explanation_free(lesson.out);
    }
    cnn_trace_close(&lesson.trace);
    cnn_optimizer_free(lesson.optimizer);
    cnn_floats_free(lesson.parameters);
    cnn_free(lesson.places);
    return status;
}

void cnn_gradient_explanation_free(cnn_gradient_explanation *explanation)
{
    if (!explanation)
        return;
    cnn_free((void *)(uintptr_t)explanation->text);
    cnn_free(explanation->terms);
    cnn_free(explanation->gradients);
    cnn_free(explanation->before);
    cnn_free(explanation->after);
    cnn_free(explanation);
}
