/* The run directory, which one process at a time works in. A csv file of a run that was resumed
 * reads as if there had been no break: rows beyond the saved state are cut off and written
 * again. */
#include "train/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report/history.h"
#include "report/table.h"
#include "util/allocate.h"
#include "util/file.h"
#include "util/output.h"

cnn_status cnn_run_locate(struct cnn_run *run, const char *directory, cnn_diag *diag)
{
    run->arena = cnn_arena_new();
    if (run->arena) {
        run->directory = cnn_arena_strdup(run->arena, directory);
        run->config = cnn_arena_printf(run->arena, "%s/config.yaml", directory);
        run->best = cnn_arena_printf(run->arena, "%s/best.safetensors", directory);
        run->last = cnn_arena_printf(run->arena, "%s/last.safetensors", directory);
        run->previous = cnn_arena_printf(run->arena, "%s/last.previous.safetensors", directory);
        run->damaged = cnn_arena_printf(run->arena, "%s/last.damaged.safetensors", directory);
        run->film = cnn_arena_printf(run->arena, "%s/film.safetensors", directory);
        run->report = cnn_arena_printf(run->arena, "%s/report.html", directory);
        run->steps_path = cnn_arena_printf(run->arena, "%s/steps.csv", directory);
        run->epochs_path = cnn_arena_printf(run->arena, "%s/epochs.csv", directory);
        run->health_path = cnn_arena_printf(run->arena, "%s/health.csv", directory);
        run->lock_path = cnn_arena_printf(run->arena, "%s/lock", directory);
    }
    if (!run->arena || !run->directory || !run->config || !run->best || !run->last ||
        !run->previous || !run->damaged || !run->film || !run->report || !run->steps_path ||
        !run->epochs_path || !run->health_path || !run->lock_path)
        return cnn_fail_memory(diag, strlen(directory), "the run directory's paths");
    return CNN_OK;
}

static cnn_status fail_csv(const char *path, cnn_diag *diag)
{
    return cnn_fail(diag, CNN_FAILED, NULL, "cannot write %s: %s", path, strerror(errno));
}

static cnn_status open_csv(const char *path, FILE **out, cnn_diag *diag)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
    *out = fd >= 0 ? fdopen(fd, "a") : NULL;
    if (*out)
        return CNN_OK;
    cnn_status status = fail_csv(path, diag);
    if (fd >= 0)
        close(fd);
    return status;
}

/* A run's files are plain ones. A link could lead what is written to any file of the user, where
 * the directory came from somebody else; a pipe would be waited for. */
static cnn_status check_plain(const char *path, cnn_diag *diag)
{
    struct stat info;
    if (lstat(path, &info) != 0 || S_ISREG(info.st_mode))
        return CNN_OK;
    cnn_fail(diag, CNN_FAILED, NULL, "cannot write %s: it is %s", path,
             S_ISLNK(info.st_mode)   ? "a symbolic link"
             : S_ISDIR(info.st_mode) ? "a directory"
                                     : "no regular file");
    cnn_hint(diag, "a run writes into plain files of its own directory: put a copy of the file in "
                   "its place, or remove it");
    return CNN_FAILED;
}

static cnn_status take_directory(struct cnn_run *run, cnn_diag *diag)
{
    const char *files[] = {run->config,      run->best,       run->last,     run->previous,
                           run->damaged,     run->steps_path, run->report,   run->epochs_path,
                           run->health_path, run->film,       run->lock_path};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        cnn_status status = check_plain(files[i], diag);
        if (status != CNN_OK)
            return status;
    }
    return cnn_lock_take(run->directory, &run->lock, diag);
}

static cnn_status open_tables(struct cnn_run *run, cnn_diag *diag)
{
    cnn_status status = open_csv(run->steps_path, &run->steps, diag);
    if (status == CNN_OK)
        status = open_csv(run->epochs_path, &run->epochs, diag);
    return status == CNN_OK ? open_csv(run->health_path, &run->health, diag) : status;
}

/* The first free runs/<name>-<n>; mkdir decides, so two runs that start at once get one each. The
 * name was checked to be a plain file name. */
static cnn_status make_numbered(struct cnn_run *run, const char *name, cnn_diag *diag)
{
    cnn_status status = cnn_make_directories("runs", diag);
    for (unsigned n = 1; status == CNN_OK; n++) {
        char path[256];
        snprintf(path, sizeof path, "runs/%.200s-%u", name, n);
        if (mkdir(path, 0777) == 0)
            return cnn_run_claim(run, path, diag);
        if (errno != EEXIST)
            status = cnn_fail(diag, CNN_FAILED, NULL, "cannot make the directory %s: %s", path,
                              strerror(errno));
    }
    return status;
}

static cnn_status make_named(struct cnn_run *run, const char *directory, cnn_diag *diag)
{
    cnn_status status = cnn_run_locate(run, directory, diag);
    if (status != CNN_OK)
        return status;
    const char *files[] = {run->config,     run->best,        run->last,        run->previous,
                           run->steps_path, run->epochs_path, run->health_path, run->film};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (access(files[i], F_OK) != 0)
            continue;
        cnn_fail(diag, CNN_INVALID, NULL, "%s holds a run already", directory);
        char *word = cnn_shell_word(directory);
        cnn_hint(diag, "go on with it: %s train --resume %s; or name another directory with -o",
                 cnn_program(), word ? word : directory);
        cnn_free(word);
        return CNN_INVALID;
    }
    status = cnn_output_replaces(run->report, CNN_OUTPUT_PAGE, "-o", diag);
    if (status == CNN_OK)
        status = cnn_make_directories(directory, diag);
    return status == CNN_OK ? take_directory(run, diag) : status;
}

/* Two checkpoints, and what is written anew of them; the tables, the film and the page want
 * little. */
static size_t room_for(struct cnn_run_sizes sizes)
{
    return 2 * (sizes.best + sizes.last) + ((size_t)1 << 20);
}

cnn_status cnn_run_create(struct cnn_run *run, const char *directory, const char *name,
                          struct cnn_run_sizes sizes, cnn_diag *diag)
{
    cnn_status status =
        cnn_disk_check(directory ? directory : "runs", room_for(sizes), sizes.last, diag);
    if (status != CNN_OK)
        return status;
    return directory ? make_named(run, directory, diag) : make_numbered(run, name, diag);
}

/* Bytes of text that hold the header and the rows whose first number is at most `last`. */
static size_t rows_to_keep(const char *text, size_t last)
{
    const char *line = text, *end;
    while ((end = strchr(line, '\n'))) {
        bool header = line == text;
        if (!header && strtoull(line, NULL, 10) > last)
            break;
        line = end + 1;
    }
    return (size_t)(line - text);
}

/* Whether the file is just these bytes, and has no other name: rows that are added would be added
 * to the file of that name, too. */
static bool is_as_wanted(const char *path, size_t size)
{
    struct stat info;
    return stat(path, &info) == 0 && (size_t)info.st_size == size && info.st_nlink == 1;
}

static cnn_status cut_table(const char *path, const char *header, size_t last, cnn_diag *diag)
{
    char *text;
    size_t size;
    cnn_status status = cnn_table_read(path, header, &text, &size, diag);
    if (status != CNN_OK)
        return status;
    size_t kept = text ? rows_to_keep(text, last) : 0;
    if (kept == 0)
        status = cnn_file_write(path, header, strlen(header), diag);
    else if (!is_as_wanted(path, kept))
        status = cnn_file_write(path, text, kept, diag);
    cnn_free(text);
    return status;
}

cnn_status cnn_run_claim(struct cnn_run *run, const char *directory, cnn_diag *diag)
{
    cnn_status status = cnn_run_locate(run, directory, diag);
    return status == CNN_OK && cnn_file_is_folder(directory) ? take_directory(run, diag) : status;
}

/* What stands there already is written over. */
cnn_status cnn_run_check_room(const struct cnn_run *run, struct cnn_run_sizes sizes, cnn_diag *diag)
{
    const char *files[] = {run->best, run->last, run->previous};
    size_t room = room_for(sizes);
    struct stat info;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (stat(files[i], &info) == 0)
            room -= (size_t)info.st_size < room ? (size_t)info.st_size : room;
    return cnn_disk_check(run->directory, room, sizes.last, diag);
}

cnn_status cnn_run_open_tables(struct cnn_run *run, const struct cnn_task *task, size_t step,
                               size_t epochs, size_t measured, cnn_diag *diag)
{
    char header[CNN_HEADER_SIZE];
    cnn_disk_sweep(run->directory);
    cnn_status status = cut_table(run->steps_path, CNN_STEPS_HEADER, step, diag);
    if (status == CNN_OK)
        status = cut_table(run->epochs_path, cnn_epochs_header(task, header), epochs, diag);
    if (status == CNN_OK)
        status = cut_table(run->health_path, CNN_HEALTH_HEADER, measured, diag);
    return status == CNN_OK ? open_tables(run, diag) : status;
}

void cnn_run_close(struct cnn_run *run)
{
    if (run->steps)
        fclose(run->steps);
    if (run->epochs)
        fclose(run->epochs);
    if (run->health)
        fclose(run->health);
    cnn_lock_release(run->lock);
    cnn_arena_free(run->arena);
}

cnn_status cnn_run_log_step(struct cnn_run *run, const struct cnn_step_row *row, cnn_diag *diag)
{
    if (!run->steps)
        return CNN_OK;
    int written = fprintf(run->steps, "%zu,%zu,%.9g,%.9g,%.1f\n", row->step, row->epoch, row->loss,
                          row->lr, row->images_per_s);
    if (written < 0 || fflush(run->steps) != 0)
        return fail_csv(run->steps_path, diag);
    return CNN_OK;
}

cnn_status cnn_run_log_epoch(struct cnn_run *run, const struct cnn_epoch_row *row, cnn_diag *diag)
{
    if (!run->epochs)
        return CNN_OK;
    int written =
        fprintf(run->epochs, "%zu,%.9g,%.9g,%.9g,%.9g,%.9g,%.3f\n", row->epoch, row->train_loss,
                row->train_measure, row->val_loss, row->val_measure, row->lr, row->seconds);
    if (written < 0 || fflush(run->epochs) != 0)
        return fail_csv(run->epochs_path, diag);
    return CNN_OK;
}

cnn_status cnn_run_log_health(struct cnn_run *run, const struct cnn_health_row *rows, size_t count,
                              cnn_diag *diag)
{
    struct cnn_text lines = {0};
    if (!run->health)
        return CNN_OK;
    for (size_t i = 0; i < count; i++)
        cnn_health_format(&rows[i], &lines);
    cnn_status status = CNN_OK;
    if (lines.failed)
        status = cnn_fail_memory(diag, count * sizeof *rows, run->health_path);
    else if (fwrite(lines.data, 1, lines.size, run->health) != lines.size ||
             fflush(run->health) != 0)
        status = fail_csv(run->health_path, diag);
    cnn_text_free(&lines);
    return status;
}
