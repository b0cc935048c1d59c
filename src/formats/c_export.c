/* Export to C: a directory with the network as C99 that needs nothing but a compiler. What the
 * names in the files are, says the manual (cnn-export). */
#include "formats/c_export.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "formats/c_files.h"
#include "util/allocate.h"
#include "util/file.h"
#include "util/text.h"

/* ---- The name ---- */

static const char *const reserved[] = {
    /* C */
    "auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum",
    "extern", "float", "for", "goto", "if", "inline", "int", "long", "register", "restrict",
    "return", "short", "signed", "sizeof", "static", "struct", "switch", "typedef", "union",
    "unsigned", "void", "volatile", "while",
    /* C++ */
    "alignas", "alignof", "and", "and_eq", "asm", "bitand", "bitor", "bool", "catch", "char16_t",
    "char32_t", "char8_t", "class", "co_await", "co_return", "co_yield", "compl", "concept",
    "const_cast", "consteval", "constexpr", "constinit", "decltype", "delete", "dynamic_cast",
    "explicit", "export", "false", "friend", "mutable", "namespace", "new", "noexcept", "not",
    "not_eq", "nullptr", "operator", "or", "or_eq", "private", "protected", "public",
    "reinterpret_cast", "requires", "static_assert", "static_cast", "template", "this",
    "thread_local", "throw", "true", "try", "typeid", "typename", "using", "virtual", "wchar_t",
    "xor", "xor_eq", NULL};

/* Names of files are the same in small and capital letters for some systems. */
static const char *const reserved_files[] = {
    /* beside the network's */
    "main", "Makefile",
    /* whose headers a program includes: NAME.h must not hide them */
    "Arduino", "assert", "complex", "ctype", "errno", "fenv", "float", "inttypes", "iso646",
    "limits", "locale", "math", "setjmp", "signal", "stdalign", "stdarg", "stdatomic", "stdbool",
    "stddef", "stdint", "stdio", "stdlib", "stdnoreturn", "string", "tgmath", "threads", "time",
    "uchar", "unistd", "wchar", "wctype",
    /* devices of Windows */
    "aux", "con", "nul", "prn", NULL};

static bool is_reserved(const char *name)
{
    for (size_t i = 0; reserved_files[i]; i++)
        if (strcasecmp(reserved_files[i], name) == 0)
            return true;
    return cnn_word_among(name, reserved);
}

#define LONGEST 48 /* of a name: C99 promises 31 characters, compilers take more */

static cnn_status choose_name(struct cnn_export *e)
{
    const char *given = e->options->name;
    if (given && is_reserved(given))
        return cnn_fail(e->diag, CNN_INVALID, NULL,
                        "'%s' cannot be the name: it is a word of C or C++, or of another file",
                        given);
    if (given && (given[0] == '_' || strstr(given, "__")))
        return cnn_fail(e->diag, CNN_INVALID, NULL,
                        "'%s' cannot be the name: C and C++ keep names with _ in front, or __, for "
                        "themselves",
                        given);
    if (given && strlen(given) > LONGEST)
        return cnn_fail(e->diag, CNN_INVALID, NULL, "a name of %zu letters; %d are the most",
                        strlen(given), LONGEST);
    if (is_reserved(e->name))
        e->name = cnn_arena_printf(e->arena, "%s_net", e->name);
    char *name = e->name ? cnn_arena_strndup(e->arena, e->name, LONGEST) : NULL;
    if (!name)
        return cnn_fail_memory(e->diag, LONGEST, e->path);
    size_t length = 0; /* without _ behind one another */
    for (size_t i = 0; name[i]; i++)
        if (name[i] != '_' || length == 0 || name[length - 1] != '_')
            name[length++] = name[i];
    name[length] = '\0';
    e->name = given ? given : name;
    return CNN_OK;
}

/* ---- The directory ---- */

static bool is_marked(const char *path)
{
    static const char *const marks[] = {CNN_C_MARK, "# Written by cnn export."};
    char head[64] = "";
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    const size_t size = fread(head, 1, sizeof head - 1, file);
    fclose(file);
    for (size_t i = 0; i < 2; i++)
        if (size >= strlen(marks[i]) && strncmp(head, marks[i], strlen(marks[i])) == 0)
            return true;
    return false;
}

/* What an export before left may be replaced; where there is anything else, nothing is written. */
/* depth: of directories in it that may be there. */
static cnn_status check_directory(const struct cnn_export *e, const char *path, size_t depth)
{
    DIR *directory = opendir(path);
    if (!directory && errno == ENOENT)
        return CNN_OK;
    if (!directory)
        return cnn_fail(e->diag, errno == ENOTDIR ? CNN_INVALID : CNN_FAILED, NULL,
                        "%s: files of C go into a directory: %s", path, strerror(errno));
    cnn_status status = CNN_OK;
    for (const struct dirent *entry; status == CNN_OK && (entry = readdir(directory));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        const char *file = cnn_arena_printf(e->arena, "%s/%s", path, entry->d_name);
        if (!file)
            status = cnn_fail_memory(e->diag, strlen(path), path);
        else if (depth > 0 && cnn_file_is_folder(file))
            status = check_directory(e, file, depth - 1);
        else if (!is_marked(file)) {
            status = cnn_fail(e->diag, CNN_INVALID, NULL,
                              "%s is not empty: it has '%s', which is none of the files that this "
                              "command writes",
                              path, entry->d_name);
            cnn_hint(
                e->diag,
                "name a directory that is empty, or is not there yet; 'make clean' there removes "
                "what its Makefile made");
        }
    }
    closedir(directory);
    return status;
}

/* ---- The files ---- */

typedef void file_writer(struct cnn_c_net *net, struct cnn_text *out);

enum { FOLDERS = 3, FILES = 5 };

struct folder {
    const char *path;
    size_t missing; /* directories at the end of the path that were not there before */
};

struct file {
    size_t folder;
    const char *name;
    file_writer *writer;
    struct cnn_text text;
    struct cnn_writer *open; /* NULL: not so far, or no longer */
};

static void find_missing(struct cnn_c_net *net, struct folder *folder)
{
    char *path = cnn_arena_strdup(net->e->arena, folder->path);
    net->failed = net->failed || !path;
    for (; path && access(path, F_OK) != 0 && errno == ENOENT; path = dirname(path))
        folder->missing++;
}

/* Removes the folders that make_folders made, where they are empty. */
static void remove_made(const struct cnn_c_net *net, const struct folder *folder)
{
    char *path = cnn_arena_strdup(net->e->arena, folder->path);
    for (size_t i = 0; path && i < folder->missing; i++, path = dirname(path))
        rmdir(path);
}

static cnn_status make_folders(struct cnn_c_net *net, struct folder *folders)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < FOLDERS; i++) {
        const char *below = folders[i].path;
        folders[i].path = *below ? cnn_c_text(net, "%s/%s", net->e->path, below) : net->e->path;
        find_missing(net, &folders[i]);
        status = net->failed ? cnn_fail_memory(net->e->diag, 0, net->e->path)
                             : cnn_make_directories(folders[i].path, net->e->diag);
    }
    return status;
}

/* Writes the file under its temporary name, and flushes it: later steps need no more room. */
static cnn_status write_file(struct cnn_c_net *net, const struct folder *folder, struct file *file)
{
    const struct cnn_export *e = net->e;
    const char *path = cnn_c_text(net, "%s/%s", folder->path, file->name);
    if (net->failed)
        return cnn_fail_memory(e->diag, 0, e->path);
    const cnn_status status = cnn_writer_open(path, &file->open, e->diag);
    if (status != CNN_OK)
        return status;
    cnn_writer_write(file->open, file->text.data, file->text.size);
    e->info->bytes += file->text.size;
    return cnn_writer_flush(file->open, e->diag);
}

/* All files are on the disk before the first one gets its name, so a full disk changes nothing.
 * After a failure, folders that were made here are removed. */
static cnn_status save_all(struct cnn_c_net *net, struct folder *folders, struct file *files)
{
    cnn_status status = make_folders(net, folders);
    for (size_t i = 0; status == CNN_OK && i < FILES; i++)
        status = write_file(net, &folders[files[i].folder], &files[i]);
    for (size_t i = 0; status == CNN_OK && i < FILES; i++) {
        status = cnn_writer_commit(files[i].open, net->e->diag);
        files[i].open = NULL;
    }
    for (size_t i = 0; i < FILES; i++)
        cnn_writer_abandon(files[i].open);
    for (size_t i = FOLDERS; status != CNN_OK && i-- > 0;)
        remove_made(net, &folders[i]);
    return status;
}

/* All are made before the first is written. */
static cnn_status write_files(struct cnn_c_net *net)
{
    const struct cnn_export *e = net->e;
    const bool arduino = e->options->arduino;
    const char *name = e->name,
               *example = arduino ? cnn_c_text(net, "examples/%s_example", name) : "";
    struct folder folders[FOLDERS] = {
        {.path = ""}, {.path = arduino ? "src" : ""}, {.path = example}};
    struct file files[FILES] = {
        {.folder = 1, .name = cnn_c_text(net, "%s.c", name), .writer = cnn_c_write_source},
        {.folder = 1, .name = cnn_c_text(net, "%s_weights.c", name), .writer = cnn_c_write_weights},
        {.folder = 1, .name = cnn_c_text(net, "%s.h", name), .writer = cnn_c_write_header},
        {.folder = 2,
         .name = arduino ? cnn_c_text(net, "%s_example.ino", name) : "main.c",
         .writer = arduino ? cnn_c_write_sketch : cnn_c_write_main},
        {.folder = 0,
         .name = arduino ? "library.properties" : "Makefile",
         .writer = arduino ? cnn_c_write_properties : cnn_c_write_makefile},
    };
    net->failed = net->failed || net->code.failed || net->weights.failed ||
                  net->declarations.failed || net->selftest.failed;
    for (size_t i = 0; i < FILES; i++) {
        files[i].writer(net, &files[i].text);
        net->failed = net->failed || files[i].text.failed;
    }
    const cnn_status status =
        net->failed ? cnn_fail_memory(e->diag, 0, e->path) : save_all(net, folders, files);
    for (size_t i = 0; i < FILES; i++)
        cnn_text_free(&files[i].text);
    return status;
}

/* ---- Limits ---- */

/* The steps in which most is alive, and what is then: for a reader who wants less. */
static void say_peaks(const struct cnn_c_net *net)
{
    size_t most = 0;
    for (size_t i = 0; i < net->count; i++) {
        const size_t bytes = cnn_c_alive(net->arrays, net->array_count, net->steps[i].y - 1);
        most = bytes > most ? bytes : most;
    }
    struct cnn_text text = {0};
    for (size_t i = 0, said = 0; i < net->count && said < 3; i++) {
        const struct cnn_c_step *step = &net->steps[i];
        const size_t bytes = cnn_c_alive(net->arrays, net->array_count, step->y - 1);
        if (bytes < most - most / 10)
            continue;
        cnn_text_printf(&text, "%s'%s' %s (%s -> %s)", said++ > 0 ? ", " : "", step->lead->name,
                        cnn_c_count(bytes).text, cnn_c_shape(step->lead->in[0]).text,
                        cnn_c_shape(net->values[step->y].shape).text);
    }
    cnn_hint(net->e->diag, "bytes are most in %s; %s", text.data ? text.data : "its layers",
             net->int8 ? "a smaller input, fewer filters or a stride in the first layers take less"
                       : "bytes take a quarter (cnn quantize), and so does a first layer with "
                         "stride 2 or fewer filters");
    cnn_text_free(&text);
}

/* The code is some bytes for each character of the arithmetic: measured with -Os for Thumb-2. */
static size_t code_bytes(struct cnn_c_net *net)
{
    struct cnn_text pieces = {0};
    cnn_c_write_pieces(net, &pieces);
    const size_t bytes = pieces.size / 4 + net->count * 160 + 512;
    cnn_text_free(&pieces);
    return bytes;
}

static cnn_status check_limits(struct cnn_c_net *net)
{
    const struct cnn_export *e = net->e;
    const cnn_export_options *o = e->options;
    const size_t flash = net->flash_bytes + code_bytes(net);
    e->info->arena = net->arena_bytes;
    e->info->constants = net->flash_bytes;
    e->info->macs = net->macs;
    cnn_status status = CNN_OK;
    if (net->arena_bytes > INT32_MAX)
        return cnn_fail(e->diag, CNN_INVALID, NULL,
                        "'%s' needs an arena of %s bytes; C that counts in 32 bits has %s at most",
                        e->model->name, cnn_c_count(net->arena_bytes).text,
                        cnn_c_count(INT32_MAX).text);
    if (o->max_ram > 0 && net->arena_bytes > o->max_ram) {
        status = cnn_fail(e->diag, CNN_INVALID, NULL,
                          "'%s' needs an arena of %s bytes; %s are allowed", e->model->name,
                          cnn_c_count(net->arena_bytes).text, cnn_c_count(o->max_ram).text);
        say_peaks(net);
    }
    if (o->max_flash > 0 && flash > o->max_flash) {
        status =
            cnn_fail(e->diag, CNN_INVALID, NULL,
                     "'%s' needs about %s bytes of flash, %s of them constants; %s are allowed",
                     e->model->name, cnn_c_count(flash).text, cnn_c_count(net->flash_bytes).text,
                     cnn_c_count(o->max_flash).text);
        cnn_hint(e->diag, "%s",
                 net->int8 ? "fewer filters, or global_pool in front of a dense layer, take less"
                           : "bytes take a quarter (cnn quantize)");
    }
    return status;
}

static cnn_status write_c(const struct cnn_export *original)
{
    struct cnn_export own = *original;
    struct cnn_c_net net = {.e = &own};
    cnn_status status = choose_name(&own);
    if (status == CNN_OK)
        status = check_directory(&own, own.path, own.options->arduino ? 2 : 0);
    if (status == CNN_OK)
        status = cnn_c_steps(&net);
    if (status == CNN_OK)
        status = cnn_c_write_layers(&net);
    if (status == CNN_OK)
        status = cnn_c_selftest(&net);
    if (status == CNN_OK)
        status = check_limits(&net);
    if (status == CNN_OK)
        status = cnn_c_measure(&net);
    if (status == CNN_OK)
        status = write_files(&net);
    cnn_text_free(&net.code);
    cnn_text_free(&net.weights);
    cnn_text_free(&net.declarations);
    cnn_text_free(&net.selftest);
    cnn_plan_free(net.plan);
    cnn_export_floats_free(&own, net.floats);
    return status;
}

const struct cnn_export_type cnn_export_c = {
    .public = {.name = "c",
               .help = "a directory with C99 files, for microcontrollers and any other program",
               .ending = "_c",
               .output = CNN_OUTPUT_SCRIPT,
               .weights = true,
               .directory = true},
    .inputs = "its NAME_run takes normalised numbers, and its NAME_run_pixels bytes",
    .write = write_c};
