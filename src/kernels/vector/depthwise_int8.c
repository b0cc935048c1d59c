/* Vectors run along the channels. CNN_BYTES neighbouring pixels of a channel are one element of 32
 * bits, so that the product that convolutions use sums over columns here. Bytes are put side by
 * side once for each row of the image, for all outputs that read them: in rows of a band of output
 * lines and one vector of channels, padding included. At stride 1 the elements of one output serve
 * the next one too, with taps one column further on. */
#include "kernels/vector/depthwise_int8.h"

#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "kernels/vector/windows.h"
#include "util/parallel.h"

/* Rows of one band, but for the least one: half of a common first-level cache. */
#define BAND_FLOATS ((size_t)1 << 12)

bool CNN_INT8_NAME(cnn_depthwise_int8_fits)(const struct cnn_conv *c)
{
    return c->groups > 1 && c->groups == c->in_c && c->out_c == c->in_c;
}

/* How outputs and columns are cut. */
struct cut {
    size_t outputs;  /* neighbours that read the same elements: one or two */
    size_t elements; /* of columns that they read */
    size_t groups;   /* of so many outputs, in a line */
    size_t lines;    /* of a band, an even number: pooling takes two */
    size_t reach;    /* rows that one line reads */
    size_t floats;   /* of the rows of a band */
};

/* Elements that `outputs` outputs read in a row. */
#define ELEMENTS(kernel_w, outputs) (((kernel_w) + (outputs)-1 + CNN_BYTES - 1) / CNN_BYTES)

static struct cut cut_of(const struct cnn_conv *c)
{
    struct cut cut = {.outputs = c->stride_w == 1 && c->dilation_w == 1 ? 2 : 1,
                      .reach = (c->kernel_h - 1) * c->dilation_h + 1};
    cut.elements = ELEMENTS(c->kernel_w, cut.outputs);
    cut.groups = cnn_size_divide_up(c->out_w, cut.outputs);
    const size_t row = cnn_size_times(cnn_size_times(cut.groups, cut.elements), VLEN),
                 rows = BAND_FLOATS / cnn_size_min(row, BAND_FLOATS);
    cut.lines = rows > cut.reach ? (rows - cut.reach) / c->stride_h + 1 : 1;
    cut.lines += cut.lines % 2;
    cut.lines = cnn_size_min(cut.lines, c->out_h + c->out_h % 2);
    cut.floats = cnn_size_times((cut.lines - 1) * c->stride_h + cut.reach, row);
    cut.floats = cnn_size_plus(cut.floats, 15) / 16 * 16;
    return cut;
}

static size_t taps_of(const struct cnn_conv *c, const struct cut *cut)
{
    return cnn_size_times(c->kernel_h, cut->elements * cut->outputs);
}

/* For each vector of channels: what the sums begin with, then the taps [kernel row][element][which
 * of the outputs]. */
size_t CNN_INT8_NAME(cnn_depthwise_int8_packed_floats)(const struct cnn_conv *c)
{
    const struct cut cut = cut_of(c);
    return cnn_size_times(cnn_size_divide_up(c->in_c, VLEN) * VLEN,
                          cnn_size_plus(taps_of(c, &cut), 1));
}

/* Where columns lie, in whole lines of a cache. */
static size_t columns_floats(const struct cut *cut)
{
    const size_t columns = cnn_size_times(CNN_BYTES * cut->elements, cut->groups);
    return cnn_size_plus(cnn_size_times(columns, sizeof(size_t) / sizeof(float)), 15) / 16 * 16;
}

size_t CNN_INT8_NAME(cnn_depthwise_int8_scratch_floats)(const struct cnn_conv *c)
{
    const struct cut cut = cut_of(c);
    return cnn_size_plus(columns_floats(&cut),
                         cnn_size_times(cut.floats, (size_t)cnn_parallel_threads()));
}

/* The taps of an element from column `first` of a kernel row on, which may be -1, and their sum. */
static int pack_taps(const signed char *row, size_t width, ptrdiff_t first, int *sum)
{
    unsigned bits = 0;
    for (ptrdiff_t i = 0; i < CNN_BYTES; i++)
        if (first + i >= 0 && first + i < (ptrdiff_t)width) {
            const int code = row[first + i];
            *sum += code;
            bits |= cnn_byte_at(code, (size_t)i);
        }
    return (int)bits;
}

void CNN_INT8_NAME(cnn_depthwise_int8_pack)(const struct cnn_conv *c,
                                            const struct cnn_integers *integers,
                                            const signed char *codes, float *packed)
{
    const struct cut cut = cut_of(c);
    const size_t taps = taps_of(c, &cut), row = cut.elements * cut.outputs;
    int *to = (int *)(void *)packed;
    for (size_t j = 0; j < cnn_size_divide_up(c->in_c, VLEN) * VLEN; j++) {
        int *first = to + j / VLEN * (taps + 1) * VLEN + j % VLEN, sum[2] = {0};
        for (size_t t = 0; t < taps; t++) {
            const size_t which = t % cut.outputs;
            const ptrdiff_t column =
                (ptrdiff_t)(CNN_BYTES * (t % row / cut.outputs)) - (ptrdiff_t)which;
            const size_t kernel_row = j * c->kernel_h + t / row;
            first[(t + 1) * VLEN] = j < c->in_c ? pack_taps(codes + kernel_row * c->kernel_w,
                                                            c->kernel_w, column, sum + which)
                                                : 0;
        }
        first[0] = j < c->in_c ? integers->bias[j] - integers->x->zero * sum[0] : 0;
    }
}

struct work {
    const struct cnn_conv *c;
    const struct cnn_conv_int8_forward *pass;
    struct cut cut;
    size_t taps, row;                /* row: bytes of a pixel of x */
    bool floats;                     /* what y is made of */
    size_t y_row;                    /* bytes or floats of a pixel of y */
    size_t lines, bands, end, y_end; /* lines of a band; of all; columns of y that count */
    struct vfinish finish;
    const size_t *columns;     /* where the columns of each element lie in a row */
    float *rows;               /* of each thread */
    unsigned char zeros[VLEN]; /* what padding reads */
};

/* Element i: the bytes number i of CNN_BYTES pixels, the first in the lowest bits. */
CNN_INLINE vint side_by_side(const unsigned char *const from[CNN_BYTES], size_t lanes)
{
#if CNN_BYTES == 2
    return vload_bytes(from[0], lanes) | vload_bytes(from[1], lanes) << CNN_BYTE_BITS;
#elif defined(__AVX512F__)
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15),
                  turn = _mm512_set4_epi32(0x0f0b0703, 0x0e0a0602, 0x0d090501, 0x0c080400);
    const __mmask16 mask = (__mmask16)((1u << lanes) - 1);
    __m128i v[CNN_BYTES];
    for (int i = 0; i < CNN_BYTES; i++)
        v[i] = lanes == VLEN ? _mm_loadu_si128((const __m128i *)(const void *)from[i])
                             : _mm_maskz_loadu_epi8(mask, from[i]);
    __m512i all = _mm512_castsi128_si512(v[0]);
    all = _mm512_inserti32x4(all, v[1], 1);
    all = _mm512_inserti32x4(all, v[2], 2);
    all = _mm512_inserti32x4(all, v[3], 3);
    return (vint)_mm512_shuffle_epi8(_mm512_permutexvar_epi32(order, all), turn);
#elif defined(__AVX2__)
    __m128i v[CNN_BYTES];
    for (int i = 0; i < CNN_BYTES; i++) {
        int64_t bytes = 0;
        if (lanes == VLEN)
            memcpy(&bytes, from[i], VLEN);
        else
            memcpy(&bytes, from[i], VLEN / 2);
        v[i] = _mm_cvtsi64_si128(bytes);
    }
    const __m128i ab = _mm_unpacklo_epi8(v[0], v[1]), cd = _mm_unpacklo_epi8(v[2], v[3]);
    return (vint)_mm256_set_m128i(_mm_unpackhi_epi16(ab, cd), _mm_unpacklo_epi16(ab, cd));
#else
    return vload_bytes(from[0], lanes) | vload_bytes(from[1], lanes) << 8 |
           vload_bytes(from[2], lanes) << 16 | vload_bytes(from[3], lanes) << 24;
#endif
}

#define PADDING SIZE_MAX

/* Columns behind the last one that a tap reads have taps that are 0. */
static void find_columns(const struct work *k, size_t *to)
{
    const struct cnn_conv *c = k->c;
    const size_t end = (c->out_w - 1) * c->stride_w + (c->kernel_w - 1) * c->dilation_w + 1;
    for (size_t g = 0; g < k->cut.groups; g++)
        for (size_t i = 0; i < CNN_BYTES * k->cut.elements; i++) {
            const size_t column = g * k->cut.outputs * c->stride_w + i * c->dilation_w;
            size_t ix;
            *to++ = column < end && cnn_padded_source((ptrdiff_t)column - (ptrdiff_t)c->pad_left,
                                                      c->in_w, c->padding_mode, &ix)
                        ? ix * k->row
                        : PADDING;
        }
}

CNN_INLINE const unsigned char *column_at(const struct work *k, const unsigned char *row, size_t at)
{
    return at == PADDING ? k->zeros : row + at;
}

/* The elements of one row of the image. */
CNN_INLINE void arrange_row(const struct work *k, const unsigned char *row, size_t lanes, float *to)
{
    const size_t elements = k->cut.groups * k->cut.elements, *at = k->columns;
    for (size_t i = 0; i < elements; i++, at += CNN_BYTES) {
        const unsigned char *from[CNN_BYTES];
        for (size_t j = 0; j < CNN_BYTES; j++)
            from[j] = column_at(k, row, at[j]);
        vstore(to + i * VLEN, (vfloat)side_by_side(from, lanes));
    }
}

/* The rows that `lines` lines from `first` on read, of the channels at x. */
static void arrange(const struct work *k, const unsigned char *x, size_t first, size_t lines,
                    size_t lanes, float *to)
{
    const struct cnn_conv *c = k->c;
    const size_t rows = (lines - 1) * c->stride_h + k->cut.reach,
                 floats = k->cut.groups * k->cut.elements * VLEN;
    const vfloat zeros = (vfloat)((vint){0} + (int)cnn_byte_everywhere(k->pass->integers->x->zero));
    for (size_t r = 0; r < rows; r++, to += floats) {
        size_t iy;
        if (cnn_padded_source((ptrdiff_t)(first * c->stride_h + r) - (ptrdiff_t)c->pad_top, c->in_h,
                              c->padding_mode, &iy))
            arrange_row(k, x + iy * c->in_w * k->row, lanes, to);
        else
            for (size_t i = 0; i < floats; i += VLEN)
                vstore(to + i, zeros);
    }
}

/* The shape of the sums of one group, in constants where they are common. */
struct sums {
    size_t outputs, elements, kernel_h, step; /* step: from kernel row to kernel row */
    bool floats;
};

CNN_INLINE void add_up(struct sums s, const float *from, const float *w, vint sum[2])
{
    sum[0] = sum[1] = (vint)vload(w);
    for (size_t r = 0; r < s.kernel_h; r++, from += s.step * VLEN)
        for (size_t e = 0; e < s.elements; e++)
            for (size_t i = 0; i < s.outputs; i++)
                sum[i] = vdot_bytes(sum[i], (vint)vload(from + e * VLEN), (vint)vload(w += VLEN));
}

/* One line of y of one vector of channels, from the rows it reads: codes, or numbers. */
struct line {
    const float *from, *w;
    unsigned char *codes;
    float *numbers;
    size_t lanes; /* of y */
    vint by;      /* multipliers of codes, scales of numbers */
};

/* Pixel `at` of a line. */
CNN_INLINE void put(const struct vfinish *finish, const struct line *l, bool floats, vint sum,
                    size_t at)
{
    if (floats)
        vstore_lanes(l->numbers + at, l->lanes,
                     __builtin_convertvector(sum, vfloat) * (vfloat)l->by);
    else
        vrequantize(finish, sum, l->by, l->lanes, l->codes + at);
}

CNN_INLINE void store_line(const struct work *k, struct sums s, const struct line *l)
{
    const struct vfinish finish = k->finish; /* copies: bytes that are stored could be anyone's */
    const struct line line = *l;
    const size_t row = k->y_row, pairs = k->y_end / s.outputs, odd = k->y_end % s.outputs;
    vint sum[2];
    for (size_t g = 0; g < pairs; g++) {
        add_up(s, line.from + g * s.elements * VLEN, line.w, sum);
        for (size_t i = 0; i < s.outputs; i++)
            put(&finish, &line, s.floats, sum[i], (g * s.outputs + i) * row);
    }
    if (odd) {
        add_up(s, line.from + pairs * s.elements * VLEN, line.w, sum);
        put(&finish, &line, s.floats, sum[0], pairs * s.outputs * row);
    }
}

/* The largest of each four, of two lines `below` elements apart. */
static void store_pooled(const struct work *k, struct sums s, size_t below, const struct line *l)
{
    for (size_t ox = 0; ox < k->y_end; ox++) {
        vint most = {0};
        for (size_t i = 0; i < 4 / s.outputs; i++) {
            const size_t right = i % (2 / s.outputs), lower = i / (2 / s.outputs);
            vint sum[2];
            add_up(s, l->from + ((ox * 2 / s.outputs + right) * s.elements + lower * below) * VLEN,
                   l->w, sum);
            sum[0] = vmax_int(sum[0], s.outputs == 2 ? sum[1] : sum[0]);
            most = i ? vmax_int(most, sum[0]) : sum[0];
        }
        put(&k->finish, l, s.floats, most, ox * k->y_row);
    }
}

static bool has_shape(struct sums s, size_t outputs, size_t kernel)
{
    return s.outputs == outputs && s.elements == ELEMENTS(kernel, outputs) && s.kernel_h == kernel;
}

static void store(const struct work *k, const struct line *l)
{
    const struct cnn_conv *c = k->c;
    const size_t elements = k->cut.groups * k->cut.elements, step = elements * c->dilation_h;
    const struct sums s = {k->cut.outputs, k->cut.elements, c->kernel_h, step, k->floats};
    if (k->pass->pool)
        store_pooled(k, s, elements * c->stride_h, l);
    else if (s.floats && has_shape(s, 2, 7))
        store_line(k, (struct sums){2, ELEMENTS(7, 2), 7, step, true}, l);
    else if (s.floats)
        store_line(k, s, l);
    else if (has_shape(s, 2, 3))
        store_line(k, (struct sums){2, ELEMENTS(3, 2), 3, step, false}, l);
    else if (has_shape(s, 1, 3))
        store_line(k, (struct sums){1, ELEMENTS(3, 1), 3, step, false}, l);
    else if (has_shape(s, 2, 5))
        store_line(k, (struct sums){2, ELEMENTS(5, 2), 5, step, false}, l);
    else if (has_shape(s, 1, 5))
        store_line(k, (struct sums){1, ELEMENTS(5, 1), 5, step, false}, l);
    else
        store_line(k, s, l);
}

/* What y still wants, of numbers that lie side by side. */
static void finish(const struct work *k, size_t count, size_t at)
{
    unsigned char *codes = (unsigned char *)k->pass->y + at;
    float *numbers = (float *)k->pass->y + at;
    if (!k->floats)
        CNN_ISA_NAME(cnn_look_up)(k->pass->integers->table, count, codes);
    else if (k->pass->activation.kind != CNN_ACT_NONE)
        CNN_ISA_NAME(cnn_activate)(k->pass->activation, count, numbers, numbers);
}

/* Task: one band of one image. */
static void forward_band(void *context, size_t task, size_t thread)
{
    const struct work *k = context;
    const struct cnn_conv *c = k->c;
    const struct cnn_integers *integers = k->pass->integers;
    const size_t image = task / k->bands, first = task % k->bands * k->lines,
                 count = cnn_size_min(k->lines, k->end - first), step = k->pass->pool ? 2 : 1,
                 y_line = k->y_end * k->y_row,
                 at = (image * (k->end / step) + first / step) * y_line;
    const unsigned char *x = k->pass->x + image * c->in_h * c->in_w * k->row;
    float *rows = k->rows + thread * k->cut.floats;
    for (size_t j = 0; j < k->row; j += VLEN) {
        const float *by =
            k->floats ? integers->scale : (const float *)(const void *)integers->multiplier;
        struct line l = {.w = k->pass->packed + j * (k->taps + 1),
                         .lanes = cnn_size_min(VLEN, k->y_row - j),
                         .by = (vint)vload_lanes(by + j, cnn_size_min(VLEN, c->in_c - j))};
        arrange(k, x + j, first, count, cnn_size_min(VLEN, k->row - j), rows);
        for (size_t i = 0; i < count; i += step) {
            l.from = rows + i * c->stride_h * k->cut.groups * k->cut.elements * VLEN;
            l.codes = (unsigned char *)k->pass->y + at + i / step * y_line + j;
            l.numbers = (float *)k->pass->y + at + i / step * y_line + j;
            store(k, &l);
        }
    }
    finish(k, count / step * y_line, at);
}

void CNN_INT8_NAME(cnn_depthwise_int8_forward)(const struct cnn_conv *c,
                                               const struct cnn_conv_int8_forward *pass)
{
    const struct cnn_pool *pool = pass->pool;
    struct work k = {.c = c,
                     .pass = pass,
                     .cut = cut_of(c),
                     .row = cnn_code_channels(c->in_c),
                     .floats = !(pass->integers->y.scale > 0),
                     .end = pool ? 2 * pool->out_h : c->out_h,
                     .y_end = pool ? pool->out_w : c->out_w,
                     .finish = vfinish(pass->integers)};
    const size_t outputs = pass->n * c->out_h * c->out_w,
                 wanted = cnn_tasks_wanted(
                     cnn_size_times(outputs * c->kernel_h * c->kernel_w, c->out_c)),
                 share = cnn_size_divide_up(k.end, cnn_size_divide_up(wanted, pass->n));
    size_t *columns = (size_t *)(void *)pass->scratch;
    k.y_row = k.floats ? c->out_c : k.row;
    k.columns = columns;
    k.rows = pass->scratch + columns_floats(&k.cut);
    find_columns(&k, columns);
    k.taps = taps_of(c, &k.cut);
    k.lines = cnn_size_min(k.cut.lines, share + share % 2);
    k.bands = cnn_size_divide_up(k.end, k.lines);
    memset(k.zeros, pass->integers->x->zero, sizeof k.zeros);
    cnn_parallel_for(pass->n * k.bands, forward_band, &k);
}
