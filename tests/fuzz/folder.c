/* Folders of pictures: each line is a kind and a path; whatever lies there is listed, surveyed and
 * described, or refused. */
#define _XOPEN_SOURCE 700 /* nftw */
#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>

#include "../datasets.h"
#include "cnn.h"
#include "fuzz.h"
#include "model/model.h"

#define MOST_LINES 40

/* 8 x 8 pixels in one colour, 24 bits, without the last rows' bytes being of any other. */
static const uint8_t bmp[54 + 192] = {'B', 'M', 246, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40,
                                      0,   0,   0,   8, 0, 0, 0, 8, 0, 0, 0,  1, 0, 24};

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *level)
{
    (void)info;
    (void)type;
    return level->level > 0 ? remove(path) : 0;
}

static void clear(const char *folder)
{
    chmod(folder, 0700);
    nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Makes what stands in one line, below root; only plain steps down are followed. */
static void make_entry(const char *root, struct fuzz_input line)
{
    char path[512];
    uint8_t kind = fuzz_byte(&line);
    size_t length = line.size < 300 ? line.size : 300;

    snprintf(path, sizeof path, "%s/%.*s", root, (int)length, (const char *)line.data);
    if (strstr(path + strlen(root), "..") || strlen(path) == strlen(root) + 1)
        return;
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    switch (kind) {
    case 'd':
        mkdir(path, 0700);
        break;
    case 'l':
        if (symlink("nowhere", path) != 0)
            return;
        break;
    case 'u': /* up: a circle */
        if (symlink(".", path) != 0)
            return;
        break;
    case 'p':
        mkfifo(path, 0600);
        break;
    default: {
        int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0600);
        size_t size = kind == 'e' ? 0 : kind == 't' ? 100 : sizeof bmp;
        if (fd >= 0 && write(fd, bmp, size) != (ssize_t)size)
            abort();
        if (fd >= 0)
            close(fd);
    }
    }
}

static void survey(const char *root, cnn_diag *diag)
{
    static const char text[] = "input: [3, 8, 8]\n"
                               "layers: [{type: flatten}, {type: dense, units: 2}]\n"
                               "data: {dataset: folder, val_split: 0.5}\n";
    cnn_model *model = NULL;
    cnn_survey *found = NULL;
    const cnn_survey_options options = {.data_path = root};

    if (cnn_model_from_text("fuzz.yaml", text, sizeof text - 1, NULL, &model, diag) != CNN_OK)
        abort();
    cnn_survey_data(model, &options, &found, diag);
    cnn_survey_free(found);
    cnn_model_free(model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    cnn_diag *diag = cnn_diag_new();
    char root[128], project[128];
    cnn_init_result result = {0};

    cnn_set_threads(1);
    snprintf(root, sizeof root, "%s/data", fuzz_folder());
    snprintf(project, sizeof project, "%s/project", fuzz_folder());
    mkdir(root, 0700);
    for (size_t i = 0; i < MOST_LINES && input.size > 0; i++)
        make_entry(root, fuzz_until(&input, '\n'));
    survey(root, diag);
    cnn_init(&(cnn_init_options){.directory = project, .data_path = root}, &result, diag);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        cnn_free(cnn_message_format(cnn_diag_get(diag, i), "cnn"));
    cnn_diag_free(diag);
    clear(root);
    clear(project);
    return 0;
}
