/* Products of pairs of bfloat16 (gemm.h). */
#include "kernels/vector/gemm_tile.h"

TILES(pairs, BF16_PAIRS, false)
TILES(pairs_added, BF16_PAIRS, true)

const struct cnn_products CNN_BF16_NAME(cnn_products_bf16) = {.tiles = SHAPES(pairs),
                                                              .added = SHAPES(pairs_added)};
