/* batch_norm with the 2x2 pooling behind it, so that what lies between them never passes memory:
 * forward writes the pooled map, backward reads the gradient of the pooled map and finds the
 * windows' maxima again. A task's strip is some channels of some output lines; it goes by segments,
 * runs of windows of one line.
 *
 * Behind a cut, like relu, the maximum is found before it: a cut never falls, and where it is
 * level, so that which of several equal outputs is the first one is lost, its derivative is 0.
 * Other activations are called for the pixels of a segment, in a buffer, and their outputs are
 * compared. */
#include "kernels/vector/norm.h"

/* pooled values of a segment, about: what is done to its pixels stays in the first-level cache */
#define SEGMENT ((size_t)512)

/* Two rows of pixels: where they begin, x or what is pooled of it, and the distances of rows and
 * pixels. */
struct pixels {
    const cnn_number *x;
    const float *values;
    size_t row, pixel;
};

struct segment {
    size_t input, output; /* where it begins in x and in y or dy */
    size_t windows;
};

/* A segment's two rows of pixels, without the channels of other strips. */
struct buffer {
    _Alignas(64) float rows[2 * 2 * CNN_NORM_ROW]; /* the second begins at 2 * CNN_NORM_ROW */
};

/* Where corner 0 to 3, in row order, of a window's pixels is. */
static inline size_t corner_at(const struct pixels *p, size_t window, size_t corner)
{
    return corner / 2 * p->row + (2 * window + corner % 2) * p->pixel;
}

/* Lane by lane: where b beats a. The first of equals is kept, a NaN beats all. */
static inline vint beats(vfloat b, vfloat a)
{
    return (b > a) | (b != b);
}

static inline vfloat pooled(bool average, const vfloat v[4])
{
    if (average)
        return ((v[0] + v[1]) + (v[2] + v[3])) * 0.25f;
    vfloat top = vselect(beats(v[1], v[0]), v[1], v[0]),
           bottom = vselect(beats(v[3], v[2]), v[3], v[2]);
    return vselect(beats(bottom, top), bottom, top);
}

/* The gradients at the pixels of a window, of which the activation makes v before pooling. */
static inline void window_gradients(bool average, const struct cnn_norm_cut *cut, const vfloat v[4],
                                    vfloat dy, vfloat g[4])
{
    if (average) {
        for (size_t i = 0; i < 4; i++)
            g[i] = cnn_norm_through(cut, v[i], dy * 0.25f);
        return;
    }
    vint right_top = beats(v[1], v[0]), right_bottom = beats(v[3], v[2]);
    vfloat top = vselect(right_top, v[1], v[0]), bottom = vselect(right_bottom, v[3], v[2]);
    vint below = beats(bottom, top);
    dy = cnn_norm_through(cut, vselect(below, bottom, top), dy);
    vfloat above = cnn_norm_masked(~below, dy);
    dy = cnn_norm_masked(below, dy);
    g[0] = cnn_norm_masked(~right_top, above), g[1] = cnn_norm_masked(right_top, above);
    g[2] = cnn_norm_masked(~right_bottom, dy), g[3] = cnn_norm_masked(right_bottom, dy);
}

static size_t segment_windows(const struct cnn_norm_strip *s)
{
    return s->channels < SEGMENT ? SEGMENT / s->channels : 1;
}

/* The segment of output line `line` from window ox on. */
static struct segment segment_at(const struct cnn_norm *k, const struct cnn_norm_strip *s,
                                 size_t line, size_t ox)
{
    const struct cnn_pool *p = k->b.pool;
    size_t channels = k->b.channels, row = line / p->out_h * p->in_h + line % p->out_h * 2;
    return (struct segment){
        .input = (row * p->in_w + 2 * ox) * channels + s->channel,
        .output = (line * p->out_w + ox) * channels + s->channel,
        .windows = cnn_size_min(segment_windows(s), p->out_w - ox),
    };
}

/* The values that are pooled: x alone, of which the loops compute them, or behind an activation
 * that is called, they themselves, in the buffer. Its rows are worked on a strip's width at a time:
 * several pixels, or the strip's channels of one. */
static struct pixels values(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                            const struct cnn_norm_strip *s, const struct segment *segment,
                            struct buffer *y)
{
    size_t row_size = k->b.pool->in_w * k->b.channels, count = 2 * segment->windows * s->channels;
    if (!cnn_norm_calls(k->b.activation))
        return (struct pixels){k->x + segment->input, NULL, row_size, k->b.channels};
    for (size_t row = 0; row < 2; row++)
        for (size_t i = 0; i * s->width < count; i++) {
            size_t done = i * s->width;
            struct cnn_norm_tile t = {segment->input + row * row_size + i * k->wide, 1,
                                      cnn_size_min(s->width, count - done)};
            CNN_VALUE_NAME(cnn_norm_values)
            (k, columns, k->b.activation, t, y->rows + row * 2 * CNN_NORM_ROW + done);
        }
    return (struct pixels){NULL, y->rows, 2 * CNN_NORM_ROW, s->channels};
}

/* Some channels of the pixel `at`: v, or what came of it already. */
static inline vfloat value_lanes(const struct cnn_norm_columns *columns,
                                 const struct pixels *pixels, size_t at,
                                 struct cnn_norm_lanes lanes)
{
    at += lanes.first;
    return pixels->values ? vload_lanes(pixels->values + at, lanes.count)
                          : cnn_norm_value(columns, lanes.first,
                                           vload_number_lanes(pixels->x + at, lanes.count));
}

/* Of the window whose corners are at these places; y: that of its first channel. */
static inline void forward_lanes(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                                 const struct pixels *pixels, const size_t corner[4],
                                 struct cnn_norm_lanes lanes, cnn_number *y)
{
    const struct cnn_norm_cut cut = cnn_norm_cut(k->b.activation);
    vfloat v[4];
    for (size_t i = 0; i < 4; i++)
        v[i] = cnn_norm_between(&cut, value_lanes(columns, pixels, corner[i], lanes));
    vstore_number_lanes(y + lanes.first, lanes.count, pooled(k->b.pool->average, v));
}

static void forward_segment(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                            const struct cnn_norm_strip *s, const struct segment *segment)
{
    struct buffer activated;
    struct pixels pixels = values(k, columns, s, segment, &activated);
    for (size_t window = 0; window < segment->windows; window++) {
        cnn_number *y = k->y + segment->output + window * k->b.channels;
        size_t ch = 0, corner[4];
        for (size_t i = 0; i < 4; i++)
            corner[i] = corner_at(&pixels, window, i);
        for (; ch + VLEN <= s->channels; ch += VLEN)
            forward_lanes(k, columns, &pixels, corner, (struct cnn_norm_lanes){ch, VLEN}, y);
        if (ch < s->channels)
            forward_lanes(k, columns, &pixels, corner,
                          (struct cnn_norm_lanes){ch, s->channels - ch}, y);
    }
}

void CNN_VALUE_NAME(cnn_norm_pool_forward)(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    struct cnn_norm_strip s = CNN_VALUE_NAME(cnn_norm_strip_at)(k, task);
    struct cnn_norm_columns columns;
    CNN_VALUE_NAME(cnn_norm_columns)(k, &s, &columns);
    for (size_t line = s.begin; line < s.end; line++)
        for (size_t ox = 0; ox < k->b.pool->out_w; ox += segment_windows(&s)) {
            struct segment segment = segment_at(k, &s, line, ox);
            forward_segment(k, &columns, &s, &segment);
        }
}

/* Lanes of one window in the backward passes: its inputs, and the gradients before the
 * activation. */
struct window {
    vfloat x[4], g[4];
};

/* The gradients at the values, which pixels holds. */
static inline void window_read(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                               const cnn_number *const corner[4], const cnn_number *dy,
                               struct cnn_norm_lanes lanes, struct window *w)
{
    size_t ch = lanes.first;
    /* hardware does not follow two short rows into the next two */
    size_t next_line = 2 * k->b.pool->in_w * k->b.channels;
    const struct cnn_norm_cut cut = cnn_norm_cut(k->b.activation);
    vfloat v[4];
    for (size_t i = 0; i < 4; i++) {
        __builtin_prefetch(corner[i] + next_line + ch, 0, 2);
        w->x[i] = vload_number_lanes(corner[i] + ch, lanes.count);
        v[i] = cnn_norm_value(columns, ch, w->x[i]);
    }
    window_gradients(k->b.pool->average, &cut, v, vload_number_lanes(dy + ch, lanes.count), w->g);
}

/* The same from the gradients at the activation's inputs, which lie in the buffer already. */
static inline void window_read_buffer(const cnn_number *const corner[4],
                                      const float *const gradient[4], size_t ch, size_t lanes,
                                      struct window *w)
{
    for (size_t i = 0; i < 4; i++) {
        w->x[i] = vload_number_lanes(corner[i] + ch, lanes);
        w->g[i] = vload_lanes(gradient[i] + ch, lanes);
    }
}

/* What the passes do with lanes of a window: add to the sums, or write dx. */
static inline void window_write(const struct cnn_norm_columns *columns, const struct window *w,
                                size_t ch, size_t lanes, struct cnn_norm_partial *sums,
                                cnn_number *const dx[4])
{
    if (!sums) {
        for (size_t i = 0; i < 4; i++)
            vstore_number_lanes(dx[i] + ch, lanes, cnn_norm_dx(columns, ch, w->x[i], w->g[i]));
        return;
    }
    vfloat mean = vload(columns->mean + ch), products = vset(0);
    for (size_t i = 0; i < 4; i++)
        products += w->g[i] * (w->x[i] - mean);
    vstore(sums->products + ch, vload(sums->products + ch) + products);
    vstore(sums->sum + ch, vload(sums->sum + ch) + ((w->g[0] + w->g[1]) + (w->g[2] + w->g[3])));
}

/* Writes the gradients at the activation's inputs of a segment, where activations are called. */
static void gradients_segment(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                              const struct cnn_norm_strip *s, const struct segment *segment,
                              struct buffer *g)
{
    const struct cnn_norm_cut none = cnn_norm_cut(k->b.activation); /* it does more than to cut */
    struct buffer activated;
    struct pixels pixels = values(k, columns, s, segment, &activated);
    for (size_t window = 0; window < segment->windows; window++)
        for (size_t ch = 0; ch < s->channels; ch += VLEN) {
            size_t lanes = cnn_size_min(VLEN, s->channels - ch), at[4];
            vfloat v[4], gradients[4],
                dy = vload_number_lanes(k->dy + segment->output + window * k->b.channels + ch,
                                        lanes);
            for (size_t i = 0; i < 4; i++) {
                at[i] = corner_at(&pixels, window, i) + ch;
                v[i] = vload_lanes(pixels.values + at[i], lanes);
            }
            window_gradients(k->b.pool->average, &none, v, dy, gradients);
            for (size_t i = 0; i < 4; i++)
                vstore_lanes(g->rows + at[i], lanes, gradients[i]);
        }
    for (size_t row = 0; row < 2; row++) {
        size_t at = row * 2 * CNN_NORM_ROW;
        CNN_ISA_NAME(cnn_activate_backward)
        (k->b.activation, 2 * segment->windows * s->channels, NULL, activated.rows + at,
         g->rows + at, g->rows + at);
    }
}

/* Both backward passes, over one segment: with sums, the first. Inlined into each, so that there is
 * a loop for each. */
static inline __attribute__((always_inline)) void
backward_segment(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                 const struct cnn_norm_strip *s, const struct segment *segment,
                 struct cnn_norm_partial *sums)
{
    struct buffer g;
    struct pixels x = {k->x + segment->input, NULL, k->b.pool->in_w * k->b.channels, k->b.channels};
    struct pixels gradients = {NULL, g.rows, 2 * CNN_NORM_ROW, s->channels};
    bool buffered = cnn_norm_calls(k->b.activation);
    if (buffered)
        gradients_segment(k, columns, s, segment, &g);
    for (size_t window = 0; window < segment->windows; window++) {
        const cnn_number *corner[4], *dy = k->dy + segment->output + window * k->b.channels;
        const float *gradient[4];
        cnn_number *dx[4] = {NULL, NULL, NULL, NULL};
        size_t ch = 0;
        for (size_t i = 0; i < 4; i++) {
            size_t at = corner_at(&x, window, i);
            corner[i] = x.x + at;
            gradient[i] = gradients.values + corner_at(&gradients, window, i);
            if (!sums)
                dx[i] = k->dx + segment->input + at;
        }
        struct window w;
        for (; ch + VLEN <= s->channels && !buffered; ch += VLEN) {
            window_read(k, columns, corner, dy, (struct cnn_norm_lanes){ch, VLEN}, &w);
            window_write(columns, &w, ch, VLEN, sums, dx);
        }
        for (; ch < s->channels; ch += VLEN) {
            size_t lanes = cnn_size_min(VLEN, s->channels - ch);
            if (buffered)
                window_read_buffer(corner, gradient, ch, lanes, &w);
            else
                window_read(k, columns, corner, dy, (struct cnn_norm_lanes){ch, lanes}, &w);
            window_write(columns, &w, ch, lanes, sums, dx);
        }
    }
}

void CNN_VALUE_NAME(cnn_norm_pool_sums)(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    struct cnn_norm_strip s = CNN_VALUE_NAME(cnn_norm_strip_at)(k, task);
    struct cnn_norm_columns columns;
    struct cnn_norm_partial sums = {{0}, {0}};
    CNN_VALUE_NAME(cnn_norm_columns)(k, &s, &columns);
    for (size_t line = s.begin; line < s.end; line++)
        for (size_t ox = 0; ox < k->b.pool->out_w; ox += segment_windows(&s)) {
            struct segment segment = segment_at(k, &s, line, ox);
            backward_segment(k, &columns, &s, &segment, &sums);
        }
    CNN_VALUE_NAME(cnn_norm_fold)(&s, sums.sum, k->first + s.sums);
    CNN_VALUE_NAME(cnn_norm_fold)(&s, sums.products, k->second + s.sums);
}

/* dx of pixels that no window covers, the first of them at `at`: no gradient comes to them but
 * through mean and variance. */
static void dx_outside(const struct cnn_norm *k, const struct cnn_norm_columns *columns,
                       const struct cnn_norm_strip *s, size_t at, size_t pixels)
{
    static const float zeros[CNN_NORM_STRIP];
    for (size_t i = 0; i < pixels; i++)
        CNN_VALUE_NAME(cnn_norm_dx_tile)
    (k, columns, (struct cnn_norm_tile){at + i * k->b.channels, 1, s->channels},
     (struct cnn_norm_gradients){zeros, NULL});
}

void CNN_VALUE_NAME(cnn_norm_pool_backward)(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct cnn_norm *k = context;
    const struct cnn_pool *p = k->b.pool;
    struct cnn_norm_strip s = CNN_VALUE_NAME(cnn_norm_strip_at)(k, task);
    struct cnn_norm_columns columns;
    CNN_VALUE_NAME(cnn_norm_gradient_columns)(k, &s, &columns);
    for (size_t line = s.begin; line < s.end; line++) {
        size_t row = segment_at(k, &s, line, 0).input, row_size = p->in_w * k->b.channels,
               covered = 2 * p->out_w * k->b.channels;
        for (size_t ox = 0; ox < p->out_w; ox += segment_windows(&s)) {
            struct segment segment = segment_at(k, &s, line, ox);
            backward_segment(k, &columns, &s, &segment, NULL);
        }
        dx_outside(k, &columns, &s, row + covered, p->in_w - 2 * p->out_w);
        dx_outside(k, &columns, &s, row + row_size + covered, p->in_w - 2 * p->out_w);
        if (line % p->out_h == p->out_h - 1)
            dx_outside(k, &columns, &s, row + 2 * row_size, (p->in_h - 2 * p->out_h) * p->in_w);
    }
}
