/* Tensors for tests: with guards around them, comparable, filled with numbers that are the same on
 * every run. Failures go through cmocka. */
#ifndef CNN_TESTS_COMPARE_H
#define CNN_TESTS_COMPARE_H

#include <stddef.h>

/* size floats on a 64-byte boundary, all NaN, between guards that are NaN too: reading what was not
 * written shows. */
float *tensor_new(size_t size);

/* The same, of pseudo-random numbers in [-1, 1). */
float *tensor_random(size_t size, unsigned seed);

/* Frees a tensor; fails the test where its guards were written to. NULL is legal. */
void tensor_free(float *tensor, size_t size);

/* Fails with the first index where got and want differ by more than relative * the largest
 * magnitude in want. NaN equals NaN. */
void assert_floats_near(const char *what, const float *got, const float *want, size_t size,
                        double relative);

/* Fails with the first index where got and want differ in their bits. */
void assert_floats_same(const char *what, const float *got, const float *want, size_t size);

#endif
