/* The inputs of a command line that stand for images. */
#include "inputs.h"

#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "paths.h"
#include "show.h"
#include "terminal.h"

void cnn_inputs_note_pixels(const cnn_model *model, const char *input)
{
    char *word;

    if (!cnn_model_pixels_guessed(model) || (input && cnn_path_holds_numbers(input)))
        return;
    word = cnn_shell_word(cnn_model_source(model));
    cnn_print_note("guessed: pixels go in as numbers from 0 to 1, for %s does not say; to say it: "
                   "%s import %s --normalize HOW",
                   cnn_show_text(cnn_model_source(model)).text, cnn_program(),
                   word ? word : "FILE");
    cnn_free(word);
}

static bool named_like_model(const char *path)
{
    /* the last ones are imported before they are models: who opens them says so */
    static const char *const endings[] = {".yaml",     ".yml",        ".safetensors", ".onnx",
                                          ".prototxt", ".caffemodel", ".cfg",         ".weights",
                                          ".pth",      ".pt"};

    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        if (cnn_path_ends(path, endings[i]))
            return true;
    }
    return false;
}

/* Takes path over, also when it fails. */
static bool push(struct cnn_inputs *inputs, char *path)
{
    if (path && inputs->count == inputs->capacity) {
        size_t capacity = inputs->capacity == 0 ? 16 : 2 * inputs->capacity;
        char **paths = capacity <= SIZE_MAX / sizeof *paths
                           ? realloc(inputs->paths, capacity * sizeof *paths)
                           : NULL;

        if (!paths) {
            free(path);
            path = NULL;
        } else {
            inputs->paths = paths;
            inputs->capacity = capacity;
        }
    }
    if (!path) {
        cnn_command_out_of_memory();
        return false;
    }
    inputs->paths[inputs->count++] = path;
    return true;
}

/* Adds the images of a folder. inputs: NULL: none is added, *found says whether there is one. */
static bool read_folder(const char *folder, int depth, struct cnn_inputs *inputs, bool *found)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    bool done = true;

    if (!directory) {
        if (inputs)
            cnn_print_error("%s: %s", folder, strerror(errno));
        return false;
    }
    while (done && !(!inputs && *found) && (entry = readdir(directory))) {
        char *path;

        if (entry->d_name[0] == '.')
            continue;
        path = cnn_path_join(folder, entry->d_name);
        if (path && cnn_path_is_folder(path)) {
            done = depth == 0 || read_folder(path, depth - 1, inputs, found);
        } else if (!path || cnn_image_readable(path)) {
            *found = true;
            if (inputs) {
                done = push(inputs, path);
                continue;
            }
        }
        free(path);
    }
    closedir(directory);
    return done;
}

bool cnn_inputs_add(struct cnn_inputs *inputs, const char *path)
{
    size_t before = inputs->count;
    bool found = false;

    if (!cnn_path_is_folder(path))
        return push(inputs, strdup(path));
    if (!read_folder(path, 1, inputs, &found))
        return false;
    if (!found) {
        cnn_print_error("%s: no %s file in this folder", path, cnn_image_kinds());
        return false;
    }
    qsort(inputs->paths + before, inputs->count - before, sizeof *inputs->paths, cnn_path_compare);
    return true;
}

void cnn_inputs_free(struct cnn_inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        free(inputs->paths[i]);
    free(inputs->paths);
}

bool cnn_inputs_hold(const char *path)
{
    bool found = false;

    return cnn_path_is_folder(path) && read_folder(path, 1, NULL, &found) && found;
}

cnn_status cnn_inputs_load(const cnn_model *model, const char *input, float *pixels,
                           cnn_data_image **image, cnn_diag *diag)
{
    cnn_status status;

    *image = NULL;
    if (!cnn_data_image_named(input))
        return cnn_model_load_input(model, input, pixels, diag);
    status = cnn_data_image_open(input, image, diag);
    return status == CNN_OK ? cnn_model_load_pixels(model, &(*image)->pixels, pixels, diag)
                            : status;
}

/* Whether a file begins as pictures do: those that can be read, and others, which the reader knows
 * by name. */
static bool begins_like_picture(const unsigned char *head, size_t size)
{
    static const char *const marks[] = {"\x89PNG", "\xFF\xD8\xFF", "BM", "GIF8",
                                        "RIFF",    "II*",          "MM"};

    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        if (size >= strlen(marks[i]) && memcmp(head, marks[i], strlen(marks[i])) == 0)
            return true;
    }
    return size >= 8 && memcmp(head + 4, "ftyp", 4) == 0;
}

/* The length of the header, eight bytes, and then its JSON. */
static bool begins_like_checkpoint(const unsigned char *head, size_t size)
{
    return size >= 9 && memcmp(head + 4, "\0\0\0", 4) == 0 && head[8] == '{';
}

static size_t read_head(const char *path, unsigned char *head, size_t size)
{
    FILE *file = fopen(path, "rb");
    size_t got = file ? fread(head, 1, size, file) : 0;

    if (file)
        fclose(file);
    return got;
}

enum kind { MODEL, INPUT, NEITHER, ABSENT };

static enum kind kind_of(const char *path)
{
    unsigned char head[16];
    struct stat info;
    bool there = stat(path, &info) == 0, found = false;

    if (there && S_ISDIR(info.st_mode)) {
        if (cnn_path_is_run(path))
            return MODEL;
        /* one that cannot be read is no reason to take it for something else: who reads it says why
         */
        return !read_folder(path, 1, NULL, &found) || found ? INPUT : NEITHER;
    }
    if (cnn_data_image_named(path))
        return INPUT;
    if (named_like_model(path))
        return MODEL;
    if (strcmp(path, "-") == 0 || cnn_image_readable(path) || cnn_path_holds_numbers(path))
        return INPUT;
    if (!there)
        return ABSENT;
    /* from a pipe nothing can be read twice */
    return !S_ISREG(info.st_mode) || begins_like_picture(head, read_head(path, head, sizeof head))
               ? INPUT
               : NEITHER;
}

/* "cifar10:tset:1" */
static bool almost_data_image(const char *path)
{
    const char *number = strrchr(path, ':');

    return number && memchr(path, ':', (size_t)(number - path)) &&
           strspn(number + 1, "0123456789") == strlen(number + 1);
}

static cnn_status fail_absent(const char *path)
{
    const char *reason = strerror(errno);
    char *near = cnn_nearest_path(path);

    cnn_print_error("cannot read %s: %s", path, reason);
    if (near)
        cnn_print_hint("did you mean '%s'?", near);
    else if (almost_data_image(path))
        cnn_print_hint("an image of a data set is SET:SPLIT:NUMBER; SPLIT is train, val or test");
    cnn_free(near);
    return CNN_FAILED;
}

static cnn_status fail_neither(const char *path)
{
    unsigned char head[16];

    if (cnn_path_is_folder(path)) {
        cnn_print_error("%s is neither the directory of a run nor a folder of %s files", path,
                        cnn_image_kinds());
        if (cnn_path_holds(path, "config.yaml"))
            cnn_print_hint("it holds a description, config.yaml, but no trained model; that is in "
                           "the directory that training names");
        return CNN_INVALID;
    }
    cnn_print_error(
        "%s is neither a picture nor a model: a .yaml, .safetensors or .onnx file, or a run "
        "directory",
        path);
    if (begins_like_checkpoint(head, read_head(path, head, sizeof head)))
        cnn_print_hint("it seems to be a checkpoint; let its name end in .safetensors");
    return CNN_INVALID;
}

cnn_status cnn_inputs_find_model(char *const *operands, size_t count, size_t *model)
{
    *model = count;
    for (size_t i = 0; i < count; i++) {
        if (kind_of(operands[i]) != MODEL)
            continue;
        if (*model < count) {
            cnn_print_error("%s and %s are both models; what is the input?", operands[*model],
                            operands[i]);
            return CNN_INVALID;
        }
        *model = i;
    }
    if (count == 1 && *model == 0) {
        cnn_print_error("%s is the model; what is the input?", operands[0]);
        return CNN_INVALID;
    }
    for (size_t i = 0; i < count && *model == count; i++) {
        enum kind kind = kind_of(operands[i]);

        if (kind == ABSENT || kind == NEITHER)
            return (kind == ABSENT ? fail_absent : fail_neither)(operands[i]);
    }
    return CNN_OK;
}

static cnn_status fail_pictures(const char *path)
{
    char *word = cnn_shell_word(path);

    cnn_print_error("%s is a folder, and one picture is wanted", path);
    cnn_print_hint("give one of its files; '%s predict %s' takes all", cnn_program(),
                   word ? word : path);
    cnn_free(word);
    return CNN_INVALID;
}

cnn_status cnn_inputs_tell_apart(char *const *operands, size_t count, const char **model,
                                 const char **input)
{
    size_t at;
    cnn_status status = CNN_OK;

    for (size_t i = 0; i < count; i++) {
        if (strcmp(operands[i], "-") != 0 && !cnn_data_image_named(operands[i]) &&
            access(operands[i], F_OK) != 0)
            return fail_absent(operands[i]);
    }
    status = cnn_inputs_find_model(operands, count, &at);
    if (status == CNN_OK && count == 2 && at == count) {
        cnn_print_error(
            "neither %s nor %s is a model: a .yaml, .safetensors or .onnx file, or a run directory",
            operands[0], operands[1]);
        status = CNN_INVALID;
    }
    *model = at < count ? operands[at] : NULL;
    *input = operands[at == 0 && count > 1];
    return status == CNN_OK && cnn_path_is_folder(*input) ? fail_pictures(*input) : status;
}

static cnn_status fail_run(const char *path)
{
    char *word = cnn_shell_word(path);
    const char *run = word ? word : path;

    cnn_print_error("%s is the directory of a run, and no description", path);
    cnn_print_hint("go on with it: %s train --resume %s; begin anew: %s train %s/config.yaml",
                   cnn_program(), run, cnn_program(), run);
    cnn_free(word);
    return CNN_INVALID;
}

static cnn_status fail_checkpoint(const char *path)
{
    char *word = cnn_shell_word(path);
    const char *file = word ? word : path;

    cnn_print_error("%s is a checkpoint, and no description", path);
    cnn_print_hint("to train on from it: %s summary %s --yaml > net.yaml; %s train net.yaml "
                   "--weights %s",
                   cnn_program(), file, cnn_program(), file);
    cnn_free(word);
    return CNN_INVALID;
}

/* What training cannot begin with before it is imported; the first is read as it is. */
static const struct foreign {
    const char *ending, *name, *also; /* also: what import wants besides */
} foreign[] = {{".onnx", "an ONNX file", NULL},
               {".prototxt", "a network of Caffe", "FILE.caffemodel"},
               {".caffemodel", "a file of Caffe's weights", "FILE.prototxt"},
               {".cfg", "a network of Darknet", "FILE.weights"},
               {".weights", "a file of Darknet's weights", "FILE.cfg"},
               {".pth", "a file of PyTorch's weights", "--as DESCRIPTION"},
               {".pt", "a file of PyTorch's weights", "--as DESCRIPTION"}};

/* Whether one of the first lines is a [section], of which Darknet's .cfg consist; others call
 * theirs so, too. */
static bool has_section(const char *path)
{
    char head[1024] = "\n";

    read_head(path, (unsigned char *)head + 1, sizeof head - 2);
    return strstr(head, "\n[") != NULL;
}

static const struct foreign *find_foreign(const char *path)
{
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (cnn_path_ends(path, foreign[i].ending))
            return strcmp(foreign[i].ending, ".cfg") != 0 || has_section(path) ? &foreign[i] : NULL;
    }
    return NULL;
}

static cnn_status fail_foreign(const char *path, const struct foreign *kind)
{
    char *word = cnn_shell_word(path);
    const char *file = word ? word : path;

    cnn_print_error("%s is %s, and no description", path, kind->name);
    if (!kind->also)
        cnn_print_hint("to train it on the pictures in FOLDER: %s init my-project FOLDER --from %s",
                       cnn_program(), file);
    else
        cnn_print_hint("to train it on the pictures in FOLDER: %s import %s %s, and then %s init "
                       "my-project FOLDER --from MODEL.safetensors",
                       cnn_program(), file, kind->also, cnn_program());
    cnn_free(word);
    return CNN_INVALID;
}

static cnn_status fail_folder(const char *path)
{
    char *word = cnn_shell_word(path);

    cnn_print_error("%s is a folder without a config.yaml, and no description", path);
    cnn_print_hint("to begin with the pictures of a folder: %s init my-project %s", cnn_program(),
                   word ? word : path);
    cnn_free(word);
    return CNN_INVALID;
}

cnn_status cnn_inputs_config(const char *path, bool trained, char **out)
{
    bool there = access(path, F_OK) == 0;

    if (!trained && there && cnn_path_ends(path, ".safetensors"))
        return fail_checkpoint(path);
    if (!trained && there && !cnn_path_is_folder(path) && find_foreign(path))
        return fail_foreign(path, find_foreign(path));
    if (!trained && cnn_path_is_run(path))
        return fail_run(path);
    if (cnn_path_is_folder(path) && !cnn_path_is_run(path) &&
        !cnn_path_holds(path, "config.yaml") && errno != EACCES)
        return fail_folder(path);
    *out = cnn_path_is_folder(path) && !cnn_path_is_run(path) ? cnn_path_join(path, "config.yaml")
                                                              : strdup(path);
    return *out ? CNN_OK : cnn_command_out_of_memory();
}

cnn_status cnn_inputs_spare(const char *output, const char *input, const char *option)
{
    struct stat a, b;

    if (stat(output, &a) != 0 || stat(input, &b) != 0 || a.st_dev != b.st_dev ||
        a.st_ino != b.st_ino)
        return CNN_OK;
    cnn_print_error("%s would be replaced by what is made of it", cnn_show_text(output).text);
    cnn_print_hint("name another file with %s", option);
    return CNN_INVALID;
}
