/* The plain C optimisers: the same loops as the vector tables', compiled for any CPU. */
#define CNN_ISA ref
#include "kernels/vector/optimizer.c"
