/* Multiplication of channels, y = activation(x * s + b), and its gradients. Those of s and b are
 * sums over pixels: over runs of a few rows in registers, then over the runs of a task, and then
 * over the tasks of an image. */
#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/arena.h"
#include "util/parallel.h"

#define RUN        ((size_t)1024) /* floats that are activated while they are in the cache */
#define SUM_ROWS   ((size_t)32)   /* rows that are summed in registers */
#define MOST_PARTS ((size_t)64)   /* of one image, each with sums of its own */

struct scale_work {
    struct cnn_scale c;
    size_t group;       /* whole images of a task, or 0: parts of one */
    size_t parts, rows; /* of an image, of a part */
    const cnn_number *x, *dy;
    const float *s, *b;
    cnn_number *y, *dx;
    float *scratch;
    struct cnn_scale_gradients d; /* its dx is above */
};

/* Tasks are some whole images where these are small, else parts of an image. */
static size_t plan_tasks(struct scale_work *k)
{
    size_t rows = cnn_block_rows(k->c.channels);
    if (k->c.pixels <= rows) {
        k->group = k->c.pixels > 0 ? rows / k->c.pixels : 1;
        k->parts = 1;
        k->rows = k->c.pixels;
        return cnn_size_divide_up(k->c.images, k->group);
    }
    k->group = 0;
    k->parts = cnn_size_min(cnn_size_divide_up(k->c.pixels, rows), MOST_PARTS);
    k->rows = cnn_size_divide_up(k->c.pixels, k->parts);
    k->parts = cnn_size_divide_up(k->c.pixels, k->rows);
    return k->c.images * k->parts;
}

static size_t sums_floats(const struct cnn_scale *c)
{
    return 2 * cnn_round_floats(c->channels);
}

size_t CNN_VALUE_NAME(cnn_scale_scratch_floats)(const struct cnn_scale *c)
{
    struct scale_work k = {.c = *c};
    plan_tasks(&k);
    return sums_floats(c) * (k.group == 0 ? c->images * k.parts : (size_t)cnn_parallel_threads());
}

/* Some rows of one image; sums: where backward puts its own. */
struct part {
    size_t image, first, count;
    float *sums;
};

typedef void part_function(const struct scale_work *k, const struct part *part);

/* Sums of a task or a thread; forward has none. */
static float *sums_of(const struct scale_work *k, size_t i)
{
    return k->scratch ? k->scratch + i * sums_floats(&k->c) : NULL;
}

static void run_task(const struct scale_work *k, size_t task, size_t thread, part_function *run)
{
    if (k->group == 0) {
        size_t first = task % k->parts * k->rows;
        run(k, &(struct part){task / k->parts, first, cnn_size_min(k->rows, k->c.pixels - first),
                              sums_of(k, task)});
        return;
    }
    size_t end = cnn_size_min(k->c.images, (task + 1) * k->group);
    for (size_t image = task * k->group; image < end; image++)
        run(k, &(struct part){image, 0, k->c.pixels, sums_of(k, thread)});
}

static inline vfloat multiply(bool negative, vfloat x, vfloat s)
{
    return negative ? vselect(x > 0.0f, x, x * s) : x * s;
}

/* c channels of a row; s and b: from the first of them on. */
static inline void scale_row(bool negative, size_t c, const cnn_number *x, const float *s,
                             const float *b, float *y)
{
    for (size_t i = 0; i < c; i += VLEN) {
        size_t lanes = cnn_size_min(VLEN, c - i);
        vfloat v = vload_number_lanes(x + i, lanes);
        if (s)
            v = multiply(negative, v, vload_lanes(s + i, lanes));
        vstore_lanes(y + i, lanes, b ? v + vload_lanes(b + i, lanes) : v);
    }
}

/* At most RUN numbers that follow each other: some rows, or channels of one from `first` on. */
static void forward_run(const struct scale_work *k, const struct part *rows, size_t first,
                        size_t channels)
{
    float buffer[RUN];
    size_t size = rows->count * channels,
           at = (rows->image * k->c.pixels + rows->first) * k->c.channels + first;
    const float *s = k->s ? k->s + rows->image * k->c.channels + first : NULL,
                *b = k->b ? k->b + rows->image * k->c.channels + first : NULL;
    float *y = cnn_place_numbers(k->y + at, buffer);
    for (size_t i = 0; i < size; i += channels)
        scale_row(k->c.negative, channels, k->x + at + i, s, b, y + i);
    if (k->c.activation.kind != CNN_ACT_NONE)
        CNN_ISA_NAME(cnn_activate)(k->c.activation, size, y, y);
    cnn_write_numbers(y, size, k->y + at);
}

static void forward_part(const struct scale_work *k, const struct part *part)
{
    size_t c = k->c.channels, channels = cnn_size_min(c, RUN), run = RUN / channels;
    for (size_t row = 0; row < part->count; row += run) {
        struct part rows = {.image = part->image,
                            .first = part->first + row,
                            .count = cnn_size_min(run, part->count - row)};
        for (size_t first = 0; first < c; first += channels)
            forward_run(k, &rows, first, cnn_size_min(channels, c - first));
    }
}

static void forward_task(void *context, size_t task, size_t thread)
{
    run_task(context, task, thread, forward_part);
}

void CNN_VALUE_NAME(cnn_scale_forward)(const struct cnn_scale *c, const float *x, const float *s,
                                       const float *b, float *y)
{
    struct scale_work k = {
        .c = *c, .x = (const cnn_number *)x, .s = s, .b = b, .y = (cnn_number *)y};
    cnn_parallel_for(plan_tasks(&k), forward_task, &k);
}

/* Sums of the vector of channels from `channel` on over a run of rows, added to ds and db; dx is
 * written on the way. */
static inline void backward_lanes(const struct scale_work *k, const struct part *run,
                                  size_t channel)
{
    size_t c = k->c.channels, lanes = cnn_size_min(VLEN, c - channel),
           at = (run->image * k->c.pixels + run->first) * c + channel;
    const cnn_number *x = k->x + at, *dy = k->dy + at;
    cnn_number *dx = k->dx ? k->dx + at : NULL;
    float *sums = run->sums + channel;
    vfloat s = k->s ? vload_lanes(k->s + run->image * c + channel, lanes) : vset(1);
    vfloat ds = {0}, db = {0};
    for (size_t r = 0, rows = run->count; r < rows; r++) {
        vfloat g = vload_number_lanes(dy + r * c, lanes), v = vload_number_lanes(x + r * c, lanes);
        ds += k->c.negative ? vselect(v > 0.0f, (vfloat){0}, g * v) : g * v;
        db += g;
        if (dx)
            vstore_number_lanes(dx + r * c, lanes,
                                k->c.negative ? vselect(v > 0.0f, g, g * s) : g * s);
    }
    vstore_lanes(sums, lanes, vload_lanes(sums, lanes) + ds);
    sums += cnn_round_floats(c);
    vstore_lanes(sums, lanes, vload_lanes(sums, lanes) + db);
}

static void backward_run(const struct scale_work *k, const struct part *run)
{
    for (size_t i = 0; i < k->c.channels; i += VLEN)
        backward_lanes(k, run, i);
}

static void write_sums(const struct scale_work *k, size_t image, const float *sums)
{
    size_t c = k->c.channels;
    if (k->d.ds)
        memcpy(k->d.ds + image * c, sums, c * sizeof *sums);
    if (k->d.db)
        memcpy(k->d.db + image * c, sums + cnn_round_floats(c), c * sizeof *sums);
}

static void backward_part(const struct scale_work *k, const struct part *part)
{
    memset(part->sums, 0, sums_floats(&k->c) * sizeof *part->sums);
    for (size_t row = 0; row < part->count; row += SUM_ROWS)
        backward_run(k, &(struct part){.image = part->image,
                                       .first = part->first + row,
                                       .count = cnn_size_min(SUM_ROWS, part->count - row),
                                       .sums = part->sums});
    if (k->group > 0)
        write_sums(k, part->image, part->sums);
}

static void backward_task(void *context, size_t task, size_t thread)
{
    run_task(context, task, thread, backward_part);
}

/* Adds the sums of an image's parts, in order, to those of the first one. */
static void gather_image(void *context, size_t image, size_t thread)
{
    (void)thread;
    const struct scale_work *k = context;
    size_t floats = sums_floats(&k->c);
    float *sums = k->scratch + image * k->parts * floats;
    for (size_t part = 1; part < k->parts; part++)
        for (size_t i = 0; i < floats; i++)
            sums[i] += sums[part * floats + i];
    write_sums(k, image, sums);
}

void CNN_VALUE_NAME(cnn_scale_backward)(const struct cnn_scale *c, const float *x, const float *s,
                                        const float *dy, const struct cnn_scale_gradients *d,
                                        float *scratch)
{
    struct scale_work k = {.c = *c,
                           .x = (const cnn_number *)x,
                           .dy = (const cnn_number *)dy,
                           .s = s,
                           .dx = (cnn_number *)d->dx,
                           .scratch = scratch,
                           .d = *d};
    cnn_parallel_for(plan_tasks(&k), backward_task, &k);
    if (k.group == 0)
        cnn_parallel_for(c->images, gather_image, &k);
}
