/* What the passes of a convolution multiply, by the ways that conv_forward.c,
 * conv_backward_data.c and conv_backward_weights.c choose between. */
#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/winograd.h"

struct cnn_work CNN_BF16_NAME(cnn_conv_work)(const struct cnn_conv *c, enum cnn_conv_pass pass)
{
    if (cnn_conv_by_winograd(c))
        return (struct cnn_work){.products = CNN_ISA_NAME(cnn_winograd_products)(c, pass),
                                 .factors = cnn_winograd_by_pairs(c, pass != CNN_CONV_FORWARD)
                                                ? CNN_FACTORS_PAIRS
                                                : CNN_FACTORS_FLOATS};
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c))
        return (struct cnn_work){.products = CNN_ISA_NAME(cnn_depthwise_products)(c)};
    const bool pairs =
        cnn_conv_by_pairs(c) || (pass == CNN_CONV_FORWARD && cnn_conv_by_row_pairs(c));
    return cnn_conv_direct_work(c, pairs ? CNN_FACTORS_PAIRS : CNN_FACTORS_FLOATS);
}
