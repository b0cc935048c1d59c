/* Films of runs: which frames are kept, what is in them, what a file may hold, and that a run that
 * was broken off has the film of one without a break. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "markup.h"
#include "model/record.h"
#include "near.h"
#include "networks.h"
#include "refuse.h"
#include "report/page.h"
#include "runs.h"
#include "train/film.h"
#include "util/allocate.h"
#include "util/file.h"
#include "world.h"

/* Of three filters, 2 x 2 in colour, with maps of 1 x 5 and a picture of one pixel. */
static const struct cnn_film_track small[CNN_FILM_TRACKS] = {
    {.count = 3, .channels = 3, .h = 2, .w = 2},
    {.count = 3, .channels = 1, .h = 1, .w = 5},
    {.count = 1, .channels = 1, .h = 1, .w = 1}};

static void make_small(struct cnn_film *film)
{
    assert_int_equal(cnn_film_new(small, film, NULL), CNN_OK);
    film->layer = "conv1";
    film->mapped = "relu1";
    film->image = "val:0";
    film->class = HOSTILE;
}

/* Every number of the frame tells its epoch. */
static void add(struct cnn_film *film, size_t epoch)
{
    size_t frame = cnn_film_add(film, epoch);
    for (size_t t = 0; t < CNN_FILM_PICTURE; t++) {
        size_t size = cnn_film_frame_size(&film->tracks[t]);
        for (size_t i = 0; i < size; i++)
            film->tracks[t].values[frame * size + i] = (float)epoch;
    }
}

static void assert_epochs(const struct cnn_film *film, size_t newest)
{
    size_t stride = newest <= 7 ? 1 : newest <= 14 ? 2 : newest <= 28 ? 4 : 8, count = 0;
    for (size_t epoch = 0; epoch <= newest; epoch++)
        if (epoch == newest || epoch % stride == 0) {
            assert_int_equal(film->epochs[count], epoch);
            for (size_t t = 0; t < CNN_FILM_PICTURE; t++) {
                size_t size = cnn_film_frame_size(&film->tracks[t]);
                assert_true(
                    is_equal(film->tracks[t].values[count * size], (double)epoch) &&
                    is_equal(film->tracks[t].values[(count + 1) * size - 1], (double)epoch));
            }
            count++;
        }
    assert_int_equal(film->count, count);
    assert_true(count <= CNN_FILM_FRAMES);
}

static void test_every_second_frame_goes_when_there_are_too_many(void **state)
{
    struct cnn_film film, back;
    (void)state;
    make_small(&film);
    for (size_t epoch = 0; epoch <= 40; epoch++) {
        add(&film, epoch);
        assert_epochs(&film, epoch);
        add(&film, epoch);
        assert_epochs(&film, epoch);
        if (epoch < 2)
            continue;
        /* goes on from some epoch that it has passed */
        make_small(&back);
        for (size_t i = 0; i <= epoch; i++)
            add(&back, i);
        size_t from = epoch * 2 / 3;
        assert_true(cnn_film_cut(&back, from));
        for (size_t i = from + 1; i <= epoch; i++)
            add(&back, i);
        assert_epochs(&back, epoch);
        assert_false(cnn_film_cut(&back, epoch));
        cnn_film_free(&back);
    }
    cnn_film_free(&film);
}

static void draw(const struct cnn_film *film, struct cnn_text *page)
{
    *page = (struct cnn_text){0};
    cnn_html_begin(page, "film", 0);
    assert_int_equal(cnn_page_film(page, film, NULL), CNN_OK);
    cnn_html_end(page);
    assert_sound(page);
}

static void test_film_is_read_as_it_was_written_and_shown(void **state)
{
    struct scratch *s = *state;
    struct cnn_film film, read;
    struct cnn_text page;
    make_small(&film);
    for (size_t epoch = 0; epoch <= 11; epoch++)
        add(&film, epoch);
    assert_int_equal(cnn_film_write(&film, scratch_path(s, "film"), s->diag), CNN_OK);
    assert_int_equal(cnn_film_read(scratch_path(s, "film"), &read, s->diag), CNN_OK);
    assert_epochs(&read, 11);
    draw(&read, &page);
    assert_has(&page, "<h2>conv1 over the epochs</h2>");
    assert_has(&page, "<span>before training</span><img");
    assert_has(&page, "alt=\"conv1, epoch 8\"");
    assert_has(&page, "alt=\"relu1, epoch 11\"");
    assert_has(&page, "first 3 outputs in colour");
    assert_has(&page,
               "image val:0, of class " HOSTILE_ESCAPED ", a column for each of its first 3");
    assert_int_equal(count_of(&page, "<img"), 2 * 7 + 1);
    cnn_text_free(&page);
    cnn_film_free(&read);
    assert_int_equal(cnn_film_read(scratch_path(s, "none"), &read, s->diag), CNN_OK);
    draw(&read, &page);
    assert_lacks(&page, "<h2>");
    cnn_text_free(&page);
    cnn_film_free(&film);
}

/* A film that memory does not suffice to read is not taken for a damaged one, which would go. */
static void test_memory_that_is_refused_is_no_damage(void **state)
{
    struct scratch *s = *state;
    struct cnn_film film;
    static char long_name[100000]; /* which takes memory of its own */
    const char *path = scratch_path(s, "film");
    memset(long_name, 'x', sizeof long_name - 1);
    refuse_begin();
    make_small(&film);
    film.class = long_name;
    for (size_t epoch = 0; epoch <= 3; epoch++)
        add(&film, epoch);
    assert_int_equal(cnn_film_write(&film, path, s->diag), CNN_OK);
    cnn_film_free(&film);
    size_t told = 0;
    bool asked = true;
    for (size_t i = 1; asked; i++) {
        cnn_diag *diag = cnn_diag_new();
        refuse_allocation(i);
        cnn_status status = cnn_film_read(path, &film, diag);
        asked = refuse_allocation(0) >= i;
        if (status != CNN_OK && !cnn_diag_out_of_memory(diag))
            fail_msg("allocation %zu was refused: %s", i, cnn_diag_get(diag, 0)->text);
        told += status != CNN_OK;
        cnn_film_free(&film);
        cnn_diag_free(diag);
    }
    assert_true(told > 5);
    refuse_end();
}

/* One column has one scale: the colour of a number is the same in every frame. */
static void test_frames_share_their_scale(void **state)
{
    struct cnn_film film;
    struct cnn_text page;
    (void)state;
    make_small(&film);
    for (size_t epoch = 0; epoch <= 2; epoch++)
        add(&film, epoch);
    size_t size = cnn_film_frame_size(&film.tracks[CNN_FILM_MAPS]);
    float *maps = film.tracks[CNN_FILM_MAPS].values;
    for (size_t i = 0; i < 3 * size; i++) /* 2, 2, 0 */
        maps[i] = i < 2 * size ? 2 : 0;
    draw(&film, &page);
    const char *before = strstr(page.data, "alt=\"relu1, before training\""),
               *first = strstr(page.data, "alt=\"relu1, epoch 1\""),
               *second = strstr(page.data, "alt=\"relu1, epoch 2\"");
    before = strstr(before, "src="), first = strstr(first, "src="), second = strstr(second, "src=");
    size_t length = strcspn(before + 5, "\"");
    assert_int_equal(strncmp(before, first, length), 0);
    assert_int_not_equal(strncmp(before, second, length), 0);
    cnn_text_free(&page);
    cnn_film_free(&film);
}

struct wrong { /* a file that is no film */
    const char *missing;
    size_t frames, count, channels, side;
    uint64_t second_epoch;
    const char *dtype;
};

static void write_wrong(const char *path, const struct wrong *w)
{
    static const float numbers[9 * 9 * 3 * 65 * 65];
    const uint64_t epochs[9] = {0, w->second_epoch, 2, 3, 4, 5, 6, 7, 8};
    const struct cnn_stored_pair pairs[] = {
        {"layer", "conv1"}, {"mapped", "conv1"}, {"image", "val:0"}, {"class", "cat"}};
    struct cnn_stored_tensor all[] = {{.name = "epochs", .dtype = "U64", .rank = 1},
                                      {.name = "weights", .dtype = w->dtype, .rank = 5},
                                      {.name = "maps", .dtype = "F32", .rank = 5},
                                      {.name = "picture", .dtype = "F32", .rank = 5}};
    const size_t dims[][5] = {{w->frames},
                              {w->frames, w->count, w->channels, w->side, 1},
                              {w->frames, 1, 1, 2, 2},
                              {1, 1, 3, 1, 1}};
    struct cnn_stored_tensor tensors[4];
    struct cnn_stored_pair texts[4];
    size_t count = 0, text_count = 0;
    for (size_t i = 0; i < 4; i++) {
        all[i].count = 1;
        for (size_t k = 0; k < all[i].rank; k++)
            all[i].count *= all[i].dims[k] = dims[i][k];
        all[i].bytes = all[i].count * (i == 0 ? 8 : 4);
        all[i].data = i == 0 ? (const void *)epochs : numbers;
        if (!w->missing || strcmp(w->missing, all[i].name) != 0)
            tensors[count++] = all[i];
        if (!w->missing || strcmp(w->missing, pairs[i].key) != 0)
            texts[text_count++] = pairs[i];
    }
    assert_int_equal(cnn_safetensors_write(path, tensors, count, texts, text_count, NULL), CNN_OK);
}

static void test_film_is_refused_when_it_is_none(void **state)
{
    static const struct wrong cases[] = {
        {"epochs", 2, 2, 3, 4, 1, "F32"},  {"weights", 2, 2, 3, 4, 1, "F32"},
        {"picture", 2, 2, 3, 4, 1, "F32"}, {"layer", 2, 2, 3, 4, 1, "F32"},
        {"class", 2, 2, 3, 4, 1, "F32"},   {NULL, 9, 2, 3, 4, 1, "F32"},
        {NULL, 2, 9, 3, 4, 1, "F32"},      {NULL, 2, 2, 2, 4, 1, "F32"},
        {NULL, 2, 2, 3, 65, 1, "F32"},     {NULL, 2, 2, 3, 4, 0, "F32"},
        {NULL, 3, 2, 3, 4, 2, "F32"},      {NULL, 2, 2, 3, 4, 1, "I32"}};
    struct scratch *s = *state;
    struct cnn_film film;
    write_wrong(scratch_path(s, "film"), &(struct wrong){NULL, 8, 8, 3, 64, 1, "F32"});
    assert_int_equal(cnn_film_read(scratch_path(s, "film"), &film, s->diag), CNN_OK);
    cnn_film_free(&film);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_wrong(scratch_path(s, "film"), &cases[i]);
        scratch_expect(s, cnn_film_read(scratch_path(s, "film"), &film, s->diag),
                       "DIR/film is no film of a run");
        assert_null(film.arena);
    }
}

/* Each bit of the file in turn, with the checksum and without: it is refused, or can be shown. */
static void test_damaged_film_is_refused_or_can_be_shown(void **state)
{
    struct scratch *s = *state;
    struct cnn_film film;
    struct cnn_text page;
    char *data;
    size_t size, shown = 0;
    make_small(&film);
    add(&film, 0);
    add(&film, 1);
    assert_int_equal(cnn_film_write(&film, scratch_path(s, "film"), s->diag), CNN_OK);
    cnn_film_free(&film);
    assert_int_equal(cnn_file_read(scratch_path(s, "film"), 1 << 20, &data, &size, NULL), CNN_OK);
    char *key = strstr(data + 8, "checksum"); /* behind the header's size, which holds zeros */
    for (size_t i = 0; i < 2 * 8 * size; i++) {
        *key = i < 8 * size ? 'c' : 'C';
        data[i / 8 % size] ^= (char)(1 << i % 8);
        scratch_write(s, "film", data, i % 3 == 0 ? size : size - i % 5);
        data[i / 8 % size] ^= (char)(1 << i % 8);
        if (cnn_film_read(scratch_path(s, "film"), &film, NULL) != CNN_OK)
            continue;
        draw(&film, &page);
        cnn_text_free(&page);
        cnn_film_free(&film);
        shown++;
    }
    assert_true(shown > 100);
    cnn_free(data);
}

/* ---- Of runs ---- */

static void read_film(struct scratch *s, const char *run, struct cnn_film *film)
{
    char name[64];
    snprintf(name, sizeof name, "%s/film.safetensors", run);
    assert_int_equal(cnn_film_read(scratch_path(s, name), film, s->diag), CNN_OK);
}

static const float *frame_of(const struct cnn_film *film, size_t track, size_t frame)
{
    const struct cnn_film_track *t = &film->tracks[track];
    return t->values + frame * cnn_film_frame_size(t);
}

/* The weights of a model's conv1 are those of the frame. */
static void assert_weights(const struct cnn_film *film, size_t frame, const cnn_model *model)
{
    const struct cnn_tensor *weights = model->tensors[network_tensor(model, "conv1.weight")].tensor;
    assert_int_equal(cnn_film_frame_size(&film->tracks[CNN_FILM_WEIGHTS]), weights->count);
    assert_memory_equal(frame_of(film, CNN_FILM_WEIGHTS, frame),
                        model->parameters + weights->offset, weights->count * sizeof(float));
}

/* The maps of the frame are what the model makes of its validation image 0, which is shown. */
static void assert_maps(struct scratch *s, const struct cnn_film *film, size_t frame,
                        cnn_model *model)
{
    const cnn_shape in = model->graph.input;
    struct cnn_dataset *dataset;
    enum cnn_split split;
    uint8_t buffer[3 * 16 * 16];
    assert_int_equal(cnn_record_open(model,
                                     &(struct cnn_data_choice){.input = in, .split = CNN_SPLIT_VAL},
                                     &dataset, &split, s->diag),
                     CNN_OK);
    struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_KEEP, false);
    const uint8_t *pixels = cnn_dataset_read(dataset, 0, buffer);
    const float *picture = frame_of(film, CNN_FILM_PICTURE, 0);
    assert_int_equal(film->tracks[CNN_FILM_PICTURE].channels, in.c);
    for (size_t i = 0; i < cnn_shape_count(in); i++)
        assert_near((double)picture[i % in.c * in.h * in.w + i / in.c], pixels[i], 0);
    cnn_normalize(&model->normalization, pixels, in.h * in.w, cnn_plan_input(plan));
    cnn_plan_forward(plan, 1, false, 0);
    size_t layer = network_layer(model, "batch_norm1"), c = model->graph.nodes[layer].out.c;
    const float *value = cnn_plan_value(plan, layer + 1),
                *maps = frame_of(film, CNN_FILM_MAPS, frame);
    for (size_t i = 0; i < in.h * in.w * c; i++)
        assert_near(maps[i % c * in.h * in.w + i / c], value[i], 1e-4);
    assert_string_equal(film->class, cnn_dataset_class(dataset, cnn_dataset_label(dataset, 0)));
    cnn_plan_free(plan);
    cnn_dataset_free(dataset);
}

static void test_frames_are_the_weights_and_maps_before_and_after(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct cnn_film film;
    cnn_model *model;
    size_t size;
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=2"), CNN_OK);
    read_film(s, "run", &film);
    assert_int_equal(film.count, 3);
    assert_string_equal(film.layer, "conv1");
    assert_string_equal(film.mapped, "batch_norm1");
    assert_string_equal(film.image, "val:0");
    char *text = runs_read(s, "run", "config.yaml", &size);
    model = network_open(text);
    assert_weights(&film, 0, model);
    cnn_model_free(model);
    free(text);
    assert_int_equal(cnn_model_open(scratch_path(s, "run/last.safetensors"), NULL, &model, s->diag),
                     CNN_OK);
    assert_weights(&film, 2, model);
    assert_maps(s, &film, 2, model);
    cnn_model_free(model);
    cnn_film_free(&film);
}

static void test_taking_frames_changes_no_parameter(void **state)
{
    struct scratch *s = runs_prepare(state);
    cnn_model *model;
    struct cnn_dataset *dataset;
    struct cnn_filming filming = {0};
    enum cnn_split split;
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    assert_int_equal(cnn_model_open(scratch_path(s, "run"), NULL, &model, s->diag), CNN_OK);
    assert_int_equal(cnn_record_open(model,
                                     &(struct cnn_data_choice){.input = model->graph.input,
                                                               .split = CNN_SPLIT_VAL},
                                     &dataset, &split, s->diag),
                     CNN_OK);
    network_stir(model);
    size_t bytes = model->graph.parameter_floats * sizeof(float);
    float *before = cnn_malloc(bytes);
    memcpy(before, model->parameters, bytes);
    assert_int_equal(
        cnn_filming_open(model, dataset, "val", scratch_path(s, "film"), &filming, s->diag),
        CNN_OK);
    for (size_t epoch = 0; epoch < 3; epoch++)
        assert_int_equal(cnn_filming_take(&filming, epoch, s->diag), CNN_OK);
    assert_memory_equal(before, model->parameters, bytes);
    cnn_free(before);
    cnn_filming_close(&filming);
    cnn_dataset_free(dataset);
    cnn_model_free(model);
}

static void put_film(struct scratch *s, const char *from, const char *to)
{
    char name[64];
    size_t size;
    char *data = runs_read(s, from, "film.safetensors", &size);
    snprintf(name, sizeof name, "%s/film.safetensors", to);
    scratch_write(s, name, data, size);
    free(data);
}

/* A crash comes between the frame and the checkpoint; and the state before the last is older by an
 * epoch or more. */
static void test_later_frames_go_when_a_run_is_resumed(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH, .at = 6},
                   at_once = {.kind = CNN_EVENT_START, .at = 1};
    struct cnn_film film;
    assert_int_equal(runs_train(s, "whole", false, NULL, "train.epochs=9"), CNN_OK);
    assert_int_equal(runs_train(s, "run", false, &watcher, "train.epochs=9"), CNN_INTERRUPTED);
    put_film(s, "whole", "run");
    cnn_diag_clear(s->diag);
    assert_int_equal(runs_train(s, "run", true, &at_once, NULL), CNN_INTERRUPTED);
    read_film(s, "run", &film);
    assert_int_equal(film.count, 4); /* 0, 2, 4, 6 */
    assert_int_equal(film.epochs[3], 6);
    cnn_film_free(&film);
    assert_int_equal(runs_train(s, "run", true, NULL, NULL), CNN_OK);
    runs_assert_same(s, "whole", "run");
    read_film(s, "run", &film);
    assert_int_equal(film.count, 6); /* 0, 2, 4, 6, 8, 9 */
    assert_int_equal(film.epochs[5], 9);
    cnn_film_free(&film);
}

struct listener {
    char warning[256];
};

static int hear(void *context, const cnn_event *event)
{
    struct listener *listener = context;
    if (event->kind == CNN_EVENT_WARNING && strstr(event->text, "film"))
        snprintf(listener->warning, sizeof listener->warning, "%s", event->text);
    return 0;
}

static void resume(struct scratch *s, const char *run, const char *said)
{
    struct listener listener = {""};
    char directory[128];
    const char *more = "train.epochs=4";
    snprintf(directory, sizeof directory, "%s", scratch_path(s, run));
    const cnn_train_options options = {.resume = directory,
                                       .overrides = &more,
                                       .override_count = 1,
                                       .event = hear,
                                       .context = &listener};
    assert_int_equal(cnn_train(&options, s->diag), CNN_OK);
    if (!strstr(listener.warning, said))
        fail_msg("the warning is: %s", listener.warning);
}

static void test_film_begins_anew_when_its_file_is_damaged(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct cnn_film film;
    size_t size;
    assert_int_equal(runs_train(s, "run", false, NULL, NULL), CNN_OK);
    char *data = runs_read(s, "run", "film.safetensors", &size);
    data[size - 5] ^= 1;
    scratch_write(s, "run/film.safetensors", data, size);
    free(data);
    char directory[128];
    snprintf(directory, sizeof directory, "%s", scratch_path(s, "run"));
    const char *run = directory;
    assert_int_equal(cnn_report(&run, 1, scratch_path(s, "page.html"), s->diag), CNN_OK);
    assert_true(cnn_diag_get(s->diag, 0)->warning);
    runs_expect(s, "film.safetensors is damaged: the checksum of its tensors is");
    resume(s, "run", "film.safetensors is damaged: ");
    read_film(s, "run", &film);
    assert_int_equal(film.count, 1);
    assert_int_equal(film.epochs[0], 4);
    cnn_film_free(&film);
    assert_int_equal(runs_train(s, "other", false, NULL, "layers.0.filters=3"), CNN_OK);
    put_film(s, "run", "other");
    resume(s, "other", "is the film of another run; the film of the run begins anew");
}

static void test_film_is_of_templates_or_there_is_none(void **state)
{
    struct scratch *s = *state;
    const char *const heads[] = {
        "", "{type: global_pool, pool_type: avg}, ",
        "{type: space_to_depth, block: 97}, {type: conv, filters: 2, kernel_size: 1}, "};
    struct cnn_film film;
    for (size_t i = 0; i < 3; i++) {
        char text[512], run[16];
        snprintf(text, sizeof text,
                 "input: [3, 97, 97]\nlayers: [%s{type: flatten}, {type: dense, units: 10}]\n"
                 "data: {dataset: shapes, limit: 20, val_split: 0.5}\n"
                 "train: {epochs: 1, batch_size: 10}\n",
                 heads[i]);
        scratch_write(s, "tiny.yaml", text, strlen(text));
        snprintf(run, sizeof run, "run%zu", i);
        assert_int_equal(runs_train(s, run, false, NULL, NULL), CNN_OK);
        read_film(s, run, &film);
        assert_int_equal(film.count, i == 0 ? 2 : 0);
        if (i > 0)
            continue;
        const struct cnn_film_track *t = film.tracks;
        assert_int_equal(t[CNN_FILM_WEIGHTS].count, 8);
        assert_int_equal(t[CNN_FILM_WEIGHTS].channels, 3);
        assert_int_equal(t[CNN_FILM_WEIGHTS].h, 49); /* means of 2 x 2 */
        assert_int_equal(t[CNN_FILM_WEIGHTS].w, 49);
        assert_int_equal(t[CNN_FILM_MAPS].count, 0);
        cnn_film_free(&film);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_second_frame_goes_when_there_are_too_many),
        cmocka_unit_test_setup_teardown(test_film_is_read_as_it_was_written_and_shown,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_memory_that_is_refused_is_no_damage, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(test_frames_share_their_scale),
        cmocka_unit_test_setup_teardown(test_film_is_refused_when_it_is_none, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_damaged_film_is_refused_or_can_be_shown, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_frames_are_the_weights_and_maps_before_and_after,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_taking_frames_changes_no_parameter, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_later_frames_go_when_a_run_is_resumed, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_film_begins_anew_when_its_file_is_damaged,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_film_is_of_templates_or_there_is_none, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
