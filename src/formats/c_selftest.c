/* The self-test of exported C (c_export.h): a picture of numbers from a small generator goes
 * through the network, and each layer's numbers are held against those that the model's own plan
 * gave. Bytes are compared by a checksum, floats at eight places, within a share of the layer's
 * largest. */
#include <math.h>
#include <string.h>

#include "formats/c_files.h"
#include "util/allocate.h"

#define PLACES    8
#define TOLERANCE 1e-3f /* of the largest number: convolutions by Winograd's algorithm are near */

struct check {
    uint32_t checksum;
    float tolerance, values[PLACES];
};

struct tested {
    struct cnn_c_net *net;
    struct check *checks; /* by step */
};

/* Number i of a map in memory, whose pixels may be filled up with bytes. */
static void check_value(const struct cnn_c_net *net, const struct cnn_c_step *step,
                        const struct cnn_call *call, struct check *check)
{
    const cnn_shape shape = net->values[step->y].shape;
    const size_t count = cnn_shape_count(shape), padded = cnn_code_channels(shape.c);
    const struct cnn_c_value *y = &net->values[step->y];
    const unsigned char *bytes = (const unsigned char *)call->y;
    *check = (struct check){.checksum = 0x811c9dc5};
    for (size_t i = 0; y->element == 1 && i < count; i++) {
        const unsigned byte = step->node->y_bytes ? bytes[i / shape.c * padded + i % shape.c]
                                                  : (unsigned)cnn_c_code(y->codes, call->y[i]);
        check->checksum = (check->checksum ^ byte) * 0x01000193;
    }
    if (y->element == 1)
        return;
    for (size_t i = 0; i < count; i++)
        check->tolerance = fmaxf(check->tolerance, fabsf(call->y[i]));
    check->tolerance = check->tolerance * TOLERANCE + 1e-6f;
    for (size_t i = 0; i < PLACES; i++)
        check->values[i] = call->y[i * count / PLACES];
}

static void observe(void *context, size_t node, bool backward, bool begin)
{
    const struct tested *t = context;
    const struct cnn_c_net *net = t->net;
    (void)backward;
    for (size_t i = 0; !begin && i < net->count; i++)
        if (net->steps[i].y - 1 == net->fused.lead[node])
            check_value(net, &net->steps[i], cnn_plan_step(net->plan, net->steps[i].y - 1),
                        &t->checks[i]);
}

/* The picture, as the network sees it; in C: write_selftest. */
static bool make_picture(const struct cnn_c_net *net, float *x)
{
    const cnn_shape shape = net->fused.graph.input;
    const size_t count = cnn_shape_count(shape);
    struct cnn_normalization normalization = net->e->model->normalization;
    uint8_t *bytes = cnn_malloc(count);
    uint32_t state = 1;
    for (size_t i = 0; bytes && i < count; i++) {
        state = state * 1664525 + 1013904223;
        bytes[i] = (uint8_t)(state >> 24);
    }
    if (bytes && normalization.channels == shape.c)
        cnn_normalize(&normalization, bytes, shape.h * shape.w, x);
    else
        for (size_t i = 0; bytes && i < count; i++)
            x[i] = (float)bytes[i] / 255;
    cnn_free(bytes);
    return bytes;
}

static void write_checks(const struct cnn_c_net *net, const struct check *checks,
                         struct cnn_text *out)
{
    cnn_text_printf(out,
                    "/* What a layer's numbers are: bytes by their checksum, floats at eight "
                    "places. */\n"
                    "struct check {\n    int layer;\n    size_t offset, count;\n"
                    "    uint32_t bytes, checksum;\n    float tolerance, values[%d];\n};\n\n"
                    "static const struct check checks[%zu] = {\n",
                    PLACES, net->count);
    for (size_t i = 0; i < net->count; i++) {
        const struct cnn_c_value *y = &net->values[net->steps[i].y];
        cnn_text_printf(out, "    {%zu, %zu, %zu, %d, 0x%08xu, %s, {", net->steps[i].y,
                        net->arrays[y->array].offset, cnn_shape_count(y->shape), y->element == 1,
                        checks[i].checksum, cnn_c_number(checks[i].tolerance).text);
        for (size_t k = 0; k < PLACES; k++)
            cnn_text_printf(out, "%s%s", k == 0 ? "" : ", ",
                            cnn_c_number(checks[i].values[k]).text);
        cnn_text_printf(out, "}},\n");
    }
    cnn_text_printf(out, "};\n\n");
}

static const char differs[] =
    "static int differs(const struct check *k, const unsigned char *arena)\n{\n"
    "    const unsigned char *bytes = arena + k->offset;\n"
    "    const float *floats = (const float *)(const void *)bytes;\n"
    "    uint32_t checksum = 0x811c9dc5u;\n"
    "    for (size_t i = 0; k->bytes && i < k->count; i++)\n"
    "        checksum = (checksum ^ bytes[i]) * 0x01000193u;\n"
    "    for (size_t i = 0; !k->bytes && i < 8; i++) {\n"
    "        const float far = floats[i * k->count / 8] - k->values[i];\n"
    "        if (!(far <= k->tolerance && -far <= k->tolerance))\n            return 1;\n    }\n"
    "    return checksum != k->checksum;\n}\n\n";

static void write_function(const struct cnn_c_net *net, struct cnn_text *out)
{
    const cnn_shape in = net->values[0].shape;
    const size_t first = net->streams ? 1 : 0;
    cnn_text_printf(out,
                    "int %s_selftest(void *arena)\n{\n    unsigned char row[%zu];\n"
                    "    uint32_t state = 1;\n"
                    "    for (int i = 0; i < %zu; i++) {\n"
                    "        for (int j = 0; j < %zu; j++) {\n"
                    "            state = state * 1664525u + 1013904223u;\n"
                    "            row[j] = (unsigned char)(state >> 24);\n        }\n"
                    "        %s_push_row(row, i, arena);\n    }\n",
                    net->e->name, in.w * in.c, in.h, in.w * in.c, net->e->name);
    if (net->streams)
        cnn_text_printf(out, "    if (differs(&checks[0], (const unsigned char *)arena))\n"
                             "        return checks[0].layer;\n");
    if (net->count > first)
        cnn_text_printf(out,
                        "    for (int i = 0; i < %zu; i++) {\n"
                        "        layers[i]((unsigned char *)arena);\n"
                        "        if (differs(&checks[i + %zu], (const unsigned char *)arena))\n"
                        "            return checks[i + %zu].layer;\n    }\n",
                        net->count - first, first, first);
    cnn_text_printf(out, "    return 0;\n}\n");
}

cnn_status cnn_c_selftest(struct cnn_c_net *net)
{
    const struct cnn_export *e = net->e;
    struct tested t = {.net = net,
                       .checks = cnn_arena_array(e->arena, net->count, sizeof *t.checks)};
    struct cnn_text *out = &net->selftest;
    if (!t.checks || !make_picture(net, cnn_plan_input(net->plan)))
        return cnn_fail_memory(e->diag, net->count * sizeof *t.checks, e->path);
    cnn_plan_observe(net->plan, observe, &t);
    cnn_plan_forward(net->plan, 1, false, 0);
    cnn_plan_observe(net->plan, NULL, NULL);
    cnn_text_printf(out, "\n/* ---- The self-test ---- */\n\n#ifdef CNN_SELFTEST\n");
    write_checks(net, t.checks, out);
    cnn_text_printf(out, "%s", differs);
    write_function(net, out);
    cnn_text_printf(out, "#endif\n");
    return CNN_OK;
}
