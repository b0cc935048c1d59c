/* The model: a description read as a whole, with its parameters. Joins the parts; the public
 * functions of cnn.h work on it. */
#ifndef CNN_MODEL_MODEL_H
#define CNN_MODEL_MODEL_H

#include <pthread.h>

#include "checkpoint/safetensors.h"
#include "data/dataset.h"
#include "graph/plan.h"
#include "recipe/loss.h"
#include "recipe/recipe.h"
#include "tasks/task.h"

struct cnn_tensor_place { /* one stored tensor of the graph, in the checkpoint's order */
    char *name;           /* conv1.weight */
    size_t node, slot;
    const struct cnn_tensor *tensor;
    bool trainable;
};

struct cnn_model_later {  /* what even a model that is only read makes when it is asked for it */
    pthread_mutex_t lock; /* of this, and of the arena */
    char **numbers;       /* names of classes that have none: "0", "1", ...; NULL before */
};

struct cnn_model {
    struct cnn_arena *arena;
    const char *source; /* the file it was read from */
    const char *name;
    struct cnn_graph graph;
    const struct cnn_task *task; /* what it is trained to answer */
    struct cnn_loss loss;
    bool has_loss, has_data, has_train; /* sections present */
    struct cnn_data_settings data;
    struct cnn_recipe recipe;
    const char *resolved; /* the whole with overrides applied and every default filled in, YAML */
    struct cnn_tensor_place *tensors;
    size_t tensor_count;
    size_t frozen;     /* layers in front that train.freeze holds for train.freeze_epochs */
    float *parameters; /* graph.parameter_floats; NULL until they are wanted */
    bool shapes;       /* they never are */
    bool run_only;     /* they may stay in a file */
    /* where they are then, and plans read them; shapes is true. NULL: they are in no file. */
    struct cnn_safetensors *file;
    bool direct;  /* no convolution by Winograd's algorithm */
    bool trained; /* parameters came from a file */
    /* the file that it was imported from does not say what pixels go through */
    bool pixels_guessed;
    /* channels 0 until known: `auto` needs the data or a checkpoint */
    struct cnn_normalization normalization;
    const char **classes; /* names; NULL where unknown */
    size_t class_count;
    const struct cnn_record *record; /* of the images it was trained on; NULL where unknown */
    struct cnn_model_later *later;
    /* for inference, made on demand, for plan_batch images and plan_threads threads */
    struct cnn_plan *plan;
    size_t plan_batch;
    int plan_threads;
};

extern const struct cnn_key cnn_description_keys[]; /* the top level */

/* Reads a whole description into model (its arena exists): the first block of fields. path gives
 * the name where the file has none. All mistakes of all sections are reported. */
cnn_status cnn_description_read(cnn_model *model, const char *path, const struct cnn_yaml *root,
                                cnn_diag *diag);

/* The description of a graph that has been built: `name` unless that is NULL, `input`, `layers`,
 * and `precision` where it is not fp32. Refers to the graph. NULL when out of memory. */
struct cnn_yaml *cnn_description_of(struct cnn_arena *arena, const char *name,
                                    const struct cnn_graph *graph);

struct cnn_overrides { /* "KEY=VALUE", as in cnn_open_options */
    const char *const *words;
    size_t count;
    bool direct; /* no convolution by Winograd's algorithm: for comparisons */
};

/* Reads a description from text (copied) into a new model without memory for its parameters.
 * overrides NULL: none. */
cnn_status cnn_model_from_text(const char *name, const char *text, size_t size,
                               const struct cnn_overrides *overrides, cnn_model **out,
                               cnn_diag *diag);

/* cnn_fail for a model without a data section, which leaves nothing to WHAT ("evaluate on").
 * Returns CNN_INVALID. */
cnn_status cnn_model_fail_no_data(const cnn_model *model, const char *what, cnn_diag *diag);

/* CNN_INVALID where the model was opened for its shapes alone, or to be run alone. */
cnn_status cnn_model_has_parameters(const cnn_model *model, cnn_diag *diag);

/* Memory for the parameters, zeroed, where the model has none yet. */
cnn_status cnn_model_allocate(cnn_model *model, cnn_diag *diag);

/* A new plan of mode INFER, from the parameters or from the file that has them. */
cnn_status cnn_model_infer(const cnn_model *model, size_t batch, struct cnn_plan **out,
                           cnn_diag *diag);

/* An inference plan for at least batch images, kept in the model. */
cnn_status cnn_model_plan(cnn_model *model, size_t batch, struct cnn_plan **out, cnn_diag *diag);

/* A picture to be prepared for a network: one of three. */
struct cnn_given_picture {
    const char *path;
    const char *name; /* of bytes[0..size), a file's */
    const void *bytes;
    size_t size;
    const cnn_pixels *pixels;
};

/* Its numbers as the network sees them, channels last, c * h * w of them. Any number of threads may
 * call it with one model. */
cnn_status cnn_model_take_picture(const cnn_model *model, const struct cnn_given_picture *picture,
                                  float *out, cnn_diag *diag);

/* The network's output for one picture, as cnn_model_run gives it. */
cnn_status cnn_model_run_picture(cnn_model *model, const struct cnn_given_picture *picture,
                                 float *output, cnn_diag *diag);

/* The batch in which `images` images are evaluated, and the bytes of a plan for it: large enough to
 * keep the kernels busy, and small enough for the memory of any machine. */
cnn_status cnn_evaluation_batch(const cnn_model *model, size_t images, size_t *batch, size_t *bytes,
                                cnn_diag *diag);

/* All bytes that training takes, but for images: with `batch` images of a batch that so many
 * processes share, and a validation of `images` images. What processes exchange does not count,
 * but for one slab of gradients. */
cnn_status cnn_training_memory(const cnn_model *model, size_t batch, size_t ranks, size_t images,
                               size_t *bytes, cnn_diag *diag);

/* The softmax of each row. In place is legal. */
void cnn_softmax(const float *values, size_t rows, size_t classes, float *probabilities);

/* Class names, normalisation and class weights from a data set that was opened for this model (what
 * is auto or balanced from `train`). Checks that the number of outputs and classes agree, and that
 * the classes are those of the model where it has learned some. */
cnn_status cnn_model_adopt_data(cnn_model *model, const struct cnn_dataset *train, cnn_diag *diag);
cnn_status cnn_model_match_classes(const cnn_model *model, const struct cnn_dataset *dataset,
                                   cnn_diag *diag);
/* One of the first count classes, by its name or number; CNN_INVALID where there is none. */
cnn_status cnn_model_find_class(const cnn_model *model, size_t count, const char *word,
                                size_t *class, cnn_diag *diag);
cnn_status cnn_model_set_classes(cnn_model *model, size_t count, const char *const *names,
                                 cnn_diag *diag);

/* Checkpoints. Extra tensors and metadata (optimiser state, progress) are the trainer's; their
 * names begin with CNN_RESERVED, which no layer name can. extra NULL: none. */
#define CNN_RESERVED "@"
struct cnn_model_extra {
    const struct cnn_stored_tensor *tensors;
    size_t tensor_count;
    const struct cnn_stored_pair *pairs; /* metadata */
    size_t pair_count;
};
cnn_status cnn_model_save(const cnn_model *model, const char *path,
                          const struct cnn_model_extra *extra, cnn_diag *diag);

/* Loads every parameter from file into the model, or, where it is only run, keeps the file;
 * reserved names are skipped; one missing, left over or of another shape is an error that names it.
 * No memory is taken before all of them have been found: a file of a few bytes may promise any
 * number. */
cnn_status cnn_model_load_parameters(cnn_model *model, struct cnn_safetensors *file,
                                     cnn_diag *diag);

/* Whether file has a tensor of this name, type and shape. */
bool cnn_model_fits(const struct cnn_tensor_place *place, const struct cnn_safetensors *file);

/* Loads one parameter of which that is true. */
cnn_status cnn_model_load_tensor(cnn_model *model, const struct cnn_safetensors *file,
                                 const struct cnn_tensor_place *place, cnn_diag *diag);

/* Reads parameters of a model that is only run: numbers first to first + count of the slab, which
 * belong to one tensor. context: the model. */
cnn_status cnn_model_read_stored(const void *context, size_t first, size_t count, float *values,
                                 cnn_diag *diag);

/* The class names in file's metadata, into arena; *count 0 where it has none. */
cnn_status cnn_model_stored_classes(const struct cnn_safetensors *file, struct cnn_arena *arena,
                                    const char ***names, size_t *count, cnn_diag *diag);

/* Loads those parameters that file has with the same name and shape. The others stay as they are;
 * then *warning (in the model's arena; NULL where all of both fit) names the layers they belong to,
 * and those of file that are left over. Where nothing fits: CNN_FAILED. */
cnn_status cnn_model_transfer(cnn_model *model, const struct cnn_safetensors *file,
                              const char **warning, cnn_diag *diag);

/* Lets a quantized layer compute with floats: the model then has none of the tensors that bytes
 * want. */
void cnn_model_use_floats(cnn_model *model, size_t node);

/* CNN_FAILED where a parameter is not finite, or nothing that its layer can compute with. source:
 * what has it, for the message. */
cnn_status cnn_model_check_numbers(const cnn_model *model, const char *source, cnn_diag *diag);

/* load_parameters, with what the file's metadata say of class names, of the images it was trained
 * on, and of a normalisation and class weights that the description leaves to the data. */
cnn_status cnn_model_load(cnn_model *model, struct cnn_safetensors *file, cnn_diag *diag);

/* A model from an open checkpoint alone: description, classes, normalisation from its metadata,
 * parameters. Of options the overrides, shapes and run_only count; NULL: none. */
cnn_status cnn_model_from_checkpoint(struct cnn_safetensors *file, const cnn_open_options *options,
                                     cnn_model **out, cnn_diag *diag);

#endif
