/* Whitening: a filter for each eigenvector of the covariance of the images' patches, divided by the
 * root of its eigenvalue, so that the outputs are uncorrelated and of variance 1; then the same
 * with the sign turned, for what an activation cuts off (Page, "How to Train Your ResNet 8", 2019;
 * Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU", 2024). */
#include "train/whiten.h"

#include <math.h>
#include <string.h>

#include "util/allocate.h"

#define IMAGES 5000
#define WORK   2e9  /* products for the covariance; fewer images where patches are large */
#define EPS    5e-4 /* added to the eigenvalues: directions without variance are not blown up */
#define SWEEPS 60
#define CLOSE  1e-24 /* of the squares off the diagonal, as a share of all */

/* Rotates rows and columns p and q so that a[p][q] becomes 0. */
static void rotate(size_t n, double *a, double *vectors, size_t p, size_t q)
{
    double apq = a[p * n + q], theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
    double t = (theta >= 0 ? 1 : -1) / (fabs(theta) + sqrt(theta * theta + 1)),
           c = 1 / sqrt(t * t + 1), s = t * c;
    for (size_t k = 0; k < n; k++) {
        double kp = a[k * n + p], kq = a[k * n + q];
        a[k * n + p] = c * kp - s * kq;
        a[k * n + q] = s * kp + c * kq;
    }
    for (size_t k = 0; k < n; k++) {
        double pk = a[p * n + k], qk = a[q * n + k], vp = vectors[p * n + k],
               vq = vectors[q * n + k];
        a[p * n + k] = c * pk - s * qk;
        a[q * n + k] = s * pk + c * qk;
        vectors[p * n + k] = c * vp - s * vq;
        vectors[q * n + k] = s * vp + c * vq;
    }
}

static double off_diagonal(size_t n, const double *a)
{
    double off = 0, all = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            all += a[i * n + j] * a[i * n + j];
            off += i == j ? 0 : a[i * n + j] * a[i * n + j];
        }
    return all > 0 ? off / all : 0;
}

static void swap_rows(size_t n, double *a, double *b)
{
    for (size_t k = 0; k < n; k++) {
        double value = a[k];
        a[k] = b[k];
        b[k] = value;
    }
}

void cnn_eigen_symmetric(size_t n, double *a, double *values, double *vectors)
{
    for (size_t i = 0; i < n * n; i++)
        vectors[i] = i % (n + 1) == 0 ? 1 : 0;
    for (size_t sweep = 0; sweep < SWEEPS && off_diagonal(n, a) > CLOSE; sweep++)
        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++)
                if (a[p * n + q] != 0)
                    rotate(n, a, vectors, p, q);
    for (size_t i = 0; i < n; i++)
        values[i] = a[i * n + i];
    for (size_t i = 0; i < n; i++) {
        size_t largest = i;
        for (size_t j = i + 1; j < n; j++)
            largest = values[j] > values[largest] ? j : largest;
        double value = values[i];
        values[i] = values[largest];
        values[largest] = value;
        if (largest != i)
            swap_rows(n, vectors + i * n, vectors + largest * n);
    }
}

struct patches { /* of one layer */
    size_t kernel[2], channels, numbers;
    cnn_shape input;
};

/* Adds the products of every patch's numbers to the upper half of sums. */
static void add_image(const struct patches *p, const float *image, double *patch, double *sums)
{
    size_t row = p->kernel[1] * p->channels;
    for (size_t y = 0; y + p->kernel[0] <= p->input.h; y++)
        for (size_t x = 0; x + p->kernel[1] <= p->input.w; x++) {
            for (size_t i = 0; i < p->kernel[0]; i++)
                for (size_t k = 0; k < row; k++)
                    patch[i * row + k] =
                        (double)image[((y + i) * p->input.w + x) * p->channels + k];
            for (size_t i = 0; i < p->numbers; i++)
                for (size_t j = i; j < p->numbers; j++)
                    sums[i * p->numbers + j] += patch[i] * patch[j];
        }
}

/* Filter f of the layer: its eigenvector (rows, columns, channels) into the order of weights
 * (channels, rows, columns). */
static void write_filter(const struct patches *p, const double *vector, double factor,
                         float *filter)
{
    size_t taps = p->kernel[0] * p->kernel[1];
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t c = 0; c < p->channels; c++)
            filter[c * taps + tap] = (float)(vector[tap * p->channels + c] * factor);
}

struct whitening { /* memory of one layer's */
    uint8_t *bytes;
    float *image;
    double *patch, *sums, *values, *vectors;
};

static void sum_products(const cnn_model *model, const struct cnn_dataset *train,
                         const struct patches *p, struct whitening *w)
{
    size_t places = (p->input.h - p->kernel[0] + 1) * (p->input.w - p->kernel[1] + 1),
           count = cnn_dataset_count(train);
    double affordable = WORK / ((double)places * (double)p->numbers * (double)p->numbers);
    count = count < IMAGES ? count : IMAGES;
    if ((double)count > affordable)
        count = affordable < 1 ? 1 : (size_t)affordable;
    for (size_t i = 0; i < count; i++) {
        cnn_normalize(&model->normalization, cnn_dataset_read(train, i, w->bytes),
                      p->input.h * p->input.w, w->image);
        add_image(p, w->image, w->patch, w->sums);
    }
    for (size_t i = 0; i < p->numbers; i++)
        for (size_t j = i; j < p->numbers; j++)
            w->sums[j * p->numbers + i] = w->sums[i * p->numbers + j] /=
                (double)count * (double)places;
}

static cnn_status whiten_layer(cnn_model *model, const struct cnn_node *node,
                               const struct cnn_dataset *train, cnn_diag *diag)
{
    const struct cnn_tensor *weight = &node->tensors[0];
    struct patches p = {{weight->dims[2], weight->dims[3]},
                        weight->dims[1],
                        weight->count / weight->dims[0],
                        model->graph.input};
    size_t n = p.numbers, values = cnn_shape_count(p.input);
    struct whitening w = {cnn_malloc(values),
                          cnn_malloc(values * sizeof(float)),
                          cnn_malloc(n * sizeof(double)),
                          cnn_calloc(n * n, sizeof(double)),
                          cnn_malloc(n * sizeof(double)),
                          cnn_malloc(n * n * sizeof(double))};
    cnn_status status = CNN_OK;
    if (!w.bytes || !w.image || !w.patch || !w.sums || !w.values || !w.vectors)
        status = cnn_fail_memory(diag, 2 * n * n * sizeof(double), "whitening");
    if (status == CNN_OK && (p.kernel[0] > p.input.h || p.kernel[1] > p.input.w))
        status = cnn_fail(diag, CNN_INVALID, &node->where,
                          "layer '%s': `init: whitening` needs images no smaller than the kernel",
                          node->name);
    if (status == CNN_OK) {
        sum_products(model, train, &p, &w);
        cnn_eigen_symmetric(n, w.sums, w.values, w.vectors);
        float *filters = model->parameters + weight->offset;
        for (size_t f = 0; f < weight->dims[0]; f++)
            write_filter(&p, w.vectors + f % n * n,
                         (f < n ? 1 : -1) / sqrt(fmax(w.values[f % n], 0) + EPS), filters + f * n);
    }
    cnn_free(w.bytes);
    cnn_free(w.image);
    cnn_free(w.patch);
    cnn_free(w.sums);
    cnn_free(w.values);
    cnn_free(w.vectors);
    return status;
}

cnn_status cnn_whiten(cnn_model *model, const struct cnn_dataset *train, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < model->graph.count; i++)
        if (model->graph.nodes[i].whitens)
            status = whiten_layer(model, &model->graph.nodes[i], train, diag);
    return status == CNN_OK ? cnn_dataset_memory(train, diag) : status;
}
