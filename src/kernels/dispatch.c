/* Which table of kernels is used: the best one this CPU runs, or the one that the environment
 * variable CNN_CPU names. */
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"
#include "kernels/ref.h"

#if defined(__x86_64__) && !defined(CNN_VEC128)
extern const struct cnn_kernels cnn_kernels_sse2, cnn_kernels_avx2, cnn_kernels_avxvnni,
    cnn_kernels_avx512, cnn_kernels_avx512vnni, cnn_kernels_avx512bf16;
#else
extern const struct cnn_kernels cnn_kernels_vec128;
#endif

#define MAX_TABLES 7

static pthread_once_t decided = PTHREAD_ONCE_INIT;
/* those this CPU runs, from slow to fast, then NULL */
static const struct cnn_kernels *tables[MAX_TABLES + 1];
static const struct cnn_kernels *chosen;
static char message[192];
static bool winograd = true;

#if defined(__x86_64__) && !defined(CNN_VEC128)
/* Clang 14 does not know this one by name. The system must save the wide registers, too, which
 * asking for AVX2 has seen to. */
static bool has_avxvnni(void)
{
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & bit_AVXVNNI);
}
#endif

static void tables_find(void)
{
    size_t count = 0;
    tables[count++] = &cnn_kernels_ref;
#if defined(__x86_64__) && !defined(CNN_VEC128)
    __builtin_cpu_init();
    tables[count++] = &cnn_kernels_sse2;
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"),
               avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl"),
               vnni = avx512 && __builtin_cpu_supports("avx512vnni");
    if (avx2)
        tables[count++] = &cnn_kernels_avx2;
    if (avx2 && has_avxvnni())
        tables[count++] = &cnn_kernels_avxvnni;
    if (avx512)
        tables[count++] = &cnn_kernels_avx512;
    if (vnni)
        tables[count++] = &cnn_kernels_avx512vnni;
    if (vnni && __builtin_cpu_supports("avx512bf16"))
        tables[count++] = &cnn_kernels_avx512bf16;
#else
    tables[count++] = &cnn_kernels_vec128;
#endif
    chosen = tables[count - 1];
}

static void table_choose(void)
{
    tables_find();
    const char *name = getenv("CNN_CPU"), *answer = getenv("CNN_WINOGRAD");
    if (answer && *answer && strcmp(answer, "0") != 0 && strcmp(answer, "1") != 0) {
        chosen = NULL;
        snprintf(message, sizeof message, "CNN_WINOGRAD is '%.40s'; it can be 0 or 1", answer);
        return;
    }
    winograd = !answer || strcmp(answer, "0") != 0;
    if (!name || !*name)
        return;
    chosen = NULL;
    size_t length = (size_t)snprintf(
        message, sizeof message,
        "CNN_CPU is '%.40s', which this build or CPU does not have; it has ", name);
    for (size_t i = 0; tables[i]; i++) {
        if (!strcmp(tables[i]->name, name))
            chosen = tables[i];
        if (length < sizeof message)
            length += (size_t)snprintf(message + length, sizeof message - length, "%s%s",
                                       i ? ", " : "", tables[i]->name);
    }
}

const struct cnn_kernels *cnn_kernels(void)
{
    pthread_once(&decided, table_choose);
    return chosen;
}

const char *cnn_kernels_error(void)
{
    return cnn_kernels() ? NULL : message;
}

bool cnn_winograd_wanted(void)
{
    pthread_once(&decided, table_choose);
    return winograd;
}

const struct cnn_kernels *cnn_kernels_at(size_t i)
{
    pthread_once(&decided, table_choose);
    return i < MAX_TABLES ? tables[i] : NULL;
}
