/* Options of other programs (PyTorch's examples, Keras, YOLO, Darknet): which option here does the
 * same, or which key of the description. Keys come from the library's reference. */
#include "foreign.h"

#include <string.h>

#include "terminal.h"
#include "topics.h"

enum { NAME_BYTES = 64 };

/* names: folded, with blanks between, at both ends too. own: an option; with --set before it, the
 * key of the description and a value; else a topic of the help. */
static const struct foreign {
    const char *names, *own;
} foreign[] = {
    {" e ep epoch n_epochs num_epochs nb_epochs max_epochs ", "epochs"},
    {" b bs batch batchsize minibatch mini_batch minibatch_size mb ", "batch-size"},
    {" b batch_size batchsize minibatch mini_batch ", "batch"},
    {" l learning_rate learningrate base_lr init_lr lr0 ", "lr"},
    {" s random_seed manual_seed random_state rng ", "seed"},
    {" j t workers num_workers n_workers nthreads num_threads n_jobs cpus cores ", "threads"},
    {" out outdir output_dir out_dir save_dir save_to log_dir logdir exp_name project name ",
     "output"},
    {" d dataset_path dataset_dir data_dir data_path data_root root train_dir ", "data"},
    {" w load checkpoint ckpt init_weights load_weights model_path ", "weights"},
    {" pretrained finetune fine_tune transfer transfer_learning ", "from"},
    {" r restore continue resume_from ", "resume"},
    {" dry_run sanity_check validate_only ", "check"},
    {" k topk ", "top"},
    {" optim ", "--set train.optimizer="},
    {" wd decay l2 ", "--set train.optimizer.weight_decay="},
    {" scheduler lr_scheduler lr_schedule lr_policy ", "--set train.schedule="},
    {" warmup burn_in ", "--set train.schedule.warmup_epochs="},
    {" clip grad_clip clip_grad gradient_clip max_grad_norm ", "--set train.clip_norm="},
    {" fp16 bf16 amp half mixed_precision ", "--set precision=bf16"},
    {" imgsz img_size image_size input_size img resize size ", "--set input="},
    {" iters iter max_iter max_steps num_steps max_batches ", "--set train.steps="},
    {" log_interval print_freq log_freq log_steps ", "--set train.log_every="},
    {" save_interval save_freq save_steps save_period ", "--set train.save_every="},
    {" validation_split val_size val_fraction val_ratio ", "--set data.val_split="},
    {" augmentation augmentations transforms ", "--set data.augment="},
    {" gpus cuda no_cuda use_gpu use_cuda ngpu device_ids local_rank world_size ", "gpu"},
    {" arch backbone net num_classes classes nc n_classes ", "layers"},
};

/* Where the keys of a group stand, the likeliest first. */
static const char *const places[][2] = {
    {"top level", ""},
    {"train", "train."},
    {"data", "data."},
    {"loss", "loss."},
    {"optimizer", "train.optimizer."},
    {"early_stopping", "train.early_stopping."},
    {"ema", "train.ema."},
    {"schedule", "train.schedule."},
};

/* The first record from *next on that has the name, and the one behind it; NULL: none. */
static const char *foreign_find(const char *name, size_t *next)
{
    char word[NAME_BYTES] = " ";
    size_t length;

    cnn_topic_fold(name, word + 1, sizeof word - 2);
    length = strlen(word);
    word[length] = ' ';
    word[length + 1] = '\0';
    while (length > 1 && *next < sizeof foreign / sizeof *foreign) {
        const struct foreign *record = &foreign[(*next)++];

        if (strstr(record->names, word))
            return record->own;
    }
    return NULL;
}

/* The command's option of that name, but for its case and dashes. */
static const char *option_shown(const struct cnn_command *command, const char *name)
{
    char word[NAME_BYTES], own[NAME_BYTES];

    cnn_topic_fold(name, word, sizeof word);
    for (const struct cnn_option *option = command->options; option->name; option++) {
        cnn_topic_fold(option->name, own, sizeof own);
        if (option->help && strcmp(own, word) == 0)
            return option->name;
    }
    return NULL;
}

const char *cnn_foreign_option(const struct cnn_command *command, const char *name)
{
    const char *found = option_shown(command, name), *own;
    size_t next = 0;

    while (!found && (own = foreign_find(name, &next)))
        found = option_shown(command, own);
    return found;
}

static bool group_has(const char *group, const char *key)
{
    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        cnn_section_info section = cnn_reference_section(i);

        for (size_t k = 0; strcmp(section.group, group) == 0 && k < section.keys; k++) {
            if (strcmp(cnn_reference_key(i, k).name, key) == 0)
                return true;
        }
    }
    return false;
}

/* Where the key stands in a description, "train."; NULL where it is none. */
static const char *place_of(const char *key)
{
    for (size_t i = 0; key[0] != '\0' && i < sizeof places / sizeof *places; i++) {
        if (group_has(places[i][0], key))
            return places[i][1];
    }
    return NULL;
}

/* Whether `cnn help` has something to say of the word. */
static bool help_has(const char *word)
{
    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        cnn_section_info section = cnn_reference_section(i);

        if (strcmp(section.name, word) == 0 || group_has(section.group, word))
            return true;
    }
    return cnn_topic_text(word, NULL) || cnn_reference_word(word);
}

bool cnn_foreign_known(const char *name)
{
    char key[NAME_BYTES];
    size_t next = 0;

    cnn_topic_fold(name, key, sizeof key);
    return foreign_find(name, &next) || help_has(key);
}

void cnn_foreign_hint(const struct cnn_command *command, const char *name)
{
    size_t next = 0;
    const char *own = foreign_find(name, &next);
    bool sets = option_shown(command, "set") != NULL;
    char key[NAME_BYTES];

    cnn_topic_fold(name, key, sizeof key);
    if (own && own[0] == '-' && sets)
        cnn_print_hint("a key of the description: %s%s", own,
                       own[strlen(own) - 1] == '=' ? "..." : "");
    else if (!own && sets && place_of(key))
        cnn_print_hint("a key of the description: --set %s%s=...", place_of(key), key);
    else if (own && own[0] != '-')
        cnn_print_hint("'%s help %s' says more", cnn_program(), own);
    else if (help_has(key))
        cnn_print_hint("'%s help %s' says more", cnn_program(), key);
}
