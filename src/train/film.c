/* Taking frames: the weights are there, and the maps come from a plan of the layers up to them, for
 * one image. */
#include "train/film.h"

#include <string.h>

#include "util/allocate.h"
#include "viz/sheet.h"

/* The first layer whose weights are pictures; CNN_NO_INDEX: the first that has any has others, or
 * there is none. */
static size_t find_layer(const cnn_model *model, struct cnn_kernel_view *out)
{
    for (size_t i = 0; i < model->graph.count; i++)
        if (cnn_layer_kernels(&model->graph, model->parameters, i, out))
            return out->channels == 1 || (out->channels == 3 && model->graph.input.c == 3)
                       ? i
                       : CNN_NO_INDEX;
    return CNN_NO_INDEX;
}

/* Tiles are stored smaller by a whole factor where their longer side is not short enough. */
static size_t shrink_of(size_t h, size_t w)
{
    return ((h > w ? h : w) - 1) / CNN_FILM_SIDE + 1;
}

static struct cnn_film_track track_of(size_t count, size_t channels, size_t h, size_t w)
{
    size_t shrink = shrink_of(h, w);
    return (struct cnn_film_track){.count = count < CNN_FILM_TILES ? count : CNN_FILM_TILES,
                                   .channels = channels,
                                   .h = (h - 1) / shrink + 1,
                                   .w = (w - 1) / shrink + 1};
}

/* One frame of a track, from [count][channels][h][w] numbers. */
static void store(struct cnn_film_track *track, size_t frame, const float *planes, size_t h,
                  size_t w)
{
    float *to = track->values + frame * cnn_film_frame_size(track);
    for (size_t p = 0; p < track->count * track->channels; p++)
        for (size_t i = 0; i < track->h * track->w; i++)
            *to++ = cnn_map_mean((struct cnn_map){planes + p * h * w, h, w}, shrink_of(h, w),
                                 i / track->w, i % track->w);
}

/* The first image, as it is shown and as the network takes it. */
static cnn_status read_picture(struct cnn_filming *f, const struct cnn_dataset *dataset,
                               cnn_diag *diag)
{
    const cnn_shape in = f->model->graph.input;
    size_t plane = in.h * in.w;
    uint8_t *buffer = cnn_malloc(cnn_shape_count(in));
    float *planes = cnn_malloc(cnn_shape_count(in) * sizeof *planes);
    f->picture = cnn_malloc(cnn_shape_count(in) * sizeof *f->picture);
    cnn_status status = buffer && planes && f->picture
                            ? CNN_OK
                            : cnn_fail_memory(diag, cnn_shape_count(in), "the film of the run");
    if (status == CNN_OK) {
        const uint8_t *pixels = cnn_dataset_read(dataset, 0, buffer);
        cnn_normalize(&f->model->normalization, pixels, plane, f->picture);
        for (size_t i = 0; i < cnn_shape_count(in); i++)
            planes[i % in.c * plane + i / in.c] = (float)pixels[i];
        store(&f->film.tracks[CNN_FILM_PICTURE], 0, planes, in.h, in.w);
        status = cnn_dataset_memory(dataset, diag);
    }
    cnn_free(buffer);
    cnn_free(planes);
    return status;
}

static cnn_status name(struct cnn_filming *f, const struct cnn_dataset *dataset, const char *split,
                       cnn_diag *diag)
{
    const struct cnn_graph *graph = &f->model->graph;
    struct cnn_film *film = &f->film;
    film->layer = graph->nodes[f->layer].name;
    film->mapped = graph->nodes[f->value - 1].name;
    film->image = cnn_arena_printf(film->arena, "%s:0", split);
    film->class = cnn_dataset_class(dataset, cnn_dataset_label(dataset, 0));
    return film->image ? CNN_OK : cnn_fail_memory(diag, 0, "the film of the run");
}

static cnn_status open_maps(struct cnn_filming *f, cnn_diag *diag)
{
    const cnn_shape out = cnn_graph_shape(&f->model->graph, f->value);
    f->graph = cnn_graph_until(&f->model->graph, f->value);
    f->maps = cnn_malloc(cnn_shape_count(out) * sizeof *f->maps);
    if (!f->maps)
        return cnn_fail_memory(diag, cnn_shape_count(out), "the film of the run");
    return cnn_plan_new(&f->graph, f->model->parameters,
                        &(struct cnn_plan_options){.batch = 1, .mode = CNN_PLAN_INFER}, &f->plan,
                        diag);
}

cnn_status cnn_filming_open(const cnn_model *model, const struct cnn_dataset *dataset,
                            const char *split, const char *path, struct cnn_filming *f,
                            cnn_diag *diag)
{
    const struct cnn_graph *graph = &model->graph;
    struct cnn_kernel_view kernels;
    struct cnn_film_track tracks[CNN_FILM_TRACKS] = {{0}};
    f->model = model;
    f->path = path;
    f->layer = find_layer(model, &kernels);
    if (f->layer == CNN_NO_INDEX)
        return CNN_OK;
    for (f->value = f->layer + 1; cnn_layer_merged(graph, f->value - 1);)
        f->value++;
    const cnn_shape in = graph->input, out = cnn_graph_shape(graph, f->value);
    bool mapped = out.rank == 3 && out.h * out.w > 1;
    tracks[CNN_FILM_WEIGHTS] = track_of(kernels.filters, kernels.channels, kernels.h, kernels.w);
    tracks[CNN_FILM_PICTURE] = track_of(1, in.c == 3 ? 3 : 1, in.h, in.w);
    if (mapped)
        tracks[CNN_FILM_MAPS] = track_of(out.c, 1, out.h, out.w);
    cnn_status status = cnn_film_new(tracks, &f->film, diag);
    if (status == CNN_OK)
        status = read_picture(f, dataset, diag);
    if (status == CNN_OK && mapped)
        status = open_maps(f, diag);
    return status == CNN_OK ? name(f, dataset, split, diag) : status;
}

void cnn_filming_close(struct cnn_filming *f)
{
    cnn_plan_free(f->plan);
    cnn_free(f->picture);
    cnn_free(f->maps);
    cnn_film_free(&f->film);
}

/* Whether both are films of one run. */
static bool is_same(const struct cnn_film *a, const struct cnn_film *b)
{
    bool same = strcmp(a->layer, b->layer) == 0 && strcmp(a->mapped, b->mapped) == 0 &&
                strcmp(a->image, b->image) == 0;
    for (size_t i = 0; i < CNN_FILM_TRACKS; i++) {
        const struct cnn_film_track *x = &a->tracks[i], *y = &b->tracks[i];
        same = same && x->count == y->count && x->channels == y->channels && x->h == y->h &&
               x->w == y->w;
    }
    return same;
}

static cnn_status adopt(struct cnn_filming *f, const struct cnn_film *old, size_t epoch,
                        cnn_diag *diag)
{
    struct cnn_film *film = &f->film;
    film->count = old->count;
    memcpy(film->epochs, old->epochs, sizeof film->epochs);
    for (size_t i = 0; i < CNN_FILM_PICTURE; i++)
        memcpy(film->tracks[i].values, old->tracks[i].values,
               film->count * cnn_film_frame_size(&film->tracks[i]) * sizeof(float));
    return cnn_film_cut(film, epoch) && film->count > 0 ? cnn_film_write(film, f->path, diag)
                                                        : CNN_OK;
}

cnn_status cnn_filming_resume(struct cnn_filming *f, size_t epoch, const char **damage,
                              cnn_diag *diag)
{
    struct cnn_film old;
    cnn_status status = CNN_OK;
    *damage = NULL;
    if (!f->film.layer)
        return CNN_OK;
    cnn_diag *own = cnn_diag_new();
    if (cnn_film_read(f->path, &old, own) != CNN_OK) {
        if (cnn_diag_want(own) != CNN_WANT_NOTHING)
            status = cnn_fail_want(diag, cnn_diag_want(own), 0, f->path);
        else if (!(*damage = cnn_arena_strdup(f->film.arena, cnn_diag_get(own, 0)->text)))
            status = cnn_fail_memory(diag, 0, f->path);
    } else if (old.layer && !is_same(&f->film, &old)) {
        *damage = cnn_arena_printf(f->film.arena, "%s is the film of another run", f->path);
        if (!*damage)
            status = cnn_fail_memory(diag, 0, f->path);
    } else if (old.layer) {
        status = adopt(f, &old, epoch, diag);
    }
    cnn_film_free(&old);
    cnn_diag_free(own);
    return status;
}

cnn_status cnn_filming_take(struct cnn_filming *f, size_t epoch, cnn_diag *diag)
{
    struct cnn_kernel_view kernels;
    struct cnn_film *film = &f->film;
    if (!film->layer ||
        !cnn_layer_kernels(&f->model->graph, f->model->parameters, f->layer, &kernels))
        return CNN_OK;
    size_t frame = cnn_film_add(film, epoch);
    store(&film->tracks[CNN_FILM_WEIGHTS], frame, kernels.weights, kernels.h, kernels.w);
    if (f->plan) {
        const cnn_shape in = f->graph.input, out = cnn_graph_shape(&f->graph, f->value);
        memcpy(cnn_plan_input(f->plan), f->picture, cnn_shape_count(in) * sizeof *f->picture);
        cnn_plan_parameters_changed(f->plan);
        cnn_plan_forward(f->plan, 1, false, 0);
        cnn_transpose(1, out.h * out.w, out.c, cnn_plan_value(f->plan, f->value), f->maps);
        store(&film->tracks[CNN_FILM_MAPS], frame, f->maps, out.h, out.w);
    }
    return cnn_film_write(film, f->path, diag);
}
