/* cnn compare: which of two models is better on the same images, and whether that may be chance. */
#include <math.h>
#include <string.h>

#include "command.h"
#include "json.h"
#include "show.h"
#include "table.h"
#include "terminal.h"

#define CHANCE 0.05 /* a smaller p is taken for a difference */

struct settings {
    const char *data, *split, *tta;
    bool json;
    struct cnn_option_list set;
    size_t threads;
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
    CNN_OPTION_JSON(struct settings),
    {.name = "set",
     .kind = CNN_OPTION_LIST,
     .offset = offsetof(struct settings, set),
     .argument = "KEY=VALUE",
     .help = "change a key of A's description; may be repeated"},
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

static void print_model_json(const cnn_model *model, const cnn_comparison *c, size_t i)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("model", cnn_model_source(model));
    cnn_json_real("loss", c->loss[i]);
    cnn_json_real("accuracy", c->accuracy[i]);
    cnn_json_real("accuracy_low", c->accuracy_low[i]);
    cnn_json_real("accuracy_high", c->accuracy_high[i]);
    cnn_json_close();
}

static void print_json(cnn_model *const models[2], const cnn_comparison *c)
{
    cnn_json_open(NULL, '{');
    cnn_json_count("images", c->images);
    cnn_json_open("models", '[');
    print_model_json(models[0], c, 0);
    print_model_json(models[1], c, 1);
    cnn_json_close();
    cnn_json_count("both_right", c->both_right);
    cnn_json_count("only_a", c->only_a);
    cnn_json_count("only_b", c->only_b);
    cnn_json_count("both_wrong", c->both_wrong);
    cnn_json_real("difference", c->difference);
    cnn_json_real("difference_low", c->difference_low);
    cnn_json_real("difference_high", c->difference_high);
    cnn_json_real("p", c->p);
    cnn_json_text("test", c->exact ? "exact" : "chi_squared");
    cnn_json_text("split", c->split);
    cnn_json_text("tta", cnn_tta_name(c->tta));
    cnn_json_close();
}

static bool print_table(const cnn_comparison *c)
{
    static const struct cnn_column columns[] = {{"", false}, {"B right", true}, {"B wrong", true}};
    struct cnn_table *table = cnn_table_new(columns, sizeof columns / sizeof *columns);
    bool printed;

    if (!table)
        return false;
    cnn_table_add(table, "A right");
    cnn_table_add(table, "%s", cnn_show_integer(c->both_right).text);
    cnn_table_add(table, "%s", cnn_show_integer(c->only_a).text);
    cnn_table_add(table, "A wrong");
    cnn_table_add(table, "%s", cnn_show_integer(c->only_b).text);
    cnn_table_add(table, "%s", cnn_show_integer(c->both_wrong).text);
    printf("\n");
    printed = cnn_table_print(table, stdout);
    cnn_table_free(table);
    printf("\n");
    return printed;
}

static void print_verdict(const cnn_comparison *c)
{
    char p[32];

    snprintf(p, sizeof p, c->p < 1e-4 ? "p < 0.0001" : "p = %.*f",
             c->p < 0.001 ? 4
             : c->p < 0.1 ? 3
                          : 2,
             c->p);
    printf("difference %+.2f points from A to B  (95%% interval %+.2f to %+.2f)\n",
           100 * c->difference, 100 * c->difference_low, 100 * c->difference_high);
    printf("McNemar    %s  (%s; %s images tell A and B apart)\n\n", p,
           c->exact ? "exact" : "chi-squared", cnn_show_integer(c->only_a + c->only_b).text);
    printf("%s", cnn_style(stdout, CNN_STYLE_BOLD));
    if (c->p < CHANCE)
        printf("%s is better: %s", c->difference > 0 ? "B" : "A", p);
    else
        printf("No difference that these %s images show: %s", cnn_show_integer(c->images).text, p);
    printf("%s\n", cnn_style(stdout, CNN_STYLE_PLAIN));
}

static cnn_status print_human(cnn_model *const models[2], const cnn_comparison *c,
                              const char *split)
{
    static const char names[] = "AB";

    for (size_t i = 0; i < 2; i++)
        printf("%c          %s (%s)\n", names[i], cnn_show_text(cnn_model_name(models[i])).text,
               cnn_show_text(cnn_model_source(models[i])).text);
    cnn_command_print_images(c->images, c->split, split);
    cnn_command_print_tta(c->tta);
    for (size_t i = 0; i < 2; i++)
        printf("accuracy %c %.2f%%  (95%% interval %.2f to %.2f)\n", names[i], 100 * c->accuracy[i],
               100 * c->accuracy_low[i], 100 * c->accuracy_high[i]);
    if (!print_table(c))
        return cnn_command_out_of_memory();
    print_verdict(c);
    return CNN_OK;
}

static cnn_status compare(cnn_model *const models[2], const struct settings *settings, cnn_tta tta,
                          cnn_comparison *result, cnn_diag *diag)
{
    const char *what = "compare";
    const cnn_evaluate_options compare_options = {
        .data_path = settings->data,
        .split = settings->split,
        .tta = tta,
        .progress = cnn_command_show_progress,
        .context = &what,
        .stop = cnn_command_catch_signals("\n"),
    };
    cnn_status status = cnn_compare(models[0], models[1], &compare_options, result, diag);

    cnn_print_messages(diag);
    return status;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options first = {.overrides = settings->set.items,
                                    .override_count = settings->set.count};
    cnn_model *models[2] = {NULL, NULL};
    cnn_comparison result = {0};
    cnn_tta tta;
    cnn_status status = cnn_tta_find(settings->tta, &tta, diag);

    if (status == CNN_OK)
        status = cnn_command_prepare(settings->threads, diag);
    for (size_t i = 0; i < operand_count && status == CNN_OK; i++)
        status = cnn_command_open(operands[i], i == 0 ? &first : NULL, &models[i], diag);
    if (status == CNN_OK)
        status = compare(models, settings, tta, &result, diag);
    if (status == CNN_OK && settings->json)
        print_json(models, &result);
    else if (status == CNN_OK)
        status = print_human(models, &result, settings->split);
    cnn_model_free(models[0]);
    cnn_model_free(models[1]);
    return status;
}

const struct cnn_command cnn_command_compare = {
    .name = "compare",
    .synopsis = "A B [options]",
    .summary = "Compare two models on the same images",
    .details =
        "A and B are checkpoints or run directories. The images are those of A's description.\n"
        "Says whether one is better or the difference may be due to chance.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 2,
    .operands_max = 2,
    .run = run,
};
