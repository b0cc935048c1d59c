/* The run of visualize and featmaps. Standard output gets the answer and where the page is;
 * progress goes to stderr. */
#include "pictures.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "inputs.h"
#include "paths.h"
#include "show.h"
#include "terminal.h"

enum { TOP = 3 };

struct progress {
    const cnn_model *model;
    const char *input;
    size_t expected; /* files, about */
    size_t files, pictures;
    char *page; /* the newest file, which is the page in the end */
    bool failed;
    bool unanswered; /* the outputs are no numbers: the pictures show where they arise */
};

static int on_written(void *context, const char *path)
{
    struct progress *progress = context;

    progress->files++;
    progress->pictures += cnn_path_ends(path, ".png");
    if (cnn_path_ends(path, ".html")) {
        progress->page = strdup(path);
        progress->failed = !progress->page;
    }
    cnn_terminal_progress(progress->files < progress->expected
                              ? (double)progress->files / (double)progress->expected
                              : 1,
                          "writing", path);
    return 0;
}

/* The most probable classes, in the manner of predict. */
static int on_answer(void *context, const float *probabilities, size_t classes)
{
    struct progress *progress = context;
    cnn_prediction top[TOP];
    size_t count = 0, width = 0;

    (void)classes;
    cnn_print_text(stdout, strcmp(progress->input, "-") == 0 ? "standard input" : progress->input,
                   0, false);
    printf("\n");
    if (!probabilities) {
        printf("  no answer: the outputs are no numbers\n");
        progress->unanswered = true;
        return 0;
    }
    cnn_model_top(progress->model, probabilities, TOP, top, &count);
    for (size_t i = 0; i < count; i++) {
        size_t length = cnn_terminal_measure(cnn_model_class(progress->model, top[i].index));

        width = length > width ? length : width;
    }
    for (size_t i = 0; i < count; i++) {
        printf("  ");
        cnn_print_text(stdout, cnn_model_class(progress->model, top[i].index), width, false);
        printf("  %6s\n", cnn_show_percent((double)top[i].probability).text);
    }
    fflush(stdout);
    return 0;
}

static cnn_status read_palette(const char *word, cnn_palette *out)
{
    static const char *const words[] = {"heat", "grey", "dark", "signed"};

    for (size_t i = 0; word && i < sizeof words / sizeof *words; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = (cnn_palette)i;
            return CNN_OK;
        }
    }
    if (!word)
        return CNN_OK;
    cnn_print_error("--palette: '%s' is none of heat, grey, dark, signed", word);
    return CNN_INVALID;
}

/* The class of a data set's image, where the model knows it by its name. */
static const char *label_of(const cnn_model *model, const cnn_data_image *image)
{
    for (size_t i = 0; i < cnn_model_outputs(model); i++) {
        if (strcmp(cnn_model_class(model, i), image->class_name) == 0)
            return image->class_name;
    }
    return NULL;
}

/* The input's name without its folders and its ending, and suffix: malloc'ed. A colon, as in
 * mnist:test:5, is no character for a directory's name. */
static char *default_directory(const char *input, const char *suffix)
{
    const char *slash = strrchr(input, '/');
    const char *name = strcmp(input, "-") == 0 ? "stdin" : slash ? slash + 1 : input;
    const char *dot = strrchr(name, '.');
    bool stored = cnn_data_image_named(input);
    size_t length = dot && dot != name && !stored ? (size_t)(dot - name) : strlen(name);
    char *directory = malloc(length + strlen(suffix) + 1);

    if (directory) {
        memcpy(directory, name, length);
        for (size_t i = 0; stored && i < length; i++)
            directory[i] = name[i] == ':' ? '-' : name[i];
        strcpy(directory + length, suffix);
    }
    return directory;
}

static cnn_status draw(cnn_model *model, const char *input, cnn_visualize_options *options,
                       cnn_diag *diag)
{
    struct progress progress = {
        .model = model, .input = input, .expected = cnn_model_layers(model) + 8};
    cnn_data_image *stored = NULL;
    cnn_status status = CNN_OK;

    if (cnn_data_image_named(input))
        status = cnn_data_image_open(input, &stored, diag);
    if (stored) {
        options->pixels = &stored->pixels;
        options->label = options->label ? options->label : label_of(model, stored);
    }
    options->written = on_written;
    options->answer = on_answer;
    options->context = &progress;
    options->stop =
        cnn_command_catch_signals("\nstopping after this picture; once more to stop at once\n");
    if (status == CNN_OK)
        status = cnn_visualize(model, input, options, diag);
    cnn_terminal_progress_clear();
    if (status == CNN_INTERRUPTED)
        cnn_print_note("interrupted: %zu files are in %s", progress.files, options->directory);
    if (status == CNN_OK && progress.failed)
        status = cnn_command_out_of_memory();
    if (status == CNN_OK)
        printf("wrote %s and %zu picture%s\n", cnn_show_text(progress.page).text, progress.pictures,
               progress.pictures == 1 ? "" : "s");
    if (status == CNN_OK && progress.unanswered) {
        fflush(stdout);
        cnn_print_error("%s: the outputs of %s are no finite numbers", input,
                        cnn_model_source(model));
        status = CNN_FAILED;
    }
    cnn_data_image_free(stored);
    free(progress.page);
    return status;
}

static cnn_status run_model(cnn_model *model, const char *input,
                            const struct cnn_picture_settings *settings,
                            cnn_visualize_options *options, const char *suffix, cnn_diag *diag)
{
    char *directory = default_directory(input, suffix);
    cnn_status status = CNN_FAILED;

    if (!directory) {
        cnn_command_out_of_memory();
    } else if (settings->text) {
        status = cnn_print_maps(model, input, &settings->layer, diag);
    } else {
        options->directory = settings->output ? settings->output : directory;
        /* a reader who has seen enough of the answer still wants the pictures */
        signal(SIGPIPE, SIG_IGN);
        status = draw(model, input, options, diag);
        signal(SIGPIPE, SIG_DFL);
    }
    free(directory);
    return status;
}

cnn_status cnn_pictures_run(const struct cnn_picture_settings *settings,
                            cnn_visualize_options *options, const char *suffix,
                            char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const cnn_open_options open = {.weights = settings->weights,
                                   .overrides = settings->set.items,
                                   .override_count = settings->set.count};
    const char *model_path = NULL, *input = NULL;
    cnn_model *model = NULL;
    cnn_status status = cnn_inputs_tell_apart(operands, operand_count, &model_path, &input);

    if (status == CNN_OK)
        status = read_palette(settings->palette, &options->palette);
    if (status == CNN_OK && settings->text &&
        (settings->output || settings->each || settings->npy || options->kinds != 0)) {
        cnn_print_error("--text writes no files: it does not go with -o, --kind, --each and --npy");
        status = CNN_INVALID;
    }
    if (status == CNN_OK)
        status = cnn_command_speak(settings->lang, diag);
    if (status == CNN_OK)
        status = cnn_command_prepare(settings->threads, diag);
    if (status == CNN_OK)
        status = cnn_command_open(model_path, &open, &model, diag);
    if (status == CNN_OK) {
        cnn_inputs_note_pixels(model, input);
        options->layers = settings->layer.items;
        options->layer_count = settings->layer.count;
        options->one_scale = settings->one_scale;
        options->each = settings->each;
        options->npy = settings->npy;
        status = run_model(model, input, settings, options, suffix, diag);
    }
    cnn_model_free(model);
    return status;
}
