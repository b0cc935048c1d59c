/* cnn import: a model from what another program wrote. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "inputs.h"
#include "json.h"
#include "show.h"
#include "terminal.h"

struct settings {
    const char *output, *input, *normalize, *classes, *image, *name, *as, *rename, *channels,
        *darknet;
    bool json;
    size_t threads;
};

static const struct cnn_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, output),
     .argument = "FILE",
     .help = "the checkpoint (default: <name>.safetensors)"},
    {.name = "input",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, input),
     .argument = "CxHxW",
     .help = "size of an image, if the file does not fix it: 3x224x224"},
    {.name = "normalize",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, normalize),
     .argument = "HOW",
     .words = "imagenet none",
     .help =
         "normalisation of pixels: imagenet, none, or MEANS/DEVIATIONS: 0.5,0.5,0.5/0.2,0.2,0.2"},
    {.name = "classes",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, classes),
     .argument = "FILE",
     .help = "names of the classes, one per line"},
    {.name = "image",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, image),
     .argument = "FILE",
     .help = "compare the layers on this image, too"},
    {.name = "name",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, name),
     .argument = "NAME",
     .help = "name of the network (default: the file's; with Caffe, the one in the file)"},
    {.name = "as",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, as),
     .argument = "DESCRIPTION",
     .help = "the description for a file that has only weights: .pth, .pt, .safetensors"},
    {.name = "rename",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, rename),
     .argument = "FILE",
     .help = "assigns weights to layers: their name and ours in each line"},
    {.name = "channels",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, channels),
     .argument = "ORDER",
     .words = "bgr rgb",
     .help = "channel order of a network of Caffe: bgr or rgb (default: bgr)"},
    {.name = "darknet",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, darknet),
     .argument = "WHOSE",
     .words = "alexeyab pjreddie",
     .help =
         "kind of batch_norm in a network of Darknet: alexeyab or pjreddie (default: alexeyab)"},
    CNN_OPTION_JSON(struct settings),
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

static cnn_status wrong(const char *option, const char *word, const char *like)
{
    cnn_print_error("%s is not '%s': it is like %s", option, cnn_show_text(word).text, like);
    return CNN_INVALID;
}

static cnn_status read_shape(const char *word, cnn_shape *out)
{
    size_t sizes[3];
    const char *at = word;

    for (size_t i = 0; word && i < 3; i++) {
        char *end;
        unsigned long value = strtoul(at, &end, 10);
        if (*at < '0' || *at > '9' || value == 0 || value > 65536 || *end != (i < 2 ? 'x' : '\0'))
            return wrong("--input", word, "3x224x224");
        sizes[i] = value;
        at = end + 1;
    }
    if (word)
        *out = (cnn_shape){3, sizes[0], sizes[1], sizes[2]};
    return CNN_OK;
}

/* Numbers with commas between, which end at `end`; how many, 0 where that is not so. */
static size_t read_numbers(const char **at, char end, double *out)
{
    for (size_t i = 0; i < 4; i++) {
        char *behind;
        out[i] = strtod(*at, &behind);
        if (behind == *at || !(out[i] > -1e6 && out[i] < 1e6))
            return 0;
        *at = behind + 1;
        if (*behind == end)
            return i + 1;
        if (*behind != ',')
            return 0;
    }
    return 0;
}

static cnn_status fail_normalize(const char *word)
{
    static const char *const words[] = {"imagenet", "none"};
    const char *near = cnn_options_nearest(word, words, 2);

    wrong("--normalize", word, "0.5,0.5,0.5/0.2,0.2,0.2 or imagenet");
    if (near)
        cnn_print_hint("did you mean '%s'?", near);
    return CNN_INVALID;
}

struct normalization {
    double mean[4], std[4];
};

static cnn_status read_normalize(const char *word, struct normalization *numbers,
                                 cnn_import_options *out)
{
    const char *at = !word                           ? ""
                     : strcmp(word, "imagenet") == 0 ? "0.485,0.456,0.406/0.229,0.224,0.225"
                                                     : word;
    size_t means, deviations;

    if (!word)
        return CNN_OK;
    if (strcmp(word, "none") == 0) {
        out->normalize = true;
        return CNN_OK;
    }
    means = read_numbers(&at, '/', numbers->mean);
    deviations = means > 0 ? read_numbers(&at, '\0', numbers->std) : 0;
    out->normalize = means > 0 && means == deviations;
    out->mean = numbers->mean;
    out->std = numbers->std;
    out->mean_count = means;
    return out->normalize ? CNN_OK : fail_normalize(word);
}

/* The place of word among two words; *out stays where there is none. */
static cnn_status read_word(const char *option, const char *word, const char *const *words,
                            int *out)
{
    for (int i = 0; word && i < 2; i++) {
        if (strcmp(word, words[i]) == 0) {
            *out = i;
            return CNN_OK;
        }
    }
    return word ? wrong(option, word, words[0]) : CNN_OK;
}

static cnn_status read_words(const struct settings *settings, cnn_import_options *out)
{
    static const char *const orders[] = {"rgb", "bgr"}, *const kinds[] = {"alexeyab", "pjreddie"};
    int order = -1, kind = 0;
    cnn_status status = read_word("--channels", settings->channels, orders, &order);

    if (status == CNN_OK)
        status = read_word("--darknet", settings->darknet, kinds, &kind);
    if (order >= 0)
        out->channels = order == 0 ? CNN_CHANNELS_RGB : CNN_CHANNELS_BGR;
    out->darknet = kind == 0 ? CNN_DARKNET_ALEXEYAB : CNN_DARKNET_PJREDDIE;
    return status;
}

struct names {
    char *text;
    const char **items;
    size_t count;
};

static cnn_status fail_blank(const char *path, size_t line)
{
    cnn_print_error("%s:%zu: a blank line, where each has the name of a class",
                    cnn_show_text(path).text, line);
    return CNN_FAILED;
}

/* Blank lines may stand at the end alone: in the middle one would be a class, or shift those behind
 * it. */
static cnn_status split_names(const char *path, struct names *names)
{
    size_t lines = 1, number = 0, blank = 0;

    for (const char *c = names->text; *c != '\0'; c++)
        lines += *c == '\n';
    names->items = calloc(lines, sizeof *names->items);
    if (!names->items)
        return cnn_command_out_of_memory();
    for (char *line = names->text; line && *line != '\0';) {
        char *end = strchr(line, '\n'), *next = end ? end + 1 : NULL;
        number++;
        if (end)
            *end = '\0';
        line[strcspn(line, "\r")] = '\0';
        if (line[strspn(line, " \t")] == '\0')
            blank = blank > 0 ? blank : number;
        else if (blank > 0)
            return fail_blank(path, blank);
        else
            names->items[names->count++] = line;
        line = next;
    }
    if (names->count > 0)
        return CNN_OK;
    cnn_print_error("%s holds no names", cnn_show_text(path).text);
    return CNN_FAILED;
}

static cnn_status fail_unread(const char *path, int error)
{
    cnn_print_error("cannot read %s: %s", cnn_show_text(path).text, strerror(error));
    return CNN_FAILED;
}

/* A pipe is read, as the shell's <(...) makes one, but nobody waits for a writer who is not there.
 */
static FILE *open_list(const char *path)
{
    int descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (descriptor >= 0)
        fcntl(descriptor, F_SETFL, 0);
    return descriptor >= 0 ? fdopen(descriptor, "r") : NULL;
}

static cnn_status read_names(const char *path, struct names *names)
{
    enum { MOST = 1 << 22 };
    FILE *file = path ? open_list(path) : NULL;
    size_t size;
    int error;

    if (!path)
        return CNN_OK;
    if (!file)
        return fail_unread(path, errno);
    names->text = calloc(MOST + 1, 1);
    size = names->text ? fread(names->text, 1, MOST, file) : 0;
    error = ferror(file) != 0 ? errno : 0;
    fclose(file);
    if (!names->text)
        return cnn_command_out_of_memory();
    if (error != 0)
        return fail_unread(path, error);
    if (size == MOST || strlen(names->text) != size) {
        cnn_print_error("%s is no list of names", cnn_show_text(path).text);
        return CNN_FAILED;
    }
    return split_names(path, names);
}

static void print_table(const cnn_import_info *info)
{
    cnn_json_open("table", '[');
    for (size_t i = 0; i < info->row_count; i++) {
        const cnn_import_row *row = &info->rows[i];
        cnn_json_open(NULL, '{');
        cnn_json_text("from", row->from);
        cnn_json_text("to", row->to);
        cnn_json_text("type", row->type);
        cnn_json_text("shape", row->shape);
        cnn_json_text("how", row->how);
        cnn_json_close();
    }
    cnn_json_close();
}

static void print_json(const char *path, const cnn_model *model, const cnn_import_info *info)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("file", path);
    cnn_json_text("producer", info->producer);
    cnn_json_count("opset", (uint64_t)info->opset);
    cnn_json_count("nodes", info->nodes);
    cnn_json_count("layers", info->layers);
    cnn_json_count("compared", info->compared);
    cnn_json_real("error", info->error);
    cnn_json_text("worst", info->worst);
    cnn_json_text("notes", info->notes);
    cnn_json_text("name", cnn_model_name(model));
    if (info->row_count > 0)
        print_table(info);
    cnn_json_close();
}

/* Lines may hold names that the file gives. */
static void print_notes(const char *notes)
{
    while (*notes != '\0') {
        size_t length = strcspn(notes, "\n");
        char line[512];

        snprintf(line, sizeof line, "%.*s", (int)length, notes);
        printf("           %s\n", cnn_show_text(line).text);
        notes += length + (notes[length] == '\n');
    }
}

/* What went where, of a file of weights. */
static void print_rows(const cnn_import_info *info)
{
    for (size_t i = 0; i < info->row_count; i++) {
        const cnn_import_row *row = &info->rows[i];
        printf("           %-28s ", cnn_show_text(row->from).text);
        printf("-> %-20s %s, %s, %s%s\n", cnn_show_text(row->to).text, row->type, row->shape,
               strcmp(row->how, "renamed") == 0 ? "" : "by ", row->how);
    }
}

static void print_human(const char *path, const cnn_model *model, const cnn_import_info *info)
{
    const char *producer = *info->producer != '\0' ? info->producer : "an unknown program";
    bool weights = info->row_count > 0;

    printf("model      %s (%s", cnn_show_text(cnn_model_name(model)).text,
           cnn_show_text(producer).text);
    if (info->opset > 0)
        printf(", opset %lld", (long long)info->opset);
    printf(")\n");
    if (weights)
        printf("weights    %s tensors, of %s layers\n", cnn_show_integer(info->nodes).text,
               cnn_show_integer(info->row_count).text);
    else
        printf("layers     %s, from %s %s of the file\n", cnn_show_integer(info->layers).text,
               cnn_show_integer(info->nodes).text, info->opset > 0 ? "nodes" : "layers");
    print_rows(info);
    print_notes(info->notes);
    if (!weights) {
        printf("compared   %s layers with the file's own graph: %.1e of the largest number at most",
               cnn_show_integer(info->compared).text, info->error);
        if (*info->worst != '\0')
            printf(", in '%s'", cnn_show_text(info->worst).text);
        putchar('\n');
    }
    printf("written    %s\n", cnn_show_text(path).text);
}

/* What is read is not written over. */
static cnn_status spare_inputs(const struct settings *settings, char *const *files, size_t count,
                               const char *output)
{
    cnn_status status = settings->as ? cnn_inputs_spare(output, settings->as, "-o") : CNN_OK;

    for (size_t i = 0; status == CNN_OK && i < count; i++)
        status = cnn_inputs_spare(output, files[i], "-o");
    return status;
}

static cnn_status import(const struct settings *settings, char *const *files, size_t count,
                         cnn_diag *diag)
{
    cnn_import_options import_options = CNN_IMPORT_OPTIONS_INIT;
    struct normalization numbers;
    struct names names = {NULL, NULL, 0};
    cnn_import_info info = {0};
    cnn_model *model = NULL;
    char own_path[160]; /* names have at most a hundred characters */
    const char *output = settings->output;
    cnn_status status = read_shape(settings->input, &import_options.input);

    if (status == CNN_OK)
        status = read_normalize(settings->normalize, &numbers, &import_options);
    if (status == CNN_OK)
        status = read_words(settings, &import_options);
    if (status == CNN_OK)
        status = read_names(settings->classes, &names);
    import_options.name = settings->name;
    import_options.image = settings->image;
    import_options.as = settings->as;
    import_options.rename = settings->rename;
    import_options.classes = names.items;
    import_options.class_count = names.count;
    import_options.classes_file = settings->classes;
    if (status == CNN_OK && output)
        status = spare_inputs(settings, files, count, output);
    if (status == CNN_OK && output)
        status = cnn_output_check(output, CNN_OUTPUT_CHECKPOINT, NULL, diag);
    if (status == CNN_OK)
        status =
            cnn_import((const char *const *)files, count, &import_options, &model, &info, diag);
    if (status == CNN_OK && !output) {
        snprintf(own_path, sizeof own_path, "%s.safetensors", cnn_model_name(model));
        output = own_path;
        status = spare_inputs(settings, files, count, output);
    }
    if (status == CNN_OK && output == own_path)
        status = cnn_output_check(output, CNN_OUTPUT_CHECKPOINT, "-o", diag);
    if (status == CNN_OK)
        status = cnn_model_write(model, output, diag);
    if (status == CNN_OK && settings->json)
        print_json(output, model, &info);
    else if (status == CNN_OK)
        print_human(output, model, &info);
    cnn_model_free(model);
    free(names.items);
    free(names.text);
    return status;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    cnn_status status = cnn_command_prepare(settings->threads, diag);

    return status == CNN_OK ? import(settings, operands, operand_count, diag) : status;
}

const struct cnn_command cnn_command_import = {
    .name = "import",
    .synopsis = "FILE... [options]",
    .summary = "Make a model from a file of another program",
    .details =
        "Reads files of another program, and writes a checkpoint with a description, which all\n"
        "other commands can use:\n"
        "  FILE.onnx                       of PyTorch, Keras and others\n"
        "  FILE.prototxt FILE.caffemodel   of Caffe\n"
        "  FILE.cfg FILE.weights           of Darknet\n"
        "  FILE.pth --as DESCRIPTION       only weights, of PyTorch, or a foreign .safetensors\n"
        "The result is proved: the file's own graph is computed, too, and if a layer gives\n"
        "other numbers, nothing is written. A file of weights has no graph: the assignment is\n"
        "listed.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .run = run,
};
