/* The attributes that ONNX defines for the operators that are read (its operators' specification,
 * opsets 7 to 21). Others mean something to the program that wrote them alone. */
#include <string.h>

#include "formats/onnx_lower_internal.h"

static const struct {
    const char *op_type, *names; /* each name with a space on both sides */
} attributes[] = {
    {"AveragePool", " auto_pad ceil_mode count_include_pad dilations kernel_shape pads strides "},
    {"BatchNormalization", " epsilon momentum spatial training_mode "},
    {"Cast", " saturate to "},
    {"Celu", " alpha "},
    {"Clip", " max min "},
    {"Concat", " axis "},
    {"Constant", " sparse_value value value_float value_floats value_int value_ints value_string "
                 "value_strings "},
    {"ConstantOfShape", " value "},
    {"Conv", " auto_pad dilations group kernel_shape pads strides "},
    {"ConvTranspose",
     " auto_pad dilations group kernel_shape output_padding output_shape pads strides "},
    {"DepthToSpace", " blocksize mode "},
    {"DequantizeLinear", " axis block_size output_dtype "},
    {"Dropout", " ratio seed "},
    {"Elu", " alpha "},
    {"Flatten", " axis "},
    {"Gather", " axis "},
    {"Gelu", " approximate "},
    {"Gemm", " alpha beta transA transB "},
    {"HardSigmoid", " alpha beta "},
    {"InstanceNormalization", " epsilon "},
    {"LRN", " alpha beta bias size "},
    {"LayerNormalization", " axis epsilon stash_type "},
    {"LeakyRelu", " alpha "},
    {"LogSoftmax", " axis "},
    {"MaxPool", " auto_pad ceil_mode dilations kernel_shape pads storage_order strides "},
    {"Pad", " mode pads value "},
    {"QuantizeLinear", " axis block_size output_dtype precision saturate "},
    {"ReduceL1", " axes keepdims noop_with_empty_axes "},
    {"ReduceL2", " axes keepdims noop_with_empty_axes "},
    {"ReduceMax", " axes keepdims noop_with_empty_axes "},
    {"ReduceMean", " axes keepdims noop_with_empty_axes "},
    {"ReduceMin", " axes keepdims noop_with_empty_axes "},
    {"ReduceProd", " axes keepdims noop_with_empty_axes "},
    {"ReduceSum", " axes keepdims noop_with_empty_axes "},
    {"ReduceSumSquare", " axes keepdims noop_with_empty_axes "},
    {"Reshape", " allowzero "},
    {"Resize", " antialias axes coordinate_transformation_mode cubic_coeff_a exclude_outside "
               "extrapolation_value keep_aspect_ratio_policy mode nearest_mode "},
    {"Selu", " alpha gamma "},
    {"Shape", " end start "},
    {"Slice", " axes ends starts "},
    {"Softmax", " axis "},
    {"SpaceToDepth", " blocksize "},
    {"Split", " axis num_outputs split "},
    {"Squeeze", " axes "},
    {"ThresholdedRelu", " alpha "},
    {"Transpose", " perm "},
    {"Unsqueeze", " axes "},
    {"Upsample", " mode scales "},
};

static bool is_defined(const char *op_type, const char *name)
{
    const size_t length = strlen(name);
    if (length == 0) /* which is found everywhere, and behind the end */
        return false;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        if (strcmp(attributes[i].op_type, op_type) == 0)
            for (const char *at = attributes[i].names + 1; (at = strstr(at, name)); at++)
                if (at[-1] == ' ' && at[length] == ' ')
                    return true;
    return false;
}

void cnn_lower_note_attributes(struct cnn_lowering *lowering, size_t number)
{
    const struct cnn_onnx_node *node = lowering->file->steps[number].node;
    const struct cnn_onnx_attribute *items = node->attributes.items;
    for (size_t i = 0; i < node->attributes.count; i++) {
        const char *name = items[i].name ? items[i].name : "";
        if (!is_defined(node->op_type, name))
            cnn_lower_note(lowering,
                           "left out: attribute '%s' of node '%s', which ONNX does not define for "
                           "%s",
                           name, node->name ? node->name : "", node->op_type);
    }
}
