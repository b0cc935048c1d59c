/* ONNX files of graphs that were made in memory: by the tables that read them. */
#include "formats/onnx_write.h"

#include "util/allocate.h"

#define IR    8
#define OPSET 17

/* What the file says of one end of the network. */
struct end_messages {
    struct cnn_onnx_value_message value;
    struct cnn_onnx_type_message type;
    struct cnn_onnx_tensor_type_message tensor;
    struct cnn_onnx_shape_message shape;
    struct cnn_onnx_dimension dims[4];
};

static void fill_end(struct end_messages *m, const char *name, cnn_shape s)
{
    *m = (struct end_messages){.value = {.name = name, .type = &m->type},
                               .type = {.tensor = &m->tensor},
                               .tensor = {.type = CNN_ONNX_FLOAT, .shape = &m->shape},
                               .shape = {.dims = {m->dims, (size_t)s.rank + 1}},
                               .dims = {{.parameter = "batch"},
                                        {.value = (int64_t)s.c},
                                        {.value = (int64_t)s.h},
                                        {.value = (int64_t)s.w}}};
}

static cnn_status encode(const struct cnn_onnx_model_message *model, const char *path,
                         struct cnn_protobuf_bytes *out, cnn_diag *diag)
{
    const size_t size = cnn_protobuf_size(&cnn_onnx_model_message, model);
    if (size > INT32_MAX) {
        cnn_fail(diag, CNN_INVALID, NULL,
                 "%s would have %.1f GiB: an ONNX file, a protocol buffer, has 2 GiB at most", path,
                 (double)size / (1 << 30));
        cnn_hint(diag, "numbers in a file of their own are not written");
        return CNN_INVALID;
    }
    unsigned char *bytes = cnn_malloc(size);
    if (!bytes)
        return cnn_fail_memory(diag, size, path);
    cnn_protobuf_write(&cnn_onnx_model_message, model, bytes);
    *out = (struct cnn_protobuf_bytes){bytes, size};
    return CNN_OK;
}

cnn_status cnn_onnx_write(const struct cnn_onnx_draft *draft, const struct cnn_onnx_file *file,
                          struct cnn_protobuf_bytes *out, cnn_diag *diag)
{
    struct end_messages ends[2];
    const struct cnn_onnx_opset_message opset = {.version = draft->opset ? draft->opset : OPSET};
    for (size_t i = 0; i < 2; i++)
        fill_end(&ends[i], file->ends[i], file->shapes[i]);
    struct cnn_onnx_graph_message graph = {.name = file->name,
                                           .nodes = {draft->nodes, draft->node_count},
                                           .initializers = {draft->tensors, draft->tensor_count},
                                           .inputs = {&ends[0].value, 1},
                                           .outputs = {&ends[1].value, 1}};
    const struct cnn_onnx_model_message model = {
        .ir_version = IR,
        .producer = "cnn",
        .producer_version = CNN_VERSION,
        .graph = &graph,
        .opsets = {&opset, 1},
        .metadata = {file->metadata, file->metadata_count}};
    return draft->failed ? cnn_fail_memory(diag, 0, file->path)
                         : encode(&model, file->path, out, diag);
}
