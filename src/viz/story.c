/* The page of a `visualize`: from the input to the answer, layer by layer, in plain sentences.
 * Everything that comes from elsewhere is escaped. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "util/words.h"
#include "viz/html.h"
#include "viz/story.html.h"
#include "viz/visualize.h"

#define TOP         5
#define FEW_NUMBERS 80  /* so many are shown as a table */
#define FEW_CLASSES 20  /* so many are listed */
#define LONG_PIXELS 600 /* a picture that is higher is seen in part, and scrolls */

const char *cnn_story_class(const struct cnn_view *view, size_t class)
{
    static _Thread_local char buffers[4][64];
    static _Thread_local size_t next;
    char *buffer = buffers[next++ % 4];
    return cnn_word_cut(cnn_model_class(view->model, class), buffer, sizeof buffers[0]);
}

const char *cnn_story_percent(double share)
{
    static _Thread_local char buffers[4][16];
    static _Thread_local size_t next;
    char *buffer = buffers[next++ % 4];
    snprintf(buffer, sizeof buffers[0], isnan(share) ? cnn_say("no number") : "%.1f %%",
             100 * share);
    return buffer;
}

static void paragraph(struct cnn_view *view, const char *tag, const char *format, va_list arguments)
{
    struct cnn_text text = {0};
    cnn_text_vprintf(&text, cnn_say(format), arguments);
    cnn_text_printf(&view->page, "<%s>", tag);
    cnn_html_text(&view->page, text.data ? text.data : "");
    cnn_text_printf(&view->page, "</%s>\n", tag);
    view->page.failed = view->page.failed || text.failed;
    cnn_text_free(&text);
}

void cnn_story_paragraph(struct cnn_view *view, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    paragraph(view, "p", format, arguments);
    va_end(arguments);
}

void cnn_story_heading(struct cnn_view *view, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    paragraph(view, "h3", format, arguments);
    va_end(arguments);
}

void cnn_story_figure(struct cnn_view *view, const char *stem, const char *format, ...)
{
    struct cnn_text *page = &view->page;
    va_list arguments;
    const char *labels = view->labels.data ? view->labels.data : "";
    const bool fits = view->drawn[1] <= LONG_PIXELS;
    cnn_html_fill(page, figure_begin,
                  (const struct cnn_html_value[]){cnn_html_string("stem", stem),
                                                  cnn_html_string("labels", labels),
                                                  cnn_html_number("width", "%zu", view->drawn[0]),
                                                  cnn_html_string("long", fits ? "" : " long"),
                                                  {0}});
    page->failed = page->failed || view->labels.failed;
    va_start(arguments, format);
    paragraph(view, "figcaption", format, arguments);
    va_end(arguments);
    cnn_html_fill(page, figure_end, NULL);
}

/* Without the signs of zero and of NaN, which say nothing. */
static struct cnn_html_value tell_number(float value)
{
    return isnan(value) ? cnn_html_string("number", "nan")
                        : cnn_html_number("number", "%.4g", value == 0 ? 0 : (double)value);
}

void cnn_story_numbers(struct cnn_view *view, const float *values, size_t c, size_t h, size_t w)
{
    struct cnn_text *page = &view->page;
    if (c * h * w > FEW_NUMBERS)
        return;
    cnn_html_fill(page, numbers_begin, NULL);
    for (size_t k = 0; k < c; k++) {
        cnn_html_fill(page, table_begin, NULL);
        for (size_t i = 0; i < h; i++) {
            cnn_html_fill(page, row_begin, NULL);
            for (size_t j = 0; j < w; j++)
                cnn_html_fill(
                    page, cell,
                    (const struct cnn_html_value[]){tell_number(values[(k * h + i) * w + j]), {0}});
            cnn_html_fill(page, row_end, NULL);
        }
        cnn_html_fill(page, table_end, NULL);
    }
    cnn_html_fill(page, numbers_end, NULL);
}

static void tell_normalisation(struct cnn_view *view, struct cnn_text *text)
{
    const struct cnn_normalization *n = &view->model->normalization;
    bool changes = false;
    for (size_t c = 0; c < n->channels; c++)
        changes = changes || n->mean[c] != 0 || n->std[c] != 1;
    cnn_text_printf(text, "%s", cnn_say(" Its values were scaled to 0 .. 1"));
    for (size_t c = 0; changes && c < n->channels; c++)
        cnn_text_printf(text, "%s%.3g", c > 0 ? ", " : cnn_say(", and normalised: less a mean of "),
                        (double)n->mean[c]);
    for (size_t c = 0; changes && c < n->channels; c++)
        cnn_text_printf(text, "%s%.3g", c > 0 ? ", " : cnn_say(", divided by "), (double)n->std[c]);
    cnn_text_printf(text, "%s",
                    changes && n->channels > 1 ? cnn_say(" (a number for each channel).") : ".");
}

/* What was done to the input before the network got it. */
static void tell_input(struct cnn_view *view)
{
    const cnn_shape in = view->model->graph.input;
    const struct cnn_range range = cnn_range_of(view->x, cnn_shape_count(in));
    struct cnn_text text = {0};
    if (view->numbers)
        cnn_text_printf(
            &text,
            cnn_say(
                "%zu x %zu x %zu numbers (channels x rows x columns) that went in as they are."),
            in.c, in.h, in.w);
    else if (view->width == in.w && view->height == in.h)
        cnn_text_printf(
            &text,
            cnn_say("The picture has the size that the network wants, %zu x %zu pixels (rows x "
                    "columns)."),
            in.h, in.w);
    else
        cnn_text_printf(&text,
                        cnn_say("The picture, %zu pixels wide and %zu high, was resized to %zu x "
                                "%zu (rows x columns)%s."),
                        view->width, view->height, in.h, in.w,
                        view->width * in.h == view->height * in.w
                            ? ""
                            : cnn_say(", whatever its shape. Cut it to its main object first, and "
                                      "the network sees that larger and less distorted"));
    if (!view->numbers && in.c == 1)
        cnn_text_printf(&text, "%s", cnn_say(" It was read as shades of grey."));
    if (!view->numbers)
        tell_normalisation(view, &text);
    cnn_text_printf(&text,
                    range.nan > 0 ? cnn_say(" What goes in are numbers from %.3g to %.3g, and %zu "
                                            "that are no numbers.")
                                  : cnn_say(" What goes in are numbers from %.3g to %.3g."),
                    (double)range.low, (double)range.high, range.nan);
    if (in.c != 1 && in.c != 3)
        cnn_text_printf(&text, cnn_say(" Of %zu channels, the first is shown."), in.c);
    cnn_story_paragraph(view, "%s", text.data ? text.data : "");
    view->page.failed = view->page.failed || text.failed;
    cnn_text_free(&text);
}

/* The place of a class in the order of probabilities, from 1. */
static size_t rank_of(const struct cnn_view *view, size_t class)
{
    size_t rank = 1;
    for (size_t k = 0; k < view->classes; k++)
        rank += view->probabilities[k] > view->probabilities[class];
    return rank;
}

/* The first layer whose values are not all numbers; NULL: the input's are not. */
static const char *find_first_nan(const struct cnn_view *view)
{
    const struct cnn_graph *graph = &view->model->graph;
    for (size_t v = 0; v <= graph->count; v++)
        if (cnn_range_of(cnn_plan_value(view->plan, v), cnn_shape_count(cnn_graph_shape(graph, v)))
                .nan > 0)
            return v > 0 ? graph->nodes[v - 1].name : NULL;
    return graph->nodes[graph->count - 1].name;
}

/* What the network can say at all: whoever shows it something else must not take the answer for
 * one. */
static void tell_classes(struct cnn_view *view)
{
    struct cnn_text text = {0};
    cnn_text_printf(&text, cnn_say("The model has %zu classes"), view->classes);
    if (view->classes <= FEW_CLASSES)
        for (size_t i = 0; i < view->classes; i++)
            cnn_text_printf(&text, "%s%s", i > 0 ? ", " : ": ", cnn_story_class(view, i));
    else
        cnn_text_printf(&text, cnn_say(", from %s to %s"), cnn_story_class(view, 0),
                        cnn_story_class(view, view->classes - 1));
    cnn_story_paragraph(view,
                        "%s. A picture of anything else gets one of these, too: that answer "
                        "cannot be right.",
                        text.data ? text.data : "");
    view->page.failed = view->page.failed || text.failed;
    cnn_text_free(&text);
}

static void tell_answer(struct cnn_view *view)
{
    const cnn_shape out = cnn_model_output(view->model);
    cnn_prediction top[TOP];
    size_t count = 0;
    if (view->classes == 0) {
        cnn_story_paragraph(view,
                            "The last layer gives %zu x %zu x %zu numbers, which are no classes: "
                            "there is no answer in a word.",
                            out.c, out.h, out.w);
        return;
    }
    if (!view->answered) {
        const char *source = find_first_nan(view);
        cnn_story_paragraph(
            view,
            "There is no answer: the last layer gives what is no number (NaN or infinite). %s%s.",
            source ? cnn_say("The first layer that does is ")
                   : cnn_say("The input holds such values"),
            source ? source : "");
        return;
    }
    cnn_model_top(view->model, view->probabilities, TOP, top, &count);
    cnn_html_predictions(&view->page, top, count, view->label);
    if (view->label == CNN_NO_INDEX)
        tell_classes(view);
    if (count > 1 && (top[0].probability < 0.5F || top[0].probability < 2 * top[1].probability))
        cnn_story_paragraph(
            view, "The network is not sure: %s has %s, and %s, the second, has %s.",
            cnn_story_class(view, top[0].index), cnn_story_percent((double)top[0].probability),
            cnn_story_class(view, top[1].index), cnn_story_percent((double)top[1].probability));
    if (view->label == CNN_NO_INDEX)
        return;
    if (view->label == view->predicted)
        cnn_story_paragraph(view, "Right: the true class is %s.",
                            cnn_story_class(view, view->label));
    else
        cnn_story_paragraph(
            view,
            "Wrong: the true class is %s, to which the network gives %s, its place %zu of %zu.",
            cnn_story_class(view, view->label),
            cnn_story_percent((double)view->probabilities[view->label]), rank_of(view, view->label),
            view->classes);
}

/* What the pictures after the layers are about: the answer, unless there is none, or they explain
 * no answer. */
static const char *evidence_title(const struct cnn_view *view)
{
    return view->answered && view->about_answer ? cnn_say("What the answer rests on")
                                                : cnn_say("More pictures");
}

/* Links to the parts: the sheets of all layers are long, and what follows them would not be
 * found. */
static void tell_parts(struct cnn_view *view)
{
    const struct cnn_html_value values[] = {
        cnn_html_flag("layers", view->with_layers),
        cnn_html_string("evidence", view->after_layers ? evidence_title(view) : ""),
        {0}};
    cnn_html_fill(&view->page, parts, values);
}

void cnn_story_evidence(struct cnn_view *view)
{
    cnn_html_fill(
        &view->page, evidence,
        (const struct cnn_html_value[]){cnn_html_string("title", evidence_title(view)), {0}});
}

void cnn_story_begin(struct cnn_view *view)
{
    struct cnn_text title = {0};
    char name[128];
    cnn_text_printf(&title, cnn_say("What %s sees in %s"), cnn_model_name(view->model),
                    cnn_word_cut(view->input_name, name, sizeof name));
    cnn_html_begin(&view->page, title.data ? title.data : "", 0);
    view->page.failed = view->page.failed || title.failed;
    cnn_text_free(&title);
    tell_answer(view);
    tell_parts(view);
    cnn_html_fill(&view->page, input, NULL);
    tell_input(view);
    cnn_story_figure(view, "input",
                     view->numbers
                         ? "The input, enlarged."
                         : "Left: the picture as it is. Right: all that the network sees of it.");
    if (view->numbers)
        cnn_story_numbers(view, view->image, view->model->graph.input.c, view->model->graph.input.h,
                          view->model->graph.input.w);
}

/* The word of a choice among the layer's settings; NULL where it has no such key, or says none. */
static const char *choice_of(const struct cnn_node *node, const char *name)
{
    for (struct cnn_key_walk walk = cnn_key_walk(node->type->variant.keys); cnn_key_next(&walk);) {
        const struct cnn_key *key = walk.key;
        int chosen;
        if (strcmp(key->name, name) != 0 || key->kind != CNN_KEY_CHOICE)
            continue;
        memcpy(&chosen, (const char *)node->settings + walk.at, sizeof chosen);
        return strcmp(key->choices[chosen], "none") == 0 ? NULL : key->choices[chosen];
    }
    return NULL;
}

static const struct cnn_tensor *weight_of(const struct cnn_node *node)
{
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++)
        if (node->tensors[slot].role == CNN_ROLE_WEIGHT && node->tensors[slot].rank > 1)
            return &node->tensors[slot];
    return NULL;
}

/* Whether the layer's numbers are a convolution's, perhaps normalised or activated since. */
static bool is_of_convolution(const struct cnn_view *view, size_t layer)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    while (
        (node->effect.kind == CNN_EFFECT_NORMALIZE || node->effect.kind == CNN_EFFECT_ACTIVATE) &&
        node->inputs[0] > 0)
        node = cnn_view_node(view, node->inputs[0] - 1);
    const struct cnn_tensor *weight = weight_of(node);
    return weight && weight->rank == 4;
}

/* "conv1, conv2 and pool1": what the layer reads. */
static void tell_inputs(const struct cnn_view *view, const struct cnn_node *node,
                        struct cnn_text *text)
{
    for (size_t k = 0; k < node->input_count; k++) {
        const size_t v = node->inputs[k];
        cnn_text_printf(text, "%s%s",
                        k == 0                       ? ""
                        : k + 1 == node->input_count ? cnn_say(" and ")
                                                     : ", ",
                        v == 0 ? cnn_say("the input") : cnn_view_node(view, v - 1)->name);
    }
}

/* What a layer without weights is, in words. */
static void tell_operation(const struct cnn_view *view, const struct cnn_node *node,
                           struct cnn_text *text)
{
    static const struct words {
        int kind;
        const char *format; /* of the inputs */
    } words[] = {{CNN_OPERATION_ADD, CNN_WORDS("The sum of %s")},
                 {CNN_OPERATION_MULTIPLY, CNN_WORDS("The product of %s")},
                 {CNN_OPERATION_CONCATENATE, CNN_WORDS("The channels of %s, one behind the other")},
                 {CNN_OPERATION_FLATTEN, CNN_WORDS("The values of %s, as one list")},
                 {CNN_OPERATION_BATCH_NORM,
                  CNN_WORDS("The channels of %s, normalised with the means and variances of "
                            "training, then scaled and shifted")}};
    const struct cnn_variant *variant = &node->type->variant;
    struct cnn_text inputs = {0};
    size_t i = 0, count = sizeof words / sizeof *words;
    while (i < count && words[i].kind != (int)node->type->operation(node).kind)
        i++;
    tell_inputs(view, node, &inputs);
    if (i < count)
        cnn_text_printf(text, cnn_say(words[i].format), inputs.data ? inputs.data : "");
    else
        cnn_text_printf(text, "%s: %s", variant->name, cnn_say(variant->help));
    text->failed = text->failed || inputs.failed;
    cnn_text_free(&inputs);
}

/* What the layer is, in words. */
static void tell_layer(const struct cnn_view *view, const struct cnn_node *node,
                       struct cnn_text *text)
{
    const struct cnn_tensor *weight = weight_of(node);
    const struct cnn_window *w = &node->window;
    const char *pool = choice_of(node, "pool_type"), *activation = choice_of(node, "activation");
    if (weight && weight->rank == 4) {
        const size_t *d = weight->dims;
        const char *plural = d[0] == 1 ? "" : "s";
        if (d[1] < node->in[0].c)
            cnn_text_printf(text, cnn_say("%zu filter%s of %zu x %zu over %zu of the %zu channels"),
                            d[0], plural, d[2], d[3], d[1], node->in[0].c);
        else
            cnn_text_printf(text, cnn_say("%zu filter%s of %zu x %zu over %zu channel%s"), d[0],
                            plural, d[2], d[3], d[1], d[1] == 1 ? "" : "s");
    } else if (weight) {
        cnn_text_printf(text, cnn_say("Each output is a weighted sum of all %zu inputs"),
                        weight->dims[1]);
    } else if (pool) {
        cnn_text_printf(text, cnn_say("The %s of each window of %zu x %zu"),
                        strcmp(pool, "max") == 0 ? cnn_say("largest value") : cnn_say("mean"),
                        w->kernel[0], w->kernel[1]);
    } else {
        tell_operation(view, node, text);
    }
    if (w->stride[0] > 1 || w->stride[1] > 1)
        cnn_text_printf(text,
                        w->stride[0] == w->stride[1] ? cnn_say(", in steps of %zu")
                                                     : cnn_say(", in steps of %zu x %zu"),
                        w->stride[0], w->stride[1]);
    if (activation)
        cnn_text_printf(text, cnn_say(", then %s"), activation);
}

static bool is_shown(const struct cnn_view *view, size_t layer)
{
    return view->options->layer_count == 0 || view->chosen[layer];
}

void cnn_story_layers(struct cnn_view *view)
{
    struct cnn_text *page = &view->page;
    char shape[64];
    cnn_html_fill(page, layers, NULL);
    cnn_story_paragraph(view,
                        "A map shows one channel of a layer: what one filter answers at each "
                        "place. Sizes are channels x rows x columns. Each map "
                        "has its number and, below it, the smallest "
                        "and the largest value that its colours stand for%s.",
                        view->options->one_scale ? cnn_say("; all maps of a layer share one scale")
                                                 : cnn_say("; each map has a scale of its own"));
    cnn_story_paragraph(view, "First layers answer to edges and colours, later ones to larger "
                              "parts of the picture. A click on a picture shows it at its full "
                              "size.");
    if (view->main_layer != CNN_NO_INDEX && view->after_layers && view->options->layer_count == 0)
        cnn_story_paragraph(
            view, "The pictures after the layers are made from %s, the last maps%s.",
            cnn_view_node(view, view->main_layer)->name,
            is_of_convolution(view, view->main_layer) ? cnn_say(" of a convolution") : "");
    cnn_html_fill(page, links_begin, NULL);
    for (size_t i = 0; i < view->model->graph.count; i++) {
        const struct cnn_node *node = cnn_view_node(view, i);
        const struct cnn_html_value values[] = {
            cnn_html_string("layer", node->name),
            cnn_html_string("output", cnn_html_shape(node->out, shape, sizeof shape)),
            {0}};
        if (is_shown(view, i))
            cnn_html_fill(page, layer_link, values);
    }
    cnn_html_fill(page, links_end, NULL);
}

void cnn_story_layer(struct cnn_view *view, size_t layer)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    struct cnn_text words = {0};
    char shape[64], count[CNN_COUNT_SIZE];
    size_t parameters = cnn_node_parameters(node);
    tell_layer(view, node, &words);
    cnn_text_printf(&words, cnn_say(". Output: %s"),
                    cnn_html_shape(node->out, shape, sizeof shape));
    if (parameters > 0)
        cnn_text_printf(&words, cnn_say("; %s parameter%s"), cnn_count_format(parameters, count),
                        parameters == 1 ? "" : "s");
    if (node->out.rank == 3)
        cnn_text_printf(&words, cnn_say("; each value sees %zu x %zu pixels"),
                        node->receptive_field[0], node->receptive_field[1]);
    cnn_text_printf(&words, ".");
    if (node->warning)
        cnn_text_printf(&words, cnn_say(" Note: %s."), node->warning);
    const struct cnn_html_value values[] = {cnn_html_string("name", node->name),
                                            cnn_html_string("type", node->type->variant.name),
                                            cnn_html_string("words", words.data ? words.data : ""),
                                            {0}};
    cnn_html_fill(&view->page, layer_text, values);
    view->page.failed = view->page.failed || words.failed;
    cnn_text_free(&words);
}
