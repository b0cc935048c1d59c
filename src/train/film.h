/* Takes the frames of a run's film (report/film.h) from the parameters as they are. It only looks:
 * a run is bit for bit the one without it. */
#ifndef CNN_TRAIN_FILM_H
#define CNN_TRAIN_FILM_H

#include "data/dataset.h"
#include "model/model.h"
#include "report/film.h"

struct cnn_filming {
    const cnn_model *model;
    const char *path;
    struct cnn_film film;   /* layer NULL: there is nothing to film, and take does nothing */
    struct cnn_graph graph; /* as far as the maps */
    struct cnn_plan *plan;  /* NULL: there are no maps */
    size_t layer, value;    /* the weights' layer, and the maps */
    float *picture, *maps;  /* NHWC, as the network takes it; NCHW */
};

/* Films the first layer whose weights are pictures, kernels or the templates of a dense layer that
 * look at one channel or at a colour picture, and image 0 of the data set, of that split. model and
 * path are the caller's, and outlive this. The struct is zeroed by the caller; close is then always
 * legal. */
cnn_status cnn_filming_open(const cnn_model *model, const struct cnn_dataset *dataset,
                            const char *split, const char *path, struct cnn_filming *out,
                            cnn_diag *diag);
void cnn_filming_close(struct cnn_filming *filming);

/* Goes on with the file, as far as this epoch; later frames leave it. What is wrong with the file,
 * which is then written anew by take: *damage, in the film's arena; else NULL. */
cnn_status cnn_filming_resume(struct cnn_filming *filming, size_t epoch, const char **damage,
                              cnn_diag *diag);

/* The frame after an epoch (0: before the first), as the newest of the file. */
cnn_status cnn_filming_take(struct cnn_filming *filming, size_t epoch, cnn_diag *diag);

#endif
