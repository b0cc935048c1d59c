/* The padding of windows, as other programs want to be told it (export.h). */
#include "formats/export.h"

static size_t span_of(const struct cnn_export_axis *a)
{
    return (a->kernel - 1) * a->dilation + 1;
}

size_t cnn_export_pad_after(const struct cnn_export_axis *a)
{
    const size_t same = a->in + 2 * a->before, reach = (a->out - 1) * a->stride + span_of(a),
                 there = a->in + a->before;
    if (same >= span_of(a) && (same - span_of(a)) / a->stride + 1 == a->out)
        return a->before;
    return reach > there ? reach - there : 0;
}

void cnn_export_conv_pads(const struct cnn_conv *c, size_t pads[4])
{
    pads[0] = c->pad_top;
    pads[1] = c->pad_left;
    pads[2] = cnn_export_pad_after(&(struct cnn_export_axis){
        c->in_h, c->out_h, c->kernel_h, c->stride_h, c->dilation_h, c->pad_top});
    pads[3] = cnn_export_pad_after(&(struct cnn_export_axis){
        c->in_w, c->out_w, c->kernel_w, c->stride_w, c->dilation_w, c->pad_left});
}

void cnn_export_pool_pads(const struct cnn_pool *p, size_t pads[4], size_t over[2])
{
    const size_t reach[2] = {(p->out_h - 1) * p->stride_h + p->kernel_h,
                             (p->out_w - 1) * p->stride_w + p->kernel_w},
                 there[2] = {p->pad_top + p->in_h + p->pad_bottom,
                             p->pad_left + p->in_w + p->pad_right};
    pads[0] = p->pad_top;
    pads[1] = p->pad_left;
    pads[2] = p->pad_bottom;
    pads[3] = p->pad_right;
    for (size_t i = 0; i < 2; i++)
        over[i] = reach[i] > there[i] ? reach[i] - there[i] : 0;
}

void cnn_export_deconv_pads(const struct cnn_conv *c, size_t pads[4], size_t extra[2])
{
    const size_t whole[2] = {(c->out_h - 1) * c->stride_h + (c->kernel_h - 1) * c->dilation_h + 1,
                             (c->out_w - 1) * c->stride_w + (c->kernel_w - 1) * c->dilation_w + 1},
                 size[2] = {c->in_h, c->in_w}, before[2] = {c->pad_top, c->pad_left};
    for (size_t i = 0; i < 2; i++) {
        /* whole + extra - before - after = size */
        size_t wanted = size[i] + before[i], after = wanted < whole[i] ? whole[i] - wanted : 0;
        if (after < before[i] &&
            wanted + before[i] - whole[i] < (i == 0 ? c->stride_h : c->stride_w))
            after = before[i];
        pads[i] = before[i];
        pads[i + 2] = after;
        extra[i] = wanted + after - whole[i];
    }
}
