/* Damage in image files that stb_image does not look for. */
#ifndef CNN_DATA_IMAGE_CHECK_H
#define CNN_DATA_IMAGE_CHECK_H

#include <stddef.h>

/* What is wrong with the bytes of a file, before they are decoded; NULL where nothing is found. */
const char *cnn_image_check(const unsigned char *bytes, size_t size);

#endif
