/* Tensors for tests: see compare.h. */
#include "compare.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "util/arena.h"

#define GUARD      ((size_t)16) /* floats before and after a tensor */
#define GUARD_BITS 0x7fc0beefu  /* a NaN that arithmetic does not make */

static float guard_value(void)
{
    float value;
    memcpy(&value, &(uint32_t){GUARD_BITS}, sizeof value);
    return value;
}

float *tensor_new(size_t size)
{
    float *memory = cnn_floats_new(size + 2 * GUARD);
    assert_non_null(memory);
    /* The first half is copied again and again: a loop over all took a fifth of some tests under
     * sanitizers. */
    size_t whole = size + 2 * GUARD, done = 1;
    memory[0] = guard_value();
    for (; done < whole; done *= 2)
        memcpy(memory + done, memory, (done < whole - done ? done : whole - done) * sizeof *memory);
    return memory + GUARD;
}

float *tensor_random(size_t size, unsigned seed)
{
    float *tensor = tensor_new(size);
    uint64_t state = seed;
    for (size_t i = 0; i < size; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
        tensor[i] = (float)(state >> 40) / 8388608.0f - 1.0f;
    }
    return tensor;
}

void tensor_free(float *tensor, size_t size)
{
    if (!tensor)
        return;
    float guard = guard_value();
    for (size_t i = 0; i < GUARD; i++) {
        if (memcmp(tensor - 1 - i, &guard, sizeof guard))
            fail_msg("written %zu floats before the beginning", i + 1);
        if (memcmp(tensor + size + i, &guard, sizeof guard))
            fail_msg("written %zu floats after the end (of %zu)", i + 1, size);
    }
    cnn_floats_free(tensor - GUARD);
}

void assert_floats_near(const char *what, const float *got, const float *want, size_t size,
                        double relative)
{
    double largest = 0;
    for (size_t i = 0; i < size; i++)
        if (isfinite(want[i]))
            largest = fmax(largest, fabs((double)want[i]));
    for (size_t i = 0; i < size; i++) {
        double difference = fabs((double)got[i] - (double)want[i]);
        if (got[i] == want[i] || (isnan(got[i]) && isnan(want[i])) ||
            difference <= relative * largest)
            continue;
        fail_msg("%s: element %zu of %zu is %.9g, not %.9g (difference %.3g, allowed %.3g)", what,
                 i, size, (double)got[i], (double)want[i], difference, relative * largest);
    }
}

void assert_floats_same(const char *what, const float *got, const float *want, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (memcmp(&got[i], &want[i], sizeof got[i]))
            fail_msg("%s: element %zu of %zu is %.9g, not the same bits as %.9g", what, i, size,
                     (double)got[i], (double)want[i]);
}
