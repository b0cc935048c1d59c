/* See networks.h. */
#include "networks.h"
#include "layers/types.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "compare.h"

static void require(cnn_status status, cnn_diag *diag, const char *text)
{
    if (status == CNN_OK)
        return;
    char *message =
        cnn_diag_count(diag) > 0 ? cnn_message_format(cnn_diag_get(diag, 0), "cnn") : NULL;
    fail_msg("%s\n%s", message ? message : "no message", text);
}

cnn_model *network_open(const char *text)
{
    cnn_diag *diag = cnn_diag_new();
    cnn_model *model = NULL;
    require(cnn_model_from_text("test.yaml", text, strlen(text), NULL, &model, diag), diag, text);
    require(cnn_model_allocate(model, diag), diag, text);
    cnn_diag_free(diag);
    cnn_graph_init(&model->graph, model->recipe.seed, model->parameters);
    return model;
}

cnn_model *network_open_layers(const char *input, const char *layers)
{
    struct cnn_text text = {0};
    cnn_text_printf(&text, "input: %s\nlayers:\n%s", input, layers);
    assert_false(text.failed);
    cnn_model *model = network_open(text.data);
    cnn_text_free(&text);
    return model;
}

static void stir_tensor(const struct cnn_tensor *t, bool normalizes, size_t slot, unsigned seed,
                        float *values)
{
    float *random = tensor_random(t->count, seed);
    for (size_t i = 0; i < t->count; i++) {
        if (!normalizes)
            values[i] = random[i];
        else if (slot == 3) /* the running variance */
            values[i] = 1.5f + random[i];
        else if (slot == 0)
            values[i] = random[i] + (random[i] < 0 ? -0.5f : 0.5f);
        else
            values[i] = 0.3f * random[i];
    }
    tensor_free(random, t->count);
}

void network_stir(cnn_model *model)
{
    for (size_t i = 0; i < model->graph.count; i++) {
        const struct cnn_node *node = &model->graph.nodes[i];
        bool normalizes = node->effect.kind == CNN_EFFECT_NORMALIZE;
        for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
            const struct cnn_tensor *t = &node->tensors[slot];
            if (t->role == CNN_ROLE_BIAS || (normalizes && cnn_role_stored(t->role)))
                stir_tensor(t, normalizes, slot, (unsigned)(10 * i + slot),
                            model->parameters + t->offset);
        }
    }
}

struct cnn_plan *network_plan(cnn_model *model, size_t batch, enum cnn_plan_mode mode,
                              bool input_gradient)
{
    cnn_diag *diag = cnn_diag_new();
    struct cnn_plan *plan = NULL;
    require(cnn_plan_new(&model->graph, model->parameters,
                         &(struct cnn_plan_options){
                             .batch = batch, .mode = mode, .input_gradient = input_gradient},
                         &plan, diag),
            diag, model->resolved);
    cnn_diag_free(diag);
    return plan;
}

size_t network_layer(const cnn_model *model, const char *name)
{
    for (size_t i = 0; i < model->graph.count; i++)
        if (strcmp(model->graph.nodes[i].name, name) == 0)
            return i;
    fail_msg("no layer '%s'", name);
    return 0;
}

size_t network_tensor(const cnn_model *model, const char *name)
{
    for (size_t i = 0; i < cnn_model_tensors(model); i++)
        if (strcmp(cnn_model_tensor(model, i).name, name) == 0)
            return i;
    fail_msg("no tensor '%s'", name);
    return 0;
}

/* By way of the shell: EMULATOR, if set, is the command that runs programs of the machine that this
 * one was built for. */
static bool run_with(char **argv, const char *kernels, const char *winograd)
{
    int status = 1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setenv("CNN_CPU", kernels, 1);
        setenv("CNN_WINOGRAD", winograd, 1);
        execl("/bin/sh", "sh", "-c", "exec $EMULATOR \"$0\" \"$@\"", argv[0], argv[1],
              (char *)NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    return status == 0;
}

int network_run_each(char **argv)
{
    int failed = !run_with(argv, cnn_kernels_at(0)->name, "0");
    for (size_t i = 1; cnn_kernels_at(i); i++)
        failed += !run_with(argv, cnn_kernels_at(i)->name, "0") +
                  !run_with(argv, cnn_kernels_at(i)->name, "1");
    return failed;
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == '\0' || at[length] == ' '))
            return true;
    return false;
}

void network_expect_types(const char *const *types, size_t count, const char *what)
{
    for (size_t t = 0; t < cnn_layer_type_count; t++) {
        const char *type = cnn_layer_types[t]->variant.name;
        bool found = false;
        for (size_t i = 0; i < count && !found; i++)
            found = has_word(types[i], type);
        if (!found)
            fail_msg("layer type '%s' has no %s case", type, what);
    }
}
