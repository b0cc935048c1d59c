/* The accuracy of exported C (c_export.h): the files are compiled by the machine's own compiler, in
 * a folder that goes afterwards, and run on the test images of the model's data set. */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "formats/c_files.h"
#include "model/record.h"
#include "util/allocate.h"
#include "util/file.h"

extern char **environ;

struct measuring {
    struct cnn_c_net *net;
    struct cnn_dataset *dataset;
    const char *folder; /* NULL: none yet */
    size_t images, right;
    cnn_diag *diag; /* of what only keeps the accuracy from being measured */
};

/* ---- The program ---- */

/* Reads pictures, and writes the number of the best class of each: a byte each, the lowest first.
 */
static void write_program(struct cnn_c_net *net, struct cnn_text *out)
{
    const char *name = net->e->name;
    cnn_text_printf(out,
                    "#include <stdio.h>\n#include \"%s.h\"\n"
                    "static union { unsigned char bytes[%s_ARENA_BYTES]; long double aligned; } "
                    "arena;\nstatic unsigned char pixels[%s_INPUTS];\nstatic float "
                    "output[%s_OUTPUTS];\n",
                    name, name, name, name);
    cnn_text_printf(out,
                    "int main(void)\n{\n    while (fread(pixels, sizeof pixels, 1, stdin) == 1) {\n"
                    "        unsigned best = 0;\n        %s_run_pixels(pixels, output, "
                    "arena.bytes);\n"
                    "        for (unsigned i = 1; i < %s_OUTPUTS; i++)\n"
                    "            if (output[i] > output[best])\n                best = i;\n"
                    "        for (int i = 0; i < 4; i++)\n"
                    "            putchar((int)(best >> 8 * i & 255));\n    }\n    return 0;\n}\n",
                    name, name);
}

static const struct {
    const char *ending;
    void (*write)(struct cnn_c_net *net, struct cnn_text *out);
} files[] = {{".c", cnn_c_write_source}, {"_weights.c", cnn_c_write_weights},
             {".h", cnn_c_write_header}, {"_program.c", write_program},
             {"_program", NULL},         {"_answers", NULL}};

#define FILES (sizeof files / sizeof *files)

static const char *file_path(const struct measuring *m, size_t i)
{
    return cnn_c_text(m->net, "%s/%s%s", m->folder, m->net->e->name, files[i].ending);
}

static bool write_files(const struct measuring *m)
{
    bool written = true;
    for (size_t i = 0; written && i < FILES; i++) {
        struct cnn_text text = {0};
        if (!files[i].write)
            continue;
        files[i].write(m->net, &text);
        written = !text.failed &&
                  cnn_file_write_quickly(file_path(m, i), text.data, text.size, m->diag) == CNN_OK;
        cnn_text_free(&text);
    }
    return written;
}

/* ---- Processes ---- */

static bool wait_for(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return false;
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Starts a program whose input is `in` and whose output goes to the file `out`; what it says of
 * errors goes nowhere. */
static bool start(char *const *words, int in, const char *out, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return false;
    bool started =
        posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) == 0 &&
        posix_spawn_file_actions_addopen(&actions, 1, out, O_WRONLY | O_CREAT | O_TRUNC, 0600) == 0;
    if (in >= 0)
        started = started && posix_spawn_file_actions_adddup2(&actions, in, 0) == 0;
    else
        started =
            started && posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0) == 0;
    started = started && posix_spawnp(pid, words[0], &actions, NULL, words, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    return started;
}

static char *word(const char *text)
{
    return (char *)(uintptr_t)text;
}

static bool compile(const struct measuring *m)
{
    char *words[] = {word("cc"),
                     word("-std=c99"),
                     word("-O3"),
                     word("-I"),
                     word(m->folder),
                     word("-o"),
                     word(file_path(m, 4)),
                     word(file_path(m, 0)),
                     word(file_path(m, 1)),
                     word(file_path(m, 3)),
                     word("-lm"),
                     NULL};
    pid_t pid;
    return start(words, -1, "/dev/null", &pid) && wait_for(pid);
}

/* All of it; a socket, so that a program that has ended is no signal here. */
static bool send_all(int to, const unsigned char *bytes, size_t size)
{
    while (size > 0) {
        const ssize_t sent = send(to, bytes, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool send_images(const struct measuring *m, int to)
{
    const size_t size = cnn_dataset_image_bytes(m->dataset);
    unsigned char *buffer = cnn_malloc(size);
    bool sent = buffer;
    for (size_t i = 0; sent && i < m->images; i++)
        sent = send_all(to, cnn_dataset_read(m->dataset, i, buffer), size);
    cnn_free(buffer);
    return sent;
}

static bool run(const struct measuring *m)
{
    char *words[] = {word(file_path(m, 4)), NULL};
    int ends[2];
    pid_t pid;
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        return false;
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    const bool started = start(words, ends[1], file_path(m, 5), &pid);
    close(ends[1]);
    const bool sent = started && send_images(m, ends[0]);
    close(ends[0]);
    return started && wait_for(pid) && sent;
}

/* ---- The answers ---- */

static bool count_right(struct measuring *m)
{
    char *answers = NULL;
    size_t size = 0;
    if (cnn_file_read(file_path(m, 5), 4 * m->images, &answers, &size, m->diag) != CNN_OK)
        return false;
    for (size_t i = 0; i < m->images && size == 4 * m->images; i++) {
        const unsigned char *a = (const unsigned char *)answers + 4 * i;
        m->right += ((size_t)a[0] | (size_t)a[1] << 8 | (size_t)a[2] << 16 | (size_t)a[3] << 24) ==
                    cnn_dataset_label(m->dataset, i);
    }
    cnn_free(answers);
    return size == 4 * m->images;
}

static bool make_folder(struct measuring *m)
{
    const char *base = getenv("TMPDIR");
    char *path =
        cnn_arena_printf(m->net->e->arena, "%s/cnn-export-XXXXXX", base && *base ? base : "/tmp");
    if (path && mkdtemp(path))
        m->folder = path;
    return m->folder;
}

static void remove_folder(const struct measuring *m)
{
    for (size_t i = 0; i < FILES; i++)
        unlink(file_path(m, i));
    rmdir(m->folder);
}

/* Why it could not be measured; NULL if it was. */
static const char *run_all(struct measuring *m)
{
    if (!make_folder(m))
        return "no folder for temporary files";
    const char *problem = !write_files(m)              ? "no room for temporary files"
                          : !compile(m)                ? "there is no compiler `cc` that takes it"
                          : !run(m) || !count_right(m) ? "the program failed"
                                                       : NULL;
    remove_folder(m);
    return problem;
}

/* Whether the images are the network's, and its outputs their classes. */
static bool suits(const struct cnn_c_net *net, const struct cnn_dataset *dataset)
{
    return cnn_dataset_image_bytes(dataset) == cnn_shape_count(net->values[0].shape) &&
           cnn_dataset_classes(dataset) == cnn_model_outputs(net->e->model) &&
           cnn_dataset_count(dataset) > 0;
}

static cnn_status open_images(struct measuring *m)
{
    const struct cnn_export *e = m->net->e;
    const cnn_model *model = e->model;
    enum cnn_split used;
    const struct cnn_data_choice choice = {
        .input = model->graph.input, .path = e->options->data, .split = CNN_SPLIT_TEST};
    return cnn_record_open(model, &choice, &m->dataset, &used,
                           e->options->data ? e->diag : m->diag);
}

/* why: the accuracy was not measured; NULL: it was; "": nobody asked for it. */
static void take(const struct measuring *m, const char *why)
{
    struct cnn_c_net *net = m->net;
    net->e->info->unmeasured = why ? why : "";
    if (why) {
        net->accuracy = cnn_c_text(net, "not measured%s%s", *why ? ": " : "", why);
        return;
    }
    net->accuracy =
        cnn_c_text(net, "%.2f %% of %s test images, measured with this code",
                   100.0 * (double)m->right / (double)m->images, cnn_c_count(m->images).text);
    net->e->info->images = m->images;
    net->e->info->right = m->right;
}

cnn_status cnn_c_measure(struct cnn_c_net *net)
{
    const struct cnn_export *e = net->e;
    struct measuring m = {.net = net, .diag = cnn_diag_new()};
    const char *why;
    cnn_status status = CNN_OK;
    if (e->options->data && !e->model->has_data)
        status =
            cnn_fail(e->diag, CNN_INVALID, NULL,
                     "the description of '%s' names no data set, and --data says only where one is",
                     e->model->name);
    if (e->options->unmeasured) {
        why = "";
    } else if (!e->model->has_data) {
        why = "its description names no data set";
    } else if (open_images(&m) != CNN_OK) {
        why = "its test images are not here";
        status = e->options->data ? CNN_FAILED : CNN_OK;
    } else if (!suits(net, m.dataset)) {
        why = "the images are not those of the network";
    } else {
        m.images = cnn_dataset_count(m.dataset);
        if (e->options->images > 0 && e->options->images < m.images)
            m.images = e->options->images;
        why = run_all(&m);
    }
    take(&m, why);
    cnn_dataset_free(m.dataset);
    cnn_diag_free(m.diag);
    return status;
}
