/* cnn predict: what a model sees in images. Every input goes the same way: pixels, the network's
 * raw output, probabilities, the top classes. Pictures that follow one another go through the
 * network together, and are decoded by all threads. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "inputs.h"
#include "json.h"
#include "paths.h"
#include "ranks.h"
#include "show.h"
#include "terminal.h"

/* BATCH: images that go through the network at a time, at most; BATCH_NUMBERS: so do numbers of
 * pictures, unless a single one has more. */
enum { BATCH = 32, BATCH_NUMBERS = 1 << 24, TOP_DEFAULT = 5, BAR_COLUMNS = 24 };

struct settings {
    const char *weights, *tta, *save_output;
    bool json;
    size_t top, threads;
};

static const struct cnn_option options[] = {
    CNN_OPTION_WEIGHTS(struct settings),
    {.name = "top",
     .kind = CNN_OPTION_COUNT,
     .offset = offsetof(struct settings, top),
     .argument = "K",
     .min = 1,
     .max = 1000000,
     .help = "classes to show (default: 5)"},
    CNN_OPTION_TTA(struct settings),
    CNN_OPTION_JSON(struct settings),
    {.name = "save-output",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, save_output),
     .argument = "FILE",
     .help = "store the raw outputs of all inputs as a .npy array"},
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

struct prediction {
    const struct settings *settings;
    cnn_model *model;
    cnn_diag *diag;
    cnn_tta tta;
    size_t outputs;            /* numbers per image */
    size_t pixels;             /* numbers per image */
    size_t top;                /* classes to show: at most outputs */
    cnn_runner *runner;        /* of pictures; NULL: there was none yet */
    size_t batch;              /* of the runner */
    cnn_diag *messages[BATCH]; /* of the pictures of a batch */
    float *image;              /* one image */
    float *raw;                /* the output of up to BATCH images */
    float *probabilities;      /* of one image */
    cnn_prediction *best;      /* the top classes of one image, best first */
    float *kept;               /* --save-output: the raw outputs so far */
    size_t kept_count, kept_capacity;
    size_t label_width;
    const char *truth; /* class of the image, where a data set says it; else NULL */
    bool failed;       /* an input could not be used */
    cnn_status broken; /* CNN_OK, or why not even pictures can be answered for */
    bool unanswered;   /* the outputs for one are no numbers */
};

static void print_json(const struct prediction *p, const char *label)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("input", label);
    if (p->truth)
        cnn_json_text("truth", p->truth);
    cnn_json_open("predictions", '[');
    for (size_t k = 0; k < p->top; k++) {
        const cnn_prediction *best = &p->best[k];

        cnn_json_open(NULL, '{');
        cnn_json_text("class", best->name);
        cnn_json_count("index", best->index);
        cnn_json_real("probability", (double)best->probability);
        cnn_json_close();
    }
    cnn_json_close();
    cnn_json_close();
    fflush(stdout);
}

static void print_bar(float share)
{
    /* Eighths of a column: U+2588 is the full block, U+258F its left eighth. */
    static const char *const eighths[] = {" ",      "\u258F", "\u258E", "\u258D", "\u258C",
                                          "\u258B", "\u258A", "\u2589", "\u2588"};
    size_t filled = share > 0 ? (size_t)(share * 8 * BAR_COLUMNS + 0.5F) : 0;

    for (size_t i = 0; i < BAR_COLUMNS; i++) {
        size_t here = filled > 8 * i ? filled - 8 * i : 0;

        if (cnn_terminal_utf8(stdout))
            fputs(eighths[here < 8 ? here : 8], stdout);
        else
            putchar(here >= 4 ? '#' : ' ');
    }
}

static void print_human(const struct prediction *p, const char *label)
{
    fputs(cnn_style(stdout, CNN_STYLE_BOLD), stdout);
    cnn_print_text(stdout, label, 0, false);
    fputs(cnn_style(stdout, CNN_STYLE_PLAIN), stdout);
    if (p->truth) {
        fputs(" is of class ", stdout);
        cnn_print_text(stdout, p->truth, 0, false);
    }
    putchar('\n');
    for (size_t k = 0; k < p->top; k++) {
        printf("  ");
        cnn_print_text(stdout, p->best[k].name, p->label_width, false);
        printf("  ");
        print_bar(p->best[k].probability);
        printf(" %6s\n", cnn_show_percent((double)p->best[k].probability).text);
    }
    fflush(stdout);
}

/* One image's. */
static bool keep_output(struct prediction *p, const float *output)
{
    if (p->kept_count == p->kept_capacity) {
        size_t capacity = 2 * p->kept_capacity + BATCH;
        float *kept = capacity <= SIZE_MAX / sizeof *kept / p->outputs
                          ? realloc(p->kept, capacity * p->outputs * sizeof *kept)
                          : NULL;

        if (!kept)
            return false;
        p->kept = kept;
        p->kept_capacity = capacity;
    }
    memcpy(p->kept + p->kept_count * p->outputs, output, p->outputs * sizeof *p->kept);
    p->kept_count++;
    return true;
}

/* image: NULL for a picture. */
static cnn_status show(struct prediction *p, const char *label, const float *image,
                       const float *output)
{
    size_t written; /* always top: there are as many outputs */

    if (p->settings->save_output && !keep_output(p, output))
        return cnn_command_out_of_memory();
    if (cnn_model_check_answer(p->model, label, image, output, p->diag) != CNN_OK) {
        cnn_print_messages(p->diag);
        p->unanswered = true;
        return CNN_OK; /* the other images of a file may do */
    }
    cnn_model_probabilities(p->model, output, 1, p->probabilities);
    cnn_model_top(p->model, p->probabilities, p->top, p->best, &written);
    if (p->settings->json)
        print_json(p, label);
    else
        print_human(p, label);
    return CNN_OK;
}

/* Runs and shows count <= BATCH images. first: the place of the first in its file; whole: the file
 * holds just one. */
static cnn_status predict_batch(struct prediction *p, const char *path, const float *images,
                                size_t count, size_t first, bool whole)
{
    cnn_status status = cnn_model_run_tta(p->model, p->tta, images, count, p->raw, p->diag);
    char *label;

    if (status != CNN_OK)
        return status;
    label = malloc(strlen(path) + 32);
    if (!label)
        return cnn_command_out_of_memory();
    for (size_t i = 0; i < count && status == CNN_OK; i++) {
        strcpy(label, path);
        if (!whole)
            sprintf(label + strlen(path), "[%zu]", first + i);
        status = show(p, label, images + i * p->pixels, p->raw + i * p->outputs);
    }
    free(label);
    return status;
}

static cnn_status predict_npy(struct prediction *p, const char *path)
{
    float *images = NULL;
    size_t count = 0;
    cnn_status status = cnn_model_read_npy(p->model, path, &images, &count, p->diag);

    if (status != CNN_OK)
        return status;
    for (size_t first = 0; first < count && status == CNN_OK; first += BATCH) {
        size_t part = count - first < BATCH ? count - first : BATCH;

        status = predict_batch(p, path, images + first * p->pixels, part, first, count == 1);
    }
    cnn_free(images);
    return status;
}

static cnn_status predict_one(struct prediction *p, const char *path)
{
    cnn_data_image *stored = NULL;
    cnn_status status = cnn_inputs_load(p->model, path, p->image, &stored, p->diag);

    p->truth = stored ? stored->class_name : NULL;
    if (status == CNN_OK)
        status = predict_batch(p, path, p->image, 1, 0, true);
    p->truth = NULL;
    cnn_data_image_free(stored);
    return status;
}

/* How many pictures follow one another from paths[0] on; standard input is none of them, nor are
 * images of data sets. */
static size_t count_pictures(char *const *paths, size_t count)
{
    size_t i = 0;

    while (i < count && !cnn_path_holds_numbers(paths[i]) && strcmp(paths[i], "-") != 0 &&
           !cnn_data_image_named(paths[i]))
        i++;
    return i;
}

/* A runner for batches of pictures, of which there are so many. */
static cnn_status open_runner(struct prediction *p, size_t pictures)
{
    cnn_runner_options runner = CNN_RUNNER_OPTIONS_INIT;
    size_t room = BATCH_NUMBERS / p->pixels;

    p->batch = pictures < BATCH ? pictures : BATCH;
    if (p->batch > room)
        p->batch = room > 0 ? room : 1;
    for (size_t i = 0; i < p->batch; i++) {
        p->messages[i] = cnn_diag_new();
        if (!p->messages[i])
            return cnn_command_out_of_memory();
    }
    runner.batch = p->batch;
    runner.tta = p->tta;
    runner.cluster = cnn_ranks();
    return cnn_runner_new(p->model, &runner, &p->runner, p->diag);
}

static cnn_status predict_pictures(struct prediction *p, char *const *paths, size_t count)
{
    cnn_status statuses[BATCH];
    cnn_status status = cnn_runner_read(p->runner, (const char *const *)paths, count, statuses,
                                        p->messages, p->diag);

    if (status == CNN_OK)
        status = cnn_runner_answer(p->runner, count, p->raw, p->diag);
    for (size_t i = 0; i < count && status == CNN_OK; i++) {
        if (statuses[i] == CNN_OK)
            status = show(p, paths[i], NULL, p->raw + i * p->outputs);
        cnn_print_messages(p->messages[i]);
        p->failed = p->failed || statuses[i] != CNN_OK;
    }
    return status;
}

static cnn_status predict_input(struct prediction *p, const char *path)
{
    return cnn_path_ends(path, ".npy") ? predict_npy(p, path) : predict_one(p, path);
}

/* Processes that share pictures must have been given the same ones. */
static cnn_status agree(const struct cnn_inputs *inputs, cnn_diag *diag)
{
    size_t size = 1;
    char *text, *end;
    cnn_status status;

    for (size_t i = 0; i < inputs->count; i++)
        size += strlen(inputs->paths[i]) + 1;
    text = end = malloc(size);
    if (!text)
        return cnn_command_out_of_memory();
    for (size_t i = 0; i < inputs->count; i++)
        end += sprintf(end, "%s\n", inputs->paths[i]);
    *end = '\0';
    status = cnn_cluster_agree(cnn_ranks(), text, diag);
    free(text);
    return status;
}

/* Only pictures are shared; the first process answers for all else. */
static void predict_all(struct prediction *p, const struct cnn_inputs *inputs)
{
    for (size_t i = 0, count; i < inputs->count; i += count) {
        char *const *paths = inputs->paths + i;
        size_t pictures = count_pictures(paths, inputs->count - i);
        cnn_status status = CNN_OK;

        count = 1;
        if (pictures > 0 && !p->runner)
            status = open_runner(p, inputs->count - i);
        if (pictures > 0)
            count = pictures < p->batch ? pictures : p->batch;
        if (status == CNN_OK && pictures > 0)
            status = predict_pictures(p, paths, count);
        else if (status == CNN_OK && cnn_cluster_rank(cnn_ranks()) == 0)
            status = predict_input(p, *paths);
        cnn_print_messages(p->diag);
        p->failed = p->failed || status != CNN_OK;
        if (status != CNN_OK)
            p->broken = status;
        if (pictures > 0 && (!p->runner || (status != CNN_OK && cnn_ranks())))
            return;
    }
}

static void save_outputs(struct prediction *p)
{
    const cnn_shape shape = cnn_model_output(p->model);
    const size_t dims[] = {p->kept_count, shape.c, shape.h, shape.w};

    if (p->failed)
        cnn_print_warning("%s holds the %zu images that could be used; the others have no row",
                          p->settings->save_output, p->kept_count);
    if (cnn_npy_write(p->settings->save_output, p->kept, dims, shape.rank == 3 ? 4 : 2, p->diag) !=
        CNN_OK)
        p->failed = true;
}

/* Maps are no classes: a number of them answers for one place of the image alone. */
static bool gives_classes(const cnn_model *model)
{
    const cnn_shape shape = cnn_model_output(model);

    return shape.h * shape.w == 1;
}

static cnn_status refuse_maps(const cnn_model *model)
{
    const cnn_shape shape = cnn_model_output(model);

    cnn_print_error("the last layer of %s gives maps, %zu x %zu x %zu numbers, and no classes",
                    cnn_show_text(cnn_model_name(model)).text, shape.c, shape.h, shape.w);
    cnn_print_hint("--save-output FILE.npy stores the numbers; `featmaps` shows them as pictures");
    return CNN_INVALID;
}

static bool prediction_init(struct prediction *p, const struct settings *settings, cnn_model *model,
                            cnn_tta tta, cnn_diag *diag)
{
    cnn_shape shape = cnn_model_input(model);
    size_t top = settings->top > 0 ? settings->top : TOP_DEFAULT;

    *p = (struct prediction){.settings = settings, .model = model, .diag = diag, .tta = tta};
    p->outputs = cnn_model_outputs(model);
    p->pixels = shape.c * shape.h * shape.w;
    p->top = !gives_classes(model) ? 0 : top < p->outputs ? top : p->outputs;
    p->image = calloc(p->pixels, sizeof *p->image);
    p->raw = calloc(p->outputs, BATCH * sizeof *p->raw);
    p->probabilities = calloc(p->outputs, sizeof *p->probabilities);
    p->best = calloc(p->top + 1, sizeof *p->best);
    for (size_t i = 0; !settings->json && p->top > 0 && i < p->outputs; i++) {
        size_t width = cnn_terminal_measure(cnn_model_class(model, i));

        p->label_width = width > p->label_width ? width : p->label_width;
    }
    return p->image && p->raw && p->probabilities && p->best;
}

static void prediction_free(struct prediction *p)
{
    cnn_runner_free(p->runner);
    for (size_t i = 0; i < p->batch; i++)
        cnn_diag_free(p->messages[i]);
    free(p->image);
    free(p->raw);
    free(p->probabilities);
    free(p->best);
    free(p->kept);
}

/* Once, for the first of them that is a picture. */
static void note_pixels(const cnn_model *model, const struct cnn_inputs *inputs)
{
    size_t i = 0;

    while (i < inputs->count && cnn_path_holds_numbers(inputs->paths[i]))
        i++;
    if (i < inputs->count)
        cnn_inputs_note_pixels(model, inputs->paths[i]);
}

static cnn_status predict(cnn_model *model, const struct settings *settings, cnn_tta tta,
                          const struct cnn_inputs *inputs, cnn_diag *diag)
{
    struct prediction p;
    cnn_status status = cnn_tta_check(model, tta, diag);

    if (status != CNN_OK)
        return status;
    if (!prediction_init(&p, settings, model, tta, diag)) {
        status = cnn_command_out_of_memory();
        goto out;
    }
    p.failed = inputs->failed;
    note_pixels(model, inputs);
    predict_all(&p, inputs);
    if (settings->save_output && p.kept_count > 0 && cnn_cluster_rank(cnn_ranks()) == 0)
        save_outputs(&p);
    status = p.failed || p.unanswered ? CNN_FAILED : CNN_OK;
    if (cnn_cluster_rank(cnn_ranks()) > 0) {
        cnn_ranks_share(status); /* which the first process tells of */
        status = p.broken;
    }
out:
    prediction_free(&p);
    return status;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options open = {.weights = settings->weights, .run_only = true};
    cnn_model *model = NULL;
    cnn_tta tta;
    size_t at;
    struct cnn_inputs inputs = {.count = 0};
    cnn_status status = cnn_inputs_find_model(operands, operand_count, &at);

    if (status == CNN_OK)
        status = cnn_tta_find(settings->tta, &tta, diag);
    if (status == CNN_OK)
        status = cnn_command_prepare(settings->threads, diag);
    if (status == CNN_OK && settings->save_output)
        status = cnn_output_check(settings->save_output, CNN_OUTPUT_ARRAY, NULL, diag);
    if (status == CNN_OK)
        status = cnn_command_open(at < operand_count ? operands[at] : NULL, &open, &model, diag);
    for (size_t i = 0; i < operand_count && status == CNN_OK; i++) {
        if (i != at && !cnn_inputs_add(&inputs, operands[i]))
            inputs.failed = true;
    }
    for (size_t i = 0; status == CNN_OK && settings->save_output && i < inputs.count; i++)
        status = cnn_inputs_spare(settings->save_output, inputs.paths[i], "--save-output");
    if (status == CNN_OK && !settings->save_output && !gives_classes(model))
        status = refuse_maps(model);
    if (status == CNN_OK)
        status = agree(&inputs, diag);
    if (status == CNN_OK)
        status = predict(model, settings, tta, &inputs, diag);
    cnn_inputs_free(&inputs);
    cnn_model_free(model);
    return status;
}

const struct cnn_command cnn_command_predict = {
    .name = "predict",
    .synopsis = "[MODEL] INPUT... [options]",
    .summary = "Predict the classes of images",
    .details =
        "MODEL is a .yaml, .safetensors or .onnx file or a run directory, and may also stand\n"
        "after the inputs; without it the model that ships with the program is used.\n"
        "INPUT is a PNG, JPEG, WebP or BMP file, a folder of such files, '-' for one on\n"
        "standard input, or numbers that are used unchanged: a .npy array [N,C,H,W] or\n"
        "[C,H,W], or a .txt or .csv file with one row per line and a blank line between\n"
        "channels.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .shared = true,
    .run = run,
};
