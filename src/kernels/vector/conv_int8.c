/* The forward pass in bytes. CNN_BYTES channels of a pixel are one element of 32 bits, so that
 * windows, copies and the GEMM (cnn_products_int8) see a convolution of a quarter of the channels,
 * or of half of them; then blocks are copied with 16 bits for each. Its sums, of one block of
 * output lines at a time, go to a buffer that stays in the cache; from there they are pooled and
 * stored as codes, or scaled, activated, pooled and stored as floats. */
#include <stdint.h>

#include "kernels/ref.h"
#include "kernels/vector/depthwise_int8.h"
#include "kernels/vector/ops.h"
#include "kernels/vector/windows.h"
#include "util/parallel.h"

/* Sums of one block, but for its least positions: so many stay in a common first-level cache. */
#define BLOCK_SUMS ((size_t)1 << 12)
#define BLOCK_MIN  ((size_t)64)

/* How a pass is cut, and all it needs. */
struct pass {
    struct cnn_windows windows; /* channels: fours of bytes */
    struct cnn_blocks blocks;
    size_t groups, elements, columns; /* elements that the GEMM sees, columns (as packed) of one */
    size_t filters;                   /* of one group */
    size_t part_columns, parts;
    size_t sums_floats, thread_floats;
    const struct cnn_integers *integers;
    struct cnn_activation activation;
    const struct cnn_pool *pool;
    const float *x, *packed;
    const int *first; /* what the sums begin with */
    void *y;
    float *scratch;
    size_t y_pixel;           /* from pixel to pixel in y */
    struct cnn_limits limits; /* of floats that are stored */
    bool activates;           /* floats, by a pass of its own */
};

/* Elements of 32 bits that the GEMM sees of a pixel's channels of one group. */
static size_t group_elements(const struct cnn_conv *c)
{
    return cnn_code_channels(c->in_c) / CNN_BYTES / c->groups;
}

static struct pass pass_plan(const struct cnn_conv *conv, size_t n, const struct cnn_pool *pool)
{
    struct cnn_conv c = *conv;
    struct pass p = {.groups = conv->groups};
    if (!pool)
        cnn_conv_flatten(&c, &n);
    p.windows = CNN_BF16_NAME(cnn_windows)(&c, n);
    p.windows.channels = cnn_code_channels(c.in_c) / 4;
    p.windows.copying = CNN_BYTES == 4 ? CNN_COPY_IF_PADDED : CNN_COPY_WIDENED;
    p.elements = group_elements(&c);
    p.filters = c.out_c / c.groups;
    p.columns = cnn_packed_columns(p.filters);
    size_t positions = n * c.out_h * c.out_w, fours = p.windows.channels / c.groups,
           work = cnn_size_times(positions * c.kernel_h * c.kernel_w * fours, c.out_c);
    size_t wanted = cnn_tasks_wanted(work),
           target = cnn_size_min(cnn_size_divide_up(positions, wanted),
                                 BLOCK_SUMS / cnn_size_min(p.columns, BLOCK_SUMS));
    p.blocks = CNN_BF16_NAME(cnn_windows_cut)(&p.windows, target > BLOCK_MIN ? target : BLOCK_MIN,
                                              p.elements);
    if (pool && p.blocks.bands > 1) { /* no window of the pooling lies in two blocks */
        p.blocks.lines += p.blocks.lines % 2;
        p.blocks.bands = cnn_size_divide_up(c.out_h, p.blocks.lines);
        p.blocks.count = n * p.blocks.bands;
    }
    p.part_columns = cnn_part_columns(p.columns, p.blocks.count * p.groups, wanted);
    p.parts = cnn_size_divide_up(p.columns, p.part_columns);
    p.sums_floats = cnn_size_times(p.blocks.images * p.blocks.lines * c.out_w,
                                   cnn_size_min(p.part_columns, p.columns));
    p.thread_floats = p.sums_floats;
    if (p.windows.copying == CNN_COPY_WIDENED || CNN_BF16_NAME(cnn_windows_padded)(&p.windows))
        p.thread_floats =
            cnn_size_plus(p.thread_floats,
                          CNN_BF16_NAME(cnn_blocks_copy_floats)(&p.windows, &p.blocks, p.elements));
    p.thread_floats = cnn_size_plus(p.thread_floats, 15) / 16 * 16;
    return p;
}

/* Groups of other than whole fours of channels go the plain way, but for depthwise ones. (One
 * channel alone is no depthwise convolution.) */
static bool fits(const struct cnn_conv *c)
{
    return c->groups == 1 || c->in_c / c->groups % 4 == 0;
}

size_t CNN_INT8_NAME(cnn_conv_int8_scratch_floats)(const struct cnn_conv *c, size_t n)
{
    if (!fits(c))
        return CNN_INT8_NAME(cnn_depthwise_int8_fits)(c)
                   ? CNN_INT8_NAME(cnn_depthwise_int8_scratch_floats)(c)
                   : cnn_conv_int8_scratch_floats_ref(c, n);
    const struct cnn_pool pool = {.out_h = 1};
    size_t one = pass_plan(c, n, NULL).thread_floats, other = pass_plan(c, n, &pool).thread_floats;
    return cnn_size_times(one > other ? one : other, (size_t)cnn_parallel_threads());
}

/* Packed: what the sums of each column begin with; then the panels [group][panel][kernel row,
 * kernel column, element][column]. */
static size_t first_floats(const struct cnn_conv *c)
{
    return cnn_size_times(c->groups, cnn_packed_columns(c->out_c / c->groups));
}

size_t CNN_INT8_NAME(cnn_conv_int8_packed_floats)(const struct cnn_conv *c)
{
    if (!fits(c))
        return CNN_INT8_NAME(cnn_depthwise_int8_fits)(c)
                   ? CNN_INT8_NAME(cnn_depthwise_int8_packed_floats)(c)
                   : cnn_conv_int8_packed_floats_ref(c);
    size_t depth = cnn_size_times(cnn_size_times(c->kernel_h, c->kernel_w), group_elements(c));
    return cnn_size_times(first_floats(c), cnn_size_plus(depth, 1));
}

/* CNN_BYTES channels of one tap as an element, and their sum. */
static int pack_element(const signed char *codes, size_t taps, size_t channels, int *sum)
{
    unsigned bits = 0;
    for (size_t i = 0; i < channels; i++) {
        const int code = codes[i * taps];
        *sum += code;
        bits |= cnn_byte_at(code, i);
    }
    return (int)bits;
}

struct packing {
    const struct cnn_conv *c;
    const struct cnn_integers *integers;
    const signed char *codes;
    float *packed;
};

/* Task: one panel of one group. */
static void pack_panel(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct packing *p = context;
    const struct cnn_conv *c = p->c;
    size_t group_in = c->in_c / c->groups, filters = c->out_c / c->groups,
           columns = cnn_packed_columns(filters);
    size_t panels = cnn_size_divide_up(columns, CNN_PANEL), group = task / panels,
           column = task % panels * CNN_PANEL;
    size_t taps = c->kernel_h * c->kernel_w, elements = group_elements(c),
           width = cnn_panel_width(columns, column);
    int *first = (int *)(void *)p->packed + group * columns + column;
    int *to =
        (int *)(void *)p->packed + first_floats(c) + (group * columns + column) * taps * elements;
    for (size_t j = 0; j < width; j++) {
        const bool used = column + j < filters;
        size_t filter = group * filters + column + j;
        int sum = 0;
        for (size_t t = 0; t < taps; t++)
            for (size_t e = 0; e < elements; e++) {
                const size_t channel = CNN_BYTES * e;
                to[(t * elements + e) * width + j] =
                    used && channel < group_in
                        ? pack_element(p->codes + (filter * group_in + channel) * taps + t, taps,
                                       cnn_size_min(CNN_BYTES, group_in - channel), &sum)
                        : 0;
            }
        /* may leave 32 bits, as what is added to it does; their sum does not */
        first[j] = used ? (int)((unsigned)p->integers->bias[filter] -
                                (unsigned)p->integers->x->zero * (unsigned)sum)
                        : 0;
    }
}

void CNN_INT8_NAME(cnn_conv_int8_pack)(const struct cnn_conv *c,
                                       const struct cnn_integers *integers,
                                       const signed char *codes, float *packed)
{
    if (CNN_INT8_NAME(cnn_depthwise_int8_fits)(c)) {
        CNN_INT8_NAME(cnn_depthwise_int8_pack)(c, integers, codes, packed);
        return;
    }
    if (!fits(c)) {
        cnn_conv_int8_pack_ref(c, integers, codes, packed);
        return;
    }
    struct packing p = {c, integers, codes, packed};
    cnn_parallel_for(c->groups *
                         cnn_size_divide_up(cnn_packed_columns(c->out_c / c->groups), CNN_PANEL),
                     pack_panel, &p);
}

/* The sums of one task: those of `used` filters, which begin at filter number `filter`, from pixel
 * to pixel `columns` apart. */
struct block {
    float *sums;
    size_t columns, used, filter;
    size_t image, line; /* the first */
};

/* One line of y: its number `at` of bytes or floats on, `pixels` pixels, from the line of sums
 * `upper`. lower: the second line of a pooling; NULL: none. */
struct line {
    const float *upper, *lower;
    size_t at, pixels;
};

/* The sums of VLEN columns of one pixel, or the largest of each of four. */
CNN_INLINE vint sums_at(const float *upper, const float *lower, size_t columns)
{
    vint v = (vint)vload(upper);
    if (lower)
        v = vmax_int(vmax_int(v, (vint)vload(upper + columns)),
                     vmax_int((vint)vload(lower), (vint)vload(lower + columns)));
    return v;
}

static void look_up(const struct pass *p, const struct block *block, const struct line *line)
{
    const unsigned char *table = p->integers->table;
    unsigned char *y = (unsigned char *)p->y + line->at;
    /* where a block has all filters, with what fills up each pixel */
    if (p->groups == 1 && cnn_code_channels(block->used) == p->y_pixel)
        CNN_ISA_NAME(cnn_look_up)(table, line->pixels * p->y_pixel, y);
    else
        for (size_t i = 0; i < line->pixels; i++, y += p->y_pixel)
            CNN_ISA_NAME(cnn_look_up)(table, block->used, y);
}

/* Of `vectors` vectors of columns, one or four, from column j on. */
CNN_INLINE void store_columns(const struct pass *p, const struct block *block,
                              const struct line *line, size_t j, size_t vectors)
{
    const struct vfinish finish = vfinish(p->integers);
    const size_t columns = block->columns, step = line->lower ? 2 * columns : columns,
                 lanes = vectors == 1 ? cnn_size_min(block->used - j, VLEN) : VLEN;
    const float *a = line->upper + j, *b = line->lower ? line->lower + j : NULL;
    unsigned char *y = (unsigned char *)p->y + line->at + j;
    vint multiplier[4], number[4];
    for (size_t k = 0; k < vectors; k++)
        multiplier[k] = (vint)vload_lanes(
            (const float *)(const void *)(p->integers->multiplier + block->filter + j + k * VLEN),
            lanes);
    for (size_t i = 0; i < line->pixels; i++, a += step, y += p->y_pixel) {
        for (size_t k = 0; k < vectors; k++)
            number[k] = vmultiply(&finish, sums_at(a + k * VLEN, b ? b + k * VLEN : NULL, columns),
                                  multiplier[k]);
        if (vectors == 4)
            vround_shift_four(&finish, number, y);
        else
            vround_shift(&finish, number[0], lanes, y);
        if (b)
            b += step;
    }
}

/* Multipliers are not below 0: the largest sum makes the largest code. */
CNN_INLINE void store_codes(const struct pass *p, const struct block *block, struct line line)
{
    size_t j = 0;
    for (; j + 4 * VLEN <= block->used; j += 4 * VLEN)
        store_columns(p, block, &line, j, 4);
    for (; j < block->used; j += VLEN)
        store_columns(p, block, &line, j, 1);
    if (p->integers->table)
        look_up(p, block, &line);
}

CNN_INLINE vfloat scaled(const struct pass *p, const float *sums, vfloat scale)
{
    const vfloat v = vload(sums);
    return p->activates ? v : __builtin_convertvector((vint)v, vfloat) * scale;
}

static void store_floats(const struct pass *p, const struct block *block, struct line line)
{
    const size_t columns = block->columns, used = block->used,
                 step = line.lower ? 2 * columns : columns;
    const vfloat low = vset(p->limits.low), high = vset(p->limits.high);
    for (size_t j = 0; j < used; j += VLEN) {
        const size_t lanes = cnn_size_min(used - j, VLEN);
        const vfloat scale = vload_lanes(p->integers->scale + block->filter + j, lanes);
        const float *a = line.upper + j, *b = line.lower ? line.lower + j : NULL;
        for (size_t i = 0; i < line.pixels; i++, a += step) {
            vfloat v = scaled(p, a, scale);
            if (b) {
                v = vmax_nan(vmax_nan(v, scaled(p, a + columns, scale)),
                             vmax_nan(scaled(p, b, scale), scaled(p, b + columns, scale)));
                b += step;
            }
            v = vmin(high, vmax(low, v));
            vstore_lanes((float *)p->y + line.at + i * p->y_pixel + j, lanes, v);
        }
    }
}

static void store_line(const struct pass *p, const struct block *b, const struct line *line)
{
    if (!(p->integers->y.scale > 0))
        store_floats(p, b, *line);
    else if (line->lower)
        store_codes(p, b, *line);
    else /* NULL that is known: a loop of its own */
        store_codes(p, b, (struct line){line->upper, NULL, line->at, line->pixels});
}

static void store_block(const struct pass *p, const struct block *b, const struct cnn_view *v)
{
    const size_t row = p->windows.pixels * b->columns, lines = p->windows.lines,
                 first = b->image * lines + b->line;
    if (!p->pool) { /* lines follow each other in y, too */
        store_line(p, b,
                   &(struct line){.upper = b->sums,
                                  .at = first * p->windows.pixels * p->y_pixel + b->filter,
                                  .pixels = v->images * v->lines * p->windows.pixels});
        return;
    }
    struct line line = {.pixels = p->windows.pixels / 2};
    for (size_t i = 0; i < v->images; i++)
        for (size_t l = 0; l + 2 <= v->lines; l += 2) {
            line.upper = b->sums + (i * v->lines + l) * row;
            line.lower = line.upper + row;
            line.at =
                (((b->image + i) * (lines / 2) + (b->line + l) / 2) * line.pixels) * p->y_pixel +
                b->filter;
            store_line(p, b, &line);
        }
}

/* For activations other than a cut: scales and activates the sums where they lie. */
static void activate_sums(const struct pass *p, const struct block *b, size_t positions)
{
    for (size_t j = 0; j < b->used; j += VLEN) {
        size_t lanes = cnn_size_min(b->used - j, VLEN);
        vfloat scale = vload_lanes(p->integers->scale + b->filter + j, lanes);
        for (size_t i = 0; i < positions; i++) {
            float *sums = b->sums + i * b->columns + j;
            vstore(sums, __builtin_convertvector((vint)vload(sums), vfloat) * scale);
        }
    }
    CNN_ISA_NAME(cnn_activate)(p->activation, positions * b->columns, b->sums, b->sums);
}

/* Task: part of the columns of one group of one block. */
static void run_block(void *context, size_t task, size_t thread)
{
    const struct pass *p = context;
    const struct cnn_windows *w = &p->windows;
    size_t column = task % p->parts * p->part_columns, group = task / p->parts % p->groups,
           block = task / p->parts / p->groups;
    size_t columns = cnn_size_min(p->part_columns, p->columns - column);
    size_t fours = w->channels / p->groups;
    float *sums = p->scratch + thread * p->thread_floats, *copy = sums + p->sums_floats;
    struct cnn_view v =
        CNN_BF16_NAME(cnn_windows_view)(w, &p->blocks, block,
                                        &(struct cnn_channels){.x = p->x,
                                                               .first = group * fours,
                                                               .count = fours,
                                                               .floats = p->elements,
                                                               .copy = copy});
    struct cnn_gemm g = {
        .products = &CNN_INT8_NAME(cnn_products_int8),
        .a = v.data,
        .rows = {{w->pixels, v.lines, v.images}, {v.stride[0], v.stride[1], v.stride[2]}},
        .depth = {{p->elements, w->taps_w, w->taps_h}, {1, v.tap_w, v.tap_h}},
        .columns = columns,
        .c = sums,
        .bias = (const float *)(const void *)(p->first + group * p->columns + column)};
    g.b = p->packed + cnn_nest_size(&g.depth) * (group * p->columns + column);
    g.c_stride[0] = (ptrdiff_t)columns;
    g.c_stride[1] = g.c_stride[0] * (ptrdiff_t)w->pixels;
    g.c_stride[2] = g.c_stride[1] * (ptrdiff_t)v.lines;
    CNN_ISA_NAME(cnn_gemm)(&g);
    const struct block b = {.sums = sums,
                            .columns = columns,
                            .used = cnn_size_min(columns, p->filters - column),
                            .filter = group * p->filters + column,
                            .image = block / p->blocks.bands * p->blocks.images,
                            .line = block % p->blocks.bands * p->blocks.lines};
    if (p->activates)
        activate_sums(p, &b, v.images * v.lines * w->pixels);
    store_block(p, &b, &v);
}

void CNN_INT8_NAME(cnn_conv_int8_forward)(const struct cnn_conv *c,
                                          const struct cnn_conv_int8_forward *pass)
{
    if (CNN_INT8_NAME(cnn_depthwise_int8_fits)(c)) {
        CNN_INT8_NAME(cnn_depthwise_int8_forward)(c, pass);
        return;
    }
    if (!fits(c)) {
        cnn_conv_int8_forward_ref(c, pass);
        return;
    }
    const bool bytes = pass->integers->y.scale > 0;
    struct pass p = pass_plan(c, pass->n, pass->pool);
    p.integers = pass->integers;
    p.activation = pass->activation;
    p.pool = pass->pool;
    p.x = (const float *)(const void *)pass->x;
    p.first = (const int *)(const void *)pass->packed;
    p.packed = pass->packed + first_floats(c);
    p.y = pass->y;
    p.scratch = pass->scratch;
    p.y_pixel = bytes ? cnn_code_channels(c->out_c) : c->out_c;
    const unsigned fill = cnn_byte_everywhere(p.integers->x->zero);
    memcpy(&p.windows.fill, &fill, sizeof fill);
    p.activates = !bytes && !cnn_activation_cuts(pass->activation);
    p.limits = cnn_activation_limits(pass->activation);
    cnn_parallel_for(p.blocks.count * p.groups * p.parts, run_block, &p);
}

struct quantizing {
    size_t pixels, channels, rows; /* rows: of one task */
    const float *x;
    struct cnn_codes codes;
    unsigned char *y;
};

static void quantize_run(const struct cnn_codes *codes, size_t size, const float *x,
                         unsigned char *y)
{
    const vfloat scale = vset(codes->scale), low = vset(-(float)codes->zero), high = low + 255;
    const vint none = {0}, zero = none + codes->zero;
    for (size_t i = 0; i < size; i += VLEN) {
        size_t lanes = cnn_size_min(size - i, VLEN);
        const vfloat steps = vmin(high, vmax(vload_lanes(x + i, lanes) / scale, low));
        vstore_bytes(y + i, lanes, vnearest(steps) + zero, none, none + 255);
    }
}

/* Pixels of one to three channels: many at a time, and then each to its four bytes. */
static void quantize_narrow(const struct cnn_codes *codes, size_t pixels, size_t channels,
                            const float *x, unsigned char *y)
{
    enum { RUN = 256 };
    unsigned char together[3 * RUN + 4];
    for (size_t first = 0; first < pixels; first += RUN) {
        size_t count = cnn_size_min(RUN, pixels - first);
        quantize_run(codes, count * channels, x + first * channels, together);
        for (size_t p = 0; p < count; p++)
            memcpy(y + (first + p) * 4, together + p * channels, 4);
    }
}

/* Task: some pixels. */
static void quantize_rows(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct quantizing *q = context;
    size_t first = task * q->rows, count = cnn_size_min(q->rows, q->pixels - first),
           stride = cnn_code_channels(q->channels);
    const float *x = q->x + first * q->channels;
    unsigned char *y = q->y + first * stride;
    if (stride == q->channels)
        quantize_run(&q->codes, count * stride, x, y);
    else if (stride == 4)
        quantize_narrow(&q->codes, count, q->channels, x, y);
    else
        for (size_t i = 0; i < count; i++)
            quantize_run(&q->codes, q->channels, x + i * q->channels, y + i * stride);
}

void CNN_INT8_NAME(cnn_quantize)(size_t pixels, size_t channels, const float *x,
                                 struct cnn_codes codes, unsigned char *y)
{
    struct quantizing q = {pixels, channels, cnn_block_rows(channels), x, codes, y};
    cnn_parallel_for(cnn_size_divide_up(pixels, q.rows), quantize_rows, &q);
}
