/* From a folder of pictures to a network that knows them: train DIRECTORY draws two classes of
 * small pictures there, proposes a description, looks at the data, trains, measures, makes the
 * network small, and writes a report. Ctrl-C saves what is done. */
#include <cnn.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SIDE = 24, IMAGES = 24, PATH_BYTES = 512 };

static cnn_flag stop, save; /* zeroed: lowered */

static void on_signal(int number)
{
    if (number == SIGINT && cnn_flag_raised(&stop))
        _Exit(EXIT_FAILURE); /* the second one */
    cnn_flag_raise(number == SIGINT ? &stop : &save);
}

/* ---- Memory: counted on its way ---- */

struct counts {
    size_t blocks;
};

static void *take(void *context, size_t bytes)
{
    void *memory = malloc(bytes);
    __atomic_fetch_add(&((struct counts *)context)->blocks, memory != NULL, __ATOMIC_RELAXED);
    return memory;
}

static void *take_again(void *context, void *memory, size_t bytes)
{
    (void)context;
    return realloc(memory, bytes);
}

static void give(void *context, void *memory)
{
    __atomic_fetch_sub(&((struct counts *)context)->blocks, 1, __ATOMIC_RELAXED);
    free(memory);
}

/* ---- Messages ---- */

static void print_messages(cnn_diag *diag)
{
    for (size_t i = 0; i < cnn_diag_count(diag); i++) {
        char *text = cnn_message_format(cnn_diag_get(diag, i), "train");
        fputs(text ? text : "out of memory\n", stderr);
        cnn_free(text);
    }
    if (cnn_diag_dropped(diag) > 0)
        fprintf(stderr, "and %zu more\n", cnn_diag_dropped(diag));
    if (cnn_diag_out_of_memory(diag))
        fprintf(stderr, "close other programs, and try again\n");
    cnn_diag_clear(diag);
}

/* ---- The data: discs and bars, as BMP files ---- */

static void put(unsigned char *at, unsigned value)
{
    for (size_t i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (8 * i));
}

static int draw(const char *path, int bar, unsigned number)
{
    unsigned char bmp[54 + 3 * SIDE * SIDE] = {'B', 'M'};
    const double x0 = 8 + number % 7, y0 = 8 + number % 5;
    put(bmp + 2, sizeof bmp);
    put(bmp + 10, 54);
    put(bmp + 14, 40);
    put(bmp + 18, SIDE);
    put(bmp + 22, SIDE);
    put(bmp + 26, 1 | 24 << 16); /* planes, bits of a pixel */
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        const double x = (double)(i % SIDE) - x0, y = (double)(i / SIDE) - y0;
        const int inside = bar ? fabs(x) < 2 : hypot(x, y) < 5;
        memset(bmp + 54 + 3 * i, inside ? 200 + (int)number : 30 + (int)(7 * i % 40), 3);
    }
    FILE *file = fopen(path, "wb");
    if (!file)
        return 0;
    const size_t written = fwrite(bmp, sizeof bmp, 1, file);
    return fclose(file) == 0 && written == 1;
}

static int draw_data(const char *directory)
{
    static const char *const classes[] = {"disc", "bar"};
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/pictures", directory);
    mkdir(directory, 0777);
    mkdir(path, 0777);
    for (unsigned i = 0; i < 2 * IMAGES; i++) {
        snprintf(path, sizeof path, "%s/pictures/%s", directory, classes[i % 2]);
        mkdir(path, 0777);
        snprintf(path, sizeof path, "%s/pictures/%s/%u.bmp", directory, classes[i % 2], i / 2);
        if (!draw(path, i % 2 == 1, i / 2))
            return 0;
    }
    return 1;
}

/* ---- The steps ---- */

/* A description for the pictures, and what there is to see in them. */
static cnn_status begin(const char *directory, const char *config, cnn_diag *diag)
{
    char pictures[PATH_BYTES], sheet[PATH_BYTES];
    cnn_init_options init = CNN_INIT_OPTIONS_INIT;
    cnn_open_options untrained = CNN_OPEN_OPTIONS_INIT;
    cnn_survey_options survey = CNN_SURVEY_OPTIONS_INIT;
    cnn_init_result found = {0};
    cnn_model *model = NULL;
    cnn_survey *data = NULL;
    snprintf(pictures, sizeof pictures, "%s/pictures", directory);
    snprintf(sheet, sizeof sheet, "%s/data.png", directory);
    init.directory = directory;
    init.data_path = pictures;
    survey.sheet = sheet;
    untrained.untrained = true;
    cnn_status status = cnn_init(&init, &found, diag);
    if (status == CNN_OK)
        status = cnn_model_open(config, &untrained, &model, diag);
    if (status == CNN_OK)
        status = cnn_output_check(sheet, CNN_OUTPUT_PICTURE, NULL, diag);
    if (status == CNN_OK)
        status = cnn_survey_data(model, &survey, &data, diag);
    if (status == CNN_OK)
        printf("%zu classes, %zu images to train with; %s is the first class\n", found.classes,
               data->splits[0].images, data->class_names[0]);
    cnn_survey_free(data);
    cnn_model_free(model);
    return status;
}

static void print_findings(cnn_findings *findings)
{
    for (size_t i = 0; findings && i < findings->count; i++)
        if (findings->items[i].level != CNN_CHECK_FINE)
            printf("%s: %s\n", findings->items[i].about, findings->items[i].text);
    cnn_findings_free(findings);
}

static int on_event(void *context, const cnn_event *event)
{
    size_t *epochs = context;
    if (event->kind == CNN_EVENT_EPOCH) {
        *epochs = event->epoch;
        printf("epoch %zu of %zu: accuracy %.0f %%\n", event->epoch, event->epochs,
               100 * event->val_accuracy);
    }
    return event->kind == CNN_EVENT_EPOCH && isnan(event->val_loss); /* not 0: stop */
}

static cnn_status train(const char *config, const char *run, cnn_diag *diag)
{
    static const char *const settings[] = {"train.epochs=8", "train.batch_size=8",
                                           "train.schedule=constant"};
    cnn_train_options options = CNN_TRAIN_OPTIONS_INIT;
    cnn_findings *findings = NULL;
    size_t epochs = 0;
    options.config = config;
    options.directory = run;
    options.overrides = settings;
    options.override_count = 3;
    options.event = on_event;
    options.context = &epochs;
    options.stop = &stop;
    options.save = &save;
    signal(SIGINT, on_signal);
    signal(SIGUSR1, on_signal);
    cnn_status status = cnn_check_training(&options, &findings, diag);
    print_findings(findings);
    if (status == CNN_OK)
        status = cnn_train(&options, diag);
    if (status == CNN_INTERRUPTED && cnn_flag_lower(&stop))
        printf("stopped after epoch %zu; %s holds what is done\n", epochs, run);
    return status;
}

static int on_part(void *context, const cnn_event *event)
{
    size_t *steps = context;
    *steps += event->kind == CNN_EVENT_STEP;
    return event->kind == CNN_EVENT_STEP && *steps % 2 == 0;
}

/* Two more epochs, in parts of two steps: between them a program with windows can do other work. */
static cnn_status go_on(const char *run, cnn_diag *diag)
{
    static const char *const settings[] = {"train.epochs=10"};
    cnn_train_options options = CNN_TRAIN_OPTIONS_INIT;
    cnn_trainer *trainer = NULL;
    size_t steps = 0, parts = 1;
    options.resume = run;
    options.overrides = settings;
    options.override_count = 1;
    options.event = on_part;
    options.context = &steps;
    cnn_status status = cnn_trainer_new(&options, &trainer, diag);
    if (status == CNN_OK)
        status = cnn_trainer_run(trainer, diag);
    while (status == CNN_INTERRUPTED) {
        cnn_diag_clear(diag);
        parts++;
        status = cnn_trainer_run(trainer, diag);
    }
    if (status == CNN_OK)
        printf("%zu more steps in %zu parts\n", steps, parts);
    cnn_trainer_free(trainer);
    return status;
}

static cnn_status measure(cnn_model *model, cnn_diag *diag)
{
    cnn_evaluate_options options = CNN_EVALUATE_OPTIONS_INIT;
    cnn_bench_options often = CNN_BENCH_OPTIONS_INIT;
    cnn_evaluation *result = NULL;
    cnn_bench_result *times = NULL;
    cnn_findings *findings = NULL;
    options.split = "val";
    options.stop = &stop;
    often.infer = true;
    often.seconds = 0.05;
    cnn_status status = cnn_model_check(model, &findings, diag);
    print_findings(findings);
    if (status == CNN_OK)
        status = cnn_evaluate(model, &options, &result, diag);
    if (status == CNN_OK)
        status = cnn_bench(model, &often, &times, diag);
    if (status == CNN_OK)
        printf("accuracy %.0f %%; %zu of the first class were taken for the second; %.2f ms\n",
               100 * result->accuracy, cnn_evaluation_confusion(result, 0, 1), times->ms);
    cnn_evaluation_free(result);
    cnn_bench_result_free(times);
    return status;
}

/* On images that never were files: one that is black, and one that is white. */
static cnn_status measure_in_memory(cnn_model *model, cnn_diag *diag)
{
    const cnn_shape in = cnn_model_input(model);
    const size_t size = in.c * in.h * in.w, labels[] = {0, 1};
    const char *const names[] = {cnn_model_class(model, 0), cnn_model_class(model, 1)};
    uint8_t *pixels = calloc(2, size);
    const cnn_memory_data data = {.test = {pixels, labels, 2}, .classes = names, .class_count = 2};
    cnn_evaluation *result = NULL;
    if (!pixels)
        return CNN_FAILED;
    memset(pixels + size, 255, size);
    cnn_status status = cnn_model_set_data(model, &data, diag);
    if (status == CNN_OK)
        status = cnn_evaluate(model, NULL, &result, diag);
    if (status == CNN_OK)
        printf("right for %.0f %% of black and white\n", 100 * result->accuracy);
    cnn_evaluation_free(result);
    free(pixels);
    return status;
}

/* The network in bytes, beside the one in floats. */
static cnn_status make_small(cnn_model *model, const char *path, cnn_diag *diag)
{
    cnn_quantize_options options = CNN_QUANTIZE_OPTIONS_INIT;
    cnn_evaluate_options validation = CNN_EVALUATE_OPTIONS_INIT;
    cnn_model *small = NULL;
    cnn_comparison both = {0};
    cnn_checkpoint_info *file = NULL;
    options.images = 32;
    validation.split = "val";
    cnn_status status = cnn_quantize(model, &options, &small, diag);
    if (status == CNN_OK)
        status = cnn_compare(model, small, &validation, &both, diag);
    if (status == CNN_OK)
        status = cnn_model_write(small, path, diag);
    if (status == CNN_OK)
        status = cnn_checkpoint_verify(path, &file, diag);
    if (status == CNN_OK)
        printf("%s: %llu bytes, accuracy %+.1f points\n", file->network,
               (unsigned long long)file->bytes, 100 * both.difference);
    cnn_checkpoint_info_free(file);
    cnn_model_free(small);
    return status;
}

/* The network for every other program that there is a format for. */
static cnn_status hand_on(cnn_model *model, const char *directory, cnn_diag *diag)
{
    const cnn_export_format *format;
    cnn_status status = cnn_export_find("onnx", &format, diag);
    for (size_t i = 0; status == CNN_OK && i < cnn_export_formats(); i++) {
        cnn_export_options options = CNN_EXPORT_OPTIONS_INIT;
        cnn_export_info info = {0};
        char path[PATH_BYTES];
        format = cnn_export_format_at(i);
        options.format = format->name;
        snprintf(path, sizeof path, "%s/%s%s", directory, format->name, format->ending);
        status = cnn_export(model, path, &options, &info, diag);
        if (status == CNN_OK)
            printf("%s: %llu bytes, %zu layers compared\n", path, (unsigned long long)info.bytes,
                   info.compared);
    }
    return status;
}

static cnn_status live(const char *directory, cnn_diag *diag)
{
    char config[PATH_BYTES], run[PATH_BYTES], small[PATH_BYTES], page[PATH_BYTES];
    const char *const runs[] = {run};
    cnn_model *model = NULL;
    snprintf(config, sizeof config, "%s/config.yaml", directory);
    snprintf(run, sizeof run, "%s/run", directory);
    snprintf(small, sizeof small, "%s/small.safetensors", directory);
    snprintf(page, sizeof page, "%s/report.html", directory);
    cnn_status status = begin(directory, config, diag);
    if (status == CNN_OK)
        status = train(config, run, diag);
    if (status == CNN_OK)
        status = go_on(run, diag);
    if (status == CNN_OK)
        status = cnn_model_open(run, NULL, &model, diag);
    if (status == CNN_OK)
        status = measure(model, diag);
    if (status == CNN_OK)
        status = make_small(model, small, diag);
    if (status == CNN_OK)
        status = hand_on(model, directory, diag);
    if (status == CNN_OK)
        status = measure_in_memory(model, diag);
    if (status == CNN_OK)
        status = cnn_report(runs, 1, page, diag);
    cnn_model_free(model);
    return status;
}

int main(int argc, char **argv)
{
    struct counts counts = {0};
    const cnn_allocator allocator = {take, take_again, give, &counts};
    if (argc != 2 || !cnn_set_allocator(&allocator)) {
        fprintf(stderr, "usage: train DIRECTORY\n");
        return EXIT_FAILURE;
    }
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = draw_data(argv[1]) ? live(argv[1], diag) : CNN_FAILED;
    print_messages(diag);
    cnn_diag_free(diag);
    printf("%zu blocks of memory are left\n", counts.blocks);
    return status == CNN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
