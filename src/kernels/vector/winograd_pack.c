/* The weights of Winograd's forward pass and of its gradient of the data, as winograd.c reads them:
 * transformed, or as they are where that is done late. */
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/pairs.h"
#include "kernels/vector/square.h"
#include "kernels/vector/winograd.h"
#include "kernels/vector/winograd_tile.h"
#include "util/parallel.h"

/* CHANNELS: of one step of k. For values that are stored as bfloat16 this packs for the gradient of
 * the data alone. */
#ifdef CNN_HALVES
enum { CHANNELS = 2 };
#define NODES cnn_rounding_nodes
#else
enum { CHANNELS = 1 };
#define NODES      cnn_plain_nodes

/* Channels times filters of a group, from which on weights are transformed late: with fewer,
 * transforming them once costs less than fetching all of them. */
#define LATE_PAIRS ((size_t)1 << 17)

bool CNN_ISA_NAME(cnn_winograd_late)(const struct cnn_conv *c)
{
    return (c->in_c / c->groups) * (c->out_c / c->groups) >= LATE_PAIRS;
}

/* Of one of the two correlations: [group][point][panel][step of channels][filter], or late
 * [group][panel][channel][tap][filter]. */
size_t CNN_ISA_NAME(cnn_winograd_packed_floats)(const struct cnn_conv *c, bool backward)
{
    const size_t channels = cnn_size_times(c->in_c, c->out_c / c->groups);
    if (CNN_ISA_NAME(cnn_winograd_late)(c))
        return cnn_size_times(CNN_TAPS, channels);
    return cnn_size_times(CNN_POINTS, cnn_winograd_by_pairs(c, backward) ? channels / 2 : channels);
}
#endif

struct packing {
    const float *w, *scale; /* scale: of each filter; NULL: none */
    float *to;
    size_t in_c, out_c; /* of a group of the correlation */
    size_t in_step, out_step;
    bool turned, late;
};

/* The taps of VLEN filters for VLEN channels: kernels[channel][tap][filter]. The weights have the
 * taps of one filter for all channels side by side; turned, those of one channel for all
 * filters. */
static void gather_kernels(const struct packing *p, const float *from, float *kernels)
{
    const size_t step = CNN_TAPS * VLEN;
    float lines[CNN_TAPS * VLEN * VLEN]; /* [filter][tap][channel] */
    if (!p->turned) {
        for (size_t i = 0; i < CNN_TAPS; i++, from += VLEN, kernels += VLEN * VLEN)
            cnn_transpose_square(from, (ptrdiff_t)p->out_step, kernels, VLEN);
        return;
    }
    for (size_t i = 0; i < CNN_TAPS; i++)
        cnn_transpose_square(from + i * VLEN, (ptrdiff_t)p->in_step, lines + i * VLEN * VLEN, VLEN);
    for (size_t k = 0; k < CNN_TAPS; k++)
        cnn_transpose_square(lines + (CNN_TAPS - 1 - k) * VLEN, (ptrdiff_t)step, kernels + k * VLEN,
                             step);
}

/* to[point * step] = G g G' for VLEN filters of one step of channels, times their scale; the taps
 * of a channel are at `kernel`, those of the next one CNN_TAPS vectors further. */
static __attribute__((noinline)) void pack_transformed(const float *kernel, vfloat scale,
                                                       size_t step, float *to)
{
    vfloat half[CHANNELS][3][6];
#pragma GCC unroll 2
    for (size_t c = 0; c < CHANNELS; c++)
#pragma GCC unroll 3
        for (size_t j = 0; j < 3; j++) {
            const float *tap = kernel + (c * CNN_TAPS + j) * VLEN;
            vfloat column[3] = {vload(tap), vload(tap + 3 * VLEN), vload(tap + 6 * VLEN)};
            cnn_kernel_line(NODES, column, half[c][j]);
        }
#pragma GCC unroll 6
    for (size_t i = 0; i < 6; i++) {
        vfloat o[CHANNELS][6];
#pragma GCC unroll 2
        for (size_t c = 0; c < CHANNELS; c++) {
            vfloat row[3] = {half[c][0][i], half[c][1][i], half[c][2][i]};
            cnn_kernel_line(NODES, row, o[c]);
        }
#pragma GCC unroll 6
        for (size_t j = 0; j < 6; j++) {
            vfloat first = o[0][j] * scale, last = o[CHANNELS - 1][j] * scale;
            vstore(to + (i * 6 + j) * step, CHANNELS == 2 ? vpair_bf16(first, last) : first);
        }
    }
}

/* VLEN filters of one channel, as they are. */
static void pack_taps(const float *kernel, vfloat scale, size_t step, float *to)
{
    for (size_t k = 0; k < CNN_TAPS; k++)
        vstore(to + k * step, vload(kernel + k * VLEN) * scale);
}

/* Task: VLEN filters of a group. */
static void pack_filters(void *context, size_t task, size_t thread)
{
    const struct packing *p = context;
    size_t group = task * VLEN / p->out_c, filter = task * VLEN % p->out_c,
           channels = p->late ? 1 : CHANNELS, steps = p->in_c / channels;
    size_t panel = filter / CNN_PANEL * CNN_PANEL, width = cnn_panel_width(p->out_c, panel);
    size_t point = steps * p->out_c, numbers = p->late ? CNN_TAPS : CNN_POINTS;
    const float *from = p->w + group * p->in_c * p->out_c * CNN_TAPS + filter * p->out_step;
    float *to =
        p->to + group * point * numbers + panel * steps * (p->late ? CNN_TAPS : 1) + filter - panel;
    vfloat scale = p->scale ? vload(p->scale + task * VLEN) : vset(1);
    float kernels[VLEN * CNN_TAPS * VLEN];
    (void)thread;
    for (size_t i = 0; i < p->in_c; i += channels) {
        const float *kernel = kernels + i % VLEN * CNN_TAPS * VLEN;
        if (i % VLEN == 0)
            gather_kernels(p, from + i * p->in_step, kernels);
        if (p->late)
            pack_taps(kernel, scale, width, to + i * width * CNN_TAPS);
        else
            pack_transformed(kernel, scale, point, to + i / channels * width);
    }
}

void CNN_VALUE_NAME(cnn_winograd_pack)(const struct cnn_conv *c, bool backward, const float *w,
                                       const float *scale, float *packed)
{
    size_t group_in = c->in_c / c->groups, group_out = c->out_c / c->groups;
    struct packing p = {.w = w,
                        .scale = scale,
                        .to = packed,
                        .in_c = group_in,
                        .out_c = group_out,
                        .in_step = CNN_TAPS,
                        .out_step = CNN_TAPS * group_in,
                        .late = CNN_ISA_NAME(cnn_winograd_late)(c)};
    if (backward) {
        p.in_c = group_out, p.in_step = CNN_TAPS * group_in;
        p.out_c = group_in, p.out_step = CNN_TAPS;
        p.turned = true;
    }
    cnn_parallel_for((backward ? c->in_c : c->out_c) / VLEN, pack_filters, &p);
}
