/* Steps of exported C that compute with bytes: the integers are those of the plan
 * (graph/integers.h, kernels/bytes.h), so the numbers are those of `cnn predict`. */
#include "formats/c_export.h"

static size_t taps_of(const struct cnn_conv *c)
{
    return c->kernel_h * c->kernel_w;
}

static size_t pixels_of(cnn_shape s)
{
    return s.h * s.w;
}

static bool gives_bytes(const struct cnn_c_step *step)
{
    return step->integers->y.scale > 0;
}

static size_t round_up(size_t bytes)
{
    return (bytes + 3) / 4 * 4;
}

/* ---- Scratch: inputs of two columns, their sums, two rows that are yet to be pooled ---- */

static size_t columns_bytes(const struct cnn_c_step *step)
{
    const struct cnn_conv *c = &step->operation.conv;
    if (step->operation.kind != CNN_OPERATION_CONVOLVE || cnn_c_is_depthwise(c))
        return 0;
    return 2 * round_up(taps_of(c) * (c->in_c / c->groups)) * sizeof(int16_t);
}

static size_t sums_bytes(const struct cnn_c_step *step)
{
    const size_t channels = step->lead->out.c;
    switch (step->operation.kind) {
    case CNN_OPERATION_CONVOLVE:
        return (cnn_c_is_depthwise(&step->operation.conv) ? 1 : 2) * channels * sizeof(int32_t);
    case CNN_OPERATION_DENSE:
        return channels * sizeof(int32_t);
    case CNN_OPERATION_POOL:
    case CNN_OPERATION_GLOBAL_POOL:
        return step->integers ? channels * sizeof(int32_t) : 0;
    default:
        return 0;
    }
}

size_t cnn_c_scratch_bytes(const struct cnn_c_step *step)
{
    const size_t rows = step->pools ? 2 * step->pool.in_w * step->pool.channels : 0;
    return columns_bytes(step) + sums_bytes(step) + rows;
}

/* ---- Constants ---- */

static const char *requantize_text(struct cnn_c_net *net, const struct cnn_integers *k)
{
    return cnn_c_text(net, "{%d, %d, %d, %d, %d}", k->left, k->shift, k->zero, k->low, k->high);
}

static void write_requantize(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    cnn_c_need(net, "requantize");
    cnn_c_line(net, "static const struct requantize q = %s;", requantize_text(net, step->integers));
}

/* The scales of sums, or their multipliers. */
static const char *write_factors(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_integers *k = step->integers;
    return gives_bytes(step)
               ? cnn_c_wholes(net, step, "multiplier", "int32_t", k->multiplier, k->count)
               : cnn_c_floats(net, step, "scale", k->scale, k->count);
}

static const char *write_table(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    int32_t table[256];
    for (size_t i = 0; step->integers->table && i < 256; i++)
        table[i] = step->integers->table[i];
    if (!step->integers->table)
        return NULL;
    cnn_c_need(net, "table_u8");
    return cnn_c_wholes(net, step, "table", "uint8_t", table, 256);
}

/* [filter][tap][channel]; depthwise: [tap][filter] */
static const char *write_codes(struct cnn_c_net *net, const struct cnn_c_step *step,
                               const struct cnn_conv *c)
{
    const struct cnn_c_value *x = &net->values[step->node->inputs[0]];
    const size_t channels = c->in_c / c->groups, taps = taps_of(c),
                 count = c->out_c * channels * taps;
    signed char *codes = cnn_arena_alloc(net->e->arena, count);
    int32_t *packed = cnn_arena_array(net->e->arena, count, sizeof *packed);
    net->failed = net->failed || !codes || !packed;
    if (net->failed)
        return "";
    step->node->quantization->codes(step->call, codes);
    for (size_t f = 0; f < c->out_c; f++)
        for (size_t tap = 0; tap < taps; tap++)
            for (size_t k = 0; k < channels; k++) {
                const size_t to =
                    cnn_c_is_depthwise(c) ? tap * c->out_c + f : (f * taps + tap) * channels + k;
                packed[to] = (int)codes[(f * channels + cnn_c_dense_source(x, k)) * taps + tap];
            }
    return cnn_c_wholes(net, step, "weight", "int8_t", packed, count);
}

static const char *write_biases(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    return cnn_c_wholes(net, step, "bias", "int32_t", step->integers->bias, step->integers->count);
}

/* ---- Functions ---- */

static void write_inputs(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_node *node = step->node;
    for (size_t k = 0; k < node->input_count; k++)
        cnn_c_write_pointer(net, "const uint8_t",
                            node->input_count == 1 ? "x" : cnn_c_text(net, "x%zu", k),
                            net->values[node->inputs[k]].array);
    cnn_c_write_pointer(net, net->values[step->y].element == 1 ? "uint8_t" : "float", "y",
                        net->values[step->y].array);
}

static void write_scratch(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const size_t at = net->arrays[step->scratch].offset, sums = at + columns_bytes(step);
    if (columns_bytes(step) > 0)
        cnn_c_line(net, "int16_t *columns = (int16_t *)(void *)(arena + %zu);", at);
    if (sums_bytes(step) > 0)
        cnn_c_line(net, "int32_t *sums = (int32_t *)(void *)(arena + %zu);", sums);
    if (step->pools)
        cnn_c_line(net, "uint8_t *pair = arena + %zu;", sums + sums_bytes(step));
}

/* The sums become the output's numbers at `to`. */
static void write_end(struct cnn_c_net *net, const struct cnn_c_step *step, const char *factors,
                      const char *pixels, const char *to)
{
    const size_t channels = step->lead->out.c;
    const char *piece = gives_bytes(step) ? "bytes_s32" : "floats_s32";
    cnn_c_need(net, piece);
    cnn_c_line(net, "%s(%ssums, %s, %s, %zu, %s);", piece, gives_bytes(step) ? "&q, " : "", factors,
               pixels, channels, to);
}

/* One row of sums and what becomes of them, at `row`. */
static void write_columns(struct cnn_c_net *net, const struct cnn_c_step *step, const char *row,
                          const char *factors)
{
    const struct cnn_conv *c = &step->operation.conv;
    const char *to = cnn_c_text(net, "%s + j * %zu", row, c->out_c);
    if (cnn_c_is_depthwise(c)) {
        cnn_c_need(net, "depthwise_u8");
        cnn_c_line(net, "        for (int32_t j = 0; j < %zu; j++) {", c->out_w);
        cnn_c_line(net, "            depthwise_u8(&k, &w, rows, j, sums);");
        cnn_text_printf(&net->code, "            ");
        write_end(net, step, factors, "1", to);
    } else {
        cnn_c_need(net, "conv_u8");
        cnn_c_line(net, "        for (int32_t j = 0; j < %zu; j += 2) {", c->out_w);
        cnn_c_line(net, "            const int32_t two = j + 1 < %zu ? 1 : 0;", c->out_w);
        cnn_c_line(net, "            conv_u8(&k, &w, rows, j, two, sums);");
        cnn_text_printf(&net->code, "            ");
        write_end(net, step, factors, "1 + two", to);
    }
    cnn_c_line(net, "        }");
}

static void write_table_line(struct cnn_c_net *net, const char *table, const char *y, size_t count)
{
    if (table)
        cnn_c_line(net, "    table_u8(%s, %s, %zu, %s);", y, table, count, y);
}

static void write_rows(struct cnn_c_net *net, const struct cnn_c_step *step, const char *factors,
                       const char *table)
{
    const struct cnn_conv *c = &step->operation.conv;
    const size_t row = c->out_w * c->out_c;
    const char *y = cnn_c_text(net, "y + i * %zu", row);
    cnn_c_begin_rows(net, step);
    if (step->pools) {
        cnn_c_line(net, "    for (int32_t u = 0; u < 2; u++) {");
        cnn_c_line(net, "        rows_u8(&k, x, 2 * i + u, rows);");
        write_columns(net, step, cnn_c_text(net, "pair + u * %zu", row), factors);
        cnn_c_line(net, "    }");
        write_table_line(net, table, "pair", 2 * row);
        cnn_c_line(net, "    max_pool_u8(&p, pooled, y + i * %zu);", step->pool.out_w * c->out_c);
    } else {
        cnn_c_line(net, "    rows_u8(&k, x, i, rows);");
        write_columns(net, step, y, factors);
        write_table_line(net, table, y, row);
        if (!gives_bytes(step))
            cnn_c_write_activation(net, step, y, c->out_w, c->out_c);
    }
    cnn_c_line(net, "}");
}

static void write_conv(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_conv *c = &step->operation.conv;
    const char *weight = write_codes(net, step, c), *bias = write_biases(net, step),
               *factors = write_factors(net, step), *table = write_table(net, step);
    cnn_c_need(net, "rows_u8");
    cnn_c_write_conv_window(net, c, cnn_c_ring_of(net, step, c->in_h));
    if (gives_bytes(step))
        write_requantize(net, step);
    if (step->pools)
        cnn_c_write_pool_window(net, "p", &step->pool, 2);
    write_inputs(net, step);
    write_scratch(net, step);
    cnn_c_line(net, "const struct %s w = {%s, %s, %d%s};",
               cnn_c_is_depthwise(c) ? "depthwise" : "filters", weight, bias,
               step->integers->x[0].zero, cnn_c_is_depthwise(c) ? "" : ", columns");
    cnn_c_line(net, "const uint8_t *rows[%zu];", c->kernel_h);
    if (step->pools) {
        cnn_c_need(net, "max_pool_u8");
        cnn_c_line(net, "const uint8_t *pooled[2] = {pair, pair + %zu};", c->out_w * c->out_c);
    }
    write_rows(net, step, factors, table);
}

static void write_dense(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const size_t inputs = cnn_shape_count(step->node->in[0]), units = step->lead->out.c;
    const struct cnn_conv dense = cnn_conv_dense(inputs, units, false);
    const char *weight = write_codes(net, step, &dense), *bias = write_biases(net, step),
               *factors = write_factors(net, step), *table = write_table(net, step);
    cnn_c_need(net, "dense_u8");
    if (gives_bytes(step))
        write_requantize(net, step);
    cnn_c_line(net, "static const struct dense w = {%s, %s, %d, %zu, %zu};", weight, bias,
               step->integers->x[0].zero, inputs, units);
    write_inputs(net, step);
    write_scratch(net, step);
    cnn_c_line(net, "dense_u8(&w, x, sums);");
    write_end(net, step, factors, "1", "y");
    if (table)
        cnn_c_line(net, "table_u8(y, %s, %zu, y);", table, units);
    if (!gives_bytes(step))
        cnn_c_write_activation(net, step, "y", 1, units);
}

static void write_mean(struct cnn_c_net *net, const struct cnn_c_step *step, const char *factor,
                       const char *to)
{
    const char *piece = gives_bytes(step) ? "mean_bytes" : "mean_floats";
    cnn_c_need(net, piece);
    cnn_c_line(net, "%s(%ssums, %s, %zu, %s);", piece, gives_bytes(step) ? "&q, " : "", factor,
               step->lead->out.c, to);
}

static void write_average_pool(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_pool *p = &step->operation.pool;
    const struct cnn_integers *k = step->integers;
    const char *factors = write_factors(net, step), *table = write_table(net, step),
               *y = cnn_c_text(net, "y + i * %zu", p->out_w * p->channels);
    cnn_c_need(net, "rows_u8");
    cnn_c_need(net, "average_pool_u8");
    cnn_c_write_pool_window(net, "k", p, cnn_c_ring_of(net, step, p->in_h));
    if (gives_bytes(step))
        write_requantize(net, step);
    cnn_c_line(net, "static const int32_t zero_and_padding[2] = {%d, %d};", k->x[0].zero,
               p->count_include_pad);
    write_inputs(net, step);
    write_scratch(net, step);
    cnn_c_line(net, "const uint8_t *rows[%zu];", p->kernel_h);
    cnn_c_begin_rows(net, step);
    cnn_c_line(net, "    rows_u8(&k, x, i, rows);");
    cnn_c_line(net, "    for (int32_t j = 0; j < %zu; j++) {", p->out_w);
    cnn_c_line(net, "        %saverage_pool_u8(&k, rows, i, j, zero_and_padding, sums)%s;",
               k->count > 1 ? "const int32_t area = " : "(void)", "");
    cnn_text_printf(&net->code, "        ");
    write_mean(net, step, cnn_c_text(net, k->count > 1 ? "%s[area - 1]" : "%s[0]", factors),
               cnn_c_text(net, "%s + j * %zu", y, p->channels));
    cnn_c_line(net, "    }");
    write_table_line(net, table, y, p->out_w * p->channels);
    cnn_c_line(net, "}");
}

static void write_max_pool(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_pool *p = &step->operation.pool;
    cnn_c_need(net, "rows_u8");
    cnn_c_need(net, "max_pool_u8");
    cnn_c_write_pool_window(net, "k", p, cnn_c_ring_of(net, step, p->in_h));
    write_inputs(net, step);
    cnn_c_line(net, "const uint8_t *rows[%zu];", p->kernel_h);
    cnn_c_begin_rows(net, step);
    cnn_c_line(net, "    rows_u8(&k, x, i, rows);");
    cnn_c_line(net, "    max_pool_u8(&k, rows, y + i * %zu);", p->out_w * p->channels);
    cnn_c_line(net, "}");
}

static void write_pool(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    if (step->operation.pool.average)
        write_average_pool(net, step);
    else
        write_max_pool(net, step);
}

static void write_global_pool(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape in = step->node->in[0];
    if (!step->operation.pool.average) {
        cnn_c_need(net, "global_max_u8");
        write_inputs(net, step);
        cnn_c_line(net, "global_max_u8(x, %zu, %zu, y);", pixels_of(in), in.c);
        return;
    }
    const struct cnn_integers *k = step->integers;
    const char *factors = write_factors(net, step), *table = write_table(net, step);
    const size_t which = k->count > 1 ? pixels_of(in) - 1 : 0;
    cnn_c_need(net, "global_average_u8");
    if (gives_bytes(step))
        write_requantize(net, step);
    write_inputs(net, step);
    write_scratch(net, step);
    cnn_c_line(net, "global_average_u8(x, %d, %zu, %zu, sums);", k->x[0].zero, pixels_of(in), in.c);
    write_mean(net, step, cnn_c_text(net, "%s[%zu]", factors, which), "y");
    if (table)
        cnn_c_line(net, "table_u8(y, %s, %zu, y);", table, in.c);
}

/* ---- Number by number ---- */

static void write_terms(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_integers *k = step->integers;
    cnn_c_line(net, "const struct term terms[%zu] = {", k->inputs);
    for (size_t i = 0; i < k->inputs; i++)
        cnn_c_line(net, "    {%s, %d, %ld},", k->inputs == 1 ? "x" : cnn_c_text(net, "x%zu", i),
                   k->x[i].zero, (long)k->multiplier[i < k->count ? i : 0]);
    cnn_c_line(net, "};");
}

static void write_add(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const char *table = write_table(net, step);
    const size_t count = cnn_shape_count(step->lead->out);
    cnn_c_need(net, "add_u8");
    write_requantize(net, step);
    write_inputs(net, step);
    write_terms(net, step);
    cnn_c_line(net, "add_u8(&q, terms, %zu, %zu, y);", step->integers->inputs, count);
    if (table)
        cnn_c_line(net, "table_u8(y, %s, %zu, y);", table, count);
}

static void write_multiply(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const char *table = write_table(net, step);
    const size_t count = cnn_shape_count(step->lead->out);
    cnn_c_need(net, "multiply_u8");
    write_requantize(net, step);
    cnn_c_line(net, "static const int32_t size[2] = {%zu, %zu};", count,
               cnn_shape_count(step->node->in[1]));
    write_inputs(net, step);
    write_terms(net, step);
    cnn_c_line(net, "multiply_u8(&q, &terms[0], &terms[1], size, y);");
    if (table)
        cnn_c_line(net, "table_u8(y, %s, %zu, y);", table, count);
}

static void write_scale(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_integers *k = step->integers;
    const cnn_shape out = step->lead->out;
    const char *table = write_table(net, step), *bias = write_biases(net, step),
               *multiplier =
                   cnn_c_wholes(net, step, "multiplier", "int32_t", k->multiplier, k->count);
    cnn_c_need(net, "scale_u8");
    cnn_c_line(net, "static const struct scale k = {%s, %s, %s, %zu, %zu};",
               requantize_text(net, k), multiplier, bias, pixels_of(out), out.c);
    write_inputs(net, step);
    cnn_c_line(net, "scale_u8(&k, x, y);");
    if (table)
        cnn_c_line(net, "table_u8(y, %s, %zu, y);", table, cnn_shape_count(out));
}

static void write_activate(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const char *table = write_table(net, step);
    write_inputs(net, step);
    cnn_c_line(net, "table_u8(x, %s, %zu, y);", table ? table : "",
               cnn_shape_count(step->lead->out));
}

/* ---- What moves bytes ---- */

static void write_concatenate(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_node *node = step->node;
    const cnn_shape out = step->lead->out;
    size_t first = 0;
    cnn_c_need(net, "copy_channels");
    write_inputs(net, step);
    for (size_t k = 0; k < node->input_count; first += node->in[k].c, k++)
        cnn_c_line(net, "copy_channels(%s, %zu, y + %zu, %zu, %zu, %zu);",
                   node->input_count == 1 ? "x" : cnn_c_text(net, "x%zu", k), node->in[k].c, first,
                   out.c, node->in[k].c, pixels_of(out));
}

static void write_moves(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_operation *o = &step->operation;
    const cnn_shape in = step->node->in[0], out = step->lead->out;
    switch (o->kind) {
    case CNN_OPERATION_SLICE:
        cnn_c_need(net, "copy_channels");
        write_inputs(net, step);
        cnn_c_line(net, "copy_channels(x + %zu, %zu, y, %zu, %zu, %zu);", o->range.first,
                   o->range.channels, o->range.count, o->range.count, pixels_of(out));
        break;
    case CNN_OPERATION_SHUFFLE:
        cnn_c_need(net, "shuffle_u8");
        write_inputs(net, step);
        cnn_c_line(net, "shuffle_u8(x, %zu, %zu, %zu, y);", pixels_of(out), out.c, o->groups);
        break;
    default: /* flatten */
        cnn_c_need(net, "transpose_u8");
        write_inputs(net, step);
        cnn_c_line(net, "transpose_u8(x, %zu, %zu, y);", pixels_of(in), in.c);
    }
}

static void write_pad(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_border *b = &step->operation.border;
    cnn_c_need(net, "pad");
    cnn_c_line(net, "static const struct pad k = {%zu, %zu, %zu, %zu, %zu, %zu, %d, %d};", b->in_h,
               b->in_w, b->out_h, b->out_w, b->top, b->left, (int)b->mode,
               net->values[step->y].codes.zero);
    write_inputs(net, step);
    cnn_c_line(net, "pad(&k, x, y, %zu);", b->channels);
}

static void write_resample(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_resample *r = &step->operation.resample;
    cnn_c_need(net, "nearest_u8");
    cnn_c_line(net, "static const struct resize k = {%zu, %zu, %zu, %zu, %zu, 0};", r->in_h,
               r->in_w, r->out_h, r->out_w, r->channels);
    write_inputs(net, step);
    cnn_c_line(net, "nearest_u8(&k, x, y);");
}

static void write_depth(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_depth *d = &step->operation.depth;
    const char *piece = step->operation.kind == CNN_OPERATION_DEPTH_TO_SPACE ? "depth_to_space_u8"
                                                                             : "space_to_depth_u8";
    cnn_c_need(net, piece);
    cnn_c_line(net, "static const struct depth k = {%zu, %zu, %zu, %zu, %d};", d->h, d->w,
               d->channels, d->block, d->places_first);
    write_inputs(net, step);
    cnn_c_line(net, "%s(&k, x, y);", piece);
}

typedef void writer(struct cnn_c_net *net, const struct cnn_c_step *step);

/* Those that have a form in whole numbers. */
static writer *const writers[CNN_OPERATION_KINDS] = {
    [CNN_OPERATION_CONVOLVE] = write_conv,
    [CNN_OPERATION_DENSE] = write_dense,
    [CNN_OPERATION_POOL] = write_pool,
    [CNN_OPERATION_GLOBAL_POOL] = write_global_pool,
    [CNN_OPERATION_ADD] = write_add,
    [CNN_OPERATION_MULTIPLY] = write_multiply,
    [CNN_OPERATION_ACTIVATE] = write_activate,
    [CNN_OPERATION_BATCH_NORM] = write_scale,
    [CNN_OPERATION_CONCATENATE] = write_concatenate,
    [CNN_OPERATION_SLICE] = write_moves,
    [CNN_OPERATION_SHUFFLE] = write_moves,
    [CNN_OPERATION_FLATTEN] = write_moves,
    [CNN_OPERATION_PAD] = write_pad,
    [CNN_OPERATION_RESAMPLE] = write_resample,
    [CNN_OPERATION_DEPTH_TO_SPACE] = write_depth,
    [CNN_OPERATION_SPACE_TO_DEPTH] = write_depth,
};

bool cnn_c_has_bytes(const struct cnn_c_step *step)
{
    return writers[step->operation.kind];
}

void cnn_c_write_bytes(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    writers[step->operation.kind](net, step);
}
