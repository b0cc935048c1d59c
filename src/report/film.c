/* The frames of a film, and its file. What is read from one can be drawn: its sizes are small ones,
 * and fit each other. */
#include "report/film.h"

#include <string.h>
#include <unistd.h>

#include "checkpoint/safetensors.h"

#define EPOCHS "epochs"
#define RANK   5

static const char *const names[CNN_FILM_TRACKS] = {"weights", "maps", "picture"};

static const struct {
    const char *key;
    size_t offset;
} texts[] = {{"layer", offsetof(struct cnn_film, layer)},
             {"mapped", offsetof(struct cnn_film, mapped)},
             {"image", offsetof(struct cnn_film, image)},
             {"class", offsetof(struct cnn_film, class)}};
#define TEXTS (sizeof texts / sizeof *texts)

static size_t frames_of(const struct cnn_film *film, size_t track)
{
    return track == CNN_FILM_PICTURE ? 1 : film->count;
}

cnn_status cnn_film_new(const struct cnn_film_track *tracks, struct cnn_film *out, cnn_diag *diag)
{
    struct cnn_film film = {.arena = cnn_arena_new()};
    bool good = film.arena != NULL;
    for (size_t i = 0; good && i < CNN_FILM_TRACKS; i++) {
        film.tracks[i] = tracks[i];
        film.tracks[i].values = cnn_arena_array(
            film.arena, CNN_FILM_FRAMES * cnn_film_frame_size(&tracks[i]), sizeof(float));
        good = film.tracks[i].values != NULL;
    }
    if (good) {
        *out = film;
        return CNN_OK;
    }
    cnn_film_free(&film);
    return cnn_fail_memory(diag, 0, "the film of the run");
}

void cnn_film_free(struct cnn_film *film)
{
    cnn_arena_free(film->arena);
    *film = (struct cnn_film){0};
}

static void move_frame(struct cnn_film *film, size_t to, size_t from)
{
    film->epochs[to] = film->epochs[from];
    for (size_t i = 0; i < CNN_FILM_PICTURE; i++) {
        size_t size = cnn_film_frame_size(&film->tracks[i]);
        float *values = film->tracks[i].values;
        memmove(values + to * size, values + from * size, size * sizeof *values);
    }
}

size_t cnn_film_add(struct cnn_film *film, size_t epoch)
{
    size_t stride = 1, kept = 0;
    while (epoch > 0 && (epoch - 1) / stride >= CNN_FILM_FRAMES - 1)
        stride *= 2;
    for (size_t i = 0; i < film->count; i++)
        if (film->epochs[i] < epoch && film->epochs[i] % stride == 0)
            move_frame(film, kept++, i);
    film->epochs[kept] = epoch;
    film->count = kept + 1;
    return kept;
}

bool cnn_film_cut(struct cnn_film *film, size_t epoch)
{
    size_t before = film->count;
    while (film->count > 0 && film->epochs[film->count - 1] > epoch)
        film->count--;
    return film->count < before;
}

cnn_status cnn_film_write(const struct cnn_film *film, const char *path, cnn_diag *diag)
{
    struct cnn_stored_pair pairs[TEXTS];
    struct cnn_stored_tensor tensors[1 + CNN_FILM_TRACKS] = {
        {.name = EPOCHS, .dtype = "U64", .rank = 1, .data = film->epochs}};
    size_t count = 1;
    tensors[0].count = tensors[0].dims[0] = film->count;
    tensors[0].bytes = film->count * sizeof *film->epochs;
    for (size_t i = 0; i < TEXTS; i++) {
        pairs[i].key = texts[i].key;
        memcpy(&pairs[i].value, (const char *)film + texts[i].offset, sizeof pairs[i].value);
    }
    for (size_t i = 0; i < CNN_FILM_TRACKS; i++) {
        const struct cnn_film_track *t = &film->tracks[i];
        size_t numbers = frames_of(film, i) * cnn_film_frame_size(t);
        if (numbers > 0)
            tensors[count++] = (struct cnn_stored_tensor){
                .name = names[i],
                .dtype = "F32",
                .rank = RANK,
                .dims = {frames_of(film, i), t->count, t->channels, t->h, t->w},
                .count = numbers,
                .data = t->values,
                .bytes = numbers * sizeof(float)};
    }
    return cnn_safetensors_write(path, tensors, count, pairs, TEXTS, diag);
}

/* ---- Reading ---- */

static bool read_epochs(const struct cnn_safetensors *file, struct cnn_film *film)
{
    const struct cnn_stored_tensor *t = cnn_safetensors_find(file, EPOCHS);
    if (!t || strcmp(t->dtype, "U64") != 0 || t->rank != 1 || t->count > CNN_FILM_FRAMES ||
        t->count == 0 || cnn_safetensors_read(file, t, 0, t->bytes, film->epochs, NULL) != CNN_OK)
        return false;
    film->count = t->count;
    for (size_t i = 1; i < film->count; i++)
        if (film->epochs[i] <= film->epochs[i - 1])
            return false;
    return true;
}

/* The sizes of a track; a film may be without maps. */
static bool read_sizes(const struct cnn_safetensors *file, size_t i, size_t frames,
                       struct cnn_film_track *out)
{
    const struct cnn_stored_tensor *t = cnn_safetensors_find(file, names[i]);
    *out = (struct cnn_film_track){0};
    if (!t)
        return i == CNN_FILM_MAPS;
    if (strcmp(t->dtype, "F32") != 0 || t->rank != RANK || t->dims[0] != frames)
        return false;
    *out = (struct cnn_film_track){
        .count = t->dims[1], .channels = t->dims[2], .h = t->dims[3], .w = t->dims[4]};
    return out->count >= 1 && out->count <= CNN_FILM_TILES &&
           (out->channels == 1 || out->channels == 3) && out->h >= 1 && out->h <= CNN_FILM_SIDE &&
           out->w >= 1 && out->w <= CNN_FILM_SIDE;
}

static cnn_status fail_no_film(const struct cnn_safetensors *file, cnn_diag *diag)
{
    return cnn_fail(diag, CNN_FAILED, NULL, "%s is no film of a run", file->path);
}

static cnn_status read_texts(const struct cnn_safetensors *file, struct cnn_film *film,
                             cnn_diag *diag)
{
    for (size_t i = 0; i < TEXTS; i++) {
        const char *text = cnn_safetensors_metadata(file, texts[i].key);
        if (!text)
            return fail_no_film(file, diag);
        char *copy = cnn_arena_strdup(film->arena, text);
        if (!copy)
            return cnn_fail_memory(diag, strlen(text), "a film");
        memcpy((char *)film + texts[i].offset, &copy, sizeof copy);
    }
    return CNN_OK;
}

static cnn_status read_film(const struct cnn_safetensors *file, struct cnn_film *out,
                            cnn_diag *diag)
{
    struct cnn_film_track tracks[CNN_FILM_TRACKS];
    struct cnn_film head = {0};
    bool good = read_epochs(file, &head);
    for (size_t i = 0; good && i < CNN_FILM_TRACKS; i++)
        good = read_sizes(file, i, frames_of(&head, i), &tracks[i]);
    if (!good || tracks[CNN_FILM_MAPS].channels > 1 || tracks[CNN_FILM_PICTURE].count != 1)
        return fail_no_film(file, diag);
    cnn_status status = cnn_safetensors_verify(file, diag);
    if (status == CNN_OK)
        status = cnn_film_new(tracks, out, diag);
    if (status != CNN_OK)
        return status;
    out->count = head.count;
    memcpy(out->epochs, head.epochs, sizeof head.epochs);
    status = read_texts(file, out, diag);
    for (size_t i = 0; status == CNN_OK && i < CNN_FILM_TRACKS; i++) {
        const struct cnn_stored_tensor *t = cnn_safetensors_find(file, names[i]);
        status =
            t ? cnn_safetensors_read(file, t, 0, t->bytes, out->tracks[i].values, diag) : CNN_OK;
    }
    return status;
}

cnn_status cnn_film_read(const char *path, struct cnn_film *out, cnn_diag *diag)
{
    struct cnn_safetensors *file;
    *out = (struct cnn_film){0};
    if (access(path, F_OK) != 0)
        return CNN_OK;
    cnn_status status = cnn_safetensors_open_unread(path, &file, diag);
    if (status != CNN_OK)
        return status;
    status = read_film(file, out, diag);
    cnn_safetensors_close(file);
    if (status != CNN_OK)
        cnn_film_free(out);
    return status;
}
