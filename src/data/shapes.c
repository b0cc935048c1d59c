/* The shapes data set: one of ten shapes of any colour, size, angle and place, over a textured
 * background with small marks, under noise.
 *
 * A shape is a signed distance function d(p), negative inside, over coordinates in which it fits
 * the unit circle (the distance functions follow Quilez, "2D distance functions"). A pixel is
 * covered by clamp(1/2 - d in pixels, 0, 1), which smooths the edges. Only + - * / and sqrt are
 * used, which IEEE 754 rounds exactly: the images are the same bytes on every machine. */
#include "data/format.h"

#include <math.h>

#include "util/allocate.h"
#include "util/diag.h"
#include "util/parallel.h"
#include "util/random.h"

#ifdef __clang__
#pragma STDC FP_CONTRACT OFF /* gcc has none under -std=c11, and does not know the pragma */
#endif

#define TRAIN_IMAGES 20000
#define TEST_IMAGES  4000
#define CHUNK        100 /* images per task; divides both */
#define MARKS        4
#define GRID         6 /* corners per side of the blobs' lattice */

struct point {
    float x, y;
};

struct colour {
    float rgb[3];
};

/* ---- shapes ---- */

static const struct point square[] = {
    {0.70f, 0.70f}, {-0.70f, 0.70f}, {-0.70f, -0.70f}, {0.70f, -0.70f}};
static const struct point triangle[] = {{0, -1}, {0.866f, 0.5f}, {-0.866f, 0.5f}};
static const struct point star[] = {{0, -1},
                                    {0.2351f, -0.3236f},
                                    {0.9511f, -0.3090f},
                                    {0.3804f, 0.1236f},
                                    {0.5878f, 0.8090f},
                                    {0, 0.4f},
                                    {-0.5878f, 0.8090f},
                                    {-0.3804f, 0.1236f},
                                    {-0.9511f, -0.3090f},
                                    {-0.2351f, -0.3236f}};
static const struct point cross[] = {{0.28f, -0.95f},  {0.28f, -0.28f},  {0.95f, -0.28f},
                                     {0.95f, 0.28f},   {0.28f, 0.28f},   {0.28f, 0.95f},
                                     {-0.28f, 0.95f},  {-0.28f, 0.28f},  {-0.95f, 0.28f},
                                     {-0.95f, -0.28f}, {-0.28f, -0.28f}, {-0.28f, -0.95f}};
static const struct point arrow[] = {{0, -1},         {0.75f, -0.15f}, {0.26f, -0.15f},
                                     {0.26f, 0.95f},  {-0.26f, 0.95f}, {-0.26f, -0.15f},
                                     {-0.75f, -0.15f}};
static const struct point hourglass[] = {{-0.65f, -0.75f}, {0.65f, -0.75f}, {0.10f, 0},
                                         {0.65f, 0.75f},   {-0.65f, 0.75f}, {-0.10f, 0}};
static const struct point heart_tip[] = {
    {0, 0.95f}, {-0.794f, -0.006f}, {-0.44f, -0.3f}, {0.44f, -0.3f}, {0.794f, -0.006f}};

static float clamp(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static float distance_circle(struct point p, float x, float y, float radius)
{
    return sqrtf((p.x - x) * (p.x - x) + (p.y - y) * (p.y - y)) - radius;
}

/* From p to the segment a-b, squared. */
static float distance_segment2(struct point p, struct point a, struct point b)
{
    float ex = b.x - a.x, ey = b.y - a.y, wx = p.x - a.x, wy = p.y - a.y;
    float length2 = ex * ex + ey * ey;
    float along = length2 > 0 ? clamp((wx * ex + wy * ey) / length2, 0, 1) : 0;
    wx -= along * ex;
    wy -= along * ey;
    return wx * wx + wy * wy;
}

/* Inside is where a ray to the right crosses the outline an odd number of times. */
static float distance_polygon(struct point p, const struct point *corners, size_t count)
{
    float best = distance_segment2(p, corners[0], corners[count - 1]);
    bool inside = false;
    for (size_t i = 0, j = count - 1; i < count; j = i++) {
        struct point a = corners[i], b = corners[j];
        best = fminf(best, distance_segment2(p, a, b));
        if ((a.y > p.y) != (b.y > p.y) && p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x)
            inside = !inside;
    }
    return inside ? -sqrtf(best) : sqrtf(best);
}

static float draw_circle(struct point p)
{
    return distance_circle(p, 0, 0, 0.85f);
}

static float draw_ring(struct point p)
{
    return fabsf(distance_circle(p, 0, 0, 0.70f)) - 0.20f;
}

static float draw_crescent(struct point p)
{
    return fmaxf(distance_circle(p, -0.1f, 0, 0.95f), -distance_circle(p, 0.35f, 0, 0.75f));
}

/* Two discs, and a tip whose sides touch them. */
static float draw_heart(struct point p)
{
    float discs =
        fminf(distance_circle(p, -0.44f, -0.3f, 0.46f), distance_circle(p, 0.44f, -0.3f, 0.46f));
    return fminf(discs, distance_polygon(p, heart_tip, sizeof heart_tip / sizeof *heart_tip));
}

#define POLYGON(name)                                                                              \
    static float draw_##name(struct point p)                                                       \
    {                                                                                              \
        return distance_polygon(p, name, sizeof name / sizeof *name);                              \
    }
POLYGON(square)
POLYGON(triangle)
POLYGON(star)
POLYGON(cross)
POLYGON(arrow)
POLYGON(hourglass)

static const struct {
    const char *name;
    float (*distance)(struct point p);
} classes[] = {
    {"circle", draw_circle},       {"ring", draw_ring},   {"square", draw_square},
    {"triangle", draw_triangle},   {"star", draw_star},   {"cross", draw_cross},
    {"crescent", draw_crescent},   {"heart", draw_heart}, {"arrow", draw_arrow},
    {"hourglass", draw_hourglass},
};
#define CLASSES (sizeof classes / sizeof *classes)

/* ---- what one image shows ---- */

enum texture { PLAIN, GRADIENT, STRIPES, CHECKER, BLOBS, TEXTURES };

struct mark {
    struct point from, to;
    float radius;
    struct colour colour;
};

struct scene {
    size_t class;
    struct point centre, turn; /* turn: cosine and sine of the angle */
    float radius;
    struct colour fill[2]; /* across the shape */
    enum texture texture;
    struct colour ground[2];
    struct point direction; /* of gradient, stripes and checker */
    float period, phase;
    float lattice[GRID][GRID];
    struct mark marks[MARKS];
    size_t mark_count;
    float noise;
};

static float draw_between(struct cnn_rng *rng, float low, float high)
{
    return low + (high - low) * cnn_rng_uniform(rng);
}

/* A point on the unit circle: one inside it, pushed out (no sine, whose last bit differs between
 * machines). */
static struct point draw_direction(struct cnn_rng *rng)
{
    for (;;) {
        float x = draw_between(rng, -1, 1), y = draw_between(rng, -1, 1), length2 = x * x + y * y;
        if (length2 > 0.01f && length2 <= 1) {
            float length = sqrtf(length2);
            return (struct point){x / length, y / length};
        }
    }
}

static struct colour draw_colour(struct cnn_rng *rng)
{
    struct colour colour;
    for (size_t c = 0; c < 3; c++)
        colour.rgb[c] = cnn_rng_uniform(rng);
    return colour;
}

static struct colour mix(struct colour a, struct colour b, float share)
{
    struct colour colour;
    for (size_t c = 0; c < 3; c++)
        colour.rgb[c] = a.rgb[c] + (b.rgb[c] - a.rgb[c]) * share;
    return colour;
}

/* A colour between near and low to high of the way to any other. (C leaves the order of arguments
 * open, so what is drawn first has a line of its own.) */
static struct colour draw_near(struct cnn_rng *rng, struct colour near, float low, float high)
{
    struct colour far = draw_colour(rng);
    return mix(near, far, draw_between(rng, low, high));
}

static float colour_distance(struct colour a, struct colour b)
{
    float sum = 0;
    for (size_t c = 0; c < 3; c++)
        sum += (a.rgb[c] - b.rgb[c]) * (a.rgb[c] - b.rgb[c]);
    return sqrtf(sum);
}

static float lightness(struct colour colour)
{
    return 0.3f * colour.rgb[0] + 0.6f * colour.rgb[1] + 0.1f * colour.rgb[2];
}

/* Whether a fill stands out from a ground colour: far enough, and mostly as the lighter of the two
 * (without that, each pixel alone would say nothing at all and a linear model could not even begin
 * to learn). */
static bool colour_stands_out(struct colour fill, struct colour ground, bool lighter)
{
    const float contrast = 0.35f;
    return colour_distance(fill, ground) >= contrast &&
           (!lighter || lightness(fill) > lightness(ground));
}

static void draw_colours(struct scene *scene, struct cnn_rng *rng)
{
    bool lighter = cnn_rng_below(rng, 8) != 0;
    for (;;) {
        scene->ground[0] = draw_colour(rng);
        scene->ground[1] = draw_near(rng, scene->ground[0], 0.2f, 0.6f);
        scene->fill[0] = draw_colour(rng);
        scene->fill[1] = draw_near(rng, scene->fill[0], 0, 0.3f);
        bool clear = true;
        for (size_t i = 0; i < 3; i++) {
            struct colour ground = mix(scene->ground[0], scene->ground[1], 0.5f * (float)i);
            clear = clear && colour_stands_out(scene->fill[0], ground, lighter) &&
                    colour_stands_out(scene->fill[1], ground, lighter);
        }
        if (clear)
            return;
    }
}

static void draw_marks(struct scene *scene, struct cnn_rng *rng)
{
    scene->mark_count = cnn_rng_below(rng, MARKS + 1);
    for (size_t i = 0; i < scene->mark_count; i++) {
        struct mark *mark = &scene->marks[i];
        struct point direction = draw_direction(rng);
        float length = cnn_rng_below(rng, 2) ? draw_between(rng, 0.1f, 0.3f) : 0;
        mark->from.x = cnn_rng_uniform(rng);
        mark->from.y = cnn_rng_uniform(rng);
        mark->to = (struct point){mark->from.x + length * direction.x,
                                  mark->from.y + length * direction.y};
        mark->radius = draw_between(rng, 0.015f, 0.05f);
        mark->colour = draw_colour(rng);
    }
}

/* Anywhere that leaves the whole shape inside, the middle more often than the sides. */
static float draw_centre(struct cnn_rng *rng, float radius)
{
    float sum = cnn_rng_uniform(rng) + cnn_rng_uniform(rng);
    return radius + (1 - 2 * radius) * 0.5f * sum;
}

static struct scene draw_scene(struct cnn_rng *rng, size_t class)
{
    struct scene scene = {.class = class};
    scene.radius = draw_between(rng, 0.175f, 0.40f);
    scene.centre.x = draw_centre(rng, scene.radius);
    scene.centre.y = draw_centre(rng, scene.radius);
    scene.turn = draw_direction(rng);
    draw_colours(&scene, rng);
    scene.texture = (enum texture)cnn_rng_below(rng, TEXTURES);
    scene.direction = draw_direction(rng);
    scene.period = draw_between(rng, 0.12f, 0.5f);
    scene.phase = cnn_rng_uniform(rng);
    for (size_t i = 0; i < GRID * GRID; i++)
        scene.lattice[i / GRID][i % GRID] = cnn_rng_uniform(rng);
    draw_marks(&scene, rng);
    scene.noise = draw_between(rng, 0.01f, 0.06f);
    return scene;
}

/* ---- drawing ---- */

/* Where x stands in its period: 0 and 1 with short slopes between. */
static float wave(float x, float slope)
{
    float t = x - floorf(x);
    float from_edge = t < 0.5f ? fminf(t, 0.5f - t) : -fminf(t - 0.5f, 1 - t);
    return clamp(0.5f + from_edge / slope, 0, 1);
}

/* The lattice's values, joined smoothly. */
static float blobs(const struct scene *scene, struct point p)
{
    float x = p.x * (GRID - 1), y = p.y * (GRID - 1);
    size_t column = (size_t)x, row = (size_t)y;
    x -= (float)column;
    y -= (float)row;
    x = x * x * (3 - 2 * x);
    y = y * y * (3 - 2 * y);
    const float *top = &scene->lattice[row][column], *bottom = &scene->lattice[row + 1][column];
    return (top[0] * (1 - x) + top[1] * x) * (1 - y) + (bottom[0] * (1 - x) + bottom[1] * x) * y;
}

/* Between 0 and 1: which of the two ground colours p has. */
static float texture_at(const struct scene *scene, struct point p, float pixel)
{
    float along = (p.x - 0.5f) * scene->direction.x + (p.y - 0.5f) * scene->direction.y;
    float across = (p.y - 0.5f) * scene->direction.x - (p.x - 0.5f) * scene->direction.y;
    float slope = pixel / scene->period;
    switch (scene->texture) {
    case PLAIN:
        return 0;
    case GRADIENT:
        return clamp(along * 0.9f + 0.5f, 0, 1);
    case STRIPES:
        return wave(along / scene->period + scene->phase, slope);
    case CHECKER: {
        float a = wave(along / scene->period + scene->phase, slope),
              b = wave(across / scene->period + scene->phase, slope);
        return a + b - 2 * a * b;
    }
    default:
        return blobs(scene, p);
    }
}

static struct colour colour_at(const struct scene *scene, struct point p, float pixel)
{
    struct colour colour = mix(scene->ground[0], scene->ground[1], texture_at(scene, p, pixel));
    for (size_t i = 0; i < scene->mark_count; i++) {
        const struct mark *mark = &scene->marks[i];
        float reach = mark->radius + pixel, distance2 = distance_segment2(p, mark->from, mark->to);
        if (distance2 < reach * reach)
            colour = mix(colour, mark->colour,
                         clamp(0.5f - (sqrtf(distance2) - mark->radius) / pixel, 0, 1));
    }
    float x = (p.x - scene->centre.x) / scene->radius, y = (p.y - scene->centre.y) / scene->radius,
          edge = pixel / scene->radius;
    if (x * x + y * y > (1.1f + edge) * (1.1f + edge))
        return colour; /* beyond every shape: saves its distance */
    struct point local = {x * scene->turn.x + y * scene->turn.y,
                          y * scene->turn.x - x * scene->turn.y};
    float covered = clamp(0.5f - classes[scene->class].distance(local) / edge, 0, 1);
    return covered > 0
               ? mix(colour,
                     mix(scene->fill[0], scene->fill[1], clamp(0.5f + 0.5f * local.x, 0, 1)),
                     covered)
               : colour;
}

/* The sum of four uniform bytes is near enough to a normal number: mean 0, standard deviation 1. */
static float draw_noise(struct cnn_rng *rng)
{
    uint32_t r = cnn_rng_u32(rng);
    uint32_t sum = (r & 255) + (r >> 8 & 255) + (r >> 16 & 255) + (r >> 24);
    return ((float)sum - 510) * (1 / 147.8f);
}

static void draw_image(struct cnn_rng *rng, size_t class, size_t size, uint8_t *out)
{
    struct scene scene = draw_scene(rng, class);
    float pixel = 1 / (float)size;
    for (size_t i = 0; i < size * size; i++) {
        struct point p = {((float)(i % size) + 0.5f) * pixel, ((float)(i / size) + 0.5f) * pixel};
        struct colour colour = colour_at(&scene, p, pixel);
        for (size_t c = 0; c < 3; c++)
            *out++ =
                (uint8_t)(clamp(colour.rgb[c] + scene.noise * draw_noise(rng), 0, 1) * 255 + 0.5f);
    }
}

struct drawing {
    const struct cnn_images *images;
    uint64_t seed;
    bool train;
};

static void draw_chunk(void *context, size_t chunk, size_t thread)
{
    (void)thread;
    const struct drawing *drawing = context;
    const struct cnn_images *images = drawing->images;
    size_t bytes = images->height * images->width * 3;
    for (size_t i = chunk * CHUNK; i < (chunk + 1) * CHUNK && i < images->count; i++) {
        /* The test images' numbers begin where no training image's can be. */
        struct cnn_rng rng = cnn_rng_at(drawing->seed, CNN_STREAM_SHAPES,
                                        (drawing->train ? 0 : (uint64_t)1 << 32) + i);
        images->labels[i] = (uint16_t)(i % CLASSES);
        draw_image(&rng, i % CLASSES, images->height, images->pixels + i * bytes);
    }
}

/* Draws the first images of the training or the test set: 20,000 and 4,000 without a limit. Image i
 * shows class i % 10; what it looks like depends on (seed, train, i) alone. */
static cnn_status draw_shapes(const struct cnn_data_request *request, struct cnn_images *out,
                              cnn_diag *diag)
{
    const cnn_shape input = request->input;
    const size_t limit = request->limit;
    const bool train = request->split == CNN_SPLIT_TRAIN;
    if (input.rank != 3 || input.c != 3 || input.h != input.w || input.h < 16 || input.h > 128) {
        cnn_fail(diag, CNN_INVALID, NULL,
                 "shapes are drawn as 3 x n x n images, n from 16 to 128; the network's input is "
                 "%zu x %zu x %zu",
                 input.c, input.h, input.w);
        cnn_hint(diag, "input: [3, 32, 32]");
        return CNN_INVALID;
    }
    size_t count = train ? TRAIN_IMAGES : TEST_IMAGES;
    if (limit != 0 && limit < count)
        count = limit;
    size_t bytes = count * input.h * input.w * 3; /* at most 20,000 * 128 * 128 * 3, below 2^30 */
    struct cnn_images images = {.count = count, .channels = 3, .height = input.h, .width = input.w};
    images.pixels = cnn_malloc(bytes);
    images.labels = cnn_malloc(count * sizeof *images.labels);
    const char *names[CLASSES];
    for (size_t i = 0; i < CLASSES; i++)
        names[i] = classes[i].name;
    cnn_status status = images.pixels && images.labels
                            ? cnn_images_name_classes(&images, names, CLASSES, diag)
                            : cnn_fail_memory(diag, bytes, "shapes");
    if (status != CNN_OK) {
        cnn_images_free(&images);
        return status;
    }
    cnn_parallel_for((count + CHUNK - 1) / CHUNK, draw_chunk,
                     &(struct drawing){&images, request->seed, train});
    *out = images;
    return CNN_OK;
}

const struct cnn_dataset_format cnn_dataset_format_shapes = {
    .name = "shapes", .title = "shapes", .drawn = true, .read = draw_shapes};
