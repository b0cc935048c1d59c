/* The weights of Winograd's forward pass and of its gradient of the data, as winograd.c reads them:
 * transformed, or as they are where that is done late. */
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/square.h"
#include "kernels/vector/winograd.h"
#include "kernels/vector/winograd_tile.h"
#include "util/parallel.h"

/* Channels times filters of a group, from which on weights are transformed late: with fewer,
 * transforming them once costs less than fetching all of them. */
#define LATE_PAIRS ((size_t)1 << 17)

bool CNN_ISA_NAME(cnn_winograd_late)(const struct cnn_conv *c)
{
    return (c->in_c / c->groups) * (c->out_c / c->groups) >= LATE_PAIRS;
}

/* Of one of the two correlations: [group][point][panel][channel][filter], or late
 * [group][panel][channel][tap][filter]. */
size_t CNN_ISA_NAME(cnn_winograd_packed_floats)(const struct cnn_conv *c)
{
    return cnn_size_times(CNN_ISA_NAME(cnn_winograd_late)(c) ? CNN_TAPS : CNN_POINTS,
                          cnn_size_times(c->in_c, c->out_c / c->groups));
}

struct packing {
    const float *w, *scale; /* scale: of each filter; NULL: none */
    float *to;
    size_t in_c, out_c; /* of a group of the correlation */
    size_t in_step, out_step;
    bool turned, late;
};

/* to[p * point] = G g G' for VLEN filters, times their scale. */
CNN_INLINE void transform_weights(const vfloat g[CNN_TAPS], vfloat scale, size_t point, float *to)
{
    vfloat half[3][6];
    for (size_t j = 0; j < 3; j++) {
        vfloat column[3] = {g[j], g[3 + j], g[6 + j]};
        cnn_kernel_line(column, half[j]);
    }
    for (size_t i = 0; i < 6; i++) {
        vfloat row[3] = {half[0][i], half[1][i], half[2][i]}, o[6];
        cnn_kernel_line(row, o);
        for (size_t j = 0; j < 6; j++)
            vstore(to + (i * 6 + j) * point, o[j] * scale);
    }
}

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

/* VLEN filters of one input channel, their taps at `kernel`. */
static void pack_vector(const struct packing *p, const float *kernel, vfloat scale, size_t step,
                        float *to)
{
    vfloat g[CNN_TAPS];
    for (size_t k = 0; k < CNN_TAPS; k++)
        g[k] = vload(kernel + k * VLEN);
    if (!p->late) {
        transform_weights(g, scale, step, to);
        return;
    }
    for (size_t k = 0; k < CNN_TAPS; k++)
        vstore(to + k * step, g[k] * scale);
}

/* Task: VLEN filters of a group. */
static void pack_filters(void *context, size_t task, size_t thread)
{
    const struct packing *p = context;
    size_t point = p->in_c * p->out_c, group = task * VLEN / p->out_c,
           filter = task * VLEN % p->out_c, numbers = p->late ? CNN_TAPS : 1;
    size_t panel = filter / CNN_PANEL * CNN_PANEL, width = cnn_panel_width(p->out_c, panel);
    const float *from = p->w + group * point * CNN_TAPS + filter * p->out_step;
    float *to = p->to + group * point * (p->late ? CNN_TAPS : CNN_POINTS) +
                panel * p->in_c * numbers + filter - panel;
    vfloat scale = p->scale ? vload(p->scale + task * VLEN) : vset(1);
    float kernels[VLEN * CNN_TAPS * VLEN];
    (void)thread;
    for (size_t i = 0; i < p->in_c; i++) {
        if (i % VLEN == 0)
            gather_kernels(p, from + i * p->in_step, kernels);
        pack_vector(p, kernels + i % VLEN * CNN_TAPS * VLEN, scale, p->late ? width : point,
                    to + i * width * numbers);
    }
}

void CNN_ISA_NAME(cnn_winograd_pack)(const struct cnn_conv *c, bool backward, const float *w,
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
