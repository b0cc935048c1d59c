/* Loops over all parameters: what optimisers without a kernel for each instruction set are made of,
 * running means, norms. They wait for memory more than for arithmetic. */
#include "kernels/internal.h"
#include "kernels/plain.h"
#include "util/parallel.h"

struct lion_work {
    size_t size;
    float *w, *m;
    const float *grad;
    float lr, shrink, beta1, new1, beta2, new2; /* new: 1 - beta */
};

/* The sign of 0 is 0, and NaN stays NaN; without branches, which would go either way. */
static void lion_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct lion_work *l = context;
    size_t begin = task * CNN_BLOCK, size = cnn_size_min(l->size - begin, CNN_BLOCK);
    const float lr = l->lr, shrink = l->shrink, beta1 = l->beta1, new1 = l->new1, beta2 = l->beta2,
                new2 = l->new2;
    float *restrict w = l->w + begin, *restrict m = l->m + begin;
    const float *restrict grad = l->grad + begin;
    for (size_t i = 0; i < size; i++) {
        float mean = beta1 * m[i] + new1 * grad[i];
        float sign = (float)((mean > 0) - (mean < 0)) + 0 * mean;
        w[i] = w[i] * shrink - lr * sign;
        m[i] = beta2 * m[i] + new2 * grad[i];
    }
}

void cnn_lion(size_t size, float *w, const float *grad, float *m, const struct cnn_lion *settings)
{
    const struct cnn_lion *s = settings;
    struct lion_work l = {.size = size,
                          .w = w,
                          .m = m,
                          .grad = grad,
                          .lr = (float)s->lr,
                          .shrink = (float)(1 - s->lr * s->weight_decay),
                          .beta1 = (float)s->beta1,
                          .new1 = (float)(1 - s->beta1),
                          .beta2 = (float)s->beta2,
                          .new2 = (float)(1 - s->beta2)};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), lion_block, &l);
}

void cnn_combine(size_t count, float a, const float *x, float b, float *y)
{
    if (!x)
        for (size_t i = 0; i < count; i++)
            y[i] *= b;
    else
        for (size_t i = 0; i < count; i++)
            y[i] = a * x[i] + b * y[i];
}

void cnn_approach(size_t count, float share, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += share * (x[i] - y[i]);
}

static inline double square(const float *x, const float *minus, size_t i)
{
    double value = (double)x[i] - (minus ? (double)minus[i] : 0);
    return value * value;
}

/* In four sums, which the compiler may keep in one vector; their order is fixed. */
double cnn_squares(size_t count, const float *x, const float *minus)
{
    double sums[4] = {0};
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        for (size_t k = 0; k < 4; k++)
            sums[k] += square(x, minus, i + k);
    for (; i < count; i++)
        sums[0] += square(x, minus, i);
    return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}
