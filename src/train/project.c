/* cnn_init: a directory to begin with, for somebody's own folder of images: a description, and a
 * page that says what to do with it. */
#define _XOPEN_SOURCE 700 /* realpath */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/model.h"
#include "model/propose.h"
#include "train/backbone.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/file.h"

enum {
    FEWEST_IMAGES = 10, /* to divide into training and validation at all */
    FEW_IMAGES = 20     /* of a class, below which a warning is due */
};

struct project {
    const cnn_init_options *options;
    struct cnn_arena *arena;
    const char *config, *readme, *weights, *data; /* paths; that of the data absolute */
    const char *name;
    struct cnn_glance glance;
    struct cnn_proposal proposal;
    struct cnn_backbone backbone; /* of options->from */
    cnn_model *model;             /* it; NULL: none */
    cnn_diag *diag;
};

static cnn_status refuse_existing(const struct project *p)
{
    const char *const files[] = {p->config, p->readme, p->weights};
    struct stat info;
    for (size_t i = 0; i < (p->options->from ? 3 : 2); i++) {
        if (lstat(files[i], &info) != 0) /* a link may lead to where nothing is yet */
            continue;
        cnn_fail(p->diag, CNN_INVALID, NULL, "%s is there already", files[i]);
        cnn_hint(p->diag, "name another directory; nothing is written over");
        return CNN_INVALID;
    }
    return CNN_OK;
}

/* The path as it is found from every directory. */
static cnn_status resolve_data(struct project *p)
{
    char absolute[PATH_MAX];
    if (!realpath(p->options->data_path, absolute))
        return cnn_fail(p->diag, CNN_FAILED, NULL, "cannot read the folder %s: %s",
                        p->options->data_path, strerror(errno));
    p->data = cnn_arena_strdup(p->arena, absolute);
    if (p->data && !cnn_utf8_valid(p->data, strlen(p->data)))
        return cnn_fail(p->diag, CNN_FAILED, NULL, "the path %s is not UTF-8 text", p->data);
    return p->data ? CNN_OK : cnn_fail_memory(p->diag, 0, "a path");
}

/* The name of the directory, or "network" where that is none, as in "." and "..". */
static const char *default_name(struct project *p)
{
    size_t length = strlen(p->options->directory), start;
    while (length > 0 && p->options->directory[length - 1] == '/')
        length--;
    for (start = length; start > 0 && p->options->directory[start - 1] != '/';)
        start--;
    if (start == length || p->options->directory[start] == '.')
        return "network";
    return cnn_arena_strndup(p->arena, p->options->directory + start, length - start);
}

static cnn_status prepare(struct project *p)
{
    const cnn_init_options *options = p->options;
    p->arena = cnn_arena_new();
    p->config = p->arena ? cnn_arena_printf(p->arena, "%s/config.yaml", options->directory) : NULL;
    p->readme = p->arena ? cnn_arena_printf(p->arena, "%s/README.md", options->directory) : NULL;
    p->weights =
        p->arena ? cnn_arena_printf(p->arena, "%s/backbone.safetensors", options->directory) : NULL;
    p->name = options->name ? options->name : p->arena ? default_name(p) : NULL;
    if (!p->config || !p->readme || !p->weights || !p->name)
        return cnn_fail_memory(p->diag, 0, "a path");
    cnn_status status = refuse_existing(p);
    return status == CNN_OK ? resolve_data(p) : status;
}

static cnn_status check_counts(const struct project *p)
{
    const struct cnn_glance *g = &p->glance;
    size_t fewest = 0, most = 0;
    if (g->images[CNN_SPLIT_TRAIN] < FEWEST_IMAGES) {
        cnn_fail(p->diag, CNN_FAILED, NULL, "%zu images in %s are too few to learn from",
                 g->images[CNN_SPLIT_TRAIN], p->options->data_path);
        cnn_hint(p->diag, "some fifty of each class are a beginning");
        return CNN_FAILED;
    }
    for (size_t i = 0; i < g->classes; i++) {
        fewest = g->class_images[i] < g->class_images[fewest] ? i : fewest;
        most = g->class_images[i] > most ? g->class_images[i] : most;
    }
    if (most < 2 && g->images[CNN_SPLIT_VAL] == 0)
        return cnn_fail(p->diag, CNN_FAILED, NULL,
                        "no class in %s has more than one image, so that none can be held back for "
                        "validation",
                        p->options->data_path);
    if (g->class_images[fewest] < FEW_IMAGES)
        cnn_warn(
            p->diag, NULL,
            "class '%s' has %zu training image%s: with so few, a network learns these pictures "
            "rather than the class",
            g->class_names[fewest], g->class_images[fewest],
            g->class_images[fewest] == 1 ? "" : "s");
    return CNN_OK;
}

/* A class's name as a cell of a table. */
static void write_cell(const char *name, struct cnn_text *out)
{
    for (; *name; name++)
        cnn_text_printf(out, strchr("|`\\<&", *name) ? "\\%c" : "%c",
                        iscntrl((unsigned char)*name) ? '?' : *name);
}

static void write_readme_data(const struct project *p, struct cnn_text *out)
{
    const struct cnn_glance *g = &p->glance;
    cnn_text_printf(out, "# ");
    write_cell(p->name, out);
    cnn_text_printf(out,
                    "\n\nTells %zu classes of images apart. `config.yaml` describes the network, "
                    "its data and how it is trained.\n\n",
                    g->classes);
    if (p->model) {
        cnn_text_printf(out, "`backbone.safetensors` has its layers as ");
        write_cell(p->options->from, out);
        cnn_text_printf(out, " left them; the last layer is new.\n\n");
    }
    cnn_text_printf(out, "Images: %zu to train with", g->images[CNN_SPLIT_TRAIN]);
    if (g->images[CNN_SPLIT_VAL] > 0)
        cnn_text_printf(out, ", %zu for validation", g->images[CNN_SPLIT_VAL]);
    else
        cnn_text_printf(out, ", of which %g %% are held back for validation",
                        100 * p->proposal.val_split);
    if (g->images[CNN_SPLIT_TEST] > 0)
        cnn_text_printf(out, ", and %zu to test with at the end", g->images[CNN_SPLIT_TEST]);
    cnn_text_printf(out, ".\n\n| class | training images |\n|---|---|\n");
    for (size_t i = 0; i < g->classes; i++) {
        cnn_text_printf(out, "| ");
        write_cell(g->class_names[i], out);
        cnn_text_printf(out, " | %zu |\n", g->class_images[i]);
    }
}

static const char advice[] =
    "- where the training accuracy is far above that of validation: more images, stronger "
    "`augment`, more `dropout`;\n"
    "- where both are low: more `filters`, more `epochs`, a larger `input`;\n";
static const char tuning_advice[] =
    "- where the loss rises as all layers begin to train (`freeze_epochs`): a lower `lr`, a lower "
    "`layer_decay`, or leave them frozen (no `freeze_epochs`);\n"
    "- where the training accuracy is far above that of validation: more images, stronger "
    "`augment`, fewer `epochs`;\n"
    "- where both are low: fewer layers below `freeze`, more `epochs`, or another backbone;\n";

static void write_readme_commands(const struct project *p, struct cnn_text *out)
{
    const char *split = p->glance.images[CNN_SPLIT_TEST] > 0 ? "" : " --split val",
               *program = cnn_program();
    struct cnn_text path = {0};
    cnn_text_printf(&path, "%s/run", p->options->directory);
    char *config = cnn_shell_word(p->config), *run = path.failed ? NULL : cnn_shell_word(path.data);
    if (!config || !run) {
        out->failed = true;
        goto out;
    }
    cnn_text_printf(out, "\n## What to do\n\n"
                         "From the directory in which `cnn init` was called:\n\n");
    cnn_text_printf(out,
                    "    %s data %s           # look at the images: copies, damaged files, what "
                    "training will see\n"
                    "    %s train %s --check  # would it train? how long?\n"
                    "    %s train %s -o %s\n",
                    program, config, program, config, program, config, run);
    cnn_text_printf(out,
                    "    %s eval %s%s\n"
                    "    %s predict %s PICTURE.jpg\n"
                    "    %s visualize %s PICTURE.jpg\n\n",
                    program, run, split, program, run, program, run);
    cnn_text_printf(out,
                    "`%s/report.html` shows the curves while it trains. Then\n\n%s"
                    "- look at the mistakes: `%s eval %s%s --gallery mistakes` - often it is the "
                    "folder that is wrong.\n",
                    path.data, p->model ? tuning_advice : advice, program, run, split);
out:
    cnn_free(config);
    cnn_free(run);
    cnn_text_free(&path);
}

static cnn_status write_readme(const struct project *p)
{
    struct cnn_text text = {0};
    write_readme_data(p, &text);
    write_readme_commands(p, &text);
    cnn_status status = text.failed ? cnn_fail_memory(p->diag, text.size, p->readme)
                                    : cnn_file_write(p->readme, text.data, text.size, p->diag);
    cnn_text_free(&text);
    return status;
}

/* The checkpoint's path as it is found from every directory. */
static cnn_status locate_weights(struct project *p)
{
    char here[PATH_MAX];
    const char *directory = *p->weights == '/' ? "" : getcwd(here, sizeof here);
    p->backbone.path = directory ? cnn_arena_printf(p->arena, "%s%s%s", directory,
                                                    *directory ? "/" : "", p->weights)
                                 : NULL;
    if (p->backbone.path && !cnn_utf8_valid(p->backbone.path, strlen(p->backbone.path)))
        return cnn_fail(p->diag, CNN_FAILED, NULL, "the path %s is not UTF-8 text",
                        p->backbone.path);
    return p->backbone.path ? CNN_OK : cnn_fail_memory(p->diag, 0, "a path");
}

/* Read as any description before it is written: its name may come from the command line. */
static cnn_status write_config(const struct project *p)
{
    struct cnn_text text = {0};
    cnn_model *model = NULL;
    cnn_status status =
        cnn_proposal_write(&p->proposal, &p->glance, p->name, p->data, &text, p->diag);
    if (status == CNN_OK)
        status = cnn_model_from_text(p->config, text.data, text.size, NULL, &model, p->diag);
    if (status == CNN_OK)
        status = cnn_make_directories(p->options->directory, p->diag);
    if (status == CNN_OK && p->model)
        status = cnn_model_write(p->model, p->weights, p->diag);
    if (status == CNN_OK)
        status = cnn_file_write(p->config, text.data, text.size, p->diag);
    if (status != CNN_OK && p->model)
        unlink(p->weights); /* it was not there before */
    cnn_model_free(model);
    cnn_text_free(&text);
    return status;
}

static cnn_status propose(struct project *p)
{
    if (!p->options->from) {
        cnn_propose(&p->glance, &p->proposal);
        return CNN_OK;
    }
    cnn_status status = cnn_backbone_open(p->options, p->glance.classes, p->arena, &p->model,
                                          &p->backbone, p->diag);
    if (status == CNN_OK)
        status = locate_weights(p);
    if (status == CNN_OK)
        cnn_propose_tuning(&p->glance, &p->backbone, &p->proposal);
    return status;
}

static void report(const struct project *p, cnn_init_result *out)
{
    const struct cnn_glance *g = &p->glance;
    *out = (cnn_init_result){.version = out->version,
                             .classes = g->classes,
                             .width = g->width,
                             .height = g->height,
                             .grey = g->grey};
    out->fewest = out->most = g->class_images[0];
    out->train_images = g->images[CNN_SPLIT_TRAIN];
    out->val_images = g->images[CNN_SPLIT_VAL];
    out->test_images = g->images[CNN_SPLIT_TEST];
    for (size_t i = 1; i < g->classes; i++) {
        out->fewest = g->class_images[i] < out->fewest ? g->class_images[i] : out->fewest;
        out->most = g->class_images[i] > out->most ? g->class_images[i] : out->most;
    }
    out->epochs = p->proposal.epochs;
    out->batch = p->proposal.batch;
    out->val_split = p->proposal.val_split;
    out->balanced = p->proposal.balanced;
}

cnn_status cnn_init(const cnn_init_options *options, cnn_init_result *out, cnn_diag *diag)
{
    if (!options || !options->directory || !options->data_path || !out)
        return cnn_fail_missing(diag, "cnn_init", "a directory, a data_path or out");
    if (options->version > CNN_INIT_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_init_options", options->version,
                                CNN_INIT_OPTIONS_VERSION);
    if (out->version > CNN_INIT_RESULT_VERSION)
        return cnn_fail_version(diag, "cnn_init_result", out->version, CNN_INIT_RESULT_VERSION);
    struct project p = {.options = options, .diag = diag};
    cnn_status status = prepare(&p);
    if (status == CNN_OK)
        status = cnn_glance_at(options->data_path, p.arena, &p.glance, diag);
    if (status == CNN_OK)
        status = check_counts(&p);
    if (status == CNN_OK)
        status = propose(&p);
    if (status == CNN_OK)
        status = write_config(&p);
    if (status == CNN_OK)
        status = write_readme(&p);
    if (status == CNN_OK)
        report(&p, out);
    cnn_model_free(p.model);
    cnn_arena_free(p.arena);
    return status;
}
