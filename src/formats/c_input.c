/* How pictures and arrays get into an exported network (c_export.h): row by row. The first step
 * runs as rows arrive, where it can. */
#include <stdio.h>

#include "formats/c_files.h"

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

void cnn_c_write_rows(const struct cnn_c_net *net, struct cnn_text *out)
{
    const struct cnn_c_value *input = &net->values[0];
    const char *type = input->element == 1 ? "uint8_t" : "float";
    cnn_text_printf(out,
                    "/* Where row i of the input is to stand. */\n"
                    "static %s *input_row(void *arena, int32_t i)\n{\n"
                    "    return (%s *)arena + %zu + i %% %zu * %zu;\n}\n\n",
                    type, type, net->arrays[input->array].offset / input->element, net->ring,
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

/* What the network sees of a byte of a picture. */
static float seen(const struct cnn_c_net *net, size_t channel, size_t byte)
{
    const struct cnn_normalization *n = &net->e->model->normalization;
    struct cnn_normalizer normalizer;
    if (n->channels != net->values[0].shape.c)
        return (float)byte / 255;
    cnn_normalizer_init(n, &normalizer);
    return normalizer.table[channel][byte];
}

/* For networks of bytes: the byte that each byte of a picture becomes. Returns how many tables
 * there are: one for each channel, one for all, none where bytes stay as they are. */
static size_t write_bytes_table(const struct cnn_c_net *net, struct cnn_text *out)
{
    const struct cnn_codes codes = net->values[0].codes;
    const size_t channels = net->values[0].shape.c;
    bool alike = true, same = true;
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < 256; i++) {
            const int code = cnn_c_code(codes, seen(net, c, i));
            alike = alike && code == cnn_c_code(codes, seen(net, 0, i));
            same = same && (size_t)code == i;
        }
    const size_t count = same ? 0 : alike ? 1 : channels;
    if (count > 0)
        cnn_text_printf(out,
                        "/* The byte of the network that a byte of a picture becomes: normalised, "
                        "and rounded. */\nstatic const uint8_t pixel[%zu][256] = {\n",
                        count);
    for (size_t c = 0; c < count; c++) {
        cnn_text_printf(out, "    {");
        for (size_t i = 0; i < 256; i++)
            cnn_text_printf(out, "%s%d,",
                            i == 0        ? ""
                            : i % 16 == 0 ? "\n     "
                                          : " ",
                            cnn_c_code(codes, seen(net, c, i)));
        cnn_text_printf(out, "},\n");
    }
    if (count > 0)
        cnn_text_printf(out, "};\n\n");
    return count;
}

static void write_push_bytes(const struct cnn_c_net *net, struct cnn_text *out)
{
    const cnn_shape in = net->values[0].shape;
    const size_t tables = write_bytes_table(net, out);
    cnn_text_printf(out,
                    "void %s_push_row(const unsigned char *pixels, int row, void *arena)\n{\n"
                    "    uint8_t *x = input_row(arena, row);\n",
                    net->e->name);
    if (tables == 0)
        cnn_text_printf(out, "    memcpy(x, pixels, %zu);\n", in.w * in.c);
    else
        cnn_text_printf(out,
                        "    for (int32_t j = 0; j < %zu; j++)\n        x[j] = "
                        "pixel[j %% %zu][pixels[j]];\n",
                        in.w * in.c, tables);
    cnn_text_printf(out, "%s}\n\n", net->streams ? "    row_arrived(arena, row);\n" : "");
}

static void write_run_pixels(const struct cnn_c_net *net, struct cnn_text *out)
{
    const char *name = net->e->name;
    const cnn_shape in = net->values[0].shape;
    cnn_text_printf(
        out,
        "void %s_run_pixels(const unsigned char *pixels, float *output, void *arena)\n{\n"
        "    for (int i = 0; i < %zu; i++)\n"
        "        %s_push_row(pixels + i * %zu, i, arena);\n"
        "    %s_finish(output, arena);\n}\n",
        name, in.h, name, in.w * in.c, name);
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
}

static void write_run(const struct cnn_c_net *net, struct cnn_text *out)
{
    const cnn_shape in = net->values[0].shape;
    const struct cnn_codes codes = net->values[0].codes;
    const bool bytes = net->values[0].element == 1;
    char end[100] = "";
    if (bytes)
        snprintf(end, sizeof end, ", %s, %d)", cnn_c_number(codes.scale).text, codes.zero);
    cnn_text_printf(out,
                    "void %s_run(const float *input, float *output, void *arena)\n{\n"
                    "    for (int32_t i = 0; i < %zu; i++) {\n"
                    "        %s *x = input_row(arena, i);\n"
                    "        for (int32_t j = 0; j < %zu; j++)\n"
                    "            for (int32_t c = 0; c < %zu; c++)\n"
                    "                *x++ = %sinput[(c * %zu + i) * %zu + j]%s;\n%s    }\n"
                    "    %s_finish(output, arena);\n}\n\n",
                    net->e->name, in.h, bytes ? "uint8_t" : "float", in.w, in.c,
                    bytes ? "quantize_f32(" : "", in.h, in.w, end,
                    net->streams ? "        row_arrived(arena, i);\n" : "", net->e->name);
}

void cnn_c_write_input(const struct cnn_c_net *net, struct cnn_text *out)
{
    write_run(net, out);
    if (net->values[0].element == 1)
        write_push_bytes(net, out);
    else
        write_push(net, out);
    write_run_pixels(net, out);
}
