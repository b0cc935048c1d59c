/* NAME.c of an exported network: the arithmetic, a function for each step, and those that run them
 * (c_export.h). */
#include "formats/c_files.h"

/* The steps that run when the whole input is there, in order. */
static void write_table(const struct cnn_c_net *net, struct cnn_text *out)
{
    const size_t first = net->streams ? 1 : 0;
    if (net->count == first)
        return;
    cnn_text_printf(out, "static void (*const layers[%zu])(unsigned char *arena) = {\n",
                    net->count - first);
    for (size_t i = first; i < net->count; i++)
        cnn_text_printf(out, "    %s,\n", net->steps[i].function);
    cnn_text_printf(out, "};\n\n");
}

static void write_finish(const struct cnn_c_net *net, struct cnn_text *out)
{
    const struct cnn_c_value *last = &net->values[net->fused.graph.count];
    const cnn_shape shape = last->shape;
    const size_t first = net->streams ? 1 : 0;
    const bool maps = shape.h * shape.w > 1 && shape.c > 1;
    cnn_text_printf(out, "void %s_finish(float *output, void *arena)\n{\n", net->e->name);
    if (net->count > first)
        cnn_text_printf(out,
                        "    for (int32_t i = 0; i < %zu; i++)\n"
                        "        layers[i]((unsigned char *)arena);\n",
                        net->count - first);
    cnn_text_printf(out, "    %s((const float *)arena + %zu, ", maps ? "transpose_f32" : "copy",
                    net->arrays[last->array].offset / sizeof(float));
    if (maps)
        cnn_text_printf(out, "%zu, %zu, output);\n}\n\n", shape.h * shape.w, shape.c);
    else
        cnn_text_printf(out, "%zu, output);\n}\n\n", cnn_shape_count(shape));
}

static void write_classes(const struct cnn_c_net *net, struct cnn_text *out)
{
    const cnn_model *model = net->e->model;
    const size_t count = cnn_c_classes(net);
    cnn_text_printf(out, "\nconst char *const %s_classes[%zu] = {\n", net->e->name, count);
    for (size_t i = 0; i < count; i++) {
        cnn_text_printf(out, "    ");
        if (model->class_count == count)
            cnn_c_string(out, model->classes[i]);
        else
            cnn_text_printf(out, "\"%zu\"", i);
        cnn_text_printf(out, ",\n");
    }
    cnn_text_printf(out, "};\n");
}

size_t cnn_c_classes(const struct cnn_c_net *net)
{
    const cnn_shape shape = net->values[net->fused.graph.count].shape;
    return shape.h * shape.w > 1 ? shape.c : cnn_shape_count(shape);
}

void cnn_c_write_source(struct cnn_c_net *net, struct cnn_text *out)
{
    const cnn_shape last = net->values[net->fused.graph.count].shape;
    if (net->values[0].element == 1)
        cnn_c_need(net, "quantize_f32");
    cnn_c_need(net, last.h * last.w > 1 && last.c > 1 ? "transpose_f32" : "copy");
    cnn_text_printf(out, CNN_C_MARK " The network ");
    cnn_c_comment(out, net->e->model->name);
    cnn_text_printf(out,
                    "; %s.h says how it is used.\n *\n"
                    " * Maps stand in the arena row by row, each pixel with its channels. "
                    "Each layer has a function;\n"
                    " * what is computed alike is in the functions before them. */\n"
                    "#include \"%s.h\"\n\n%s#include <stddef.h>\n#include <stdint.h>\n#include "
                    "<string.h>\n\n",
                    net->e->name, net->e->name, net->math ? "#include <math.h>\n" : "");
    cnn_text_printf(out,
                    "/* ---- Weights: %s_weights.c ---- */\n\n#ifdef __cplusplus\nextern \"C\" "
                    "{\n#endif\n%s#ifdef __cplusplus\n}\n#endif\n\n",
                    net->e->name, net->declarations.data ? net->declarations.data : "");
    cnn_text_printf(out, "/* ---- Arithmetic ---- */\n\n");
    cnn_c_write_pieces(net, out);
    cnn_text_printf(out, "/* ---- Layers ---- */\n\n%s", net->code.data ? net->code.data : "");
    cnn_text_printf(out, "/* ---- The network ---- */\n\n");
    write_table(net, out);
    cnn_c_write_rows(net, out);
    write_finish(net, out);
    cnn_c_write_input(net, out);
    write_classes(net, out);
    cnn_text_printf(out, "%s", net->selftest.data ? net->selftest.data : "");
}
