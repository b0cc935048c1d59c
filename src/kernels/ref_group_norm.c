/* Normalisation of groups of channels in plain C (Wu and He, "Group Normalization", 2018; with one
 * pixel to an image and one group, Ba et al., "Layer Normalization", 2016):
 *
 *   xhat = (x - mean) / sqrt(variance + eps),  y = gamma * xhat + beta
 *   dx = (gamma * dy - mean(gamma * dy) - xhat * mean(gamma * dy * xhat)) / sqrt(variance + eps)
 *
 * where means are over all numbers of a group in one image. */
#include <math.h>

#include "kernels/internal.h"
#include "kernels/ref.h"

/* Number i of a group. */
static size_t place(const struct cnn_group_norm *g, size_t image, size_t group, size_t i)
{
    size_t members = g->channels / g->groups;
    return (image * g->pixels + i / members) * g->channels + group * members + i % members;
}

size_t cnn_group_norm_scratch_floats_ref(const struct cnn_group_norm *g)
{
    (void)g;
    return 0;
}

void cnn_group_norm_forward_ref(const struct cnn_group_norm *g,
                                const struct cnn_group_norm_arrays *a, const float *x, float *y)
{
    size_t count = g->channels / g->groups * g->pixels;
    for (size_t k = 0; k < g->images * g->groups; k++) {
        double mean = 0, variance = 0;
        for (size_t i = 0; i < count; i++)
            mean += (double)x[place(g, k / g->groups, k % g->groups, i)] / (double)count;
        for (size_t i = 0; i < count; i++) {
            double distance = (double)x[place(g, k / g->groups, k % g->groups, i)] - mean;
            variance += distance * distance / (double)count;
        }
        double scale = 1 / sqrt(variance + (double)g->eps);
        for (size_t i = 0; i < count; i++) {
            size_t at = place(g, k / g->groups, k % g->groups, i), c = at % g->channels;
            y[at] = (float)(((double)x[at] - mean) * scale * (a->gamma ? (double)a->gamma[c] : 1) +
                            (a->beta ? (double)a->beta[c] : 0));
        }
        if (a->statistics) {
            a->statistics[2 * k] = (float)mean;
            a->statistics[2 * k + 1] = (float)scale;
        }
    }
}

/* Group k of all; the sums of all images are added up in dgamma and dbeta. */
static void backward_group(const struct cnn_group_norm *g, const struct cnn_group_norm_arrays *a,
                           size_t k, const float *x, const float *dy, float *dx)
{
    size_t count = g->channels / g->groups * g->pixels;
    double mean = (double)a->statistics[2 * k], scale = (double)a->statistics[2 * k + 1], sum = 0,
           dot = 0;
    for (size_t i = 0; i < count; i++) {
        size_t at = place(g, k / g->groups, k % g->groups, i), c = at % g->channels;
        double xhat = ((double)x[at] - mean) * scale, gamma = a->gamma ? (double)a->gamma[c] : 1;
        sum += gamma * (double)dy[at] / (double)count;
        dot += gamma * (double)dy[at] * xhat / (double)count;
        if (a->dgamma)
            a->dgamma[c] += (float)((double)dy[at] * xhat);
        if (a->dbeta)
            a->dbeta[c] += dy[at];
    }
    for (size_t i = 0; dx && i < count; i++) {
        size_t at = place(g, k / g->groups, k % g->groups, i), c = at % g->channels;
        double xhat = ((double)x[at] - mean) * scale, gamma = a->gamma ? (double)a->gamma[c] : 1;
        dx[at] = (float)(scale * (gamma * (double)dy[at] - sum - xhat * dot));
    }
}

void cnn_group_norm_backward_ref(const struct cnn_group_norm *g,
                                 const struct cnn_group_norm_arrays *a, const float *x,
                                 const float *dy, float *dx)
{
    for (size_t c = 0; c < g->channels; c++) {
        if (a->dgamma)
            a->dgamma[c] = 0;
        if (a->dbeta)
            a->dbeta[c] = 0;
    }
    for (size_t k = 0; k < g->images * g->groups; k++)
        backward_group(g, a, k, x, dy, dx);
}
