/* What the files of lowering share. */
#ifndef CNN_FORMATS_ONNX_LOWER_INTERNAL_H
#define CNN_FORMATS_ONNX_LOWER_INTERNAL_H

#include "formats/onnx_lower.h"
#include "formats/onnx_operator.h"

/* One step that is lowered. The call is that of the reference, for its attributes. */
struct cnn_lower_step {
    struct cnn_lowering *l;
    size_t number;
    const struct cnn_onnx_step *step;
    struct cnn_onnx_call call;
};

struct cnn_lower_rule {
    const char *op_type;
    cnn_status (*lower)(struct cnn_lower_step *step);
};
extern const struct cnn_lower_rule cnn_lower_window_rules[], cnn_lower_weighted_rules[],
    cnn_lower_sum_rules[], cnn_lower_map_rules[], cnn_lower_other_rules[];

/* Message about the step; returns CNN_INVALID. */
cnn_status cnn_lower_refuse(struct cnn_lower_step *step, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Whether there is a layer of this type. */
bool cnn_lower_has_type(const char *type);

/* Its input i: a view, which is known; the array of its shape. */
struct cnn_view *cnn_lower_view(const struct cnn_lower_step *step, size_t i);
const struct cnn_onnx_array *cnn_lower_array(const struct cnn_lower_step *step, size_t i);
bool cnn_lower_is_constant(const struct cnn_lower_step *step, size_t i);
/* Numbers of a constant, as long as the step is lowered; NULL and a message on failure. */
const double *cnn_lower_numbers(struct cnn_lower_step *step, size_t i);

/* A new layer that reads one view's layer (or several: add inputs). named_by: an input whose tensor
 * may give it its name; CNN_ONNX_NONE: the node does. NULL and a message on failure. The pointer is
 * good until the next layer. */
struct cnn_lowered_layer *cnn_lower_add(struct cnn_lower_step *step, const char *type,
                                        const size_t *inputs, size_t input_count, size_t named_by,
                                        cnn_shape shape);
void cnn_lower_key(struct cnn_lowered_layer *layer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Zeroed values of a parameter; NULL and a message on failure. */
float *cnn_lower_tensor(struct cnn_lower_step *step, struct cnn_lowered_layer *layer,
                        const char *suffix, size_t count);
/* The numbers of constant input i, count of them, as a parameter. */
cnn_status cnn_lower_parameter(struct cnn_lower_step *step, struct cnn_lowered_layer *layer,
                               size_t i, const char *suffix, size_t count);

/* The newest layer gives the step's output, in the order of view (whose layer it is). */
void cnn_lower_give(struct cnn_lower_step *step, const struct cnn_view *view);
/* The step does nothing that layers would see: its output is this view. */
void cnn_lower_pass(struct cnn_lower_step *step, const struct cnn_view *view);

/* The rule of what does nothing in inference: its output is what it reads. */
cnn_status cnn_lower_nothing(struct cnn_lower_step *step);

/* Input i as the natural c x h x w of a layer, which is added if need be (shuffle, pad). NULL and a
 * message where there is none. */
struct cnn_view *cnn_lower_maps(struct cnn_lower_step *step, size_t i);
/* The same of any view, which changes. */
struct cnn_view *cnn_lower_natural(struct cnn_lower_step *step, struct cnn_view *view);

/* Behind a flatten: the view of a layer becomes that of all its numbers as one list. */
bool cnn_lower_flatten(struct cnn_lower_step *step, struct cnn_view *view);
/* The same where it is such a list, which a layer over channels is to read. */
bool cnn_lower_list(struct cnn_lower_step *step, struct cnn_view *view);

/* onnx_lower_codes.c: rules; and what a layer keeps of the codes of its input and its weights,
 * which are its first tensor. */
cnn_status cnn_lower_quantize(struct cnn_lower_step *step);
cnn_status cnn_lower_dequantize(struct cnn_lower_step *step);
void cnn_lower_keep_range(struct cnn_lower_step *step); /* where the step only moves numbers */
/* the newest layer reads codes, if it was added since there were `before` */
void cnn_lower_ranges(struct cnn_lower_step *step, size_t before);
cnn_status cnn_lower_codes(struct cnn_lower_step *step, size_t number, size_t filters);

/* Shape of output 0 without its batch: c x h x w, or c. */
cnn_shape cnn_lower_shape(const struct cnn_lower_step *step);

/* A line for the user. Newlines, which names may have, become spaces. */
void cnn_lower_note(struct cnn_lowering *lowering, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Notes the attributes of a step that ONNX does not define for its operator: nothing reads them. */
void cnn_lower_note_attributes(struct cnn_lowering *lowering, size_t number);

#endif
