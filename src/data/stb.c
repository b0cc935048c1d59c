/* The bodies of the stb libraries (Barrett, public domain) that decode and resize images; image.c
 * is their one user. Memory comes zeroed, for a JPEG may use a Huffman table that it never defined;
 * and what stb asserts about a file is no reason to end the program. */
#include <stdlib.h>

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_MAX_DIMENSIONS     65536
#define STBI_MALLOC(size)       calloc(1, size)
#define STBI_REALLOC(old, size) realloc(old, size)
#define STBI_FREE(old)          free(old)
#define STBI_ASSERT(condition)  ((void)0)
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

#define STB_IMAGE_RESIZE_IMPLEMENTATION
#include <stb/stb_image_resize.h>
