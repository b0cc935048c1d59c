/* The names of numbers that have gradients: conv1:0,3,4, dense1:2, input:0,3,4,
 * conv1.weight:0,0,1,1. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "layers/explain.h"
#include "train/trace.h"
#include "util/allocate.h"

#define NUMBERS 4 /* at most */

/* A place as it was written, and its numbers. */
struct wording {
    const char *text;
    size_t numbers[NUMBERS], count;
};

/* Reads "0,3,4", up to NUMBERS of them; 0 where it is none. */
static size_t read_numbers(const char *text, size_t *numbers)
{
    for (size_t count = 0; count < NUMBERS; count++) {
        char *end;
        errno = 0;
        unsigned long long value = strtoull(text, &end, 10);
        if (*text < '0' || *text > '9' || errno != 0 || value >= SIZE_MAX)
            return 0;
        numbers[count] = (size_t)value;
        if (*end == '\0')
            return count + 1;
        if (*end != ',')
            return 0;
        text = end + 1;
    }
    return 0;
}

static cnn_status fail_form(const char *text, cnn_diag *diag)
{
    cnn_fail(diag, CNN_INVALID, NULL, "'%s' is no place", text);
    cnn_hint(diag, "write LAYER:CHANNEL,ROW,COLUMN, LAYER:UNIT for a flat layer, or a parameter "
                   "with its numbers, as in conv1.weight:0,0,1,1");
    return CNN_INVALID;
}

static cnn_status fail_name(const cnn_model *model, const char *name, cnn_diag *diag)
{
    size_t count = 0, all = model->graph.count + model->tensor_count + 1;
    const char **words = cnn_calloc(all, sizeof *words);
    cnn_fail(diag, CNN_INVALID, NULL, "%s has no layer or parameter '%s'", model->source, name);
    if (!words)
        return CNN_INVALID;
    words[count++] = "input";
    for (size_t i = 0; i < model->graph.count; i++)
        words[count++] = model->graph.nodes[i].name;
    for (size_t i = 0; i < model->tensor_count; i++)
        words[count++] = model->tensors[i].name;
    const char *nearest = cnn_nearest_word(name, words, count);
    if (nearest)
        cnn_hint(diag, "did you mean '%s'?", nearest);
    cnn_free(words);
    return CNN_INVALID;
}

/* dims: how many numbers there are in each direction. */
static cnn_status check_numbers(const struct wording *w, const size_t *dims, size_t rank,
                                cnn_diag *diag)
{
    char shape[128] = "", last[128] = "";
    size_t i = 0;
    for (size_t k = 0; k < rank; k++) {
        snprintf(shape + strlen(shape), sizeof shape - strlen(shape), k ? " x %zu" : "%zu",
                 dims[k]);
        snprintf(last + strlen(last), sizeof last - strlen(last), k ? ",%zu" : "%zu", dims[k] - 1);
    }
    while (i < rank && i < w->count && w->numbers[i] < dims[i])
        i++;
    if (w->count == rank && i == rank)
        return CNN_OK;
    char zeros[16] = "0";
    for (size_t k = 1; k < rank; k++)
        strcat(zeros, ",0");
    return cnn_fail(diag, CNN_INVALID, NULL, "'%s': there are %s numbers, %s to %s", w->text, shape,
                    zeros, last);
}

static cnn_status take_value(const cnn_model *model, const struct wording *w, size_t value,
                             struct cnn_trace_place *out, cnn_diag *diag)
{
    const cnn_shape s = cnn_graph_shape(&model->graph, value);
    const size_t dims[3] = {s.c, s.h, s.w};
    *out = (struct cnn_trace_place){.value = value,
                                    .channel = w->numbers[0],
                                    .row = w->count > 1 ? w->numbers[1] : 0,
                                    .column = w->count > 2 ? w->numbers[2] : 0};
    return check_numbers(w, dims, s.rank == 3 ? 3 : 1, diag);
}

static cnn_status take_parameter(const struct cnn_tensor_place *place, const struct wording *w,
                                 struct cnn_trace_place *out, cnn_diag *diag)
{
    const struct cnn_tensor *tensor = place->tensor;
    if (!cnn_tensor_trained(tensor))
        return cnn_fail(diag, CNN_INVALID, NULL, "'%s': %s is not trained, so it has no gradient",
                        w->text, place->name);
    cnn_status status = check_numbers(w, tensor->dims, tensor->rank, diag);
    *out = (struct cnn_trace_place){
        .parameter = true, .node = place->node, .slot = place->slot, .index = 0};
    for (size_t k = 0; status == CNN_OK && k < tensor->rank; k++)
        out->index = out->index * tensor->dims[k] + w->numbers[k];
    return status;
}

static cnn_status find(const cnn_model *model, const char *text, const char *name,
                       struct cnn_trace_place *out, cnn_diag *diag)
{
    struct wording w = {.text = text};
    w.count = read_numbers(strrchr(text, ':') + 1, w.numbers);
    if (w.count == 0)
        return fail_form(text, diag);
    for (size_t i = 0; i < model->graph.count; i++)
        if (strcmp(model->graph.nodes[i].name, name) == 0)
            return take_value(model, &w, i + 1, out, diag);
    if (strcmp(name, "input") == 0)
        return take_value(model, &w, 0, out, diag);
    for (size_t i = 0; i < model->tensor_count; i++)
        if (strcmp(model->tensors[i].name, name) == 0)
            return take_parameter(&model->tensors[i], &w, out, diag);
    return fail_name(model, name, diag);
}

cnn_status cnn_trace_find(const cnn_model *model, const char *name, struct cnn_trace_place *out,
                          cnn_diag *diag)
{
    const char *colon = strrchr(name, ':');
    char *front = cnn_strndup(name, colon ? (size_t)(colon - name) : strlen(name));
    if (!front)
        return cnn_fail_memory(diag, strlen(name), "a name");
    cnn_status status = colon ? find(model, name, front, out, diag) : fail_form(name, diag);
    cnn_free(front);
    return status;
}

static void write_index(const struct cnn_tensor *tensor, size_t index, struct cnn_text *out)
{
    size_t below = tensor->count;
    cnn_text_printf(out, "[");
    for (size_t k = 0; k < tensor->rank; k++) {
        below /= tensor->dims[k];
        cnn_text_printf(out, k ? ", %zu" : "%zu", index / below % tensor->dims[k]);
    }
    cnn_text_printf(out, "]");
}

void cnn_trace_name(const cnn_model *model, const struct cnn_trace_place *place,
                    struct cnn_text *out)
{
    const struct cnn_question q = {
        .channel = place->channel, .row = place->row, .column = place->column};
    if (place->parameter) {
        const struct cnn_node *node = &model->graph.nodes[place->node];
        const struct cnn_tensor *tensor = &node->tensors[place->slot];
        cnn_text_printf(out, "%s.%s", node->name, tensor->suffix);
        write_index(tensor, place->index, out);
    } else if (place->value == 0) {
        cnn_text_printf(out, "input[%zu]", place->channel);
        if (model->graph.input.rank == 3)
            cnn_text_printf(out, ", row %zu, column %zu", place->row, place->column);
    } else {
        cnn_explain_place(&model->graph.nodes[place->value - 1], &q, out);
    }
}
