/* The optimisers' updates (PyTorch 1.13's formulas, single-tensor). Plain loops over elements, of
 * which the compiler makes vector code; ref is made from this file too. */
#include <math.h>

#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/parallel.h"

struct sgd_work {
    size_t size;
    float *w, *m;
    const float *grad;
    struct cnn_sgd settings;
};

static void sgd_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct sgd_work *s = context;
    size_t begin = task * CNN_BLOCK, size = cnn_size_min(s->size - begin, CNN_BLOCK);
    float *restrict w = s->w + begin, *restrict m = s->m ? s->m + begin : NULL;
    const float *restrict grad = s->grad + begin;
    float lr = s->settings.lr, momentum = s->settings.momentum, decay = s->settings.weight_decay;
    bool nesterov = s->settings.nesterov, first = s->settings.first;
    if (!m) {
        for (size_t i = 0; i < size; i++)
            w[i] -= lr * (grad[i] + decay * w[i]);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        float g = grad[i] + decay * w[i];
        float velocity = first ? g : momentum * m[i] + g;
        m[i] = velocity;
        w[i] -= lr * (nesterov ? g + momentum * velocity : velocity);
    }
}

void CNN_ISA_NAME(cnn_sgd)(size_t size, float *w, const float *grad, float *m,
                           const struct cnn_sgd *settings)
{
    struct sgd_work s = {.size = size, .w = w, .m = m, .grad = grad, .settings = *settings};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), sgd_block, &s);
}

struct adam_work {
    size_t size;
    float *w, *m, *v;
    const float *grad;
    float beta1, beta2, new1, new2, eps; /* new: 1 - beta */
    /* weight decay: coupled, added to the gradient; decoupled, what a weight is first multiplied
     * by */
    float l2, shrink;
    float step_size, root; /* lr / (1 - beta1^t), sqrt(1 - beta2^t) */
};

static void adam_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct adam_work *a = context;
    size_t begin = task * CNN_BLOCK, size = cnn_size_min(a->size - begin, CNN_BLOCK);
    float *restrict w = a->w + begin, *restrict m = a->m + begin, *restrict v = a->v + begin;
    const float *restrict grad = a->grad + begin;
    float beta1 = a->beta1, beta2 = a->beta2, new1 = a->new1, new2 = a->new2, eps = a->eps,
          l2 = a->l2, shrink = a->shrink, step = a->step_size, root = a->root;
    for (size_t i = 0; i < size; i++) {
        float old = w[i] * shrink, g = grad[i] + l2 * old;
        m[i] = beta1 * m[i] + new1 * g;
        v[i] = beta2 * v[i] + new2 * g * g;
        /* in PyTorch's order, for rounding decides the sign of what is nearly nothing */
        w[i] = old - step * (m[i] / (sqrtf(v[i]) / root + eps));
    }
}

void CNN_ISA_NAME(cnn_adam)(size_t size, float *w, const float *grad, float *m, float *v,
                            const struct cnn_adam *settings)
{
    const struct cnn_adam *s = settings;
    double t = (double)s->step;
    struct adam_work a = {
        .size = size,
        .w = w,
        .m = m,
        .v = v,
        .grad = grad,
        .beta1 = (float)s->beta1,
        .beta2 = (float)s->beta2,
        .new1 = (float)(1 - s->beta1),
        .new2 = (float)(1 - s->beta2),
        .eps = (float)s->eps,
        .l2 = s->decoupled ? 0.0f : (float)s->weight_decay,
        .shrink = s->decoupled ? (float)(1 - s->lr * s->weight_decay) : 1.0f,
        .step_size = (float)(s->lr / (1 - pow(s->beta1, t))),
        .root = (float)sqrt(1 - pow(s->beta2, t)),
    };
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), adam_block, &a);
}

struct rmsprop_work {
    size_t size;
    float *w, *v, *m;
    const float *grad;
    float lr, alpha, new, eps, momentum, weight_decay; /* new: 1 - alpha */
};

static void rmsprop_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct rmsprop_work *r = context;
    size_t begin = task * CNN_BLOCK, size = cnn_size_min(r->size - begin, CNN_BLOCK);
    float *restrict w = r->w + begin, *restrict v = r->v + begin,
                    *restrict m = r->m ? r->m + begin : NULL;
    const float *restrict grad = r->grad + begin;
    float lr = r->lr, alpha = r->alpha, new = r->new, eps = r->eps, momentum = r->momentum,
          decay = r->weight_decay;
    for (size_t i = 0; i < size; i++) {
        float g = grad[i] + decay * w[i];
        v[i] = alpha * v[i] + new *g *g;
        float change = g / (sqrtf(v[i]) + eps);
        if (m)
            change = m[i] = momentum * m[i] + change;
        w[i] -= lr * change;
    }
}

void CNN_ISA_NAME(cnn_rmsprop)(size_t size, float *w, const float *grad, float *v, float *m,
                               const struct cnn_rmsprop *settings)
{
    struct rmsprop_work r = {.size = size,
                             .w = w,
                             .v = v,
                             .m = m,
                             .grad = grad,
                             .lr = settings->lr,
                             .alpha = (float)settings->alpha,
                             .new = (float)(1 - settings->alpha),
                             .eps = settings->eps,
                             .momentum = settings->momentum,
                             .weight_decay = settings->weight_decay};
    cnn_parallel_for(cnn_size_divide_up(size, CNN_BLOCK), rmsprop_block, &r);
}
