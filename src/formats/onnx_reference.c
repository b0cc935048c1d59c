/* Executing ONNX graphs: the walk over the nodes, and the memory of values. */
#include "formats/onnx_reference.h"

#include <string.h>

#include "formats/onnx_operator.h"
#include "util/allocate.h"

enum { MOST_INPUTS = 256 }; /* of a node: DenseNet's concatenations have 65 */

static const struct operator_entry {
    const char *name;
    cnn_status (*run)(struct cnn_onnx_call *call);
    size_t least, most; /* inputs; the first `least` are not left out */
} operators[] = {
#define CNN_ONNX_OPERATOR(name, function, least, most) {#name, function, least, most},
#include "formats/onnx_operators.def"
#undef CNN_ONNX_OPERATOR
    {0}};

static const struct operator_entry *find_operator(const struct cnn_onnx_node *node)
{
    if (!cnn_onnx_default_domain(node->domain))
        return NULL;
    for (const struct operator_entry *op = operators; op->name; op++)
        if (strcmp(op->name, node->op_type) == 0)
            return op;
    return NULL;
}

void cnn_onnx_arrays_free(struct cnn_onnx_array *arrays, size_t count)
{
    for (size_t i = 0; arrays && i < count; i++) {
        cnn_free(arrays[i].data);
        arrays[i] = (struct cnn_onnx_array){0};
    }
}

static cnn_status check_inputs(const struct cnn_onnx_call *call, const struct operator_entry *op)
{
    if (call->in_count < op->least || call->in_count > op->most)
        return cnn_onnx_call_fail(call, "it has %zu inputs", call->in_count);
    for (size_t i = 0; i < op->least; i++)
        if (!call->in[i])
            return cnn_onnx_call_fail(call, "input %zu is left out", i + 1);
    return CNN_OK;
}

/* What opset 6 has otherwise than 7: modes of training, and broadcasting from an axis on. */
static cnn_status check_opset_6(const struct cnn_onnx_call *call, const struct operator_entry *op)
{
    const struct cnn_onnx_attribute *test = cnn_onnx_attribute(call->node, "is_test");
    const bool trains = op->run == cnn_onnx_batch_norm || op->run == cnn_onnx_dropout;
    if (call->file->opset > 6)
        return CNN_OK;
    if (trains && (!test || test->i == 0))
        return cnn_onnx_call_fail(call, "it is in training mode: the file must be written in "
                                        "evaluation mode");
    if (op->run == cnn_onnx_binary && cnn_onnx_attribute(call->node, "axis"))
        return cnn_onnx_call_fail(call, "broadcasting from an axis on, as opset 6 has it, is not "
                                        "supported");
    return CNN_OK;
}

/* Numbers are wanted where all inputs have them and outputs are of at most `most`. */
static cnn_status run_step(const struct cnn_onnx *file, size_t step,
                           const struct cnn_onnx_array *const *in, struct cnn_onnx_array *out,
                           size_t most, cnn_diag *diag)
{
    const struct cnn_onnx_step *s = &file->steps[step];
    struct cnn_onnx_call call = {.file = file,
                                 .step = step,
                                 .node = s->node,
                                 .in = in,
                                 .in_count = s->input_count,
                                 .out = out,
                                 .out_count = s->output_count,
                                 .compute = most > 0,
                                 .most = most,
                                 .diag = diag};
    const struct operator_entry *op = find_operator(s->node);
    if (!op)
        return cnn_onnx_call_fail(&call, "there is nothing here that does what it does");
    if (s->output_count == 0)
        return cnn_onnx_call_fail(&call, "it has no output");
    for (size_t i = 0; i < call.in_count; i++)
        call.compute = call.compute && (!in[i] || in[i]->data);
    cnn_status status = check_inputs(&call, op);
    if (status == CNN_OK)
        status = check_opset_6(&call, op);
    if (status == CNN_OK)
        status = op->run(&call);
    if (status != CNN_OK)
        cnn_onnx_arrays_free(out, s->output_count);
    return status;
}

cnn_status cnn_onnx_run_node(const struct cnn_onnx *file, size_t step,
                             const struct cnn_onnx_array *const *in, struct cnn_onnx_array *out,
                             cnn_diag *diag)
{
    return run_step(file, step, in, out, SIZE_MAX, diag);
}

/* ---- Tensors of the file ---- */

static cnn_status tensor_shape(const struct cnn_onnx *file, size_t value,
                               struct cnn_onnx_array *out, cnn_diag *diag)
{
    const struct cnn_onnx_tensor *tensor = file->values[value].tensor;
    cnn_status status =
        cnn_onnx_tensor_shape(file, tensor, &out->rank, out->dims, &out->count, diag);
    out->type = status == CNN_OK ? tensor->data_type : 0;
    out->constant = true;
    return status;
}

static cnn_status tensor_numbers(const struct cnn_onnx *file, size_t value,
                                 struct cnn_onnx_array *out, cnn_diag *diag)
{
    out->data = cnn_malloc((out->count + 1) * sizeof *out->data);
    if (!out->data)
        return cnn_fail_memory(diag, out->count * sizeof *out->data, file->values[value].name);
    cnn_status status = cnn_onnx_tensor_read(file, file->values[value].tensor, out->data, diag);
    if (status != CNN_OK) {
        cnn_free(out->data);
        out->data = NULL;
    }
    return status;
}

/* ---- Running one step among arrays of all values ---- */

struct room { /* of one step */
    const struct cnn_onnx_array *in[MOST_INPUTS];
    struct cnn_onnx_array out[MOST_INPUTS];
};

/* Fills room->in. *ready: every input is known. */
static cnn_status gather_inputs(const struct cnn_onnx *file, size_t step,
                                struct cnn_onnx_array *arrays, struct room *room, bool *ready,
                                cnn_diag *diag)
{
    const struct cnn_onnx_step *s = &file->steps[step];
    *ready = true;
    if (s->input_count > MOST_INPUTS || s->output_count > MOST_INPUTS)
        return cnn_onnx_fail(file, step, diag, "it has more than %d inputs or outputs",
                             MOST_INPUTS);
    for (size_t i = 0; i < s->input_count; i++) {
        size_t value = s->inputs[i];
        room->in[i] = value == CNN_ONNX_NONE ? NULL : &arrays[value];
        *ready = *ready && (!room->in[i] || room->in[i]->type != 0);
    }
    return CNN_OK;
}

/* Outputs into their arrays; those that are left out are freed. */
static void keep_outputs(const struct cnn_onnx *file, size_t step, struct room *room,
                         struct cnn_onnx_array *arrays)
{
    const struct cnn_onnx_step *s = &file->steps[step];
    for (size_t i = 0; i < s->output_count; i++) {
        if (s->outputs[i] == CNN_ONNX_NONE)
            cnn_free(room->out[i].data);
        else
            arrays[s->outputs[i]] = room->out[i];
        room->out[i] = (struct cnn_onnx_array){0};
    }
}

/* ---- Shapes ---- */

/* Whether the step gives the same whatever the images are. */
static bool is_constant(const struct cnn_onnx *file, size_t step, const struct room *room)
{
    const struct cnn_onnx_step *s = &file->steps[step];
    if (strcmp(s->node->op_type, "Shape") == 0 || strcmp(s->node->op_type, "Size") == 0)
        return true;
    for (size_t i = 0; i < s->input_count; i++)
        if (room->in[i] && !room->in[i]->constant)
            return false;
    return true;
}

static cnn_status infer_step(const struct cnn_onnx *file, size_t step,
                             struct cnn_onnx_array *arrays, struct room *room, cnn_diag *diag)
{
    bool ready;
    cnn_status status = gather_inputs(file, step, arrays, room, &ready, diag);
    if (status != CNN_OK || (!ready && find_operator(file->steps[step].node)))
        return status;
    bool constant = is_constant(file, step, room);
    status = run_step(file, step, room->in, room->out, constant ? CNN_ONNX_FEW_NUMBERS : 0, diag);
    for (size_t i = 0; status == CNN_OK && i < file->steps[step].output_count; i++)
        room->out[i].constant = constant;
    if (status == CNN_OK)
        keep_outputs(file, step, room, arrays);
    return status;
}

/* Shapes of the file's tensors; the numbers of small ones. */
static cnn_status infer_tensors(const struct cnn_onnx *file, struct cnn_onnx_array *arrays,
                                cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < file->value_count; i++) {
        if (!file->values[i].tensor || file->values[i].readers == 0)
            continue;
        cnn_status one = tensor_shape(file, i, &arrays[i], diag);
        if (one == CNN_OK && arrays[i].count <= CNN_ONNX_FEW_NUMBERS)
            one = tensor_numbers(file, i, &arrays[i], diag);
        if (one != CNN_OK)
            status = one;
    }
    return status;
}

cnn_status cnn_onnx_infer(const struct cnn_onnx *file, const struct cnn_onnx_array *inputs,
                          struct cnn_onnx_array *arrays, cnn_diag *diag)
{
    struct room *room = cnn_calloc(1, sizeof *room);
    if (!room)
        return cnn_fail_memory(diag, sizeof *room, file->name);
    cnn_status status = infer_tensors(file, arrays, diag);
    for (size_t i = 0; i < file->input_count; i++) {
        struct cnn_onnx_array *array = &arrays[file->inputs[i]];
        *array = inputs[i];
        array->data = NULL;
        array->constant = false;
    }
    for (size_t i = 0; i < file->step_count; i++) {
        cnn_status one = infer_step(file, i, arrays, room, diag);
        if (one != CNN_OK)
            status = one;
    }
    cnn_free(room);
    return status;
}

/* ---- Constants ---- */

/* Marks the steps that value wants, backwards; needed: one flag for each step. */
static void mark_needed(const struct cnn_onnx *file, const struct cnn_onnx_array *arrays,
                        size_t value, bool *needed)
{
    size_t first = file->values[value].producer;
    if (first == CNN_ONNX_NONE)
        return;
    needed[first] = true;
    for (size_t i = first + 1; i-- > 0;) {
        const struct cnn_onnx_step *s = &file->steps[i];
        for (size_t k = 0; needed[i] && k < s->input_count; k++) {
            size_t input = s->inputs[k];
            if (input != CNN_ONNX_NONE && !arrays[input].data &&
                file->values[input].producer != CNN_ONNX_NONE)
                needed[file->values[input].producer] = true;
        }
    }
}

/* Loads what the step reads of the file. */
static cnn_status load_inputs(const struct cnn_onnx *file, size_t step,
                              struct cnn_onnx_array *arrays, cnn_diag *diag)
{
    const struct cnn_onnx_step *s = &file->steps[step];
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < s->input_count; i++) {
        size_t value = s->inputs[i];
        if (value == CNN_ONNX_NONE || arrays[value].data || !file->values[value].tensor)
            continue;
        if (arrays[value].type == 0)
            status = tensor_shape(file, value, &arrays[value], diag);
        if (status == CNN_OK)
            status = tensor_numbers(file, value, &arrays[value], diag);
    }
    return status;
}

/* Frees the large numbers that were only a means. */
static void drop_large(const struct cnn_onnx *file, size_t step, struct cnn_onnx_array *arrays)
{
    const struct cnn_onnx_step *s = &file->steps[step];
    for (size_t i = 0; i < s->input_count; i++) {
        size_t value = s->inputs[i];
        if (value != CNN_ONNX_NONE && arrays[value].count > CNN_ONNX_FEW_NUMBERS) {
            cnn_free(arrays[value].data);
            arrays[value].data = NULL;
        }
    }
}

static cnn_status compute_step(const struct cnn_onnx *file, size_t step,
                               struct cnn_onnx_array *arrays, struct room *room, cnn_diag *diag)
{
    bool ready;
    cnn_status status = load_inputs(file, step, arrays, diag);
    if (status == CNN_OK)
        status = gather_inputs(file, step, arrays, room, &ready, diag);
    if (status == CNN_OK)
        status = run_step(file, step, room->in, room->out, SIZE_MAX, diag);
    for (size_t i = 0; status == CNN_OK && i < file->steps[step].output_count; i++) {
        size_t value = file->steps[step].outputs[i];
        room->out[i].constant = true;
        if (value != CNN_ONNX_NONE)
            cnn_free(arrays[value].data);
    }
    if (status == CNN_OK)
        keep_outputs(file, step, room, arrays);
    drop_large(file, step, arrays);
    return status;
}

cnn_status cnn_onnx_compute_constant(const struct cnn_onnx *file, struct cnn_onnx_array *arrays,
                                     size_t value, cnn_diag *diag)
{
    if (arrays[value].data)
        return CNN_OK;
    if (file->values[value].tensor)
        return tensor_numbers(file, value, &arrays[value], diag);
    bool *needed = cnn_calloc(file->step_count + 1, sizeof *needed);
    struct room *room = cnn_calloc(1, sizeof *room);
    cnn_status status =
        needed && room ? CNN_OK : cnn_fail_memory(diag, sizeof *room, file->values[value].name);
    if (status == CNN_OK)
        mark_needed(file, arrays, value, needed);
    for (size_t i = 0; status == CNN_OK && i < file->step_count; i++)
        if (needed[i])
            status = compute_step(file, i, arrays, room, diag);
    cnn_free(needed);
    cnn_free(room);
    return status;
}

/* ---- All of it ---- */

struct execution {
    const struct cnn_onnx *file;
    struct cnn_onnx_array *arrays;
    size_t *left; /* readers of each value that are still to come */
    struct room *room;
    cnn_diag *diag;
};

/* A value that nobody will read any more is freed. */
static void release_inputs(const struct execution *e, size_t step)
{
    const struct cnn_onnx_step *s = &e->file->steps[step];
    for (size_t i = 0; i < s->input_count; i++) {
        size_t value = s->inputs[i];
        if (value != CNN_ONNX_NONE && --e->left[value] == 0) {
            cnn_free(e->arrays[value].data);
            e->arrays[value].data = NULL;
        }
    }
}

static cnn_status execute_steps(const struct execution *e, cnn_onnx_observer *observer,
                                void *context)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < e->file->step_count; i++) {
        const struct cnn_onnx_step *s = &e->file->steps[i];
        bool ready;
        status = load_inputs(e->file, i, e->arrays, e->diag);
        if (status == CNN_OK)
            status = gather_inputs(e->file, i, e->arrays, e->room, &ready, e->diag);
        if (status == CNN_OK)
            status = run_step(e->file, i, e->room->in, e->room->out, SIZE_MAX, e->diag);
        if (status == CNN_OK)
            keep_outputs(e->file, i, e->room, e->arrays);
        for (size_t k = 0; observer && status == CNN_OK && k < s->output_count; k++)
            if (s->outputs[k] != CNN_ONNX_NONE)
                status = observer(context, s->outputs[k], &e->arrays[s->outputs[k]]);
        release_inputs(e, i);
    }
    return status;
}

static cnn_status copy_array(const struct cnn_onnx_array *from, struct cnn_onnx_array *to,
                             cnn_diag *diag)
{
    *to = *from;
    to->data = cnn_malloc((from->count + 1) * sizeof *to->data);
    if (!to->data)
        return cnn_fail_memory(diag, from->count * sizeof *to->data, "a value");
    if (from->data)
        memcpy(to->data, from->data, from->count * sizeof *to->data);
    return CNN_OK;
}

static cnn_status execute(const struct execution *e, const struct cnn_onnx_array *inputs,
                          cnn_onnx_observer *observer, void *context,
                          struct cnn_onnx_array *outputs)
{
    const struct cnn_onnx *file = e->file;
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < file->value_count; i++)
        e->left[i] = file->values[i].readers;
    for (size_t i = 0; status == CNN_OK && i < file->input_count; i++)
        status = copy_array(&inputs[i], &e->arrays[file->inputs[i]], e->diag);
    for (size_t i = 0; status == CNN_OK && i < file->output_count; i++)
        if (file->outputs[i] != CNN_ONNX_NONE && file->values[file->outputs[i]].tensor) {
            status = tensor_shape(file, file->outputs[i], &e->arrays[file->outputs[i]], e->diag);
            if (status == CNN_OK)
                status =
                    tensor_numbers(file, file->outputs[i], &e->arrays[file->outputs[i]], e->diag);
        }
    if (status == CNN_OK)
        status = execute_steps(e, observer, context);
    for (size_t i = 0; outputs && status == CNN_OK && i < file->output_count; i++)
        status = copy_array(&e->arrays[file->outputs[i]], &outputs[i], e->diag);
    return status;
}

cnn_status cnn_onnx_execute(const struct cnn_onnx *file, const struct cnn_onnx_array *inputs,
                            cnn_onnx_observer *observer, void *context,
                            struct cnn_onnx_array *outputs, cnn_diag *diag)
{
    const struct execution e = {file, cnn_calloc(file->value_count + 1, sizeof *e.arrays),
                                cnn_calloc(file->value_count + 1, sizeof *e.left),
                                cnn_calloc(1, sizeof *e.room), diag};
    cnn_status status =
        e.arrays && e.left && e.room
            ? execute(&e, inputs, observer, context, outputs)
            : cnn_fail_memory(diag, file->value_count * sizeof *e.arrays, file->name);
    cnn_onnx_arrays_free(e.arrays, file->value_count);
    cnn_free(e.arrays);
    cnn_free(e.left);
    cnn_free(e.room);
    return status;
}
