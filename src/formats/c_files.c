/* NAME.h, NAME_weights.c, the Makefile and the example of an exported network (c_export.h). */
#include "formats/c_files.h"

#include <inttypes.h>

/* FNV-1a over the description and the parameters: the same model, the same number. */
static uint64_t hash_model(const cnn_model *model)
{
    uint64_t hash = 0xcbf29ce484222325;
    const unsigned char *bytes = (const unsigned char *)model->parameters;
    for (const char *c = model->resolved; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 0x100000001b3;
    for (size_t i = 0; i < model->graph.parameter_floats * sizeof(float); i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}

/* What a chain of calls takes on a 64-bit machine: the frames, and the pointers to rows. It takes
 * most with -O2 or -O3, which keep more numbers and merge functions; on a Cortex-M less than half.
 * tests/export_c.sh holds it against a compiler's figures. */
static size_t stack_bytes(const struct cnn_c_net *net)
{
    size_t rows = 0;
    for (size_t i = 0; i < net->count; i++) {
        const struct cnn_operation *o = &net->steps[i].operation;
        const size_t own = o->kind == CNN_OPERATION_CONVOLVE ? o->conv.kernel_h
                           : o->kind == CNN_OPERATION_POOL   ? o->pool.kernel_h
                                                             : 0;
        rows = own > rows ? own : rows;
    }
    return 1024 + (rows + 1) / 2 * 16;
}

void cnn_c_write_weights(struct cnn_c_net *net, struct cnn_text *out)
{
    cnn_text_printf(out, CNN_C_MARK " Weights of the network ");
    cnn_c_comment(out, net->e->model->name);
    cnn_text_printf(out,
                    ", with batch_norm\n * folded in, in the order in which %s.c reads them. */"
                    "\n#include <stdint.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n%s\n"
                    "#ifdef __cplusplus\n}\n#endif\n",
                    net->e->name, net->weights.data ? net->weights.data : "");
}

/* ---- NAME.h ---- */

static void write_figures(const struct cnn_c_net *net, struct cnn_text *out)
{
    const cnn_model *model = net->e->model;
    cnn_text_printf(out, " *\n * %-16s%s\n", "input", cnn_c_shape(net->values[0].shape).text);
    cnn_text_printf(out, " * %-16s%s\n", "output",
                    cnn_c_shape(net->values[net->fused.graph.count].shape).text);
    cnn_text_printf(out, " * %-16s%s, a run\n", "multiply-adds", cnn_c_count(net->macs).text);
    cnn_text_printf(out, " * %-16s%s bytes, the network's only memory\n", "arena",
                    cnn_c_count(net->arena_bytes).text);
    cnn_text_printf(out, " * %-16sat most %s bytes\n", "stack", cnn_c_count(stack_bytes(net)).text);
    cnn_text_printf(out, " * %-16s%s bytes of constants, and the code\n", "flash",
                    cnn_c_count(net->flash_bytes).text);
    cnn_text_printf(out, " * %-16s%016" PRIx64 " (FNV-1a of description and parameters)\n", "model",
                    hash_model(model));
    cnn_text_printf(out, " * %-16s%s\n", "accuracy",
                    net->accuracy ? net->accuracy : "not measured");
}

static void write_pixels(const struct cnn_c_net *net, struct cnn_text *out)
{
    const cnn_model *model = net->e->model;
    const struct cnn_normalization *n = &model->normalization;
    const size_t channels = net->values[0].shape.c;
    cnn_text_printf(out, "/* pixels: HEIGHT x WIDTH x CHANNELS bytes, rows from the top%s. ",
                    channels == 3 ? ", each pixel red, green, blue" : "");
    if (n->channels != channels)
        cnn_text_printf(out, "The model does\n * not say how pixels are normalised: they are seen "
                             "as byte / 255. */\n");
    else
        cnn_text_printf(out,
                        "They are\n * normalised as the model was trained: (byte / 255 - mean) "
                        "/ std. */\n");
}

static void write_functions(const struct cnn_c_net *net, struct cnn_text *out)
{
    const char *name = net->e->name;
    cnn_text_printf(
        out,
        "/* input: %s_INPUTS numbers in channel, row, column order, normalised. output: "
        "%s_OUTPUTS\n * numbers, in channel, row, column order%s. arena: "
        "%s_ARENA_BYTES bytes, aligned to\n * 16; what it holds before does not "
        "matter. */\n"
        "void %s_run(const float *input, float *output, void *arena);\n\n",
        name, name,
        net->steps[net->count - 1].activation.kind == CNN_ACT_SOFTMAX ? ", which are probabilities"
                                                                      : "",
        name, name);
    write_pixels(net, out);
    cnn_text_printf(
        out,
        "void %s_run_pixels(const unsigned char *pixels, float *output, void *arena);\n\n"
        "/* The same row by row, for pictures that are never whole in memory: push_row for row 0, "
        "1, "
        "... to\n * HEIGHT - 1 (WIDTH x CHANNELS bytes each), then finish. %s */\n"
        "void %s_push_row(const unsigned char *pixels, int row, void *arena);\n"
        "void %s_finish(float *output, void *arena);\n\n",
        name,
        net->streams ? "The first layer is computed as rows\n * arrive."
                     : "The rows are kept in the\n * arena.",
        name, name);
}

void cnn_c_write_header(struct cnn_c_net *net, struct cnn_text *out)
{
    const char *name = net->e->name;
    const cnn_shape in = net->values[0].shape, last = net->values[net->fused.graph.count].shape;
    cnn_text_printf(out, CNN_C_MARK " The network ");
    cnn_c_comment(out, net->e->model->name);
    cnn_text_printf(out, " in C99: no memory but the arena, no\n * files, no global that is "
                         "written. Calls with different arenas may run at the same time.\n");
    write_figures(net, out);
    cnn_text_printf(out,
                    " */\n#ifndef %s_H\n#define %s_H\n\n#ifdef __cplusplus\nextern \"C\" {\n"
                    "#endif\n\n",
                    name, name);
    cnn_text_printf(out, "#define %s_CHANNELS %zu\n#define %s_HEIGHT %zu\n#define %s_WIDTH %zu\n",
                    name, in.c, name, in.h, name, in.w);
    cnn_text_printf(out, "#define %s_INPUTS %zu\n#define %s_OUTPUTS %zu\n", name,
                    cnn_shape_count(in), name, cnn_shape_count(last));
    cnn_text_printf(out, "#define %s_ARENA_BYTES %zu\n\n", name, net->arena_bytes);
    write_functions(net, out);
    cnn_text_printf(
        out,
        "#ifdef CNN_SELFTEST\n/* Sends a picture that the code makes through the network, "
        "and compares each layer with what it was\n * where the files were written. 0: all "
        "are the same; else the number of the first layer that differs\n * (that of its "
        "function in %s.c). */\nint %s_selftest(void *arena);\n#endif\n\n",
        name, name);
    if (cnn_c_classes(net) == cnn_shape_count(last))
        cnn_text_printf(out, "extern const char *const %s_classes[%s_OUTPUTS];\n", name, name);
    else
        cnn_text_printf(out,
                        "/* of the channels of the output */\nextern const char *const "
                        "%s_classes[%zu];\n",
                        name, cnn_c_classes(net));
    cnn_text_printf(out, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}

/* ---- The example ---- */

void cnn_c_write_main(struct cnn_c_net *net, struct cnn_text *out)
{
    const char *name = net->e->name;
    const cnn_shape last = net->values[net->fused.graph.count].shape;
    cnn_text_printf(out,
                    CNN_C_MARK
                    " An example for a machine with files: pictures from standard "
                    "input, each\n * HEIGHT x WIDTH x CHANNELS bytes; for each its best "
                    "class. */\n"
                    "#include <stdio.h>\n\n#include \"%s.h\"\n\n"
                    "static union {\n    unsigned char bytes[%s_ARENA_BYTES];\n    long double "
                    "aligned;\n} arena;\n#ifndef CNN_SELFTEST\nstatic unsigned char "
                    "pixels[%s_INPUTS];\nstatic float output[%s_OUTPUTS];\n#endif\n\n",
                    name, name, name, name);
    cnn_text_printf(out,
                    "int main(void)\n{\n#ifdef CNN_SELFTEST\n"
                    "    const int layer = %s_selftest(arena.bytes);\n"
                    "    if (layer > 0)\n        printf(\"layer %%d differs\\n\", layer);\n"
                    "    else\n        printf(\"all layers are the same\\n\");\n"
                    "    return layer > 0;\n#else\n"
                    "    while (fread(pixels, sizeof pixels, 1, stdin) == 1) {\n"
                    "        int best = 0;\n        %s_run_pixels(pixels, output, arena.bytes);\n",
                    name, name);
    if (last.h * last.w == 1 || last.c == 1)
        cnn_text_printf(out,
                        "        for (int i = 1; i < %s_OUTPUTS; i++)\n"
                        "            if (output[i] > output[best])\n                best = i;\n"
                        "        printf(\"%%d %%s %%g\\n\", best, %s_classes[best], "
                        "(double)output[best]);\n",
                        name, name);
    else
        cnn_text_printf(out,
                        "        for (int i = 0; i < %s_OUTPUTS; i++)\n"
                        "            printf(\"%%g\\n\", (double)output[i]);\n        "
                        "(void)best;\n",
                        name);
    cnn_text_printf(out, "    }\n    return 0;\n#endif\n}\n");
}

void cnn_c_write_makefile(struct cnn_c_net *net, struct cnn_text *out)
{
    const char *name = net->e->name;
    cnn_text_printf(
        out,
        "# Written by cnn export. `make` builds an example that reads pictures; `make "
        "size` shows what code and\n# constants take; CC=arm-none-eabi-gcc and the like "
        "build for other machines.\n"
        "CFLAGS ?= -O3\nWARNINGS = -std=c99 -Wall -Wextra -Wpedantic -Wconversion\n"
        "OBJECTS = %s.o %s_weights.o\n"
        "SIZE = $(patsubst %%gcc,%%,$(firstword $(filter %%-gcc,$(CC))))size\n\n"
        "%s-example: main.o $(OBJECTS)\n\t$(CC) $(CFLAGS) $(LDFLAGS) -o $@ main.o "
        "$(OBJECTS)%s\n\n",
        name, name, name, net->math ? " -lm" : "");
    cnn_text_printf(
        out,
        "# They are always compiled: CC or CFLAGS may be others than before.\n"
        "%%.o: %%.c %s.h force\n\t$(CC) $(WARNINGS) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<\n\n"
        "size: $(OBJECTS)\n\t$(SIZE) $(OBJECTS)\n\n"
        "# Whether each layer gives what it gave where the files were written.\n"
        "selftest: main.c %s.c %s_weights.c %s.h\n\t$(CC) $(WARNINGS) $(CFLAGS) "
        "-DCNN_SELFTEST -o %s-selftest main.c %s.c %s_weights.c -lm\n"
        "\t./%s-selftest\n\n"
        "clean:\n\trm -f %s-example %s-selftest main.o $(OBJECTS)\n\n.PHONY: size selftest "
        "clean force\n",
        name, name, name, name, name, name, name, name, name, name);
}

/* ---- Arduino ---- */

void cnn_c_write_sketch(struct cnn_c_net *net, struct cnn_text *out)
{
    const char *name = net->e->name;
    cnn_text_printf(out,
                    CNN_C_MARK
                    " A sketch: rows of a picture go in one by one, as a camera gives "
                    "them; the\n * best class goes to the serial line. */\n"
                    "#include <%s.h>\n\n"
                    "static unsigned char arena[%s_ARENA_BYTES] __attribute__((aligned(16)));\n"
                    "static unsigned char row[%s_WIDTH * %s_CHANNELS];\n"
                    "static float output[%s_OUTPUTS];\n\n"
                    "void setup()\n{\n    Serial.begin(115200);\n}\n\n",
                    name, name, name, name, name);
    cnn_text_printf(out,
                    "void loop()\n{\n    for (int i = 0; i < %s_HEIGHT; i++) {\n"
                    "        /* fill row with WIDTH x CHANNELS bytes of the picture here */\n"
                    "        %s_push_row(row, i, arena);\n    }\n    %s_finish(output, arena);\n"
                    "    int best = 0;\n    for (int i = 1; i < %s_OUTPUTS; i++)\n"
                    "        if (output[i] > output[best])\n            best = i;\n"
                    "    Serial.println(best);\n}\n",
                    name, name, name, name);
}

void cnn_c_write_properties(struct cnn_c_net *net, struct cnn_text *out)
{
    cnn_text_printf(out,
                    "# Written by cnn export.\nname=%s\nversion=1.0.0\nauthor=cnn export\n"
                    "maintainer=cnn export\nsentence=A neural network in C.\n"
                    "paragraph=%s.h says how it is used.\ncategory=Data Processing\nurl=\n"
                    "architectures=*\nincludes=%s.h\n",
                    net->e->name, net->e->name, net->e->name);
}
