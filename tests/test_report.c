/* Reports: reading a run's tables, settings that differ, and whole pages of small runs. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "markup.h"
#include "networks.h"
#include "report/history.h"
#include "report/page.h"
#include "report/report.h"
#include "report/settings.h"
#include "tasks/metrics.h"
#include "util/file.h"
#include "world.h"

#define EPOCHS_HEADER "epoch,train_loss,train_accuracy,val_loss,val_accuracy,lr,seconds\n"
#define STEPS_HEADER  "step,epoch,loss,lr,images_per_s\n"
#define EPOCHS                                                                                     \
    EPOCHS_HEADER "1,2.25,0.25,2.5,0.125,0.1,65\n2,1.5,0.5,1.75,0.375,0.05,60\n3,1.25,0.75,2,0."   \
                  "375,0.025,60\n"
#define STEPS STEPS_HEADER "10,1,2.3,0.1,1000\n20,2,1.6,0.05,1200\n30,3,1.3,0.025,1234\n"

static void write_text(struct scratch *s, const char *name, const char *text)
{
    scratch_write(s, name, text, strlen(text));
}

static void test_history_is_read_when_files_are_whole(void **state)
{
    struct scratch *s = *state;
    struct cnn_history history;
    write_text(s, "epochs.csv", EPOCHS);
    write_text(s, "steps.csv", STEPS "40,3,1.2"); /* its end is still to come */
    assert_int_equal(cnn_history_read(s->folder, cnn_tasks[0], &history, s->diag), CNN_OK);
    assert_int_equal(history.epoch_count, 3);
    assert_int_equal(history.step_count, 3);
    assert_int_equal(history.health_count, 0);
    assert_true(is_equal(history.epochs[1].val_measure, 0.375) &&
                is_equal(history.epochs[2].lr, 0.025));
    assert_true(history.steps[2].step == 30 && is_equal(history.steps[2].images_per_s, 1234));
    assert_int_equal(cnn_history_best(&history), 1);
    assert_true(is_equal(cnn_history_seconds(&history), 185));
    history.epochs[2].val_loss = 1.5;
    assert_int_equal(cnn_history_best(&history), 2);
    cnn_history_free(&history);
}

static void test_history_is_empty_when_files_are_missing(void **state)
{
    struct scratch *s = *state;
    struct cnn_history history;
    assert_int_equal(cnn_history_read(s->folder, cnn_tasks[0], &history, s->diag), CNN_OK);
    assert_int_equal(history.epoch_count + history.step_count + history.health_count, 0);
    assert_true(cnn_history_best(&history) == CNN_NO_INDEX);
    cnn_history_free(&history);
    write_text(s, "epochs.csv", "");
    assert_int_equal(cnn_history_read(s->folder, cnn_tasks[0], &history, s->diag), CNN_OK);
    cnn_history_free(&history);
}

/* The first message's place and text, without source line and caret. */
static void assert_place(struct scratch *s, cnn_status status, const char *expected)
{
    char path[512];
    assert_int_equal(status, CNN_FAILED);
    assert_int_equal(cnn_diag_count(s->diag), 1);
    char *text = cnn_message_format(cnn_diag_get(s->diag, 0), "cnn");
    assert_non_null(text);
    text[strcspn(text, "\n")] = '\0';
    snprintf(path, sizeof path, "%s/%s", s->folder, expected);
    assert_string_equal(text, path);
    free(text);
    cnn_diag_clear(s->diag);
}

static void test_history_says_where_when_a_file_is_damaged(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"epoch,loss\n", "epochs.csv:1:1: error: the header is not "
                         "'epoch,train_loss,train_accuracy,val_loss,val_accuracy,lr,seconds'"},
        {EPOCHS_HEADER "1,2,3,4,5,6,7\n2,1.5,x,1,1,1,1\n",
         "epochs.csv:3:7: error: field 3 is 'x', which is no number"},
        {EPOCHS_HEADER "1,2,3,4,5,6\n", "epochs.csv:2:11: error: the row has fewer than 7 fields"},
        {EPOCHS_HEADER "1,2,3,4,5,6,7,8\n",
         "epochs.csv:2:13: error: the row has more than 7 fields"},
        {EPOCHS_HEADER "\n1,2,3,4,5,6,7\n",
         "epochs.csv:2:1: error: field 1 is '', which is no number"},
        {EPOCHS_HEADER "1.5,2,3,4,5,6,7\n",
         "epochs.csv:2:1: error: field 1 is '1.5', which counts nothing"},
        {EPOCHS_HEADER "nan,2,3,4,5,6,7\n",
         "epochs.csv:2:1: error: field 1 is 'nan', which counts nothing"},
        {EPOCHS_HEADER "1,2,3,4,5,6, 7\n",
         "epochs.csv:2:13: error: field 7 is ' 7', which is no number"},
        {EPOCHS_HEADER "2,2,3,4,5,6,7\n2,2,3,4,5,6,7\n", "epochs.csv:3:1: error: 2 comes after 2"},
    };
    struct scratch *s = *state;
    struct cnn_history history;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(s, "epochs.csv", cases[i].text);
        assert_place(s, cnn_history_read(s->folder, cnn_tasks[0], &history, s->diag),
                     cases[i].message);
    }
    write_text(s, "epochs.csv", EPOCHS);
    write_text(s, "steps.csv", STEPS "40,0,1,1,1\n");
    assert_place(s, cnn_history_read(s->folder, cnn_tasks[0], &history, s->diag),
                 "steps.csv:5:4: error: field 2 is '0', which counts nothing");
}

static void test_settings_are_listed_when_they_differ(void **state)
{
    static const char *const texts[] = {
        "layers:\n- {type: conv, name: a, filters: 3}\n- {type: dense, name: b, units: 10}\ninput: "
        "[1, 2, 2]\ntrain: {lr: 0.10, list: [[1], [2]]}\n",
        "layers:\n- {type: conv, name: a, filters: 4}\n- {type: relu, name: c}\n- {type: dense, "
        "name: b, units: 10}\n"
        "input: [1, 2, 3]\ntrain: {lr: 1e-1, list: [[1], [3]]}\n",
    };
    static const char *const expected[][3] = {
        {"layers.a.filters", "3", "4"},
        {"layers.c.type", NULL, "relu"},
        {"input", "[1, 2, 2]", "[1, 2, 3]"},
        {"train.list", "[[1], [2]]", "[[1], [3]]"},
    };
    struct world *world = *state;
    const struct cnn_yaml *roots[] = {parse(world, texts[0]), parse(world, texts[1])};
    struct cnn_difference *differences;
    size_t count;
    assert_int_equal(
        cnn_settings_compare(world->arena, roots, 2, &differences, &count, world->diag), CNN_OK);
    assert_int_equal(count, sizeof expected / sizeof *expected);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(differences[i].path, expected[i][0]);
        for (size_t r = 0; r < 2; r++) {
            if (expected[i][r + 1])
                assert_string_equal(differences[i].values[r], expected[i][r + 1]);
            else
                assert_null(differences[i].values[r]);
        }
    }
    roots[1] = roots[0];
    assert_int_equal(
        cnn_settings_compare(world->arena, roots, 2, &differences, &count, world->diag), CNN_OK);
    assert_int_equal(count, 0);
}

#define CONFIG                                                                                     \
    "name: tiny\ninput: [3, 8, 8]\nlayers:\n- {type: conv, name: conv1, filters: 2, kernel_size: " \
    "3, activation: relu}\n"                                                                       \
    "- {type: flatten, name: flatten1}\n- {type: dense, name: dense1, units: 10}\ntrain: "         \
    "{epochs: 4, optimizer: {type: sgd, lr: 0.1}}\n# " HOSTILE "\n"

static void read_page(const char *path, struct cnn_text *page)
{
    *page = (struct cnn_text){0};
    assert_int_equal(cnn_file_read(path, 1 << 26, &page->data, &page->size, NULL), CNN_OK);
}

static void write_report(struct scratch *s, struct cnn_report report, struct cnn_text *page)
{
    char path[256];
    snprintf(path, sizeof path, "%s/page.html", s->folder);
    assert_int_equal(cnn_report_write(path, &report, s->diag), CNN_OK);
    read_page(path, page);
    assert_sound(page);
}

static void test_report_shows_a_run_when_it_goes_on(void **state)
{
    struct scratch *s = *state;
    struct cnn_text page;
    cnn_model *model = network_open(CONFIG);
    write_text(s, "config.yaml", CONFIG);
    write_text(s, "epochs.csv", EPOCHS);
    write_text(s, "steps.csv", STEPS);
    write_text(s, "health.csv",
               CNN_HEALTH_HEADER "1,conv1,2,0.25,1,2,0.002,1\n1,dense1,0,,1,2,0.002,1\n2,conv1,2,0."
                                 "5,1,2,0.002,1\n2,dense1,0,,4,2,0.002,1\n");
    write_report(s,
                 (struct cnn_report){
                     .title = HOSTILE, .directory = s->folder, .model = model, .running = true},
                 &page);
    assert_has(&page, "<title>" HOSTILE_ESCAPED "</title>");
    assert_has(&page, "http-equiv=\"refresh\"");
    assert_has(&page, "<b>3 of 4</b>");
    assert_has(&page, "<b>37.50 %</b> <small>epoch 2</small>");
    assert_has(&page, "<b>3 min 05 s</b>");
    assert_has(
        &page,
        "<td class=\"n\">2 (best)</td><td class=\"n\">1.5000</td><td class=\"n\">50.00 %</td>");
    assert_has(&page, "<td class=\"n\">1,234</td>");
    assert_has(&page, "<td>conv1</td><td>conv</td><td class=\"n\">2 x 6 x 6</td><td "
                      "class=\"n\">56</td><td class=\"n\">1,944</td>");
    assert_has(&page, "Kernels of conv1");
    assert_has(&page, "<td>conv1</td><td class=\"n\">50.0 %</td><td class=\"n\">1</td>");
    const char *dead = strstr(page.data, "Channels that never fire");
    /* 25 and 50 on an axis from 0 to 50 */
    assert_true(dead && strstr(dead, "d=\"M60.00 140.00L580.00 30.00\""));
    assert_has(&page, "# " HOSTILE_ESCAPED "\n</pre>");
    assert_has(&page, "<b>running</b> <small>at 20");
    assert_has(&page, "<h2>Evaluation</h2>\n<p class=\"note\">Follows with the next epoch.</p>");
    cnn_text_free(&page);
    cnn_model_free(model);
}

/* Cells are as strong as their share of the class's images; mistakes are full at a quarter. */
static void test_confusion_is_coloured_by_its_share(void **state)
{
    cnn_class_score scores[] = {{.images = 10}, {.images = 5}};
    cnn_confusion_cell cells[] = {{0, 0, 7}, {0, 1, 3}, {1, 0, 1}, {1, 1, 4}};
    const cnn_evaluation e = {
        .classes = 2, .confusion = cells, .confusion_cells = 4, .per_class = scores};
    struct cnn_text page = {0};
    (void)state;
    cnn_page_classes(&page, NULL, &e);
    assert_has(&page, "<td style=\"background:rgba(0,114,178,0.73);color:#fff\" title=\"0 "
                      "recognised as 0: 70.0 %\">7</td>");
    assert_has(&page, "rgba(213,94,0,1.00)\" title=\"0 taken for 1: 30.0 %\">3</td>");
    assert_has(&page, "rgba(213,94,0,0.82)\" title=\"1 taken for 0: 20.0 %\">1</td>");
    cnn_text_free(&page);
}

/* A loss that has jumped is told, whatever the last epoch's steps were like. */
static void test_report_tells_of_a_loss_that_rose(void **state)
{
    static const struct {
        const char *epochs;
        size_t jump; /* index of the epoch */
    } cases[] = {
        {"1,2,0.5,2,0.5,0.1,1\n2,0.25,0.5,2,0.5,0.1,1\n3,3,0.5,2,0.5,0.1,1\n"
         "4,1,0.5,2,0.5,0.1,1\n",
         2},
        {"1,2,0.5,2,0.5,0.1,1\n2,1,0.5,2,0.5,0.1,1\n3,2.9,0.5,2,0.5,0.1,1\n", CNN_NO_INDEX},
        {"1,2,0.5,2,0.5,0.1,1\n2,0.01,0.5,2,0.5,0.1,1\n3,0.2,0.5,2,0.5,0.1,1\n", CNN_NO_INDEX},
        {"1,1,0.5,2,0.5,0.1,1\n2,5,0.5,2,0.5,0.1,1\n3,0.5,0.5,2,0.5,0.1,1\n"
         "4,1.6,0.5,2,0.5,0.1,1\n",
         1},
        {"1,2,0.5,2,0.5,0.1,1\n2,0.25,0.5,2,0.5,0.1,1\n3,0.85,0.5,2,0.5,0.1,1\n", 2},
    };
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cnn_history history;
        struct cnn_text page;
        char text[400];
        snprintf(text, sizeof text, "%s%s", EPOCHS_HEADER, cases[i].epochs);
        write_text(s, "epochs.csv", text);
        write_text(s, "health.csv", CNN_HEALTH_HEADER "2,conv1,2,0,1,2,0.002,1\n");
        assert_int_equal(cnn_history_read(s->folder, cnn_tasks[0], &history, s->diag), CNN_OK);
        assert_true(cnn_history_jump(&history) == cases[i].jump);
        cnn_history_free(&history);
        write_text(s, "config.yaml", "train: {freeze_epochs: 2}\n");
        write_report(s, (struct cnn_report){.directory = s->folder}, &page);
        if (cases[i].jump == CNN_NO_INDEX)
            assert_lacks(&page, "rose from");
        else
            assert_has(&page, "steps were too large");
        if (i == 0)
            assert_has(&page, "<li>the mean training loss rose from 0.25 in epoch 2 to 3 in epoch "
                              "3, the first in which the frozen layers were trained: its steps "
                              "were too large");
        cnn_text_free(&page);
    }
}

/* At the end of a schedule every step is small: that is no praise of its size. */
static void test_report_praises_no_steps_where_the_schedule_ends(void **state)
{
    struct scratch *s = *state;
    struct cnn_text page;
    write_text(s, "config.yaml", CONFIG);
    write_text(s, "epochs.csv", EPOCHS);
    write_text(s, "health.csv", CNN_HEALTH_HEADER "2,conv1,2,0,1,2,0.002,1\n");
    write_report(s, (struct cnn_report){.directory = s->folder}, &page);
    assert_has(&page, "no step was too large or too small.</p>");
    assert_lacks(&page, "near 0");
    cnn_text_free(&page);
    write_text(s, "health.csv", CNN_HEALTH_HEADER "2,conv1,2,0,1,2,2e-8,1e-6\n");
    write_report(s, (struct cnn_report){.directory = s->folder}, &page);
    assert_lacks(&page, "no step was");
    assert_has(&page, "brought the learning rate near 0");
    cnn_text_free(&page);
}

static void test_report_says_how_far_a_run_came_when_it_is_over(void **state)
{
    struct scratch *s = *state;
    struct cnn_text page;
    write_text(s, "config.yaml", CONFIG);
    write_report(s, (struct cnn_report){.directory = s->folder}, &page);
    assert_has(&page, "No epoch is finished yet.");
    assert_has(&page, "<b>0 of 4</b>");
    assert_lacks(&page, "refresh");
    cnn_text_free(&page);
    write_text(s, "epochs.csv", EPOCHS);
    write_report(s, (struct cnn_report){.directory = s->folder}, &page);
    assert_has(&page, "<b>not complete</b>");
    assert_lacks(&page, "Evaluation");
    cnn_text_free(&page);
    write_report(s, (struct cnn_report){.directory = s->folder, .end = HOSTILE}, &page);
    assert_has(&page, "<p class=\"bad\">" HOSTILE_ESCAPED "</p>");
    cnn_text_free(&page);
    write_text(s, "epochs.csv", EPOCHS "4,1,1,1,1,1,1\n");
    write_report(s, (struct cnn_report){.directory = s->folder}, &page);
    assert_has(&page, "<b>complete</b>");
    cnn_text_free(&page);
    write_text(s, "config.yaml", "train: {steps: 30}\n");
    write_report(s, (struct cnn_report){.directory = s->folder, .step = 29}, &page);
    assert_has(&page, "<span>steps done</span><b>29 of 30</b>");
    cnn_text_free(&page);
    write_report(s, (struct cnn_report){.directory = s->folder, .step = 30, .end = "interrupted"},
                 &page);
    assert_has(&page, "<b>not complete</b>");
    cnn_text_free(&page);
    write_text(s, "steps.csv", STEPS);
    write_report(s, (struct cnn_report){.directory = s->folder}, &page);
    assert_has(&page, "<span>steps done</span><b>30 of 30</b>");
    assert_has(&page, "<b>complete</b>");
    cnn_text_free(&page);
}

/* A spike in one batch must not be lost where there are more steps than can be drawn, and not where
 * another of the 80 steps that it is drawn with is no number. Its axis goes from 0 to 10. */
static void test_report_keeps_extremes_when_steps_are_many(void **state)
{
    struct scratch *s = *state;
    struct cnn_text steps = {0}, page;
    cnn_text_printf(&steps, STEPS_HEADER);
    for (size_t i = 1; i <= 20000; i++)
        cnn_text_printf(&steps, "%zu,1,%s,0.1,100\n", i, i == 7777 ? "9" : i == 7761 ? "nan" : "1");
    write_text(s, "steps.csv", steps.data);
    cnn_text_free(&steps);
    write_report(s, (struct cnn_report){.directory = s->folder}, &page);
    assert_has(&page, " 52.00L");
    assert_true(count_of(&page, "<circle") <= 2 * 500);
    assert_true(page.size < 200000);
    assert_has(&page, "Training loss by step");
    cnn_text_free(&page);
}

static void test_report_writes_losses_so_that_they_say_something(void **state)
{
    struct scratch *s = *state;
    struct cnn_text page;
    write_text(s, "epochs.csv",
               EPOCHS_HEADER "1,1.25e17,0.5,4e-7,0.5,0.1,1\n2,0,0.5,0.00123456,0.5,0.1,1\n");
    write_report(s, (struct cnn_report){.directory = s->folder}, &page);
    assert_has(&page, "<td class=\"n\">1 (best)</td><td class=\"n\">1.25e+17</td><td "
                      "class=\"n\">50.00 %</td><td class=\"n\">4e-07</td>");
    assert_has(&page, "<td class=\"n\">2</td><td class=\"n\">0.0000</td><td class=\"n\">50.00 "
                      "%</td><td class=\"n\">0.0012</td>");
    cnn_text_free(&page);
}

/* An evaluation of `classes` classes with ten images each, of which one is taken for the next
 * class. */
static cnn_evaluation make_evaluation(size_t classes)
{
    cnn_evaluation e = {.images = 10 * classes,
                        .classes = classes,
                        .loss = 0.5,
                        .accuracy = 0.9,
                        .top5 = 1,
                        .accuracy_low = 0.8125,
                        .accuracy_high = 0.95};
    e.split = "test";
    e.confusion = calloc(2 * classes + 1, sizeof *e.confusion);
    e.per_class = calloc(classes, sizeof *e.per_class);
    assert_non_null(e.confusion);
    assert_non_null(e.per_class);
    for (size_t i = 0; i < classes; i++) {
        size_t next = (i + 1) % classes;
        cnn_confusion_cell *row = &e.confusion[2 * i];
        row[next < i] = (cnn_confusion_cell){(uint32_t)i, (uint32_t)i, 9};
        row[next > i] = (cnn_confusion_cell){(uint32_t)i, (uint32_t)next, 1};
        e.per_class[i] = (cnn_class_score){0.9, 0.9, 0.9, 10};
    }
    e.confusion_cells = 2 * classes;
    return e;
}

static void test_report_shows_an_evaluation_when_there_is_no_run(void **state)
{
    static const char *const names[] = {"a<b", "two", "three", "4", "5", "6", "7", "8", "9", "10"};
    struct scratch *s = *state;
    struct cnn_text page;
    cnn_model *model = network_open(CONFIG);
    cnn_evaluation e = make_evaluation(10);
    assert_int_equal(cnn_model_set_classes(model, 10, names, NULL), CNN_OK);
    write_report(s, (struct cnn_report){.model = model, .evaluation = &e}, &page);
    assert_has(&page, "<title>tiny</title>");
    assert_has(&page, "<b>90.00 %</b> <small>95 % interval: 81.25 to 95.00</small>");
    assert_has(&page, "<b>test</b>");
    assert_has(&page, "title=\"a&lt;b taken for two: 10.0 %\">1</td>");
    assert_has(&page, "title=\"10 taken for a&lt;b: 10.0 %\">1</td>");
    assert_int_equal(count_of(&page, "recognised as"), 10);
    assert_lacks(&page, "epoch");
    assert_lacks(&page, "Most confused");
    cnn_text_free(&page);
    cnn_metrics_free(&e);
    cnn_model_free(model);
}

static void test_report_lists_pairs_when_classes_are_many(void **state)
{
    struct scratch *s = *state;
    struct cnn_text page;
    cnn_evaluation e = make_evaluation(31);
    e.confusion[e.confusion_cells++] = (cnn_confusion_cell){5, 17, 4}; /* order is not wanted */
    write_report(s, (struct cnn_report){.evaluation = &e}, &page);
    assert_lacks(&page, "Confusion matrix");
    assert_has(&page, "</tr>\n<tr><td>5</td><td>17</td><td class=\"n\">4</td><td class=\"n\">40.00 "
                      "%</td></tr>\n<tr><td>0</td>");
    cnn_text_free(&page);
    cnn_metrics_free(&e);
}

/* A small picture is enlarged by a whole factor, a large one made smaller. */
static void test_report_shows_answers_when_there_are_samples(void **state)
{
    static const uint8_t pixels[300 * 200 * 3];
    static const char *const names[] = {HOSTILE, "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    struct cnn_sample wrong[] = {{.image = 17,
                                  .label = 1,
                                  .predicted = 0,
                                  .probability = 0.75f,
                                  .label_probability = 0.125f,
                                  .pixels = pixels},
                                 {.image = 18,
                                  .label = 2,
                                  .predicted = 3,
                                  .probability = 0.5f,
                                  .label_probability = 0.25f,
                                  .pixels = pixels}};
    struct cnn_sample right[] = {{.image = 5,
                                  .label = 9,
                                  .predicted = 9,
                                  .probability = 0.5f,
                                  .label_probability = 0.5f,
                                  .pixels = pixels}};
    struct cnn_samples samples = {
        .wrong = wrong, .right = right, .wrong_count = 2, .right_count = 1};
    struct scratch *s = *state;
    struct cnn_text page;
    cnn_model *model = network_open(CONFIG);
    assert_int_equal(cnn_model_set_classes(model, 10, names, NULL), CNN_OK);
    write_report(s, (struct cnn_report){.model = model, .samples = &samples}, &page);
    assert_int_equal(count_of(&page, "class=\"pixels\" width=\"96\" height=\"96\""), 3);
    assert_has(&page, "<b class=\"bad\">" HOSTILE_ESCAPED
                      "</b> <span>75.0 %</span><br>is <b>b</b> <span>12.5 %</span></figcaption>");
    assert_has(&page, "<b class=\"good\">j</b> <span>50.0 %</span></figcaption>");
    const char *places[] = {strstr(page.data, "alt=\"image 17\""),
                            strstr(page.data, "alt=\"image 18\""),
                            strstr(page.data, "alt=\"image 5\"")};
    assert_true(places[0] && places[1] > places[0] && places[2] > places[1]);
    cnn_text_free(&page);
    cnn_model_free(model);
    model = network_open_layers("[3, 200, 300]",
                                "- {type: global_pool, pool_type: max}\n- {type: flatten}");
    assert_int_equal(cnn_model_set_classes(model, 10, names, NULL), CNN_OK);
    write_report(s, (struct cnn_report){.model = model, .samples = &samples}, &page);
    assert_int_equal(count_of(&page, "<img width=\"96\" height=\"64\""), 3);
    assert_lacks(&page, "Kernels");
    cnn_text_free(&page);
    cnn_model_free(model);
}

/* FOLDER/name becomes the directory of a run with this learning rate. */
static void make_run(struct scratch *s, const char *name, const char *lr, const char *epochs,
                     char *directory, size_t size)
{
    char file[64], config[1024];
    snprintf(directory, size, "%s", scratch_path(s, name));
    assert_int_equal(cnn_make_directories(directory, s->diag), CNN_OK);
    snprintf(config, sizeof config, "%sloss: {type: cross_entropy, label_smoothing: %s}\n", CONFIG,
             lr);
    snprintf(file, sizeof file, "%s/config.yaml", name);
    write_text(s, file, config);
    snprintf(file, sizeof file, "%s/epochs.csv", name);
    write_text(s, file, epochs);
}

/* A point for each bin with images: the mean confidence across, the accuracy up. */
static void test_page_shows_how_often_answers_are_right_that_are_so_sure(void **state)
{
    (void)state;
    cnn_calibration_bin bins[CNN_CALIBRATION_BINS] = {
        [5] = {.images = 4, .confidence = 0.375, .accuracy = 0.25},
        [14] = {.images = 4, .confidence = 0.96875, .accuracy = 0.75}};
    cnn_evaluation e = {.images = 8,
                        .confidence = 0.75,
                        .ece = 0.125,
                        .calibration = bins,
                        .calibration_bins = CNN_CALIBRATION_BINS};
    struct cnn_text page = {0};
    cnn_page_calibration(&page, &e);
    assert_false(page.failed);
    assert_non_null(strstr(page.data, "<title>accuracy, confidence (%) 37.5: 25.00 %</title>"));
    assert_non_null(strstr(page.data, "<title>accuracy, confidence (%) 96.875: 75.00 %</title>"));
    cnn_text_free(&page);
}

static void test_comparison_shows_runs_side_by_side_when_there_are_two(void **state)
{
    struct scratch *s = *state;
    char first[128], second[128], path[128];
    struct cnn_text page;
    make_run(s, "a", "0.1", EPOCHS, first, sizeof first);
    make_run(s, "b&b", "0.2", EPOCHS_HEADER "1,2.25,0.25,2.5,0.5,0.1,65\n", second, sizeof second);
    snprintf(path, sizeof path, "%s/compare.html", s->folder);
    assert_int_equal(cnn_report((const char *const[]){first, second}, 2, path, s->diag), CNN_OK);
    read_page(path, &page);
    assert_sound(&page);
    assert_has(&page, "/a</td><td>tiny</td><td class=\"n\">786</td><td class=\"n\">3</td><td "
                      "class=\"n\">37.50 %</td><td class=\"n\">2</td>");
    assert_has(&page, "/b&amp;b</td><td>tiny</td><td class=\"n\">786</td><td class=\"n\">1</td><td "
                      "class=\"n\">50.00 %</td><td class=\"n\">1</td>");
    assert_true(strstr(page.data, "class=\"truth\"") > strstr(page.data, "/a</td>"));
    assert_int_equal(count_of(&page, "class=\"truth\""), 1);
    assert_has(&page, "/a, seconds 125: 37.50 %</title>");
    assert_has(&page, "/a, seconds 125: 1.75</title>");
    assert_has(&page, "/a, epoch 2: 37.50 %</title>");
    assert_int_equal(count_of(&page, "<figure class=\"chart\">"), 4);
    const char *titles[] = {"Validation accuracy (%) by epoch", "Validation loss by epoch",
                            "Validation accuracy (%) by seconds", "Validation loss by seconds"};
    for (size_t i = 0; i < 4; i++)
        assert_has(&page, titles[i]);
    assert_has(&page,
               "<tr><td><code>loss.label_smoothing</code></td><td>0.1</td><td>0.2</td></tr>");
    assert_int_equal(count_of(&page, "<code>"), 1);
    cnn_text_free(&page);
}

static void test_comparison_is_refused_when_a_run_is_named_twice(void **state)
{
    struct scratch *s = *state;
    char first[128], second[128], again[160], path[128], expected[320];
    make_run(s, "a", "0", EPOCHS, first, sizeof first);
    make_run(s, "b", "0", EPOCHS, second, sizeof second);
    snprintf(path, sizeof path, "%s/compare.html", s->folder);
    snprintf(again, sizeof again, "%s/../a/", first);
    assert_int_equal(cnn_report((const char *const[]){first, second, first}, 3, path, s->diag),
                     CNN_INVALID);
    snprintf(expected, sizeof expected, "%s is named twice", first);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text, expected);
    cnn_diag_clear(s->diag);
    assert_int_equal(cnn_report((const char *const[]){first, again}, 2, path, s->diag),
                     CNN_INVALID);
    snprintf(expected, sizeof expected, "%s and %s are the same run", first, again);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text, expected);
    cnn_diag_clear(s->diag);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(cnn_report((const char *const[]){first, second}, 2, path, s->diag), CNN_OK);
}

static void test_report_names_the_directory_when_it_is_no_run(void **state)
{
    struct scratch *s = *state;
    char run[128], path[128];
    make_run(s, "a", "0", EPOCHS, run, sizeof run);
    snprintf(path, sizeof path, "%s/x.html", s->folder);
    scratch_expect(s, cnn_report((const char *const[]){s->folder}, 1, path, s->diag),
                   "DIR is not the directory of a run: it has no config.yaml");
    scratch_expect(s, cnn_report((const char *const[]){run, s->folder}, 2, path, s->diag),
                   "DIR is not the directory of a run: it has no config.yaml");
    write_text(s, "a/epochs.csv", EPOCHS_HEADER "1,2\n");
    assert_place(s, cnn_report((const char *const[]){run}, 1, path, s->diag),
                 "a/epochs.csv:2:3: error: the row has fewer than 7 fields");
    assert_int_equal(cnn_report(NULL, 0, path, s->diag), CNN_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_history_is_read_when_files_are_whole, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_history_is_empty_when_files_are_missing, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_history_says_where_when_a_file_is_damaged,
                                        scratch_setup, scratch_teardown),
        WORLD_TEST(test_settings_are_listed_when_they_differ),
        cmocka_unit_test_setup_teardown(test_report_shows_a_run_when_it_goes_on, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(test_confusion_is_coloured_by_its_share),
        cmocka_unit_test_setup_teardown(test_report_tells_of_a_loss_that_rose, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_report_praises_no_steps_where_the_schedule_ends,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_report_says_how_far_a_run_came_when_it_is_over,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_report_keeps_extremes_when_steps_are_many,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_report_writes_losses_so_that_they_say_something,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_report_shows_an_evaluation_when_there_is_no_run,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_report_lists_pairs_when_classes_are_many,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_report_shows_answers_when_there_are_samples,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test(test_page_shows_how_often_answers_are_right_that_are_so_sure),
        cmocka_unit_test_setup_teardown(test_comparison_shows_runs_side_by_side_when_there_are_two,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_comparison_is_refused_when_a_run_is_named_twice,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_report_names_the_directory_when_it_is_no_run,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
