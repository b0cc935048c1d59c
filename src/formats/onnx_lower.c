/* Lowering: the walk over the nodes, from the input to the output. The rules for operators are in
 * onnx_lower_weighted.c, onnx_lower_sums.c and onnx_lower_other.c. */
#include "formats/onnx_lower.h"

#include <inttypes.h>
#include <string.h>

#include "formats/onnx_lower_internal.h"
#include "util/allocate.h"
#include "util/text.h"

/* ---- Activations and LayerNorm that were recognised ---- */

/* Whether the layer can do the activation itself: nobody else reads what it gives. */
static bool takes_activation(const struct cnn_lowering *l, const struct cnn_lowered_layer *layer,
                             const struct cnn_onnx_match *match)
{
    static const char *const types[] = {"conv", "depthwise_conv", "dense", "batch_norm", "add",
                                        NULL};
    return !layer->activation && layer->value == match->root &&
           l->file->values[match->root].readers == match->uses &&
           cnn_word_among(layer->type, types);
}

static cnn_status lower_activation(struct cnn_lower_step *step, const struct cnn_onnx_match *match)
{
    struct cnn_lowering *l = step->l;
    struct cnn_view *root = &l->views[match->root];
    const bool bare = strcmp(match->type, "leaky_relu") != 0 && strcmp(match->type, "clip") != 0;
    if (!root->known)
        return CNN_INVALID;
    if (!cnn_lower_has_type(match->type))
        return cnn_lower_refuse(step, "it would become a layer '%s', which does not exist",
                                match->type);
    if (cnn_view_has_pads(root) && !cnn_lower_natural(step, root))
        return CNN_INVALID;
    struct cnn_view view = *root;
    if (bare && view.layer > 0 && takes_activation(l, &l->layers[view.layer - 1], match)) {
        l->layers[view.layer - 1].activation = match->type;
        cnn_lower_give(step, &view);
        return CNN_OK;
    }
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, match->type, &view.layer, 1, CNN_ONNX_NONE, view.shape);
    if (!layer)
        return CNN_INVALID;
    if (strcmp(match->type, "leaky_relu") == 0)
        cnn_lower_key(layer, "negative_slope: %.9g", match->numbers[0]);
    if (strcmp(match->type, "clip") == 0)
        cnn_lower_key(layer, "min: %.9g, max: %.9g", match->numbers[0], match->numbers[1]);
    view.layer = l->count;
    cnn_lower_give(step, &view);
    return CNN_OK;
}

static bool copy_constant(struct cnn_lower_step *step, size_t value, float *out, size_t count,
                          float otherwise)
{
    struct cnn_lowering *l = step->l;
    for (size_t i = 0; i < count; i++)
        out[i] = otherwise;
    if (value == CNN_ONNX_NONE)
        return true;
    if (l->arrays[value].count != count && l->arrays[value].count != 1) {
        cnn_lower_refuse(step, "it has %zu numbers for %zu channels", l->arrays[value].count,
                         count);
        return false;
    }
    if (cnn_onnx_compute_constant(l->file, l->arrays, value, l->diag) != CNN_OK) {
        l->wrong = true;
        return false;
    }
    for (size_t i = 0; i < count; i++)
        out[i] = (float)l->arrays[value].data[l->arrays[value].count == 1 ? 0 : i];
    return true;
}

static cnn_status lower_layer_norm(struct cnn_lower_step *step, const struct cnn_onnx_match *match)
{
    struct cnn_view view = step->l->views[match->root];
    if (!view.known)
        return CNN_INVALID;
    if (view.rank == 0 || !cnn_view_is_channels(&view, view.rank - 1))
        return cnn_lower_refuse(step, "it normalises over something other than the channels");
    if (cnn_view_has_pads(&view))
        return cnn_lower_refuse(step, "it changes padding");
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, "layer_norm", &view.layer, 1, 1, view.shape);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "eps: %.9g", match->numbers[0]);
    float *scale = cnn_lower_tensor(step, layer, "weight", view.shape.c);
    float *bias = cnn_lower_tensor(step, layer, "bias", view.shape.c);
    if (!scale || !bias || !copy_constant(step, match->scale, scale, view.shape.c, 1) ||
        !copy_constant(step, match->bias, bias, view.shape.c, 0))
        return CNN_INVALID;
    view.layer = step->l->count;
    cnn_lower_give(step, &view);
    return CNN_OK;
}

/* ---- The walk ---- */

static const struct cnn_lower_rule *find_rule(const char *op_type)
{
    static const struct cnn_lower_rule *const lists[] = {
        cnn_lower_window_rules, cnn_lower_weighted_rules, cnn_lower_sum_rules, cnn_lower_map_rules,
        cnn_lower_other_rules};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        for (const struct cnn_lower_rule *rule = lists[i]; rule->op_type; rule++)
            if (strcmp(rule->op_type, op_type) == 0)
                return rule;
    return NULL;
}

/* Whether all that the step reads is known: constants, or views. */
static bool inputs_known(const struct cnn_lowering *l, const struct cnn_onnx_step *s)
{
    for (size_t i = 0; i < s->input_count; i++)
        if (s->inputs[i] != CNN_ONNX_NONE && !l->arrays[s->inputs[i]].constant &&
            !l->views[s->inputs[i]].known)
            return false;
    return true;
}

static void lower_with_rule(struct cnn_lower_step *step)
{
    const struct cnn_lower_rule *rule = find_rule(step->step->node->op_type);
    if (!rule) {
        cnn_lower_refuse(step, "no layer computes this operator");
        return;
    }
    const struct cnn_onnx_array *in[CNN_LOWERED_INPUTS] = {NULL};
    if (step->step->input_count > CNN_LOWERED_INPUTS) {
        cnn_lower_refuse(step, "it has %zu inputs", step->step->input_count);
        return;
    }
    for (size_t i = 0; i < step->step->input_count; i++)
        in[i] = cnn_lower_array(step, i);
    step->call = (struct cnn_onnx_call){.file = step->l->file,
                                        .step = step->number,
                                        .node = step->step->node,
                                        .in = in,
                                        .in_count = step->step->input_count,
                                        .diag = step->l->diag};
    const size_t before = step->l->count;
    if (rule->lower(step) != CNN_OK)
        step->l->wrong = true;
    else
        cnn_lower_ranges(step, before);
    cnn_lower_keep_range(step);
}

/* Weights that are not read again make room. */
static void free_large_constants(struct cnn_lowering *l, const struct cnn_onnx_step *s)
{
    for (size_t i = 0; i < s->input_count; i++) {
        struct cnn_onnx_array *array =
            s->inputs[i] == CNN_ONNX_NONE ? NULL : &l->arrays[s->inputs[i]];
        if (array && array->constant && array->count > CNN_ONNX_FEW_NUMBERS) {
            cnn_free(array->data);
            array->data = NULL;
        }
    }
}

/* Whether the view of a value has the dimensions that the reference has found for it. */
static bool is_shaped(const struct cnn_view *view, const struct cnn_onnx_array *array)
{
    struct cnn_view turned = *view;
    const size_t rows = cnn_view_channels_first(&turned) ? 0 : 1;
    if (view->rank + 1 != array->rank)
        return false;
    for (size_t i = 0; i < view->rank; i++) {
        const size_t axis = i - rows; /* of rows and columns */
        size_t pads = view->rank == 3 && axis < 2 ? view->pads[axis] + view->pads[axis + 2] : 0;
        if (view->dims[i] + pads != array->dims[i + 1])
            return false;
    }
    return true;
}

/* What reads a view goes by the dimensions of its array, too. */
static void check_views(struct cnn_lower_step *step)
{
    const struct cnn_lowering *l = step->l;
    for (size_t i = 0; i < step->step->output_count; i++) {
        size_t value = step->step->outputs[i];
        if (value == CNN_ONNX_NONE || !l->views[value].known ||
            is_shaped(&l->views[value], &l->arrays[value]))
            continue;
        cnn_lower_refuse(step, "its output has other dimensions than a layer gives");
        l->views[value].known = false;
    }
}

static bool is_half(const struct cnn_onnx_array *array)
{
    return array->type == CNN_ONNX_FLOAT16 || array->type == CNN_ONNX_BFLOAT16;
}

static void lower_step(struct cnn_lowering *l, size_t number)
{
    struct cnn_lower_step step = {.l = l, .number = number, .step = &l->file->steps[number]};
    const struct cnn_onnx_step *s = step.step;
    const struct cnn_onnx_match *match = &l->matches[number];
    if (match->inside || s->output_count == 0 || s->outputs[0] == CNN_ONNX_NONE ||
        l->arrays[s->outputs[0]].type == 0)
        return;
    if (l->arrays[s->outputs[0]].constant) {
        l->constants++;
        return;
    }
    if (is_half(&l->arrays[s->outputs[0]])) {
        if (inputs_known(l, s))
            cnn_lower_refuse(&step,
                             "it computes in float16 or bfloat16, and networks that compute in "
                             "float32 are read: export it without mixed precision");
    } else if (match->type) {
        cnn_status status = strcmp(match->type, "layer_norm") == 0 ? lower_layer_norm(&step, match)
                                                                   : lower_activation(&step, match);
        l->wrong = l->wrong || status != CNN_OK;
    } else if (inputs_known(l, s)) {
        lower_with_rule(&step);
    } else if (!find_rule(s->node->op_type)) {
        cnn_lower_refuse(&step, "no layer computes this operator");
    }
    check_views(&step);
    free_large_constants(l, s);
}

/* ---- The input ---- */

/* Whether the step brings channels to the front. A Reshape does so where there is one. */
static bool brings_channels(const struct cnn_onnx_step *s, bool single)
{
    static const int64_t order[] = {0, 3, 1, 2};
    const struct cnn_onnx_attribute *perm = cnn_onnx_attribute(s->node, "perm");
    if (strcmp(s->node->op_type, "Reshape") == 0 || strcmp(s->node->op_type, "Flatten") == 0)
        return single;
    return strcmp(s->node->op_type, "Transpose") == 0 && perm && perm->ints.count == 4 &&
           memcmp(perm->ints.items, order, sizeof order) == 0;
}

static bool reads_any(const struct cnn_onnx_step *s, const bool *values)
{
    for (size_t k = 0; k < s->input_count; k++)
        if (s->inputs[k] != CNN_ONNX_NONE && values[s->inputs[k]])
            return true;
    return false;
}

/* Whether channels come to the front before anything else than the likes of a normalisation and a
 * border happens to the input. */
static bool find_channels_last(const struct cnn_onnx *file, bool single, bool *before)
{
    static const char *const plain[] = {"Add", "Cast", "DequantizeLinear", "Div", "Identity",
                                        "Mul", "Pad",  "QuantizeLinear",   "Sub", NULL};
    bool found = false;
    before[file->inputs[0]] = true;
    for (size_t i = 0; i < file->step_count; i++) {
        const struct cnn_onnx_step *s = &file->steps[i];
        if (!reads_any(s, before) || strcmp(s->node->op_type, "Shape") == 0)
            continue;
        if (brings_channels(s, single))
            found = true;
        else if (!cnn_word_among(s->node->op_type, plain))
            return false;
        else
            for (size_t k = 0; k < s->output_count; k++)
                if (s->outputs[k] != CNN_ONNX_NONE)
                    before[s->outputs[k]] = true;
    }
    return found;
}

static cnn_status set_channels_last(struct cnn_lowering *l, const struct cnn_onnx_dimension *dims)
{
    bool *before = cnn_calloc(l->file->value_count + 1, sizeof *before);
    if (!before)
        return cnn_fail_memory(l->diag, l->file->value_count, l->file->name);
    l->channels_last =
        find_channels_last(l->file, dims[3].value == 1 && dims[1].value != 1, before);
    cnn_free(before);
    return CNN_OK;
}

static cnn_status read_input(struct cnn_lowering *l, cnn_shape given)
{
    static const char *const what[] = {"channels", "rows", "columns"};
    const struct cnn_onnx *file = l->file;
    const struct cnn_onnx_dimension *dims = NULL;
    if (file->input_count != 1 || file->output_count < 1 || file->outputs[0] == CNN_ONNX_NONE)
        return cnn_fail(l->diag, CNN_INVALID, NULL,
                        "%s has %zu inputs and %zu outputs: networks with one input are read",
                        file->name, file->input_count, file->output_count);
    size_t rank = cnn_onnx_input_shape(file, 0, &dims);
    const char *name = file->values[file->inputs[0]].name;
    if (rank != 4 && (rank != CNN_ONNX_NONE || given.c == 0))
        return cnn_fail(l->diag, CNN_INVALID, NULL,
                        "%s: its input '%s' has %zu dimensions, not those of a batch of images",
                        file->name, name, rank == CNN_ONNX_NONE ? 0 : rank);
    if (rank == 4 && set_channels_last(l, dims) != CNN_OK)
        return CNN_FAILED;
    size_t sizes[3] = {given.c, given.h, given.w};
    for (size_t i = 0; i < 3; i++) {
        size_t axis = 1 + (l->channels_last ? (i + 2) % 3 : i);
        int64_t value = rank == 4 ? dims[axis].value : 0;
        if (given.c == 0 && value > 65536)
            return cnn_fail(l->diag, CNN_INVALID, NULL,
                            "%s: its input '%s' has %" PRId64 " %s, and at most 65536 are read",
                            file->name, name, value, what[i]);
        if (given.c == 0 && value > 0)
            sizes[i] = (size_t)value;
        if (sizes[i] == 0) {
            cnn_status status = cnn_fail(l->diag, CNN_INVALID, NULL,
                                         "%s: its input '%s' does not say how many %s it has",
                                         file->name, name, what[i]);
            cnn_hint(l->diag, "give the size with --input, as in --input 3x224x224");
            return status;
        }
    }
    l->input = (cnn_shape){3, sizes[0], sizes[1], sizes[2]};
    return CNN_OK;
}

cnn_status cnn_onnx_input_array(const struct cnn_lowering *l, struct cnn_onnx_array *out)
{
    const struct cnn_onnx_dimension *dims = NULL;
    const cnn_shape s = l->input;
    size_t rank = cnn_onnx_input_shape(l->file, 0, &dims);
    int64_t batch = rank == 4 && dims[0].value > 0 ? dims[0].value : 1;
    if (batch > 4096)
        return cnn_fail(l->diag, CNN_INVALID, NULL, "%s is made for a batch of %" PRId64 " images",
                        l->file->name, batch);
    *out = (struct cnn_onnx_array){.type = CNN_ONNX_FLOAT, .rank = 4};
    const size_t first[4] = {(size_t)batch, s.c, s.h, s.w},
                 last[4] = {(size_t)batch, s.h, s.w, s.c};
    memcpy(out->dims, l->channels_last ? last : first, sizeof first);
    if (!cnn_size_mul(s.h * s.w, s.c * (size_t)batch, &out->count) ||
        out->count > CNN_ONNX_MAX_COUNT)
        return cnn_fail(l->diag, CNN_INVALID, NULL, "%s: its input has too many numbers",
                        l->file->name);
    return CNN_OK;
}

/* ---- All of it ---- */

/* Steps that the output depends on; others are left out. */
static void mark_steps(struct cnn_lowering *l)
{
    const struct cnn_onnx *file = l->file;
    size_t first = file->values[file->outputs[0]].producer;
    if (first != CNN_ONNX_NONE)
        l->needed[first] = true;
    for (size_t i = file->step_count; i-- > 0;)
        for (size_t k = 0; l->needed[i] && k < file->steps[i].input_count; k++) {
            size_t value = file->steps[i].inputs[k];
            if (value != CNN_ONNX_NONE && file->values[value].producer != CNN_ONNX_NONE)
                l->needed[file->values[value].producer] = true;
        }
}

static cnn_status fail_output(const struct cnn_lowering *l, size_t value)
{
    return cnn_fail(l->diag, CNN_INVALID, NULL, "%s: its output '%s' is computed by no layer",
                    l->file->name, l->file->values[value].name);
}

/* The last layer: maps or numbers in their own order. */
static cnn_status settle_output(struct cnn_lowering *l)
{
    size_t value = l->file->outputs[0], producer = l->file->values[value].producer, groups;
    struct cnn_view *view = &l->views[value];
    if (producer == CNN_ONNX_NONE || !view->known)
        return fail_output(l, value);
    struct cnn_lower_step step = {.l = l, .number = producer, .step = &l->file->steps[producer]};
    if (cnn_view_has_pads(view) ||
        (!cnn_view_in_order(view) && cnn_view_is_shuffle(view, &groups))) {
        if (!cnn_lower_natural(&step, view))
            return CNN_INVALID;
        cnn_lower_give(&step, view);
    }
    if (view->layer == 0)
        return fail_output(l, value);
    if (!cnn_view_in_order(view))
        return cnn_lower_refuse(&step, "the network's output is transposed");
    if (view->rank == 1 && view->shape.rank == 3) {
        if (!cnn_lower_flatten(&step, view))
            return CNN_INVALID;
        cnn_lower_give(&step, view);
    }
    l->output = view->layer;
    struct cnn_lowered_layer *last = &l->layers[l->output - 1];
    if (last->value == CNN_ONNX_NONE) { /* it stands between, so nothing is compared with it yet */
        last->value = value;
        last->order = *view;
    }
    last->needed = true;
    for (size_t i = l->output; i-- > 0;)
        for (size_t k = 0; l->layers[i].needed && k < l->layers[i].input_count; k++)
            if (l->layers[i].inputs[k] > 0)
                l->layers[l->layers[i].inputs[k] - 1].needed = true;
    return CNN_OK;
}

/* What is damaged is told before what is not supported, and once each. */
static cnn_status check_tensors(const struct cnn_lowering *l)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < l->file->value_count; i++) {
        const struct cnn_onnx_value *value = &l->file->values[i];
        if (value->tensor && value->readers > 0 &&
            cnn_onnx_tensor_check(l->file, value->tensor, l->diag) != CNN_OK)
            status = CNN_FAILED;
    }
    return status;
}

static cnn_status lower_all(struct cnn_lowering *l)
{
    struct cnn_onnx_array input;
    const struct cnn_onnx *file = l->file;
    cnn_status status = cnn_onnx_input_array(l, &input);
    if (status == CNN_OK)
        status = check_tensors(l);
    if (status != CNN_OK)
        return status;
    mark_steps(l);
    status = cnn_onnx_infer(file, &input, l->arrays, l->diag);
    if (cnn_onnx_find_matches(file, l->arrays, l->matches, l->diag) != CNN_OK)
        return CNN_FAILED;
    struct cnn_view view = cnn_view_of(0, l->input);
    cnn_view_give_last(&view, l->channels_last);
    l->views[file->inputs[0]] = view;
    for (size_t i = 0; i < file->step_count; i++)
        if (l->needed[i]) {
            cnn_lower_note_attributes(l, i);
            lower_step(l, i);
        }
    if (status != CNN_OK || l->wrong)
        return l->damaged || cnn_diag_out_of_memory(l->diag) ? CNN_FAILED : CNN_INVALID;
    for (size_t i = 1; i < file->output_count; i++)
        cnn_lower_note(l, "left out: output '%s'; '%s' is the network's",
                       file->values[file->outputs[i]].name, file->values[file->outputs[0]].name);
    return settle_output(l);
}

cnn_status cnn_onnx_lower(struct cnn_lowering *l, cnn_shape input)
{
    const struct cnn_onnx *file = l->file;
    cnn_status status = read_input(l, input);
    if (status != CNN_OK)
        return status;
    l->arrays = cnn_calloc(file->value_count + 1, sizeof *l->arrays);
    l->views = cnn_calloc(file->value_count + 1, sizeof *l->views);
    l->matches = cnn_calloc(file->step_count + 1, sizeof *l->matches);
    l->needed = cnn_calloc(file->step_count + 1, sizeof *l->needed);
    l->ranges = cnn_calloc(file->value_count + 1, sizeof *l->ranges);
    if (!l->arrays || !l->views || !l->matches || !l->needed || !l->ranges)
        return cnn_fail_memory(l->diag, file->value_count * sizeof *l->views, file->name);
    status = lower_all(l);
    return status == CNN_OK && l->notes.failed ? cnn_fail_memory(l->diag, 100, file->name) : status;
}

void cnn_onnx_lowering_free(struct cnn_lowering *l)
{
    cnn_onnx_arrays_free(l->arrays, l->arrays ? l->file->value_count : 0);
    for (size_t i = 0; i < l->count; i++) {
        cnn_text_free(&l->layers[i].keys);
        for (size_t k = 0; k < CNN_LOWERED_TENSORS; k++)
            cnn_free(l->layers[i].tensors[k].values);
    }
    cnn_free(l->layers);
    cnn_free(l->arrays);
    cnn_free(l->views);
    cnn_free(l->matches);
    cnn_free(l->needed);
    cnn_free(l->ranges);
    cnn_text_free(&l->notes);
}
