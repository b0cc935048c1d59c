/* cnn bench: the time of a training step, or of inference, whole and by layer. */
#include <stdlib.h>

#include "command.h"
#include "json.h"
#include "show.h"
#include "table.h"
#include "terminal.h"

struct settings {
    bool infer, json;
    size_t batch, threads;
    double seconds;
    struct cnn_option_list set;
};

static const struct cnn_option options[] = {
    {.name = "infer",
     .kind = CNN_OPTION_FLAG,
     .offset = offsetof(struct settings, infer),
     .help = "measure inference instead of the training step"},
    {.name = "batch",
     .kind = CNN_OPTION_COUNT,
     .offset = offsetof(struct settings, batch),
     .argument = "N",
     .min = 1,
     .max = 65536,
     .help = "images at once (default: the description's; 1 for inference)"},
    {.name = "seconds",
     .kind = CNN_OPTION_SECONDS,
     .offset = offsetof(struct settings, seconds),
     .argument = "S",
     .max = 3600,
     .help = "how long to measure (default: 3)"},
    CNN_OPTION_JSON(struct settings),
    CNN_OPTION_SET(struct settings),
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

/* Where bytes come from. */
static const char *const levels[] = {"L1", "L2", "L3", "memory"};

static const char *what(const struct settings *settings)
{
    return settings->infer ? "infer" : "train";
}

static void print_layer_json(const cnn_bench_layer *layer)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("name", layer->name);
    cnn_json_real("forward_ms", layer->forward_ms);
    cnn_json_real("backward_ms", layer->backward_ms);
    cnn_json_real("gflops", layer->gflops);
    cnn_json_real("peak_share", layer->peak_share);
    cnn_json_text("joined", layer->joined);
    cnn_json_real("bound_ms", layer->bound_ms);
    cnn_json_real("bound_share", layer->bound_share);
    cnn_json_text("bound_by", layer->bound_by);
    cnn_json_close();
}

static void print_json(const struct settings *settings, const cnn_bench_result *result)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("what", what(settings));
    cnn_json_count("batch", result->batch);
    cnn_json_count("threads", (uint64_t)result->threads);
    cnn_json_real("ms", result->ms);
    cnn_json_real("images_per_s", result->images_per_s);
    cnn_json_real("gflops", result->gflops);
    cnn_json_real("peak_gflops", result->peak_gflops);
    cnn_json_real("peak_share", result->peak_share);
    cnn_json_count("runs", result->runs);
    cnn_json_open("ms_quartiles", '[');
    cnn_json_real(NULL, result->quartile_ms[0]);
    cnn_json_real(NULL, result->quartile_ms[1]);
    cnn_json_close();
    cnn_json_count("layer_runs", result->layer_runs);
    cnn_json_text("kernels", result->kernels);
    cnn_json_count("memory_bytes", result->peak_bytes);
    cnn_json_count("process_bytes", result->process_bytes);
    cnn_json_real("bound_ms", result->bound_ms);
    cnn_json_real("bound_share", result->bound_share);
    cnn_json_real("peak_bf16_gflops", result->peak_bf16_gflops);
    cnn_json_real("peak_int8_gflops", result->peak_int8_gflops);
    cnn_json_open("bandwidth_gb_per_s", '{');
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        cnn_json_real(levels[i], result->bandwidth_gb[i]);
    cnn_json_close();
    cnn_json_open("layers", '[');
    for (size_t i = 0; i < result->layers; i++)
        print_layer_json(&result->layer[i]);
    cnn_json_close();
    cnn_json_close();
}

static void add_number(struct cnn_table *table, const char *format, double value)
{
    if (value > 0)
        cnn_table_add(table, format, value);
    else
        cnn_table_add(table, "%s", "");
}

static void add_layer(struct cnn_table *table, const struct settings *settings,
                      const cnn_bench_layer *layer, double total)
{
    double ms = layer->forward_ms + layer->backward_ms;

    cnn_table_add(table, "%s", layer->name);
    if (layer->joined) {
        cnn_table_add(table, "in %s", layer->joined);
        for (int i = 0; i < 6; i++)
            cnn_table_add(table, "%s", "");
        return;
    }
    cnn_table_add(table, "%.3f", layer->forward_ms);
    if (settings->infer)
        cnn_table_add(table, "-");
    else
        cnn_table_add(table, "%.3f", layer->backward_ms);
    cnn_table_add(table, "%s", cnn_show_percent(ms / total).text);
    add_number(table, "%.1f", layer->gflops);
    add_number(table, "%.1f%%", 100 * layer->peak_share);
    add_number(table, "%.1f%%", 100 * layer->bound_share);
    cnn_table_add(table, "%s", layer->bound_by ? layer->bound_by : "");
}

static cnn_status print_layers(const struct settings *settings, const cnn_bench_result *result)
{
    static const struct cnn_column columns[] = {
        {"layer", false},  {"forward ms", true}, {"backward ms", true}, {"share", true},
        {"GFLOP/s", true}, {"of peak", true},    {"of bound", true},    {"bound by", false}};
    struct cnn_table *table = cnn_table_new(columns, sizeof columns / sizeof *columns);
    double total = 0;
    bool printed = false;

    for (size_t i = 0; i < result->layers; i++)
        total += result->layer[i].forward_ms + result->layer[i].backward_ms;
    for (size_t i = 0; i < result->layers && table; i++)
        add_layer(table, settings, &result->layer[i], total);
    if (table)
        printed = cnn_table_print(table, stdout);
    cnn_table_free(table);
    return printed ? CNN_OK : cnn_command_out_of_memory();
}

static bool beyond_peak(const cnn_bench_result *result)
{
    for (size_t i = 0; i < result->layers; i++)
        if (result->layer[i].peak_share > 1)
            return true;
    return result->peak_share > 1;
}

static void print_peaks(const cnn_bench_result *result)
{
    printf("peak         %.1f GFLOP/s measured with bare multiply-adds; the whole reaches %s\n",
           result->peak_gflops, cnn_show_percent(result->peak_share).text);
    if (result->peak_bf16_gflops > 0)
        printf("             %.1f GFLOP/s of bfloat16\n", result->peak_bf16_gflops);
    if (result->peak_int8_gflops > 0)
        printf("             %.1f GFLOP/s of bytes\n", result->peak_int8_gflops);
    printf("bandwidth    ");
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
        if (result->bandwidth_gb[i] > 0)
            printf("%s%s %.1f", i > 0 ? ", " : "", levels[i], result->bandwidth_gb[i]);
    printf(" GB/s measured by reading\n");
    printf("bound        %.3f ms, the sum of the layers'; the whole reaches %s\n", result->bound_ms,
           cnn_show_percent(result->bound_share).text);
}

static void print_whole(const cnn_bench_result *result)
{
    printf("\nwhole        %.3f ms (median of %zu; half of them within %.3f to %.3f)\n", result->ms,
           result->runs, result->quartile_ms[0], result->quartile_ms[1]);
    printf("throughput   %.1f images/s, %.1f GFLOP/s\n", result->images_per_s, result->gflops);
    if (result->peak_gflops > 0)
        print_peaks(result);
    printf("memory       %s (process %s)\n", cnn_show_bytes(result->peak_bytes).text,
           cnn_show_bytes(result->process_bytes).text);
    if (beyond_peak(result))
        printf("\nMore than 100%% of the peak: GFLOP/s count the operations of the direct sum, and "
               "the peak is "
               "float32's. Winograd's algorithm needs fewer;\n"
               "bf16 and int8 are faster.\n");
}

static cnn_status print_human(const struct settings *settings, const cnn_model *model,
                              const cnn_bench_result *result)
{
    printf("%s%s%s  %s, batch %zu, %d thread%s, %s kernels\n\n", cnn_style(stdout, CNN_STYLE_BOLD),
           cnn_show_text(cnn_model_name(model)).text, cnn_style(stdout, CNN_STYLE_PLAIN),
           settings->infer ? "inference" : "training step", result->batch, result->threads,
           result->threads == 1 ? "" : "s", result->kernels);
    if (print_layers(settings, result) != CNN_OK)
        return CNN_FAILED;
    print_whole(result);
    return CNN_OK;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options open = {
        .overrides = settings->set.items, .override_count = settings->set.count, .untrained = true};
    const cnn_bench_options bench = {
        .infer = settings->infer, .batch = settings->batch, .seconds = settings->seconds};
    cnn_model *model = NULL;
    cnn_bench_result *result = NULL;
    cnn_status status = cnn_command_prepare(settings->threads, diag);

    if (status == CNN_OK)
        status = cnn_command_open(operand_count > 0 ? operands[0] : NULL, &open, &model, diag);
    if (status == CNN_OK)
        status = cnn_bench(model, &bench, &result, diag);
    cnn_print_messages(diag);
    if (status == CNN_OK) {
        if (settings->json)
            print_json(settings, result);
        else
            status = print_human(settings, model, result);
        cnn_bench_result_free(result);
    }
    cnn_model_free(model);
    return status;
}

const struct cnn_command cnn_command_bench = {
    .name = "bench",
    .synopsis = "[MODEL] [options]",
    .summary = "Measure the speed of training or inference, in total and by layer",
    .details =
        "MODEL is a description, a checkpoint or a run directory; without it the model that\n"
        "ships with the program is used. It need not be trained: the data is random.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_max = 1,
    .run = run,
};
