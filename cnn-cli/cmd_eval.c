/* cnn eval: how good a model is on a split of its data set. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "inputs.h"
#include "json.h"
#include "ranks.h"
#include "show.h"
#include "table.h"
#include "terminal.h"

enum { MATRIX_MAX = 20, PAIRS_MAX = 10, TOP_DEFAULT = 5 };

struct settings {
    const char *data, *split, *tta, *weights, *report, *gallery, *lang;
    bool json;
    size_t top, threads;
    struct cnn_option_list set;
};

static const struct cnn_option options[] = {
    CNN_OPTION_DATA(struct settings),
    {.name = "split",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, split),
     .argument = "SPLIT",
     .words = "train val test",
     .help = "train, val or test (default: test)"},
    CNN_OPTION_TTA(struct settings),
    {.name = "top",
     .kind = CNN_OPTION_COUNT,
     .offset = offsetof(struct settings, top),
     .argument = "K",
     .min = 1,
     .max = 1000000,
     .help = "also count the true class among the first K (default: 5)"},
    {.name = "report",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, report),
     .argument = "FILE",
     .help = "also write the result as a web page"},
    {.name = "gallery",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, gallery),
     .argument = "DIR",
     .help = "also write a page of the most confident mistakes into DIR"},
    CNN_OPTION_LANG(struct settings),
    CNN_OPTION_WEIGHTS(struct settings),
    CNN_OPTION_JSON(struct settings),
    CNN_OPTION_SET(struct settings),
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

/* Row by row, zeros too. */
static void print_confusion(const cnn_evaluation *result)
{
    size_t at = 0;

    cnn_json_open("confusion", '[');
    for (size_t i = 0; i < result->classes; i++) {
        cnn_json_open(NULL, '[');
        for (size_t j = 0; j < result->classes; j++) {
            const cnn_confusion_cell *cell = &result->confusion[at];
            bool here = at < result->confusion_cells && cell->truth == i && cell->answer == j;

            cnn_json_count(NULL, here ? cell->images : 0);
            at += here;
        }
        cnn_json_close();
    }
    cnn_json_close();
}

static void print_scores(const cnn_model *model, const cnn_evaluation *result)
{
    cnn_json_open("per_class", '[');
    for (size_t i = 0; i < result->classes; i++) {
        const cnn_class_score *score = &result->per_class[i];

        cnn_json_open(NULL, '{');
        cnn_json_text("class", cnn_model_class(model, i));
        cnn_json_real("precision", score->precision);
        cnn_json_real("recall", score->recall);
        cnn_json_real("f1", score->f1);
        cnn_json_count("images", score->images);
        cnn_json_close();
    }
    cnn_json_close();
}

/* The share of images whose class is among the `top` most probable. */
static double top_share(const cnn_evaluation *result, size_t top)
{
    size_t images = 0;

    for (size_t k = 0; k < top && k < result->classes; k++)
        images += result->ranks[k];
    return (double)images / (double)result->images;
}

static void print_top(const cnn_evaluation *result, size_t top)
{
    cnn_json_open("top", '[');
    for (size_t k = 1; k <= top && k <= result->classes; k++)
        cnn_json_real(NULL, top_share(result, k));
    cnn_json_close();
}

static void print_reliability(const cnn_evaluation *result)
{
    cnn_json_open("reliability", '[');
    for (size_t m = 0; m < result->calibration_bins; m++) {
        const cnn_calibration_bin *bin = &result->calibration[m];
        bool empty = bin->images == 0;

        cnn_json_open(NULL, '{');
        cnn_json_open("bin", '[');
        cnn_json_real(NULL, (double)m / (double)result->calibration_bins);
        cnn_json_real(NULL, (double)(m + 1) / (double)result->calibration_bins);
        cnn_json_close();
        cnn_json_count("images", bin->images);
        cnn_json_real("confidence", empty ? NAN : bin->confidence);
        cnn_json_real("accuracy", empty ? NAN : bin->accuracy);
        cnn_json_close();
    }
    cnn_json_close();
}

static void print_json(const cnn_model *model, const cnn_evaluation *result, size_t top)
{
    cnn_json_open(NULL, '{');
    cnn_json_count("images", result->images);
    cnn_json_real("loss", result->loss);
    cnn_json_real("accuracy", result->accuracy);
    cnn_json_real("top5", result->top5);
    print_confusion(result);
    print_scores(model, result);
    cnn_json_real("accuracy_low", result->accuracy_low);
    cnn_json_real("accuracy_high", result->accuracy_high);
    cnn_json_open("macro", '{');
    cnn_json_real("precision", result->precision);
    cnn_json_real("recall", result->recall);
    cnn_json_real("f1", result->f1);
    cnn_json_close();
    print_top(result, top);
    cnn_json_real("confidence", result->confidence);
    cnn_json_real("ece", result->ece);
    print_reliability(result);
    cnn_json_text("split", result->split);
    cnn_json_text("tta", cnn_tta_name(result->tta));
    cnn_json_close();
}

static void print_totals(const cnn_model *model, const cnn_evaluation *result, const char *split,
                         size_t top)
{
    printf("model      %s (%s)\n", cnn_show_text(cnn_model_name(model)).text,
           cnn_show_text(cnn_model_source(model)).text);
    cnn_command_print_images(result->images, result->split, split);
    cnn_command_print_tta(result->tta);
    printf(result->loss < 1e5 ? "loss       %.4f\n" : "loss       %g\n", result->loss);
    printf("accuracy   %s%.2f%%%s  (95%% interval %.2f to %.2f)\n",
           cnn_style(stdout, CNN_STYLE_BOLD), 100 * result->accuracy,
           cnn_style(stdout, CNN_STYLE_PLAIN), 100 * result->accuracy_low,
           100 * result->accuracy_high);
    if (top < result->classes)
        printf("top-%-5zu  %.2f%%\n", top, 100 * top_share(result, top));
    printf("F1         %.2f%%  (mean of the classes; precision %.2f%%, recall %.2f%%)\n",
           100 * result->f1, 100 * result->precision, 100 * result->recall);
    printf("ECE        %.2f%%  (calibration error; mean confidence %.2f%%)\n", 100 * result->ece,
           100 * result->confidence);
}

static bool print_classes(const cnn_model *model, const cnn_evaluation *result)
{
    static const struct cnn_column columns[] = {
        {"class", false}, {"images", true}, {"precision", true}, {"recall", true}, {"F1", true}};
    struct cnn_table *table = cnn_table_new(columns, sizeof columns / sizeof *columns);
    bool printed;

    if (!table)
        return false;
    for (size_t i = 0; i < result->classes; i++) {
        const cnn_class_score *score = &result->per_class[i];

        cnn_table_add(table, "%s", cnn_model_class(model, i));
        cnn_table_add(table, "%zu", score->images);
        cnn_table_add(table, "%s", cnn_show_percent(score->precision).text);
        cnn_table_add(table, "%s", cnn_show_percent(score->recall).text);
        cnn_table_add(table, "%s", cnn_show_percent(score->f1).text);
    }
    printf("\n");
    printed = cnn_table_print(table, stdout);
    cnn_table_free(table);
    return printed;
}

static void add_matrix_row(struct cnn_table *table, const cnn_model *model,
                           const cnn_evaluation *result, size_t i)
{
    char number[24];
    const char *name = cnn_model_class(model, i);

    snprintf(number, sizeof number, "%zu", i);
    if (strcmp(name, number) == 0)
        cnn_table_add(table, "%s", number);
    else
        cnn_table_add(table, "%2s %s", number, name);
    for (size_t j = 0; j < result->classes; j++) {
        size_t images = cnn_evaluation_confusion(result, i, j);

        if (images > 0)
            cnn_table_add(table, "%zu", images);
        else
            cnn_table_add(table, ".");
    }
}

static bool print_matrix(const cnn_model *model, const cnn_evaluation *result)
{
    struct cnn_column columns[MATRIX_MAX + 1] = {{"true \\ predicted", false}};
    char titles[MATRIX_MAX][24];
    struct cnn_table *table;
    bool printed;

    for (size_t j = 0; j < result->classes; j++) {
        snprintf(titles[j], sizeof titles[j], "%zu", j);
        columns[j + 1] = (struct cnn_column){titles[j], true};
    }
    table = cnn_table_new(columns, result->classes + 1);
    if (!table)
        return false;
    for (size_t i = 0; i < result->classes; i++)
        add_matrix_row(table, model, result, i);
    printf("\n");
    printed = cnn_table_print(table, stdout);
    cnn_table_free(table);
    return printed;
}

/* The largest cells off the diagonal, largest first; returns how many. */
static size_t find_pairs(const cnn_evaluation *result, const cnn_confusion_cell **pairs)
{
    size_t count = 0;

    for (size_t i = 0; i < result->confusion_cells; i++) {
        const cnn_confusion_cell *cell = &result->confusion[i];
        size_t at;

        if (cell->truth == cell->answer)
            continue;
        if (count == PAIRS_MAX && cell->images <= pairs[count - 1]->images)
            continue;
        at = count < PAIRS_MAX ? count++ : count - 1;
        for (; at > 0 && pairs[at - 1]->images < cell->images; at--)
            pairs[at] = pairs[at - 1];
        pairs[at] = cell;
    }
    return count;
}

static bool print_pairs(const cnn_model *model, const cnn_evaluation *result)
{
    static const struct cnn_column columns[] = {
        {"most confused: class", false}, {"taken for", false}, {"images", true}};
    const cnn_confusion_cell *pairs[PAIRS_MAX];
    size_t count = find_pairs(result, pairs);
    struct cnn_table *table;
    bool printed;

    if (count == 0)
        return true;
    table = cnn_table_new(columns, sizeof columns / sizeof *columns);
    if (!table)
        return false;
    for (size_t k = 0; k < count; k++) {
        cnn_table_add(table, "%s", cnn_model_class(model, pairs[k]->truth));
        cnn_table_add(table, "%s", cnn_model_class(model, pairs[k]->answer));
        cnn_table_add(table, "%zu", pairs[k]->images);
    }
    printf("\n");
    printed = cnn_table_print(table, stdout);
    cnn_table_free(table);
    return printed;
}

static cnn_status print_human(const cnn_model *model, const cnn_evaluation *result,
                              const struct settings *settings, size_t top)
{
    print_totals(model, result, settings->split, top);
    if (!print_classes(model, result) ||
        !(result->classes <= MATRIX_MAX ? print_matrix(model, result) : print_pairs(model, result)))
        return cnn_command_out_of_memory();
    if (settings->report || settings->gallery)
        printf("\n");
    if (settings->report)
        printf("report: %s\n", cnn_show_text(settings->report).text);
    if (settings->gallery)
        printf("gallery: %s/index.html\n", cnn_show_text(settings->gallery).text);
    return CNN_OK;
}

static cnn_status evaluate(cnn_model *model, const struct settings *settings, cnn_tta tta,
                           cnn_evaluation **result, cnn_diag *diag)
{
    const char *what = "eval";
    const cnn_evaluate_options evaluate_options = {
        .data_path = settings->data,
        .split = settings->split,
        .tta = tta,
        .report = settings->report,
        .gallery = settings->gallery,
        .progress = cnn_command_show_progress,
        .context = &what,
        .stop = cnn_command_catch_signals("\n"),
        .cluster = cnn_ranks(),
    };
    cnn_status status = cnn_evaluate(model, &evaluate_options, result, diag);

    cnn_print_messages(diag);
    return status;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options open = {.weights = settings->weights,
                                   .overrides = settings->set.items,
                                   .override_count = settings->set.count};
    cnn_model *model = NULL;
    cnn_evaluation *result = NULL;
    cnn_tta tta;
    size_t top = settings->top > 0 ? settings->top : TOP_DEFAULT;
    cnn_status status = cnn_tta_find(settings->tta, &tta, diag);

    if (status == CNN_OK)
        status = cnn_command_speak(settings->lang, diag);
    if (status == CNN_OK)
        status = cnn_command_prepare(settings->threads, diag);
    if (status == CNN_OK)
        status = cnn_command_open(operand_count > 0 ? operands[0] : NULL, &open, &model, diag);
    if (status == CNN_OK)
        status = evaluate(model, settings, tta, &result, diag);
    if (status == CNN_OK) {
        cnn_inputs_note_pixels(model, NULL);
        if (settings->json)
            print_json(model, result, top);
        else
            status = print_human(model, result, settings, top);
        cnn_evaluation_free(result);
    }
    cnn_model_free(model);
    return status;
}

const struct cnn_command cnn_command_eval = {
    .name = "eval",
    .synopsis = "[MODEL] [options]",
    .summary = "Evaluate a trained model on its data set",
    .details = "MODEL is a checkpoint, a run directory, an ONNX file, or a description with\n"
               "--weights; without it the model that ships with the program is used.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_max = 1,
    .shared = true,
    .run = run,
};
