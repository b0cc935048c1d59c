/* The input that most excites a channel, by gradient ascent (papers: attribution.h). The exact
 * algorithm, so that it can be repeated elsewhere:
 *
 * Where the model has a `data` section it learns from pictures: pixels of a channel can be low = (0
 * - mean) / std to high = (1 - mean) / std, and unit is (high - low) / 4. Else, or as long as
 * `normalize: auto` is not known, there are no bounds and unit is 1. Attempt t, from 0, draws from
 * the generator (seed, CNN_STREAM_EXCITE, t). The picture begins at 0, the mean of the training
 * pictures (at the middle of the range where low < 0 < high does not hold), plus normal noise of
 * deviation 0.1 * 2^t * unit, NHWC order, clipped as in step 5. Where t is odd and there are bounds
 * it begins at a colour instead: for each channel low + cnn_rng_uniform * (high - low), drawn
 * before the noise. Then for each step s from 1:
 *   1. shift the picture down by cnn_rng_below(2 * jitter + 1) - jitter rows and then, drawn
 * likewise, to the right, what leaves coming in at the other edge;
 *   2. g = gradient of the mean of the channel, shifted back;
 *   3. picture += rate * unit * min(1, s / 16) * g / rms(g): small steps first, lest a channel that
 * is only just awake be put to sleep;
 *   4. every blur_every steps blur rows, then columns, with exp(-k^2 / (2 blur^2)) for |k| <=
 * ceil(3 blur), divided by their sum; the edge's pixels go on;
 *   5. clip to low and high.
 * Where g is zero (a rectified channel that is silent) there is no way up: the next attempt begins.
 * After six the last one stands, and its strengths say that nothing was found. */
#include <math.h>
#include <string.h>

#include "util/allocate.h"
#include "viz/attribution.h"
#include "viz/gradient.h"

#define START_DEVIATION 0.1f
#define ATTEMPTS        6
#define SLOW_STEPS      16

struct range { /* of one channel's pixels */
    float low, high, unit, start;
};

struct ascent {
    struct cnn_gradient gradient;
    cnn_shape shape;
    size_t count, channel;
    const struct cnn_excite *settings;
    float *image, *work; /* work: the gradient, and a picture half blurred */
    double *weights;     /* of the blur, from its middle outwards, radius + 1 of them */
    size_t radius;
    struct range ranges[CNN_MAX_CHANNELS];
    size_t range_count; /* 1 where one holds for all channels */
    float strength[2];
};

struct cnn_excite cnn_excite_defaults(cnn_shape input)
{
    size_t side = input.h < input.w ? input.h : input.w;
    return (struct cnn_excite){
        .steps = 128, .jitter = side / 16, .blur_every = 4, .rate = 0.2f, .blur = 0.7f, .seed = 1};
}

/* in, moved down and to the right; what leaves at one edge comes in at the other. */
static void roll(cnn_shape s, size_t down, size_t right, const float *in, float *out)
{
    for (size_t row = 0; row < s.h; row++) {
        float *to = out + (row + down) % s.h * s.w * s.c;
        const float *from = in + row * s.w * s.c;
        memcpy(to + right * s.c, from, (s.w - right) * s.c * sizeof *in);
        memcpy(to, from + (s.w - right) * s.c, right * s.c * sizeof *in);
    }
}

/* The mean of the channel for the last picture. */
static double read_strength(const struct ascent *a)
{
    cnn_shape s = cnn_graph_shape(&a->gradient.graph, a->gradient.value);
    const float *y = cnn_plan_value(a->gradient.plan, a->gradient.value);
    double sum = 0;
    for (size_t i = 0; i < s.h * s.w; i++)
        sum += (double)y[i * s.c + a->channel];
    return sum / (double)(s.h * s.w);
}

static float measure(struct ascent *a)
{
    memcpy(cnn_plan_input(a->gradient.plan), a->image, a->count * sizeof *a->image);
    cnn_plan_forward(a->gradient.plan, 1, false, 0);
    return (float)read_strength(a);
}

/* One axis of the blur: `length` runs of `run` floats, each replaced by the weighted mean of its
 * neighbours; beyond the ends stands the last. */
static void blur_axis(const struct ascent *a, size_t length, size_t run, const float *in,
                      float *out)
{
    for (size_t i = 0; i < length; i++)
        for (size_t r = 0; r < run; r++) {
            double sum = a->weights[0] * (double)in[i * run + r];
            for (size_t k = 1; k <= a->radius; k++) {
                size_t before = i < k ? 0 : i - k, after = i + k < length ? i + k : length - 1;
                sum += a->weights[k] * ((double)in[before * run + r] + (double)in[after * run + r]);
            }
            out[i * run + r] = (float)sum;
        }
}

static void blur(struct ascent *a)
{
    size_t row = a->shape.w * a->shape.c;
    for (size_t i = 0; i < a->shape.h; i++)
        blur_axis(a, a->shape.w, a->shape.c, a->image + i * row, a->work + i * row);
    blur_axis(a, a->shape.h, row, a->work, a->image);
}

static void fill_weights(struct ascent *a)
{
    double sum = 0, deviation = (double)a->settings->blur;
    for (size_t k = 0; k <= a->radius; k++) {
        a->weights[k] = k ? exp(-(double)(k * k) / (2 * deviation * deviation)) : 1;
        sum += k ? 2 * a->weights[k] : 1;
    }
    for (size_t k = 0; k <= a->radius; k++)
        a->weights[k] /= sum;
}

static void find_ranges(struct ascent *a, const cnn_model *model)
{
    const struct cnn_normalization *n = &model->normalization;
    size_t channels = model->has_data ? n->channels : 0;
    a->range_count = channels > 0 ? channels : 1;
    a->ranges[0] = (struct range){-INFINITY, INFINITY, 1, 0};
    for (size_t c = 0; c < channels; c++) {
        float low = (0 - n->mean[c]) / n->std[c], high = (1 - n->mean[c]) / n->std[c];
        a->ranges[c] =
            (struct range){low, high, (high - low) / 4, low < 0 && high > 0 ? 0 : (low + high) / 2};
    }
}

static const struct range *range_of(const struct ascent *a, size_t i)
{
    return &a->ranges[i % a->range_count];
}

static void clip(const struct ascent *a)
{
    for (size_t i = 0; i < a->count; i++)
        a->image[i] = fminf(fmaxf(a->image[i], range_of(a, i)->low), range_of(a, i)->high);
}

/* A shift of -jitter to jitter along an axis of `length`, as one of 0 to length - 1 that comes to
 * the same. */
static size_t draw_shift(struct cnn_rng *rng, size_t jitter, size_t length)
{
    size_t shift = cnn_rng_below(rng, (uint32_t)(2 * jitter + 1));
    return (shift + length - jitter % length) % length;
}

/* One step; false where the gradient is zero (or no number), so that there is nowhere to go. */
static bool climb(struct ascent *a, size_t step, struct cnn_rng *rng)
{
    cnn_shape s = a->shape;
    size_t down = draw_shift(rng, a->settings->jitter, s.h),
           right = draw_shift(rng, a->settings->jitter, s.w);
    roll(s, down, right, a->image, cnn_plan_input(a->gradient.plan));
    cnn_gradient_run(&a->gradient, 1, a->channel);
    roll(s, (s.h - down) % s.h, (s.w - right) % s.w, cnn_plan_gradient(a->gradient.plan, 0),
         a->work);
    double squares = 0;
    for (size_t i = 0; i < a->count; i++)
        squares += (double)a->work[i] * (double)a->work[i];
    double rms = sqrt(squares / (double)a->count);
    double rate = (double)a->settings->rate * (step < SLOW_STEPS ? (double)step / SLOW_STEPS : 1);
    bool way_up = rms > 0 && rms < INFINITY;
    for (size_t i = 0; way_up && i < a->count; i++)
        a->image[i] += (float)(rate * (double)range_of(a, i)->unit * (double)a->work[i] / rms);
    return way_up;
}

static cnn_status check_channel(const struct cnn_graph *graph, size_t value, size_t channel,
                                cnn_diag *diag)
{
    size_t channels = cnn_graph_shape(graph, value).c;
    if (value == 0)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "what excites a layer is found, not what excites the network's input");
    if (channel >= channels)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "there is no channel %zu: %s has %zu, counted from 0", channel,
                        graph->nodes[value - 1].name, channels);
    return CNN_OK;
}

/* The noise that an attempt begins with: around the usual start, or in every second attempt around
 * a colour drawn at random. */
static void begin(struct ascent *a, size_t attempt, struct cnn_rng *rng)
{
    float deviation = ldexpf(START_DEVIATION, (int)attempt), level[CNN_MAX_CHANNELS];
    for (size_t c = 0; c < a->range_count; c++) {
        const struct range *range = &a->ranges[c];
        bool drawn = attempt % 2 == 1 && isfinite(range->low);
        level[c] =
            drawn ? range->low + cnn_rng_uniform(rng) * (range->high - range->low) : range->start;
    }
    for (size_t i = 0; i < a->count; i++)
        a->image[i] =
            level[i % a->range_count] + deviation * range_of(a, i)->unit * cnn_rng_normal(rng);
    clip(a);
}

/* One ascent; *vanished: the gradient did, before the last step. */
static cnn_status ascend(struct ascent *a, size_t attempt, bool *vanished)
{
    const struct cnn_excite *settings = a->settings;
    struct cnn_rng rng = cnn_rng_at(settings->seed, CNN_STREAM_EXCITE, attempt);
    begin(a, attempt, &rng);
    a->strength[0] = measure(a);
    *vanished = false;
    for (size_t step = 1; step <= settings->steps; step++) {
        if (cnn_flag_raised(settings->stop))
            return CNN_INTERRUPTED;
        *vanished = !climb(a, step, &rng);
        if (*vanished)
            break;
        if (settings->blur_every > 0 && step % settings->blur_every == 0 && a->radius > 0)
            blur(a);
        clip(a);
    }
    a->strength[1] = measure(a);
    return CNN_OK;
}

cnn_status cnn_excite(cnn_model *model, struct cnn_unit unit, const struct cnn_excite *settings,
                      float *image, float strength[2], cnn_diag *diag)
{
    struct ascent a = {.shape = model->graph.input,
                       .count = cnn_shape_count(model->graph.input),
                       .channel = unit.channel,
                       .settings = settings};
    cnn_status status = check_channel(&model->graph, unit.value, unit.channel, diag);
    bool vanished = true;
    if (status != CNN_OK)
        return status;
    a.radius = settings->blur > 0 ? (size_t)ceilf(3 * settings->blur) : 0;
    a.image = cnn_floats_new(a.count);
    a.work = cnn_floats_new(a.count);
    a.weights = cnn_calloc(a.radius + 1, sizeof *a.weights);
    if (!a.image || !a.work || !a.weights)
        status = cnn_fail_memory(diag, 2 * a.count * sizeof(float), "a picture");
    if (status == CNN_OK)
        status = cnn_gradient_open(model, unit.value, 1, &a.gradient, diag);
    if (status == CNN_OK) {
        fill_weights(&a);
        find_ranges(&a, model);
    }
    for (size_t attempt = 0; status == CNN_OK && vanished && attempt < ATTEMPTS; attempt++)
        status = ascend(&a, attempt, &vanished);
    if (status == CNN_OK) {
        memcpy(image, a.image, a.count * sizeof *image);
        memcpy(strength, a.strength, sizeof a.strength);
    }
    cnn_gradient_close(&a.gradient);
    cnn_floats_free(a.image);
    cnn_floats_free(a.work);
    cnn_free(a.weights);
    return status;
}
