/* Normalisation of groups of channels: the formulas of ref_group_norm.c. Vectors lie along the
 * channels; sums are first taken for every channel over an image's pixels, and then over the
 * channels of a group. */
#include <math.h>

#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/arena.h"
#include "util/parallel.h"

#define SUM_ROWS   ((size_t)32)  /* rows that are summed in registers */
#define MOST_TASKS ((size_t)256) /* each with sums of its own for gamma and beta */

/* Rows of scratch of a thread, each a number for every channel. */
enum { MEAN, SCALE, FIRST, SECOND, THREAD_ROWS };

struct norm_work {
    struct cnn_group_norm g;
    struct cnn_group_norm_arrays a;
    size_t group, tasks; /* images of a task */
    const cnn_number *x, *dy;
    cnn_number *y, *dx;
};

static void plan_tasks(struct norm_work *k)
{
    size_t blocks = cnn_size_divide_up(k->g.images, cnn_block_rows(k->g.pixels * k->g.channels));
    k->group = cnn_size_divide_up(k->g.images, cnn_size_min(blocks, MOST_TASKS));
    k->tasks = cnn_size_divide_up(k->g.images, k->group);
}

size_t CNN_VALUE_NAME(cnn_group_norm_scratch_floats)(const struct cnn_group_norm *g)
{
    struct norm_work k = {.g = *g};
    plan_tasks(&k);
    return (2 * k.tasks + THREAD_ROWS * (size_t)cnn_parallel_threads()) *
           cnn_round_floats(g->channels);
}

static float *thread_row(const struct norm_work *k, size_t thread, size_t row)
{
    return k->a.scratch + (thread * THREAD_ROWS + row) * cnn_round_floats(k->g.channels);
}

/* Sums of a task: of dy * xhat, then of dy. */
static float *task_sums(const struct norm_work *k, size_t task)
{
    return thread_row(k, (size_t)cnn_parallel_threads(), 0) +
           2 * task * cnn_round_floats(k->g.channels);
}

/* Sum of lanes: of the lower half and the upper, and so on. */
static inline float add_lanes(vfloat v)
{
    float sums[VLEN];
    vstore(sums, v);
    for (size_t half = VLEN / 2; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++)
            sums[i] += sums[i + half];
    return sums[0];
}

/* v, and 0 in the lanes behind. */
static inline vfloat first_lanes(vfloat v, size_t lanes)
{
    for (size_t i = lanes; i < VLEN; i++)
        v[i] = 0;
    return v;
}

/* sum of a[i], or of a[i] * b[i] */
static float sum_products(size_t size, const float *a, const float *b)
{
    vfloat sum = {0};
    for (size_t i = 0; i < size; i += VLEN) {
        size_t lanes = cnn_size_min(VLEN, size - i);
        vfloat v = vload_lanes(a + i, lanes);
        sum += b ? v * vload_lanes(b + i, lanes) : v;
    }
    return add_lanes(sum);
}

static void fill(size_t size, float value, float *out)
{
    for (size_t i = 0; i < size; i++)
        out[i] = value;
}

/* For one vector of channels: the sum over an image's pixels of x - mean, or of its square. */
static inline vfloat distance_lanes(const struct norm_work *k, const cnn_number *x, size_t lanes,
                                    vfloat mean, bool squared)
{
    vfloat total = {0};
    for (size_t first = 0; first < k->g.pixels; first += SUM_ROWS) {
        size_t end = cnn_size_min(k->g.pixels, first + SUM_ROWS);
        vfloat sum = {0};
        for (size_t pixel = first; pixel < end; pixel++) {
            vfloat d = vload_number_lanes(x + pixel * k->g.channels, lanes) - mean;
            sum += squared ? d * d : d;
        }
        total += sum;
    }
    return total;
}

static void sum_distances(const struct norm_work *k, const cnn_number *x, const float *mean,
                          bool squared, float *sums)
{
    for (size_t i = 0; i < k->g.channels; i += VLEN) {
        size_t lanes = cnn_size_min(VLEN, k->g.channels - i);
        vfloat middle = vload_lanes(mean + i, lanes);
        vstore_lanes(sums + i, lanes,
                     squared ? distance_lanes(k, x + i, lanes, middle, true)
                             : distance_lanes(k, x + i, lanes, middle, false));
    }
}

/* Mean and scale of every channel's group, into rows. */
static void find_statistics(const struct norm_work *k, size_t image, size_t thread)
{
    size_t members = k->g.channels / k->g.groups;
    float *mean = thread_row(k, thread, MEAN), *scale = thread_row(k, thread, SCALE),
          *sums = thread_row(k, thread, FIRST);
    const cnn_number *x = k->x + image * k->g.pixels * k->g.channels;
    const float count = (float)(members * k->g.pixels);
    fill(k->g.channels, 0, mean);
    sum_distances(k, x, mean, false, sums);
    for (size_t group = 0; group < k->g.groups; group++)
        fill(members, sum_products(members, sums + group * members, NULL) / count,
             mean + group * members);
    sum_distances(k, x, mean, true, sums);
    for (size_t group = 0; group < k->g.groups; group++) {
        float variance = sum_products(members, sums + group * members, NULL) / count,
              *saved = k->a.statistics ? k->a.statistics + 2 * (image * k->g.groups + group) : NULL;
        fill(members, 1 / sqrtf(variance + k->g.eps), scale + group * members);
        if (saved) {
            saved[0] = mean[group * members];
            saved[1] = scale[group * members];
        }
    }
}

/* y = (x - mean) * scale + beta, scale times gamma. */
static void write_output(const struct norm_work *k, size_t image, size_t thread)
{
    size_t c = k->g.channels;
    const float *mean = thread_row(k, thread, MEAN), *beta = k->a.beta;
    float *scale = thread_row(k, thread, SCALE);
    for (size_t i = 0; k->a.gamma && i < c; i++)
        scale[i] *= k->a.gamma[i];
    for (size_t pixel = 0; pixel < k->g.pixels; pixel++) {
        const cnn_number *x = k->x + (image * k->g.pixels + pixel) * c;
        cnn_number *y = k->y + (image * k->g.pixels + pixel) * c;
        for (size_t i = 0; i < c; i += VLEN) {
            size_t lanes = cnn_size_min(VLEN, c - i);
            vfloat v = (vload_number_lanes(x + i, lanes) - vload_lanes(mean + i, lanes)) *
                       vload_lanes(scale + i, lanes);
            vstore_number_lanes(y + i, lanes, beta ? v + vload_lanes(beta + i, lanes) : v);
        }
    }
}

/* Whether an image is one row of numbers that are normalised together: a layer_norm's. */
static bool is_row(const struct norm_work *k)
{
    return k->g.pixels == 1 && k->g.groups == 1;
}

/* What write_output writes of a row. */
static void normalise_row(const struct norm_work *k, size_t image)
{
    const size_t c = k->g.channels;
    const cnn_number *x = k->x + image * c;
    cnn_number *y = k->y + image * c;
    const vfloat none = {0};
    vfloat sum = {0}, squares = {0};
    for (size_t i = 0; i < c; i += VLEN)
        sum += vload_number_lanes(x + i, cnn_size_min(VLEN, c - i));
    const float mean = add_lanes(sum) / (float)c;
    for (size_t i = 0; i < c; i += VLEN) {
        const size_t lanes = cnn_size_min(VLEN, c - i);
        const vfloat d = first_lanes(vload_number_lanes(x + i, lanes) - mean, lanes);
        squares += d * d;
    }
    const float scale = 1 / sqrtf(add_lanes(squares) / (float)c + k->g.eps);
    for (size_t i = 0; i < c; i += VLEN) {
        const size_t lanes = cnn_size_min(VLEN, c - i);
        const vfloat factor =
                         k->a.gamma ? vload_lanes(k->a.gamma + i, lanes) * scale : none + scale,
                     shift = k->a.beta ? vload_lanes(k->a.beta + i, lanes) : none;
        vstore_number_lanes(y + i, lanes,
                            (vload_number_lanes(x + i, lanes) - mean) * factor + shift);
    }
    if (k->a.statistics) {
        k->a.statistics[2 * image] = mean;
        k->a.statistics[2 * image + 1] = scale;
    }
}

static void forward_task(void *context, size_t task, size_t thread)
{
    const struct norm_work *k = context;
    size_t end = cnn_size_min(k->g.images, (task + 1) * k->group);
    for (size_t image = task * k->group; image < end; image++) {
        if (is_row(k)) {
            normalise_row(k, image);
            continue;
        }
        find_statistics(k, image, thread);
        write_output(k, image, thread);
    }
}

void CNN_VALUE_NAME(cnn_group_norm_forward)(const struct cnn_group_norm *g,
                                            const struct cnn_group_norm_arrays *a, const float *x,
                                            float *y)
{
    struct norm_work k = {.g = *g, .a = *a, .x = (const cnn_number *)x, .y = (cnn_number *)y};
    plan_tasks(&k);
    cnn_parallel_for(k.tasks, forward_task, &k);
}

/* For every channel, sums over an image's pixels of dy, and of dy * xhat. */
static void sum_gradients(const struct norm_work *k, size_t image, size_t thread)
{
    size_t c = k->g.channels, at = image * k->g.pixels * c;
    const float *mean = thread_row(k, thread, MEAN), *scale = thread_row(k, thread, SCALE);
    float *first = thread_row(k, thread, FIRST), *second = thread_row(k, thread, SECOND);
    for (size_t i = 0; i < c; i += VLEN) {
        size_t lanes = cnn_size_min(VLEN, c - i);
        vfloat m = vload_lanes(mean + i, lanes), sum = {0}, dot = {0};
        for (size_t row = 0; row < k->g.pixels; row += SUM_ROWS) {
            vfloat few = {0}, few_dot = {0};
            for (size_t r = row; r < cnn_size_min(k->g.pixels, row + SUM_ROWS); r++) {
                vfloat g = vload_number_lanes(k->dy + at + r * c + i, lanes);
                few += g;
                few_dot += g * (vload_number_lanes(k->x + at + r * c + i, lanes) - m);
            }
            sum += few;
            dot += few_dot;
        }
        vstore_lanes(first + i, lanes, sum);
        vstore_lanes(second + i, lanes, dot * vload_lanes(scale + i, lanes));
    }
}

/* Adds an image's sums to those of its task. */
static void add_to_task(const struct norm_work *k, size_t task, size_t thread)
{
    const float *first = thread_row(k, thread, FIRST), *second = thread_row(k, thread, SECOND);
    float *dots = task_sums(k, task), *sums = dots + cnn_round_floats(k->g.channels);
    for (size_t i = 0; i < k->g.channels; i++) {
        dots[i] += second[i];
        sums[i] += first[i];
    }
}

/* From sums of channels to means of groups, of gamma * dy and of gamma * dy * xhat. */
static void average_groups(const struct norm_work *k, size_t thread)
{
    size_t members = k->g.channels / k->g.groups;
    float *first = thread_row(k, thread, FIRST), *second = thread_row(k, thread, SECOND);
    const float count = (float)(members * k->g.pixels);
    for (size_t from = 0; from < k->g.channels; from += members) {
        const float *gamma = k->a.gamma ? k->a.gamma + from : NULL;
        fill(members, sum_products(members, first + from, gamma) / count, first + from);
        fill(members, sum_products(members, second + from, gamma) / count, second + from);
    }
}

static void write_gradient(const struct norm_work *k, size_t image, size_t thread)
{
    size_t c = k->g.channels, at = image * k->g.pixels * c;
    const float *mean = thread_row(k, thread, MEAN), *scale = thread_row(k, thread, SCALE),
                *sum = thread_row(k, thread, FIRST), *dot = thread_row(k, thread, SECOND);
    for (size_t pixel = 0; pixel < k->g.pixels; pixel++, at += c)
        for (size_t i = 0; i < c; i += VLEN) {
            size_t lanes = cnn_size_min(VLEN, c - i);
            vfloat s = vload_lanes(scale + i, lanes), g = vload_number_lanes(k->dy + at + i, lanes),
                   xhat =
                       (vload_number_lanes(k->x + at + i, lanes) - vload_lanes(mean + i, lanes)) *
                       s;
            if (k->a.gamma)
                g *= vload_lanes(k->a.gamma + i, lanes);
            vstore_number_lanes(
                k->dx + at + i, lanes,
                s * (g - vload_lanes(sum + i, lanes) - xhat * vload_lanes(dot + i, lanes)));
        }
}

/* Adds a row's sums to those of its task, and writes what write_gradient would. */
static void row_gradient(const struct norm_work *k, size_t image, size_t task)
{
    const size_t c = k->g.channels;
    const cnn_number *x = k->x + image * c, *dy = k->dy + image * c;
    const float mean = k->a.statistics[2 * image], scale = k->a.statistics[2 * image + 1];
    float *dots = task_sums(k, task), *sums = dots + cnn_round_floats(c);
    vfloat sum = {0}, dot = {0};
    for (size_t i = 0; i < c; i += VLEN) {
        const size_t lanes = cnn_size_min(VLEN, c - i);
        vfloat g = vload_number_lanes(dy + i, lanes),
               xhat = (vload_number_lanes(x + i, lanes) - mean) * scale;
        vstore_lanes(sums + i, lanes, vload_lanes(sums + i, lanes) + g);
        vstore_lanes(dots + i, lanes, vload_lanes(dots + i, lanes) + g * xhat);
        if (k->a.gamma)
            g *= vload_lanes(k->a.gamma + i, lanes);
        sum += g;
        dot += g * xhat;
    }
    if (!k->dx)
        return;
    const float sum_mean = add_lanes(sum) / (float)c, dot_mean = add_lanes(dot) / (float)c;
    for (size_t i = 0; i < c; i += VLEN) {
        const size_t lanes = cnn_size_min(VLEN, c - i);
        vfloat g = vload_number_lanes(dy + i, lanes),
               xhat = (vload_number_lanes(x + i, lanes) - mean) * scale;
        if (k->a.gamma)
            g *= vload_lanes(k->a.gamma + i, lanes);
        vstore_number_lanes(k->dx + image * c + i, lanes, (g - sum_mean - xhat * dot_mean) * scale);
    }
}

static void read_statistics(const struct norm_work *k, size_t image, size_t thread)
{
    size_t members = k->g.channels / k->g.groups;
    const float *saved = k->a.statistics + 2 * image * k->g.groups;
    for (size_t group = 0; group < k->g.groups; group++) {
        fill(members, saved[2 * group], thread_row(k, thread, MEAN) + group * members);
        fill(members, saved[2 * group + 1], thread_row(k, thread, SCALE) + group * members);
    }
}

static void backward_task(void *context, size_t task, size_t thread)
{
    const struct norm_work *k = context;
    size_t end = cnn_size_min(k->g.images, (task + 1) * k->group);
    memset(task_sums(k, task), 0, 2 * cnn_round_floats(k->g.channels) * sizeof(float));
    for (size_t image = task * k->group; image < end; image++) {
        if (is_row(k)) {
            row_gradient(k, image, task);
            continue;
        }
        read_statistics(k, image, thread);
        sum_gradients(k, image, thread);
        add_to_task(k, task, thread);
        if (!k->dx)
            continue;
        average_groups(k, thread);
        write_gradient(k, image, thread);
    }
}

/* The sums of all tasks, in order. */
static void gather_tasks(const struct norm_work *k, size_t offset, float *out)
{
    memset(out, 0, k->g.channels * sizeof *out);
    for (size_t task = 0; task < k->tasks; task++)
        for (size_t i = 0; i < k->g.channels; i++)
            out[i] += task_sums(k, task)[offset + i];
}

void CNN_VALUE_NAME(cnn_group_norm_backward)(const struct cnn_group_norm *g,
                                             const struct cnn_group_norm_arrays *a, const float *x,
                                             const float *dy, float *dx)
{
    struct norm_work k = {.g = *g,
                          .a = *a,
                          .x = (const cnn_number *)x,
                          .dy = (const cnn_number *)dy,
                          .dx = (cnn_number *)dx};
    plan_tasks(&k);
    cnn_parallel_for(k.tasks, backward_task, &k);
    if (a->dgamma)
        gather_tasks(&k, 0, a->dgamma);
    if (a->dbeta)
        gather_tasks(&k, cnn_round_floats(g->channels), a->dbeta);
}
