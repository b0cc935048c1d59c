/* NAME.c of an exported network: the arithmetic, a function for each step, and those that run them
 * (c_export.h). */
#include "formats/c_files.h"

/* ---- The input ---- */

/* How many rows of the first step's output can be computed once so many rows of the input are
 * there. */
static void write_ready(const struct cnn_c_net *net, struct cnn_text *out)
{
    const struct cnn_c_step *first = net->steps;
    const struct cnn_conv *c = &first->operation.conv;
    const struct cnn_pool *p = &first->operation.pool;
    const bool conv = first->operation.kind == CNN_OPERATION_CONVOLVE;
    const size_t span = conv ? (c->kernel_h - 1) * c->dilation_h + 1 : p->kernel_h,
                 pad = conv ? c->pad_top : p->pad_top, stride = conv ? c->stride_h : p->stride_h,
                 rows = net->values[first->y].shape.h;
    cnn_text_printf(out,
                    "/* Rows of the first layer's output that can be computed from the first rows "
                    "of the input. */\n"
                    "static int32_t ready(int32_t rows)\n{\n"
                    "    const int32_t windows = rows + %zu < %zu ? 0 : (rows + %zu - %zu) / %zu + "
                    "1;\n",
                    pad, span, pad, span, stride);
    cnn_text_printf(out, "    const int32_t all = windows%s;\n", first->pools ? " / 2" : "");
    cnn_text_printf(out, "    return rows >= %zu || all > %zu ? %zu : rows > 0 ? all : 0;\n}\n\n",
                    net->values[0].shape.h, rows, rows);
}

static void write_input(const struct cnn_c_net *net, struct cnn_text *out)
{
    const struct cnn_c_value *input = &net->values[0];
    cnn_text_printf(out,
                    "/* Where row i of the input is to stand. */\n"
                    "static float *input_row(void *arena, int32_t i)\n{\n"
                    "    return (float *)arena + %zu + i %% %zu * %zu;\n}\n\n",
                    net->arrays[input->array].offset / sizeof(float), net->ring,
                    input->shape.w * input->shape.c);
    if (net->streams) {
        write_ready(net, out);
        cnn_text_printf(out,
                        "/* Row i of the input is there: what it makes possible is computed. */\n"
                        "static void row_arrived(void *arena, int32_t i)\n{\n"
                        "    %s((unsigned char *)arena, ready(i), ready(i + 1));\n}\n\n",
                        net->steps->function);
    }
}

static void write_push(const struct cnn_c_net *net, struct cnn_text *out)
{
    const char *name = net->e->name;
    const struct cnn_normalization *n = &net->e->model->normalization;
    const cnn_shape in = net->values[0].shape;
    const bool own = n->channels == in.c;
    cnn_text_printf(out,
                    "/* A byte p of channel c is seen as p * factor[c] + shift[c]. */\n"
                    "static const float factor[%zu] = {",
                    in.c);
    for (size_t c = 0; c < in.c; c++)
        cnn_text_printf(out, "%s%s", c == 0 ? "" : ", ",
                        cnn_c_number(1 / (255 * (own ? n->std[c] : 1))).text);
    cnn_text_printf(out, "};\nstatic const float shift[%zu] = {", in.c);
    for (size_t c = 0; c < in.c; c++)
        cnn_text_printf(out, "%s%s", c == 0 ? "" : ", ",
                        cnn_c_number(own ? 0 - n->mean[c] / n->std[c] : 0).text);
    cnn_text_printf(out,
                    "};\n\nvoid %s_push_row(const unsigned char *pixels, int row, void *arena)\n{\n"
                    "    float *x = input_row(arena, row);\n"
                    "    for (int32_t j = 0; j < %zu; j++)\n"
                    "        for (int32_t c = 0; c < %zu; c++, x++)\n"
                    "            *x = (float)*pixels++ * factor[c] + shift[c];\n%s}\n\n",
                    name, in.w, in.c, net->streams ? "    row_arrived(arena, row);\n" : "");
    cnn_text_printf(
        out,
        "void %s_run_pixels(const unsigned char *pixels, float *output, void *arena)\n{\n"
        "    for (int i = 0; i < %zu; i++)\n"
        "        %s_push_row(pixels + i * %zu, i, arena);\n"
        "    %s_finish(output, arena);\n}\n",
        name, in.h, name, in.w * in.c, name);
}

static void write_run(const struct cnn_c_net *net, struct cnn_text *out)
{
    const cnn_shape in = net->values[0].shape;
    cnn_text_printf(out,
                    "void %s_run(const float *input, float *output, void *arena)\n{\n"
                    "    for (int32_t i = 0; i < %zu; i++) {\n"
                    "        float *x = input_row(arena, i);\n"
                    "        for (int32_t j = 0; j < %zu; j++)\n"
                    "            for (int32_t c = 0; c < %zu; c++)\n"
                    "                *x++ = input[(c * %zu + i) * %zu + j];\n%s    }\n"
                    "    %s_finish(output, arena);\n}\n\n",
                    net->e->name, in.h, in.w, in.c, in.h, in.w,
                    net->streams ? "        row_arrived(arena, i);\n" : "", net->e->name);
}

/* ---- The rest ---- */

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
    write_input(net, out);
    write_finish(net, out);
    write_run(net, out);
    write_push(net, out);
    write_classes(net, out);
}
