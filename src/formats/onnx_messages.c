/* The messages of onnx.proto as tables: reading and writing go by the same ones. */
#include "formats/onnx_internal.h"

#define ENTRY(number, kind, repeated, type, member, message)                                       \
    {                                                                                              \
        number, CNN_PROTOBUF_##kind, repeated, offsetof(type, member), message, 0, 0               \
    }
/* The value of an attribute, which is there where its type says so. */
#define VALUE(number, kind, repeated, member, message, choice)                                     \
    {                                                                                              \
        number, CNN_PROTOBUF_##kind, repeated, offsetof(struct cnn_onnx_attribute, member),        \
            message, offsetof(struct cnn_onnx_attribute, type), choice                             \
    }

struct ignored_message { /* of which only the number counts */
    size_t at;
};

static const struct cnn_protobuf_field pair_fields[] = {
    ENTRY(1, TEXT, false, struct cnn_onnx_pair, key, NULL),
    ENTRY(2, TEXT, false, struct cnn_onnx_pair, value, NULL),
    {0}};
static const struct cnn_protobuf_message pair_message = {"StringStringEntryProto",
                                                         sizeof(struct cnn_onnx_pair), pair_fields};

static const struct cnn_protobuf_field tensor_fields[] = {
    ENTRY(1, INT, true, struct cnn_onnx_tensor, dims, NULL),
    ENTRY(2, INT, false, struct cnn_onnx_tensor, data_type, NULL),
    ENTRY(4, FLOAT, true, struct cnn_onnx_tensor, float_data, NULL),
    ENTRY(5, INT, true, struct cnn_onnx_tensor, int32_data, NULL),
    ENTRY(7, INT, true, struct cnn_onnx_tensor, int64_data, NULL),
    ENTRY(8, TEXT, false, struct cnn_onnx_tensor, name, NULL),
    ENTRY(9, BYTES, false, struct cnn_onnx_tensor, raw_data, NULL),
    ENTRY(10, DOUBLE, true, struct cnn_onnx_tensor, double_data, NULL),
    ENTRY(11, INT, true, struct cnn_onnx_tensor, uint64_data, NULL),
    ENTRY(13, SUBMESSAGE, true, struct cnn_onnx_tensor, external_data, &pair_message),
    ENTRY(14, INT, false, struct cnn_onnx_tensor, data_location, NULL),
    {0}};
const struct cnn_protobuf_message cnn_onnx_tensor_message = {
    "TensorProto", sizeof(struct cnn_onnx_tensor), tensor_fields};

static const struct cnn_protobuf_field attribute_fields[] = {
    ENTRY(1, TEXT, false, struct cnn_onnx_attribute, name, NULL),
    VALUE(2, FLOAT, false, f, NULL, 1),
    VALUE(3, INT, false, i, NULL, 2),
    VALUE(4, BYTES, false, s, NULL, 3),
    VALUE(5, SUBMESSAGE, false, t, &cnn_onnx_tensor_message, 4),
    VALUE(7, FLOAT, true, floats, NULL, 6),
    VALUE(8, INT, true, ints, NULL, 7),
    ENTRY(20, INT, false, struct cnn_onnx_attribute, type, NULL),
    {0}};
static const struct cnn_protobuf_message attribute_message = {
    "AttributeProto", sizeof(struct cnn_onnx_attribute), attribute_fields};

static const struct cnn_protobuf_field node_fields[] = {
    ENTRY(1, TEXT, true, struct cnn_onnx_node, inputs, NULL),
    ENTRY(2, TEXT, true, struct cnn_onnx_node, outputs, NULL),
    ENTRY(3, TEXT, false, struct cnn_onnx_node, name, NULL),
    ENTRY(4, TEXT, false, struct cnn_onnx_node, op_type, NULL),
    ENTRY(5, SUBMESSAGE, true, struct cnn_onnx_node, attributes, &attribute_message),
    ENTRY(7, TEXT, false, struct cnn_onnx_node, domain, NULL),
    {0}};
static const struct cnn_protobuf_message node_message = {"NodeProto", sizeof(struct cnn_onnx_node),
                                                         node_fields};

static const struct cnn_protobuf_field dimension_fields[] = {
    ENTRY(1, INT, false, struct cnn_onnx_dimension, value, NULL),
    ENTRY(2, TEXT, false, struct cnn_onnx_dimension, parameter, NULL),
    {0}};
static const struct cnn_protobuf_message dimension_message = {
    "TensorShapeProto.Dimension", sizeof(struct cnn_onnx_dimension), dimension_fields};

static const struct cnn_protobuf_field shape_fields[] = {
    ENTRY(1, SUBMESSAGE, true, struct cnn_onnx_shape_message, dims, &dimension_message), {0}};
static const struct cnn_protobuf_message shape_message = {
    "TensorShapeProto", sizeof(struct cnn_onnx_shape_message), shape_fields};

static const struct cnn_protobuf_field tensor_type_fields[] = {
    ENTRY(1, INT, false, struct cnn_onnx_tensor_type_message, type, NULL),
    ENTRY(2, SUBMESSAGE, false, struct cnn_onnx_tensor_type_message, shape, &shape_message),
    {0}};
static const struct cnn_protobuf_message tensor_type_message = {
    "TypeProto.Tensor", sizeof(struct cnn_onnx_tensor_type_message), tensor_type_fields};

static const struct cnn_protobuf_field type_fields[] = {
    ENTRY(1, SUBMESSAGE, false, struct cnn_onnx_type_message, tensor, &tensor_type_message), {0}};
static const struct cnn_protobuf_message type_message = {
    "TypeProto", sizeof(struct cnn_onnx_type_message), type_fields};

static const struct cnn_protobuf_field value_fields[] = {
    ENTRY(1, TEXT, false, struct cnn_onnx_value_message, name, NULL),
    ENTRY(2, SUBMESSAGE, false, struct cnn_onnx_value_message, type, &type_message),
    {0}};
static const struct cnn_protobuf_message value_message = {
    "ValueInfoProto", sizeof(struct cnn_onnx_value_message), value_fields};

static const struct cnn_protobuf_field opset_fields[] = {
    ENTRY(1, TEXT, false, struct cnn_onnx_opset_message, domain, NULL),
    ENTRY(2, INT, false, struct cnn_onnx_opset_message, version, NULL),
    {0}};
static const struct cnn_protobuf_message opset_message = {
    "OperatorSetIdProto", sizeof(struct cnn_onnx_opset_message), opset_fields};

static const struct cnn_protobuf_field no_fields[] = {{0}};
static const struct cnn_protobuf_message sparse_message = {
    "SparseTensorProto", sizeof(struct ignored_message), no_fields};

static const struct cnn_protobuf_field graph_fields[] = {
    ENTRY(1, SUBMESSAGE, true, struct cnn_onnx_graph_message, nodes, &node_message),
    ENTRY(2, TEXT, false, struct cnn_onnx_graph_message, name, NULL),
    ENTRY(5, SUBMESSAGE, true, struct cnn_onnx_graph_message, initializers,
          &cnn_onnx_tensor_message),
    ENTRY(11, SUBMESSAGE, true, struct cnn_onnx_graph_message, inputs, &value_message),
    ENTRY(12, SUBMESSAGE, true, struct cnn_onnx_graph_message, outputs, &value_message),
    ENTRY(15, SUBMESSAGE, true, struct cnn_onnx_graph_message, sparse, &sparse_message),
    {0}};
static const struct cnn_protobuf_message graph_message = {
    "GraphProto", sizeof(struct cnn_onnx_graph_message), graph_fields};

static const struct cnn_protobuf_field model_fields[] = {
    ENTRY(1, INT, false, struct cnn_onnx_model_message, ir_version, NULL),
    ENTRY(2, TEXT, false, struct cnn_onnx_model_message, producer, NULL),
    ENTRY(3, TEXT, false, struct cnn_onnx_model_message, producer_version, NULL),
    ENTRY(7, SUBMESSAGE, false, struct cnn_onnx_model_message, graph, &graph_message),
    ENTRY(8, SUBMESSAGE, true, struct cnn_onnx_model_message, opsets, &opset_message),
    ENTRY(14, SUBMESSAGE, true, struct cnn_onnx_model_message, metadata, &pair_message),
    {0}};
const struct cnn_protobuf_message cnn_onnx_model_message = {
    "ModelProto", sizeof(struct cnn_onnx_model_message), model_fields};
