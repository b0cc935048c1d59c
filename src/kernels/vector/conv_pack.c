/* Weights from OIHW into the panels that the GEMM reads (conv_internal.h). */
#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/conv_scatter.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/pack.h"
#include "kernels/vector/winograd.h"
#include "util/parallel.h"

/* One matrix to pack for each group: to[panel][k][column] = from[group * group_stride + k + column
 * * column_stride], times the column's scale. */
struct packing {
    const float *from, *scale; /* scale: of each column; NULL: none */
    float *to;
    struct cnn_nest depth; /* over from; of pairs, the innermost loop takes two numbers at a time */
    bool pairs;
    size_t columns; /* of one group */
    /* Of groups that are put together, a number k of the innermost loop is of the group k /
     * k_group, and a column is of column / column_group; from has each group's k, or columns, anew.
     */
    size_t merged, k_group, column_group; /* merged: groups in one */
    bool k_anew, column_anew;
    /* By pack: */
    size_t panels, run; /* of one group; steps of the innermost loop as packed */
    ptrdiff_t column_stride, group_stride;
};

/* One tap of a panel of groups that are put together: to[column][k], 0 between unlike groups. */
static void merge_tap(const struct packing *p, const float *from, size_t columns, float *to)
{
    const size_t depth = p->depth.count[0];
    for (size_t column = 0; column < columns; column++)
        for (size_t k = 0; k < depth; k++, to++) {
            const size_t step = p->k_anew ? k % p->k_group : k,
                         place = p->column_anew ? column % p->column_group : column;
            *to = k / p->k_group == column / p->column_group
                      ? from[(ptrdiff_t)step * p->depth.stride[0] +
                             (ptrdiff_t)place * p->column_stride]
                      : 0;
        }
}

/* Task: one panel of one group. */
static void pack_panel(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct packing *p = context;
    const struct cnn_nest *d = &p->depth;
    size_t run = p->run, depth = run * d->count[1] * d->count[2], group = task / p->panels,
           column = task % p->panels * CNN_PANEL;
    size_t width = cnn_panel_width(p->columns, column);
    float merged[VLEN * VLEN];
    struct cnn_unpacked u = {
        .scale = p->scale ? p->scale + group * p->columns + column : NULL,
        .step = p->merged > 1 ? 1 : d->stride[0],
        .column_stride = p->merged > 1 ? (ptrdiff_t)d->count[0] : p->column_stride,
        .depth = d->count[0],
        .pairs = p->pairs,
        .columns = cnn_size_min(width, p->columns - column),
        .width = width,
    };
    const float *from =
        p->from + (ptrdiff_t)group * p->group_stride + (ptrdiff_t)column * p->column_stride;
    float *to = p->to + depth * (group * cnn_packed_columns(p->columns) + column);
    for (size_t k = 0; k < run; k += CNN_PACK_STEPS)
        for (size_t i = 0; i < d->count[2]; i++)
            for (size_t j = 0; j < d->count[1]; j++) {
                u.from = from + (ptrdiff_t)i * d->stride[2] + (ptrdiff_t)j * d->stride[1];
                if (p->merged > 1) {
                    merge_tap(p, u.from, u.columns, merged);
                    u.from = merged;
                }
                CNN_BF16_NAME(cnn_pack_steps)
                (&u, k, cnn_size_min(CNN_PACK_STEPS, run - k),
                 to + ((i * d->count[1] + j) * run + k) * width);
            }
}

static void pack(struct packing *p, size_t groups)
{
    p->panels = cnn_size_divide_up(p->columns, CNN_PANEL);
    p->run = p->pairs ? cnn_pairs(p->depth.count[0]) : p->depth.count[0];
    cnn_parallel_for(groups * p->panels, pack_panel, p);
    p->to +=
        groups * p->run * p->depth.count[1] * p->depth.count[2] * cnn_packed_columns(p->columns);
}

/* Pairs of one kernel row. */
static size_t row_pairs(const struct cnn_conv *c)
{
    return cnn_pairs(cnn_size_times(c->kernel_w, c->in_c));
}

static size_t forward_floats(const struct cnn_conv *conv)
{
    const struct cnn_conv merged = cnn_conv_merged(conv), *c = &merged;
    size_t taps = cnn_size_times(c->kernel_h, c->kernel_w);
    if (cnn_conv_by_row_pairs(c))
        return cnn_size_times(cnn_size_times(c->kernel_h, row_pairs(c)),
                              cnn_packed_columns(c->out_c));
    if (cnn_conv_by_channel(c))
        return cnn_size_times(taps, cnn_packed_columns(c->in_c));
    size_t depth = cnn_conv_by_pairs(c) ? cnn_pairs(c->in_c / c->groups) : c->in_c / c->groups;
    return cnn_size_times(cnn_size_times(taps, c->groups * depth),
                          cnn_packed_columns(c->out_c / c->groups));
}

static size_t backward_floats(const struct cnn_conv *conv)
{
    const struct cnn_conv merged = cnn_conv_merged(conv), *c = &merged;
    if (CNN_ISA_NAME(cnn_scatter_fits)(conv))
        return CNN_ISA_NAME(cnn_scatter_packed_floats)(conv);
    if (cnn_conv_by_channel(c))
        return forward_floats(c);
    size_t depth = cnn_conv_by_pairs(c) ? cnn_pairs(c->out_c / c->groups) : c->out_c / c->groups;
    return cnn_size_times(cnn_size_times(c->kernel_h * c->kernel_w, c->groups * depth),
                          cnn_packed_columns(c->in_c / c->groups));
}

size_t CNN_BF16_NAME(cnn_conv_packed_floats)(const struct cnn_conv *c, bool backward)
{
    if (cnn_conv_by_winograd(c))
        return CNN_ISA_NAME(cnn_winograd_packed_floats)(c, backward);
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c))
        return CNN_ISA_NAME(cnn_depthwise_packed_floats)(c);
    return backward ? backward_floats(c) : forward_floats(c);
}

struct row_packing {
    const struct cnn_conv *c;
    const float *w, *scale; /* scale: of each filter; NULL: none */
    float *to;
};

/* Number `at` of row i of the kernels, in the order of an image's row, of the filters of a panel;
 * 0 behind the last one. */
static void gather_number(const struct row_packing *p, size_t panel, size_t i, size_t at,
                          float numbers[CNN_PANEL])
{
    const struct cnn_conv *c = p->c;
    const size_t column = at / c->in_c, channel = at % c->in_c;
    for (size_t j = 0; j < CNN_PANEL; j++) {
        const size_t filter = panel + j;
        const bool used = filter < c->out_c && column < c->kernel_w;
        const size_t from = ((filter * c->in_c + channel) * c->kernel_h + i) * c->kernel_w + column;
        numbers[j] = used ? p->w[from] * (p->scale ? p->scale[filter] : 1) : 0;
    }
}

/* Task: one panel. */
static void pack_row_pairs(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct row_packing *p = context;
    const struct cnn_conv *c = p->c;
    const size_t panel = task * CNN_PANEL, width = cnn_panel_width(c->out_c, panel),
                 pairs = row_pairs(c);
    float *to = p->to + panel * c->kernel_h * pairs;
    for (size_t i = 0; i < c->kernel_h; i++)
        for (size_t e = 0; e < pairs; e++, to += width) {
            float first[CNN_PANEL], second[CNN_PANEL];
            gather_number(p, panel, i, 2 * e, first);
            gather_number(p, panel, i, 2 * e + 1, second);
            cnn_pair_rows(first, second, width, to);
        }
}

/* For conv_forward. */
static void pack_forward(const struct cnn_conv *c, const float *w, const float *scale,
                         float *packed)
{
    if (cnn_conv_by_row_pairs(c)) {
        struct row_packing rows = {c, w, scale, packed};
        cnn_parallel_for(cnn_size_divide_up(c->out_c, CNN_PANEL), pack_row_pairs, &rows);
        return;
    }
    size_t groups = cnn_conv_by_channel(c) ? 1 : cnn_conv_merged(c).groups,
           own = cnn_conv_by_channel(c) ? 1 : c->groups, group_in = c->in_c / c->groups,
           group_out = c->out_c / groups, merged = own / groups;
    ptrdiff_t taps = (ptrdiff_t)(c->kernel_h * c->kernel_w), row = (ptrdiff_t)c->kernel_w,
              filter = taps * (ptrdiff_t)group_in;
    struct packing p = {.from = w,
                        .scale = scale,
                        .to = packed,
                        .depth = {{merged * group_in, c->kernel_w, c->kernel_h}, {taps, 1, row}},
                        .pairs = cnn_conv_by_pairs(c),
                        .columns = group_out,
                        .merged = merged,
                        .k_group = group_in,
                        .column_group = group_out / merged,
                        .k_anew = true,
                        .column_stride = filter,
                        .group_stride = filter * (ptrdiff_t)group_out};
    pack(&p, groups);
}

/* For conv_backward_data: phase by phase. */
static void pack_backward(const struct cnn_conv *c, const float *w, float *packed)
{
    bool by_channel = cnn_conv_by_channel(c);
    size_t groups = by_channel ? 1 : cnn_conv_merged(c).groups, own = by_channel ? 1 : c->groups,
           group_in = c->in_c / c->groups, group_out = c->out_c / groups, merged = own / groups;
    ptrdiff_t taps = (ptrdiff_t)(c->kernel_h * c->kernel_w), row = (ptrdiff_t)c->kernel_w,
              filter = taps * (ptrdiff_t)group_in;
    struct packing p = {.to = packed,
                        .pairs = cnn_conv_by_pairs(c),
                        .columns = by_channel ? group_out : merged * group_in,
                        .merged = merged,
                        .k_group = group_out / merged,
                        .column_group = group_in,
                        .column_anew = true,
                        .column_stride = by_channel ? filter : taps,
                        .group_stride = filter * (ptrdiff_t)group_out};
    for (size_t i = 0; i < c->stride_h; i++)
        for (size_t j = 0; j < c->stride_w; j++) {
            struct cnn_phase v = CNN_BF16_NAME(cnn_phase_at)(i, c->in_h, c->kernel_h, c->stride_h,
                                                             c->dilation_h, c->pad_top);
            struct cnn_phase h = CNN_BF16_NAME(cnn_phase_at)(j, c->in_w, c->kernel_w, c->stride_w,
                                                             c->dilation_w, c->pad_left);
            p.from = w + v.last_tap * c->kernel_w + h.last_tap;
            p.depth =
                (struct cnn_nest){{by_channel ? 1 : group_out, h.taps, v.taps},
                                  {filter, -(ptrdiff_t)h.between, -(ptrdiff_t)v.between * row}};
            if (cnn_nest_size(&p.depth) > 0)
                pack(&p, groups);
        }
}

void CNN_BF16_NAME(cnn_conv_pack)(const struct cnn_conv *c, bool backward, const float *w,
                                  const float *scale, float *packed)
{
    if (cnn_conv_by_winograd(c))
        cnn_winograd_pack_stored(c, backward, w, scale, packed);
    else if (CNN_ISA_NAME(cnn_depthwise_fits)(c))
        CNN_ISA_NAME(cnn_depthwise_pack)(c, w, scale, packed);
    else if (!backward)
        pack_forward(c, w, scale, packed);
    else if (CNN_ISA_NAME(cnn_scatter_fits)(c))
        CNN_ISA_NAME(cnn_scatter_pack)(c, w, packed);
    else
        pack_backward(c, w, packed);
}
