/* A command of the program: one file with settings, option table and descriptor. Also what several
 * commands do alike. */
#ifndef CNN_CLI_COMMAND_H
#define CNN_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "cnn.h"
#include "options.h"

struct cnn_command {
    const char *name;
    const char *synopsis;       /* what follows the name */
    const char *summary;        /* one line */
    const char *details;        /* paragraphs for its help, each line ended; NULL: none */
    void (*list)(FILE *stream); /* what the details end with that is made of a list; NULL: nothing
                                 */
    const struct cnn_option *options;
    size_t settings_size;
    size_t operands_min, operands_max;
    bool shared; /* processes that mpirun has started work on it together */
    /* settings: as read by the option table. diag: empty; what is left in it is printed when the
     * command has ended. */
    cnn_status (*run)(const void *settings, char *const *operands, size_t operand_count,
                      cnn_diag *diag);
};

extern const struct cnn_command cnn_command_init, cnn_command_train, cnn_command_data,
    cnn_command_eval, cnn_command_compare, cnn_command_predict, cnn_command_explain,
    cnn_command_visualize, cnn_command_featmaps, cnn_command_summary, cnn_command_report,
    cnn_command_lab, cnn_command_quantize, cnn_command_similar, cnn_command_import,
    cnn_command_export, cnn_command_verify, cnn_command_bench, cnn_command_help;

/* Every command, in the order of the help; ends with NULL. */
extern const struct cnn_command *const cnn_commands[];
const struct cnn_command *cnn_command_find(const char *name); /* NULL where there is none */

/* Usage, and one line for each command. */
void cnn_print_overview(FILE *stream);

/* Before anything is computed: sets the threads (0: the cores present) and checks the environment.
 * Messages are printed. */
cnn_status cnn_command_prepare(size_t threads, cnn_diag *diag);

/* The language of pages: as asked for, NULL: that of the locale where there is one, else English.
 */
cnn_status cnn_command_speak(const char *language, cnn_diag *diag);

/* Opens the model, where path is NULL the default one (and says so). Messages are printed. */
cnn_status cnn_command_open(const char *path, const cnn_open_options *options, cnn_model **out,
                            cnn_diag *diag);

/* A line of the results that says which views were used; nothing where there are none. */
void cnn_command_print_tta(cnn_tta tta);

/* The line of the results that says which images were used. asked: the split that was wanted, NULL
 * for test; others may have stood in. */
void cnn_command_print_images(size_t images, const char *split, const char *asked);

/* The progress of images that are gone through, a cnn_progress_function. context: the word that
 * says what for, a const char **. */
int cnn_command_show_progress(void *context, size_t images, size_t total);

/* From here on SIGINT, SIGTERM and SIGHUP raise the flag that is returned, and a second one ends
 * the program at once. note is shown when the first comes. */
const cnn_flag *cnn_command_catch_signals(const char *note);

/* What the program exits with: 0, 1 (it failed), 2 (the command line or the description is wrong)
 * or 130 (interrupted, as shells know it). */
int cnn_command_exit_status(cnn_status status);

/* A message for memory that ran out; returns CNN_FAILED. */
cnn_status cnn_command_out_of_memory(void);

#endif
