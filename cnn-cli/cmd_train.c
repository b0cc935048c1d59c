/* cnn train: trains a description, or goes on with a run. Progress goes to stderr; stdout gets the
 * run's directory alone, for scripts. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "command.h"
#include "inputs.h"
#include "ranks.h"
#include "show.h"
#include "terminal.h"

/* Seconds between two lines about steps where stderr is no terminal. */
enum { LINE_SECONDS = 30 };

struct settings {
    const char *output, *weights, *from, *resume, *data, *lang;
    bool check;
    size_t scale_batch;
    size_t threads;
    struct cnn_option_list set;
};

static const struct cnn_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, output),
     .argument = "DIR",
     .help = "the run's directory (default: runs/<name>-<n>)"},
    CNN_OPTION_WEIGHTS(struct settings),
    {.name = "from",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, from),
     .argument = "MODEL",
     .help = "start with the layers of another model that fit; the others start anew"},
    {.name = "resume",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, resume),
     .argument = "DIR",
     .help = "continue the run in this directory"},
    {.name = "check",
     .kind = CNN_OPTION_FLAG,
     .offset = offsetof(struct settings, check),
     .help = "check data, memory and the first steps; train nothing"},
    CNN_OPTION_DATA(struct settings),
    CNN_OPTION_SET(struct settings),
    {.name = "epochs",
     .kind = CNN_OPTION_KEY,
     .offset = offsetof(struct settings, set),
     .argument = "N",
     .key = "train.epochs",
     .help = "short for --set train.epochs=N"},
    {.name = "lr",
     .kind = CNN_OPTION_KEY,
     .offset = offsetof(struct settings, set),
     .argument = "X",
     .key = "train.optimizer.lr",
     .help = "short for --set train.optimizer.lr=X"},
    {.name = "batch-size",
     .kind = CNN_OPTION_KEY,
     .offset = offsetof(struct settings, set),
     .argument = "N",
     .key = "train.batch_size",
     .help = "short for --set train.batch_size=N"},
    {.name = "seed",
     .kind = CNN_OPTION_KEY,
     .offset = offsetof(struct settings, set),
     .argument = "N",
     .key = "train.seed",
     .help = "short for --set train.seed=N"},
    {.name = "scale-batch",
     .kind = CNN_OPTION_COUNT,
     .offset = offsetof(struct settings, scale_batch),
     .argument = "P",
     .min = 2,
     .max = 65536,
     .help = "P times the batch, with the learning rate and warm-up that it wants"},
    CNN_OPTION_LANG(struct settings),
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

struct progress {
    char *directory; /* NULL until the run has started */
    size_t val_images;
    double best_accuracy;
    double seconds;
    double next_line; /* of the clock, where stderr is no terminal */
    bool failed;      /* no memory for the directory */
    cnn_diag *diag;   /* of the training */
};

/* "epoch 3/20"; runs by steps need not know their epochs. */
static void format_epoch(const cnn_event *event, char *text, size_t size)
{
    char total[24];
    int digits = snprintf(total, sizeof total, "%zu", event->epochs);

    if (event->epochs > 0)
        snprintf(text, size, "epoch %*zu/%s", digits, event->epoch, total);
    else
        snprintf(text, size, "epoch %zu", event->epoch);
}

static void on_start(struct progress *progress, const cnn_event *event)
{
    progress->directory = strdup(event->directory);
    if (!progress->directory)
        progress->failed = true;
    progress->val_images = event->val_images;
    progress->next_line = cnn_terminal_clock() + LINE_SECONDS;
    fprintf(stderr, "training %s parameters ", cnn_show_integer(event->params).text);
    fprintf(stderr, "on %s images, ", cnn_show_integer(event->train_images).text);
    fprintf(stderr, "validating on %s; ", cnn_show_integer(event->val_images).text);
    fprintf(stderr, "%s steps, ", cnn_show_integer(event->steps).text);
    if (cnn_ranks())
        fprintf(stderr, "%zu processes of ", cnn_cluster_ranks(cnn_ranks()));
    fprintf(stderr, "%d thread%s\n", cnn_threads(), cnn_threads() == 1 ? "" : "s");
    if (event->step > 0 && event->step < event->steps)
        fprintf(stderr, "going on after step %s of %s, in epoch %zu\n",
                cnn_show_integer(event->step).text, cnn_show_integer(event->steps).text,
                event->step / event->steps_in_epoch + 1);
    if (event->text)
        fprintf(stderr, "--scale-batch: %s\n", event->text);
    fprintf(stderr, "the run is in %s\nreport: %s/report.html\n",
            cnn_show_text(event->directory).text, cnn_show_text(event->directory).text);
    cnn_print_messages(progress->diag); /* what the data set left out: not when all is over */
}

static void on_step(struct progress *progress, const cnn_event *event)
{
    double share = event->steps_in_epoch > 0
                       ? (double)event->step_in_epoch / (double)event->steps_in_epoch
                       : 0;
    double now = cnn_terminal_clock();
    char before[64], after[320];

    format_epoch(event, before, sizeof before);
    snprintf(after, sizeof after, "loss %#.4g  acc %s  %s img/s  %s left", event->loss,
             cnn_show_percent(event->accuracy).text,
             cnn_show_count((uint64_t)event->images_per_s).text,
             cnn_show_duration(event->seconds_left).text);
    cnn_terminal_progress(share, before, after);
    if (!cnn_terminal_live() && now >= progress->next_line) {
        fprintf(stderr, "%s  %3.0f%%  %s\n", before, 100 * share, after);
        progress->next_line = now + LINE_SECONDS;
    }
}

static void on_validate(const cnn_event *event)
{
    char before[64], after[64];

    format_epoch(event, before, sizeof before);
    snprintf(after, sizeof after, "validating: %zu of %zu images", event->images,
             event->images_total);
    cnn_terminal_progress(
        event->images_total > 0 ? (double)event->images / (double)event->images_total : 0, before,
        after);
}

/* One of a run that has blown up may have thirty digits. */
static void print_loss(double loss)
{
    fprintf(stderr, loss < 1e5 ? "%.4f" : "%g", loss);
}

static void on_epoch(struct progress *progress, const cnn_event *event)
{
    char text[64];

    cnn_terminal_progress_clear();
    format_epoch(event, text, sizeof text);
    fprintf(stderr, "%s  loss ", text);
    print_loss(event->loss);
    fprintf(stderr, "  acc %5s", cnn_show_percent(event->accuracy).text);
    if (progress->val_images > 0) {
        fprintf(stderr, "  val loss ");
        print_loss(event->val_loss);
        fprintf(stderr, "  acc %5s", cnn_show_percent(event->val_accuracy).text);
    }
    fprintf(stderr, "  %s%s", cnn_show_duration(event->seconds).text, event->best ? " *" : "");
    if (cnn_ranks())
        fprintf(stderr, "  sent %.3g MB/step, waited %s", event->sent / 1e6,
                cnn_show_duration(event->waited).text);
    fprintf(stderr, "\n");
    progress->best_accuracy = event->best_accuracy;
    progress->next_line = cnn_terminal_clock() + LINE_SECONDS;
}

static void on_save(const struct progress *progress, const cnn_event *event)
{
    if (progress->failed)
        return; /* there is no name to say it with */
    cnn_terminal_progress_clear();
    fprintf(stderr, "saved %s/last.safetensors after step %s\n",
            cnn_show_text(progress->directory).text, cnn_show_integer(event->step).text);
}

static void on_hold(const cnn_event *event)
{
    bool one = event->held_layers == 1;

    cnn_terminal_progress_clear();
    if (event->held_layers == 0) {
        fprintf(stderr, "from here on all layers are trained\n");
        return;
    }
    fprintf(stderr, "%s layer%s frozen", cnn_show_integer(event->held_layers).text,
            one ? " is" : "s are");
    if (event->kept_bytes > 0)
        fprintf(stderr, "; what %s of %s images is computed once and kept: %.1f MB",
                one ? "it makes" : "they make", cnn_show_integer(event->kept_images).text,
                (double)event->kept_bytes / 1e6);
    fprintf(stderr, "\n");
}

static int on_event(void *context, const cnn_event *event)
{
    struct progress *progress = context;

    switch (event->kind) {
    case CNN_EVENT_START:
        on_start(progress, event);
        break;
    case CNN_EVENT_STEP:
        on_step(progress, event);
        break;
    case CNN_EVENT_VALIDATE:
        on_validate(event);
        break;
    case CNN_EVENT_EPOCH:
        on_epoch(progress, event);
        break;
    case CNN_EVENT_SAVE:
        on_save(progress, event);
        break;
    case CNN_EVENT_WARNING:
        cnn_print_warning("%s", event->text);
        break;
    case CNN_EVENT_HOLD:
        on_hold(event);
        break;
    case CNN_EVENT_END:
        if (event->text)
            fprintf(stderr, "%s\n", cnn_show_text(event->text).text);
        progress->seconds = event->seconds;
        progress->best_accuracy = event->best_accuracy;
        break;
    }
    return 0;
}

static void print_end(const struct progress *progress)
{
    const char *directory = progress->directory;
    char *word = cnn_shell_word(directory);
    const char *run = word ? word : directory;
    const char *file = progress->best_accuracy < 0 ? "/last.safetensors" : "";

    fprintf(stderr, "done in %s", cnn_show_duration(progress->seconds).text);
    if (progress->best_accuracy >= 0)
        fprintf(stderr, "; accuracy of best.safetensors %s",
                cnn_show_percent(progress->best_accuracy).text);
    fprintf(stderr, "; the run is in %s\nnext:  %s eval %s%s\n", cnn_show_text(directory).text,
            cnn_program(), cnn_show_text(run).text, file);
    fprintf(stderr, "       %s predict %s%s IMAGE\n", cnn_program(), cnn_show_text(run).text, file);
    cnn_free(word);
}

/* CONFIG begins a run, --resume goes on with one that has its description, weights and directory
 * already. */
static bool check_settings(const struct settings *settings, size_t operand_count)
{
    const char *begins_with = settings->output    ? "output"
                              : settings->weights ? "weights"
                              : settings->from    ? "from"
                                                  : NULL;

    if (!settings->resume && operand_count == 0)
        cnn_print_error("'%s train' needs a CONFIG, or --resume DIR", cnn_program());
    else if (settings->resume && operand_count > 0)
        cnn_print_error("--resume takes the description from the run: give no CONFIG with it");
    else if (settings->resume && settings->scale_batch > 0)
        cnn_print_error("--resume goes on with the batch that the run has: give no --scale-batch "
                        "with it");
    else if (settings->resume && begins_with)
        cnn_print_error(
            "--resume goes on in the run's directory with its weights: give no --%s with it",
            begins_with);
    else if (settings->weights && settings->from)
        cnn_print_error(
            "--weights wants every parameter, --from takes those that fit: give one of them");
    else if (settings->check && (settings->resume || settings->output))
        cnn_print_error("--check trains nothing and writes nothing: give no --%s with it",
                        settings->resume ? "resume" : "output");
    else
        return true;
    return false;
}

static cnn_flag save;

static void ask_for_save(int number)
{
    (void)number;
    cnn_flag_raise(&save);
}

/* SIGUSR1 asks for a save. */
static cnn_flag *catch_save_signal(void)
{
    struct sigaction action = {.sa_handler = ask_for_save, .sa_flags = SA_RESTART};

    sigemptyset(&action.sa_mask);
    sigaction(SIGUSR1, &action, NULL);
    return &save;
}

static cnn_status train(const struct settings *settings, const char *config, cnn_diag *diag)
{
    struct progress progress = {.directory = NULL, .diag = diag};
    cnn_train_options what = {
        .config = config,
        .directory = settings->output,
        .weights = settings->weights,
        .from = settings->from,
        .resume = settings->resume,
        .data_path = settings->data,
        .overrides = settings->set.items,
        .override_count = settings->set.count,
        .event = on_event,
        .context = &progress,
        .cluster = cnn_ranks(),
        .scale_batch = settings->scale_batch,
    };
    cnn_status status = cnn_command_prepare(settings->threads, diag);

    if (status != CNN_OK)
        return status;
    if (settings->check)
        return cnn_check_and_print(&what, diag);
    what.stop =
        cnn_command_catch_signals("\nstopping after this step; once more to stop at once\n");
    what.save = catch_save_signal();
    status = cnn_train(&what, diag);
    cnn_ranks_speak();
    cnn_print_messages(diag);
    if (progress.failed && status == CNN_OK)
        status = cnn_command_out_of_memory();
    if (progress.directory && status == CNN_OK)
        print_end(&progress);
    if (progress.directory && (status == CNN_OK || status == CNN_INTERRUPTED))
        puts(cnn_show_text(progress.directory).text);
    free(progress.directory);
    return status;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    char *config = NULL;
    cnn_status status = check_settings(settings, operand_count) ? CNN_OK : CNN_INVALID;

    if (status == CNN_OK)
        status = cnn_command_speak(settings->lang, diag);
    if (status == CNN_OK && operand_count > 0)
        status = cnn_inputs_config(operands[0], false, &config);
    if (status == CNN_OK)
        status = train(settings, config, diag);
    free(config);
    return status;
}

const struct cnn_command cnn_command_train = {
    .name = "train",
    .synopsis = "CONFIG [options]",
    .summary = "Train the network of a description",
    .details =
        "CONFIG is a YAML description, or a directory that init has made. 'cnn help layers',\n"
        "'cnn help data' and so on list its keys. The run's directory gets config.yaml,\n"
        "best.safetensors, last.safetensors, steps.csv, epochs.csv, health.csv,\n"
        "film.safetensors, and report.html, which shows the progress. Only the directory's\n"
        "name goes to standard output. An interrupt (Ctrl-C) saves the state; --resume\n"
        "continues the run. SIGUSR1 saves the state, and the run continues.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_max = 1,
    .shared = true,
    .run = run,
};
