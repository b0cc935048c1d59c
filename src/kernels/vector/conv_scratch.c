/* What holds for all passes of a convolution: its scratch, and how its values may be stored. */
#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/conv_scatter.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/winograd.h"

size_t CNN_BF16_NAME(cnn_conv_scratch_floats)(const struct cnn_conv *c, size_t n)
{
    if (cnn_conv_by_winograd(c))
        return CNN_ISA_NAME(cnn_winograd_scratch_floats)(c, n);
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c))
        return CNN_ISA_NAME(cnn_depthwise_scratch_floats)(c, n);
    size_t forward = CNN_BF16_NAME(cnn_conv_forward_scratch)(c, n),
           data = CNN_BF16_NAME(cnn_conv_backward_data_scratch)(c, n);
    size_t weights = CNN_BF16_NAME(cnn_conv_backward_weights_scratch)(c, n),
           most = forward > data ? forward : data;
    return most > weights ? most : weights;
}

bool CNN_BF16_NAME(cnn_conv_halves)(const struct cnn_conv *c, bool data)
{
    const bool x = c->x_halves, y = c->y_halves, pairs = cnn_conv_by_pairs(c),
               flat = c->kernel_h * c->kernel_w == 1,
               one_pixel = c->in_h * c->in_w * c->out_h * c->out_w == 1;
    if (!CNN_FAST_PAIRS || !c->bf16)
        return !x && !y;
    if (cnn_conv_by_winograd(c) || CNN_ISA_NAME(cnn_depthwise_fits)(c))
        return x == y;
    if ((x && c->in_c / c->groups % 2 != 0) || (y && c->out_c / c->groups % 2 != 0))
        return !x && !y;
    if (cnn_conv_by_channel(c) || c->kernel_h * c->kernel_w > CNN_GEMM_RUNS ||
        (data && (CNN_ISA_NAME(cnn_scatter_fits)(c) || c->padding_mode != CNN_PAD_ZEROS)))
        return !x && !y;
    /* without pairs, weights' gradients alone can read dy as halves, where it is no matrix's rows;
     * a dense layer adds up its sums in memory */
    return (!x || pairs) && (!y || ((pairs || (!flat && !data)) && !one_pixel));
}
