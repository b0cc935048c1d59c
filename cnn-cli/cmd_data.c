/* cnn data: what is in the data set that a description names, before anything is trained on it. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "inputs.h"
#include "json.h"
#include "show.h"
#include "table.h"
#include "terminal.h"

enum { CLASSES_MAX = 40, CLASSES_EACH = 10, BAR = 20, NAMES_MAX = 20 };

/* Classes are called uneven where one has this many times the images of another. */
static const double uneven = 2;

struct settings {
    const char *data, *output;
    bool json;
    size_t threads;
    struct cnn_option_list set;
};

static const struct cnn_option options[] = {
    CNN_OPTION_DATA(struct settings),
    {.name = "output",
     .letter = 'o',
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, output),
     .argument = "FILE",
     .help = "the picture of training images (default: data.png)"},
    CNN_OPTION_JSON(struct settings),
    CNN_OPTION_SET(struct settings),
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

/* ---- As JSON ---- */

static void write_numbers(const char *key, const double *values, size_t count)
{
    cnn_json_open(key, '[');
    for (size_t i = 0; i < count; i++)
        cnn_json_real(NULL, values[i]);
    cnn_json_close();
}

static void write_counts(const char *key, const size_t *values, size_t count)
{
    cnn_json_open(key, '[');
    for (size_t i = 0; i < count; i++)
        cnn_json_count(NULL, values[i]);
    cnn_json_close();
}

static void write_texts(const char *key, const char *const *texts, size_t count)
{
    cnn_json_open(key, '[');
    for (size_t i = 0; i < count; i++)
        cnn_json_text(NULL, texts[i]);
    cnn_json_close();
}

static void write_sizes(const cnn_survey_sizes *sizes)
{
    if (sizes->files == 0) {
        cnn_json_null("sizes");
        return;
    }
    cnn_json_open("sizes", '{');
    cnn_json_count("files", sizes->files);
    write_counts("smallest", sizes->smallest, 2);
    write_counts("largest", sizes->largest, 2);
    write_counts("most_common", sizes->most_common, 2);
    cnn_json_count("most_common_files", sizes->most_common_files);
    write_numbers("aspect", sizes->aspect, 2);
    cnn_json_count("resized", sizes->resized);
    cnn_json_close();
}

static void write_split(const cnn_survey *survey, const cnn_survey_split *split)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("split", split->name);
    cnn_json_count("images", split->images);
    write_counts("class_images", split->class_images, survey->classes);
    write_numbers("mean", split->mean, survey->shape.c);
    write_numbers("std", split->std, survey->shape.c);
    write_numbers("divisor", split->divisor, survey->shape.c);
    cnn_json_real("majority", split->majority);
    cnn_json_count("repeated", split->repeated);
    cnn_json_count("known", split->known);
    write_sizes(&split->sizes);
    write_texts("unreadable", split->unreadable, split->unreadable_count);
    cnn_json_close();
}

static void write_image(const cnn_survey *survey, const cnn_survey_image *image)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("split", image->split);
    cnn_json_count("image", image->image);
    cnn_json_text("class", survey->class_names[image->label]);
    cnn_json_text("path", image->path);
    cnn_json_close();
}

static void write_pairs(const char *key, const cnn_survey *survey, const cnn_survey_pair *pairs,
                        size_t count)
{
    cnn_json_open(key, '[');
    for (size_t i = 0; i < count; i++) {
        cnn_json_open(NULL, '[');
        write_image(survey, &pairs[i].first);
        write_image(survey, &pairs[i].second);
        cnn_json_close();
    }
    cnn_json_close();
}

static void print_json(const cnn_survey *survey, const char *sheet)
{
    cnn_json_open(NULL, '{');
    cnn_json_shape("input", survey->shape);
    write_texts("classes", survey->class_names, survey->classes);
    cnn_json_open("splits", '[');
    for (size_t s = 0; s < survey->split_count; s++)
        write_split(survey, &survey->splits[s]);
    cnn_json_close();
    cnn_json_count("contradictions", survey->contradictions);
    write_pairs("contradicting", survey, survey->contradicting, survey->contradicting_count);
    write_pairs("shared", survey, survey->shared, survey->shared_count);
    write_pairs("repeated", survey, survey->repeated, survey->repeated_count);
    cnn_json_text("sheet", sheet);
    cnn_json_close();
}

/* ---- For people ---- */

/* Prints the table that fill fills, and an empty line before it. */
static bool print_table(const struct cnn_column *columns, size_t count,
                        void (*fill)(struct cnn_table *table, const cnn_survey *survey),
                        const cnn_survey *survey)
{
    struct cnn_table *table = cnn_table_new(columns, count);
    bool printed;

    if (!table)
        return false;
    fill(table, survey);
    printf("\n");
    printed = cnn_table_print(table, stdout);
    cnn_table_free(table);
    return printed;
}

static void fill_splits(struct cnn_table *table, const cnn_survey *survey)
{
    for (size_t s = 0; s < survey->split_count; s++) {
        const cnn_survey_split *split = &survey->splits[s];

        cnn_table_add(table, "%s", split->name);
        cnn_table_add(table, "%s", cnn_show_integer(split->images).text);
        cnn_table_add(table, "%s", cnn_show_percent(split->majority).text);
        cnn_table_add(table, "%s", cnn_show_integer(split->repeated).text);
        if (survey->split_count > 1)
            cnn_table_add(table, "%s", s > 0 ? cnn_show_integer(split->known).text : "-");
    }
}

static bool print_splits(const cnn_survey *survey)
{
    char title[64];
    struct cnn_column columns[] = {{"split", false},
                                   {"images", true},
                                   {title, true},
                                   {"repeated", true},
                                   {"in an earlier split", true}};

    snprintf(title, sizeof title, "always '%.40s'", survey->class_names[survey->most_frequent]);
    return print_table(columns, survey->split_count > 1 ? 5 : 4, fill_splits, survey);
}

/* The classes to show: all, or the largest and the smallest of the training images. */
struct shown_class {
    size_t class, images;
};

static int compare_classes(const void *a, const void *b)
{
    const struct shown_class *x = a, *y = b;

    if (x->images != y->images)
        return x->images > y->images ? -1 : 1;
    return x->class < y->class ? -1 : x->class > y->class;
}

static void fill_class(struct cnn_table *table, const cnn_survey *survey, size_t class)
{
    const size_t *train = survey->splits[0].class_images, most = train[survey->most_frequent];

    cnn_table_add(table, "%s", survey->class_names[class]);
    for (size_t s = 0; s < survey->split_count; s++) {
        const cnn_survey_split *split = &survey->splits[s];

        cnn_table_add(table, "%s", cnn_show_integer(split->class_images[class]).text);
        cnn_table_add(
            table, "%s",
            cnn_show_percent((double)split->class_images[class] / (double)split->images).text);
        if (s == 0)
            cnn_table_add(table, "%.*s", (int)((train[class] * BAR + most / 2) / most),
                          "####################");
    }
}

static void fill_classes(struct cnn_table *table, const cnn_survey *survey)
{
    struct shown_class *classes = calloc(survey->classes, sizeof *classes);

    if (!classes)
        cnn_table_fail(table);
    for (size_t i = 0; i < survey->classes && classes; i++)
        classes[i] = (struct shown_class){i, survey->splits[0].class_images[i]};
    if (classes && survey->classes > CLASSES_MAX)
        qsort(classes, survey->classes, sizeof *classes, compare_classes);
    for (size_t i = 0; i < survey->classes && classes; i++) {
        if (survey->classes > CLASSES_MAX && i == CLASSES_EACH) {
            i = survey->classes - CLASSES_EACH;
            cnn_table_note(table, "%zu classes in between", i - CLASSES_EACH);
        }
        fill_class(table, survey, classes[i].class);
    }
    free(classes);
}

static bool print_classes(const cnn_survey *survey)
{
    static const struct cnn_column columns[] = {
        {"class", false}, {"train", true}, {"share", true}, {"", false}};
    struct cnn_column all[8];
    size_t count = 4;

    memcpy(all, columns, sizeof columns);
    for (size_t s = 1; s < survey->split_count; s++) {
        all[count++] = (struct cnn_column){survey->splits[s].name, true};
        all[count++] = (struct cnn_column){"share", true};
    }
    return print_table(all, count, fill_classes, survey);
}

static void add_size(struct cnn_table *table, const size_t size[2])
{
    cnn_table_add(table, "%zux%zu", size[0], size[1]);
}

static void fill_sizes(struct cnn_table *table, const cnn_survey *survey)
{
    for (size_t s = 0; s < survey->split_count; s++) {
        const cnn_survey_sizes *sizes = &survey->splits[s].sizes;

        if (sizes->files == 0)
            continue;
        cnn_table_add(table, "%s", survey->splits[s].name);
        add_size(table, sizes->smallest);
        add_size(table, sizes->largest);
        add_size(table, sizes->most_common);
        cnn_table_add(table, "%s", cnn_show_integer(sizes->most_common_files).text);
        cnn_table_add(table, "%.2f to %.2f", sizes->aspect[0], sizes->aspect[1]);
        cnn_table_add(table, "%s", cnn_show_integer(sizes->resized).text);
    }
}

static bool print_sizes(const cnn_survey *survey)
{
    static const struct cnn_column columns[] = {
        {"sizes", false}, {"smallest", true},       {"largest", true}, {"most common", true},
        {"files", true},  {"width / height", true}, {"resized", true}};

    for (size_t s = 0; s < survey->split_count; s++)
        if (survey->splits[s].sizes.files > 0)
            return print_table(columns, sizeof columns / sizeof *columns, fill_sizes, survey);
    return true;
}

/* With as many digits as it takes to be the same number again in a description. */
static void print_list(const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[32];
        int digits = 4;

        do
            snprintf(text, sizeof text, "%.*g", digits, values[i]);
        while (digits++ < 9 && strtof(text, NULL) != (float)values[i]);
        printf("%s%s", i > 0 ? ", " : "[", text);
    }
    printf("]");
}

static void fill_channels(struct cnn_table *table, const cnn_survey *survey)
{
    for (size_t s = 0; s < survey->split_count; s++)
        for (size_t c = 0; c < survey->shape.c; c++) {
            cnn_table_add(table, "%s", c == 0 ? survey->splits[s].name : "");
            cnn_table_add(table, "%zu", c);
            cnn_table_add(table, "%.4f", survey->splits[s].mean[c]);
            cnn_table_add(table, "%.4f", survey->splits[s].std[c]);
        }
}

static bool print_channels(const cnn_survey *survey)
{
    static const struct cnn_column columns[] = {
        {"pixels", false}, {"channel", true}, {"mean", true}, {"std", true}};

    if (!print_table(columns, sizeof columns / sizeof *columns, fill_channels, survey))
        return false;
    printf("\nnormalize: {mean: ");
    print_list(survey->splits[0].mean, survey->shape.c);
    printf(", std: ");
    print_list(survey->splits[0].divisor, survey->shape.c);
    printf("}\n");
    return true;
}

static void print_image(const cnn_survey *survey, const cnn_survey_image *image, bool class)
{
    if (image->path)
        cnn_print_text(stdout, image->path, 0, false);
    else
        printf("%s image %zu", image->split, image->image);
    if (class) {
        printf(" (");
        cnn_print_text(stdout, survey->class_names[image->label], 0, false);
        printf(")");
    }
}

/* more: than are listed. */
static void print_pairs(const cnn_survey *survey, const char *title, const cnn_survey_pair *pairs,
                        size_t count, bool more)
{
    if (count == 0)
        return;
    printf("\n%s\n", title);
    for (size_t i = 0; i < count; i++) {
        bool class = pairs[i].first.label != pairs[i].second.label || !pairs[i].first.path;

        printf("  ");
        print_image(survey, &pairs[i].first, class);
        printf("  =  ");
        print_image(survey, &pairs[i].second, class);
        printf("\n");
    }
    if (more)
        printf("  ...\n");
}

static void print_copies(const cnn_survey *survey)
{
    print_pairs(survey, "the same image, two classes:", survey->contradicting,
                survey->contradicting_count, survey->contradictions > survey->contradicting_count);
    print_pairs(survey, "the same image, two splits:", survey->shared, survey->shared_count,
                survey->shared_count == CNN_SURVEY_PAIRS);
    print_pairs(survey, "the same image, twice in a split:", survey->repeated,
                survey->repeated_count, survey->repeated_count == CNN_SURVEY_PAIRS);
}

static void print_unreadable(const cnn_survey_split *split)
{
    if (split->unreadable_count == 0)
        return;
    printf("\n%s file%s of %s cannot be read:\n", cnn_show_integer(split->unreadable_count).text,
           split->unreadable_count == 1 ? "" : "s", split->name);
    for (size_t i = 0; i < split->unreadable_count && i < NAMES_MAX; i++) {
        printf("  ");
        cnn_print_text(stdout, split->unreadable[i], 0, false);
        printf("\n");
    }
    if (split->unreadable_count > NAMES_MAX)
        printf("  ...\n");
    if (split->too_damaged)
        printf("training does not begin with so many\n");
}

static void print_hints(const cnn_survey *survey)
{
    const size_t *images = survey->splits[0].class_images;
    size_t most = survey->most_frequent, least = most, missing = 0;

    for (size_t i = 0; i < survey->classes; i++) {
        if (images[i] == 0)
            missing++;
        else if (images[i] < images[least])
            least = i;
    }
    if (missing > 0)
        printf("\nhint: %zu class%s no training images\n", missing,
               missing == 1 ? " has" : "es have");
    if (survey->weighted || (double)images[most] <= uneven * (double)images[least])
        return;
    printf("\nhint: the classes are uneven, %s images of ", cnn_show_integer(images[most]).text);
    cnn_print_text(stdout, survey->class_names[most], 0, false);
    printf(" and %s of ", cnn_show_integer(images[least]).text);
    cnn_print_text(stdout, survey->class_names[least], 0, false);
    printf("; to have each class count alike:\n"
           "      loss: {type: cross_entropy, class_weights: balanced}\n");
}

static cnn_status print_human(const cnn_model *model, const cnn_survey *survey, const char *sheet)
{
    printf("model      %s (%s)\n", cnn_show_text(cnn_model_name(model)).text,
           cnn_show_text(cnn_model_source(model)).text);
    printf("images     %s, %zu class%s\n", cnn_show_shape(survey->shape, "x").text, survey->classes,
           survey->classes == 1 ? "" : "es");
    if (!print_splits(survey) || !print_classes(survey) || !print_sizes(survey) ||
        !print_channels(survey))
        return cnn_command_out_of_memory();
    print_copies(survey);
    for (size_t s = 0; s < survey->split_count; s++)
        print_unreadable(&survey->splits[s]);
    print_hints(survey);
    printf("\nsheet: %s\n", cnn_show_text(sheet).text);
    return CNN_OK;
}

static cnn_status survey_data(const cnn_model *model, const struct settings *settings,
                              const char *sheet, cnn_survey **survey, cnn_diag *diag)
{
    const char *what = "data";
    const cnn_survey_options survey_options = {.data_path = settings->data,
                                               .sheet = sheet,
                                               .progress = cnn_command_show_progress,
                                               .context = &what,
                                               .stop = cnn_command_catch_signals("\n")};
    cnn_status status = cnn_survey_data(model, &survey_options, survey, diag);

    cnn_print_messages(diag);
    return status;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options open = {.overrides = settings->set.items,
                                   .override_count = settings->set.count,
                                   .untrained = true,
                                   .shapes = true};
    bool named = settings->output != NULL;
    const char *sheet = named ? settings->output : "data.png";
    cnn_model *model = NULL;
    cnn_survey *survey = NULL;
    char *config = NULL;
    cnn_status status;

    (void)operand_count;
    status = cnn_command_prepare(settings->threads, diag);
    if (status == CNN_OK)
        status = cnn_output_check(sheet, CNN_OUTPUT_PICTURE, named ? NULL : "-o", diag);
    if (status == CNN_OK)
        status = cnn_inputs_config(operands[0], true, &config);
    if (status == CNN_OK)
        status = cnn_command_open(config, &open, &model, diag);
    if (status == CNN_OK)
        status = survey_data(model, settings, sheet, &survey, diag);
    if (status == CNN_OK) {
        if (settings->json)
            print_json(survey, sheet);
        else
            status = print_human(model, survey, sheet);
        cnn_survey_free(survey);
    }
    free(config);
    cnn_model_free(model);
    return status;
}

const struct cnn_command cnn_command_data = {
    .name = "data",
    .synopsis = "CONFIG [options]",
    .summary = "Inspect a data set before training",
    .details = "CONFIG is a description with a data section, or a directory that init has made.\n"
               "Reads every image and prints classes, sizes, files that cannot be read, repeated\n"
               "images, and mean and deviation for normalize. Draws a picture with images of each\n"
               "class as training sees them.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = 1,
    .run = run,
};
