/* What several commands do alike: threads and environment, the model, signals, the exit status. */
#include "command.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ranks.h"
#include "show.h"
#include "terminal.h"

static cnn_flag stop;
static const char *stop_note;

int cnn_command_exit_status(cnn_status status)
{
    switch (status) {
    case CNN_OK:
        return EXIT_SUCCESS;
    case CNN_INVALID:
        return 2;
    case CNN_INTERRUPTED:
        return 130;
    default:
        return EXIT_FAILURE;
    }
}

cnn_status cnn_command_out_of_memory(void)
{
    cnn_terminal_tell_memory();
    return CNN_FAILED;
}

cnn_status cnn_command_prepare(size_t threads, cnn_diag *diag)
{
    cnn_status status;

    if (threads == 0 && cnn_ranks())
        threads = cnn_cluster_threads(cnn_ranks());
    cnn_set_threads((int)threads);
    status = cnn_check_environment(diag);
    cnn_print_messages(diag);
    return status;
}

/* "ko" of a locale such as ko_KR.UTF-8; else "en". */
static const char *locale_language(void)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};
    const char *locale = NULL;

    for (size_t i = 0; i < sizeof names / sizeof *names && (!locale || !*locale); i++)
        locale = getenv(names[i]);
    return locale && strncmp(locale, "ko", 2) == 0 && strchr("_.@", locale[2]) ? "ko" : "en";
}

cnn_status cnn_command_speak(const char *language, cnn_diag *diag)
{
    return cnn_set_language(language ? language : locale_language(), diag);
}

cnn_status cnn_command_open(const char *path, const cnn_open_options *options, cnn_model **out,
                            cnn_diag *diag)
{
    cnn_status status;

    if (!path) {
        path = cnn_default_model();
        if (!path) {
            cnn_print_error(
                "no MODEL was given, and the model that ships with the program was not found");
            return CNN_INVALID;
        }
        cnn_print_note("no MODEL was given; using %s", path);
    }
    status = cnn_model_open(path, options, out, diag);
    cnn_print_messages(diag);
    return status;
}

void cnn_command_print_tta(cnn_tta tta)
{
    if (tta != CNN_TTA_NONE)
        printf("views      --tta %s: the mean over several views of each image\n",
               cnn_tta_name(tta));
}

void cnn_command_print_images(size_t images, const char *split, const char *asked)
{
    printf("images     %s of split %s", cnn_show_integer(images).text, split);
    if (!asked)
        asked = "test";
    /* A network that was chosen by its validation images is flattered by them. */
    if (strcmp(split, asked) != 0)
        printf(" (there are no %s images)", asked);
    printf("\n");
}

int cnn_command_show_progress(void *context, size_t images, size_t total)
{
    const char *const *what = context;
    char after[64];

    snprintf(after, sizeof after, "%zu of %zu images", images, total);
    cnn_terminal_progress(total > 0 ? (double)images / (double)total : 0, *what, after);
    return 0;
}

/* Async-signal-safe functions only. */
static void handle_signal(int number)
{
    (void)number;
    if (cnn_flag_raised(&stop))
        _exit(cnn_command_exit_status(CNN_INTERRUPTED));
    cnn_flag_raise(&stop);
    if (write(STDERR_FILENO, stop_note, strlen(stop_note)) < 0)
        return;
}

const cnn_flag *cnn_command_catch_signals(const char *note)
{
    struct sigaction action = {.sa_handler = handle_signal, .sa_flags = SA_RESTART}, before;

    stop_note = note;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    /* The terminal is gone; under nohup nobody is to care. */
    if (sigaction(SIGHUP, NULL, &before) == 0 && before.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &action, NULL);
    return &stop;
}
