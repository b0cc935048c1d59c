/* How a run's first layer came about, in film.safetensors: its weights, and what it makes of one
 * validation picture, before training and after some of the epochs. */
#ifndef CNN_REPORT_FILM_H
#define CNN_REPORT_FILM_H

#include "util/arena.h"
#include "util/diag.h"

#define CNN_FILM_FRAMES 8
#define CNN_FILM_TILES  8  /* filters that are shown, or maps: the first ones */
#define CNN_FILM_SIDE   64 /* values; what is longer is stored smaller */

/* What frames show, [frames][count][channels][h][w]. count 0: they have none of these. */
struct cnn_film_track {
    size_t count, channels, h, w;
    float *values; /* with room for CNN_FILM_FRAMES frames */
};

enum { CNN_FILM_WEIGHTS, CNN_FILM_MAPS, CNN_FILM_PICTURE, CNN_FILM_TRACKS };

/* Frames rise by their epochs: 0 is before training, then come multiples of a power of two, and the
 * newest. All memory is the arena's. The picture has one frame. */
struct cnn_film {
    struct cnn_arena *arena;
    const char *layer;  /* whose weights; NULL: there is no film */
    const char *mapped; /* the layer whose maps: that one, or an activation behind it */
    const char *image;  /* "val:0" */
    const char *class;  /* of the picture */
    struct cnn_film_track tracks[CNN_FILM_TRACKS];
    size_t count;
    uint64_t epochs[CNN_FILM_FRAMES];
};

/* A film without frames for tracks of these sizes, with memory for them; texts are the caller's to
 * set. */
cnn_status cnn_film_new(const struct cnn_film_track *tracks, struct cnn_film *out, cnn_diag *diag);
void cnn_film_free(struct cnn_film *film);

static inline size_t cnn_film_frame_size(const struct cnn_film_track *track)
{
    return track->count * track->channels * track->h * track->w;
}

/* Makes room for the frame of an epoch, the newest, and returns its index: its values are to be
 * written. What is left is the same whatever frames were there besides those that are left, so a
 * run that was gone on with has the film of one without a break. */
size_t cnn_film_add(struct cnn_film *film, size_t epoch);

/* Takes out the frames after this epoch; whether there were any. */
bool cnn_film_cut(struct cnn_film *film, size_t epoch);

cnn_status cnn_film_write(const struct cnn_film *film, const char *path, cnn_diag *diag);

/* A missing file is no film. What is damaged, or holds something else, is CNN_FAILED. */
cnn_status cnn_film_read(const char *path, struct cnn_film *out, cnn_diag *diag);

#endif
