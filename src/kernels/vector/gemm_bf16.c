/* Products of pairs of bfloat16 (gemm.h). */
#include "kernels/vector/gemm_tile.h"

TILES(pairs, BF16_PAIRS, STORED)
TILES(pairs_added, BF16_PAIRS, ADDED)
#if defined(__AVX512F__)
TILES(pairs_rounded, BF16_PAIRS, ROUNDED)
TILES(pairs_added_rounded, BF16_PAIRS, ADDED_ROUNDED)
#endif

const struct cnn_products CNN_BF16_NAME(cnn_products_bf16) = {
    .tiles = {
        [STORED] = SHAPES(pairs),
        [ADDED] = SHAPES(pairs_added),
#if defined(__AVX512F__)
        [ROUNDED] = SHAPES(pairs_rounded),
        [ADDED_ROUNDED] = SHAPES(pairs_added_rounded),
#endif
    }};
