/* Products of bytes (gemm.h). */
#include "kernels/vector/gemm_tile.h"

TILES(bytes, INT8, STORED)

const struct cnn_products CNN_INT8_NAME(cnn_products_int8) = {.tiles = {SHAPES(bytes)}};
