/* The film of the first layer, as strips: a row of pictures for each frame. */
#include "report/film.html.h"
#include "report/page.h"
#include "util/words.h"
#include "viz/sheet.h"

/* Pixels that a tile is drawn with, at most; the page makes it smaller where it is narrow. */
enum { SIDE = 64 };

/* The scale of each tile, over all frames. */
static void find_scales(const struct cnn_film_track *track, size_t frames, struct cnn_range *scales)
{
    size_t tile = track->channels * track->h * track->w;
    for (size_t f = 0; f < frames; f++)
        for (size_t i = 0; i < track->count; i++) {
            struct cnn_range range =
                cnn_range_of(track->values + (f * track->count + i) * tile, tile);
            if (f == 0 || range.low < scales[i].low)
                scales[i].low = range.low;
            if (f == 0 || range.high > scales[i].high)
                scales[i].high = range.high;
        }
}

static cnn_status write_frame(struct cnn_text *page, const struct cnn_film *film, size_t track,
                              size_t frame, const struct cnn_range *scales, cnn_diag *diag)
{
    const struct cnn_film_track *t = &film->tracks[track];
    const struct cnn_kernel_view tiles = {.weights = t->values + frame * cnn_film_frame_size(t),
                                          .filters = t->count,
                                          .channels = t->channels,
                                          .h = t->h,
                                          .w = t->w};
    struct cnn_html_value moment =
        film->epochs[frame] == 0
            ? cnn_html_string("moment", cnn_say("before training"))
            : cnn_html_number("moment", cnn_say("epoch %zu"), (size_t)film->epochs[frame]);
    struct cnn_canvas picture = {0};
    struct cnn_text alt = {0};
    cnn_text_printf(&alt, "%s, %s", track == CNN_FILM_MAPS ? film->mapped : film->layer,
                    moment.text ? moment.text : moment.number);
    cnn_status status =
        alt.failed ? cnn_fail_memory(diag, 0, "a page")
                   : cnn_sheet_tiles(&tiles,
                                     track == CNN_FILM_MAPS ? CNN_PALETTE_HEAT : CNN_PALETTE_SIGNED,
                                     scales, SIDE, &picture, diag);
    cnn_html_fill(page, frame_begin, (const struct cnn_html_value[]){moment, {0}});
    if (status == CNN_OK)
        status = cnn_html_picture(page, &picture, 1, alt.data, diag);
    cnn_html_fill(page, frame_end, NULL);
    cnn_text_free(&alt);
    cnn_canvas_free(&picture);
    return status;
}

/* The picture that the maps are of. */
static cnn_status write_picture(struct cnn_text *page, const struct cnn_film *film, cnn_diag *diag)
{
    const struct cnn_film_track *t = &film->tracks[CNN_FILM_PICTURE];
    struct cnn_canvas picture = {0};
    size_t side = t->h > t->w ? t->h : t->w;
    cnn_html_fill(
        page, frame_begin,
        (const struct cnn_html_value[]){cnn_html_string("moment", cnn_say("input")), {0}});
    cnn_status status = cnn_sheet_image(t->values, t->channels, t->h, t->w, &picture, diag);
    if (status == CNN_OK)
        status = cnn_html_picture(page, &picture, SIDE / side, cnn_say("input"), diag);
    cnn_html_fill(page, frame_end, NULL);
    cnn_canvas_free(&picture);
    return status;
}

static cnn_status write_strip(struct cnn_text *page, const struct cnn_film *film, size_t track,
                              cnn_diag *diag)
{
    const struct cnn_film_track *t = &film->tracks[track];
    struct cnn_range scales[CNN_FILM_TILES] = {{0}};
    bool weights = track == CNN_FILM_WEIGHTS;
    cnn_status status = CNN_OK;
    if (t->count == 0)
        return CNN_OK;
    const struct cnn_html_value values[] = {
        cnn_html_flag("weights", weights),
        cnn_html_flag("colours", t->channels == 3),
        cnn_html_string("layer", weights ? film->layer : film->mapped),
        cnn_html_string("image", film->image),
        cnn_html_string("class", film->class),
        cnn_html_number("count", "%zu", t->count),
        {0}};
    find_scales(t, film->count, scales);
    cnn_html_fill(page, strip_begin, NULL);
    for (size_t i = 0; i < film->count && status == CNN_OK; i++)
        status = write_frame(page, film, track, i, scales, diag);
    if (!weights && status == CNN_OK) /* below, so that the rows of both strips are level */
        status = write_picture(page, film, diag);
    cnn_html_fill(page, strip_end, values);
    return status;
}

cnn_status cnn_page_film(struct cnn_text *page, const struct cnn_film *film, cnn_diag *diag)
{
    if (!film->layer)
        return CNN_OK;
    cnn_html_fill(page, film_begin,
                  (const struct cnn_html_value[]){cnn_html_string("layer", film->layer), {0}});
    cnn_status status = write_strip(page, film, CNN_FILM_WEIGHTS, diag);
    if (status == CNN_OK)
        status = write_strip(page, film, CNN_FILM_MAPS, diag);
    cnn_html_fill(page, film_end, NULL);
    return status;
}
