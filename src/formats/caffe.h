/* Networks of Caffe: the layers of a .prototxt as they stand, the blobs of a .caffemodel, and the
 * translation of both into ONNX operators. The formats: caffe.proto of
 * https://github.com/BVLC/caffe (BSD-2-Clause). */
#ifndef CNN_FORMATS_CAFFE_H
#define CNN_FORMATS_CAFFE_H

#include "formats/onnx_draft.h"
#include "formats/prototxt.h"
#include "util/text.h"

/* ---- .caffemodel ---- */

struct cnn_caffe_blob {
    size_t at;
    int64_t num, channels, height, width; /* the old way to say its shape */
    struct cnn_caffe_blob_shape *shape;   /* the new one; NULL: absent */
    struct cnn_protobuf_list data;        /* cnn_protobuf_bytes: float32, little endian */
    struct cnn_protobuf_list doubles;     /* likewise, of double */
};

struct cnn_caffe_blobs { /* of one layer */
    const char *layer;
    const struct cnn_caffe_blob *blobs;
    size_t count;
};

struct cnn_caffe_weights {
    const char *name; /* of the file */
    struct cnn_caffe_blobs *layers;
    size_t count;
};

/* Layers that have blobs. All but the numbers is in arena, and they are in file->data. */
cnn_status cnn_caffe_weights_read(struct cnn_arena *arena, const struct cnn_protobuf_file *file,
                                  struct cnn_caffe_weights **out, cnn_diag *diag);
/* NULL where no layer of this name has blobs. */
const struct cnn_caffe_blobs *cnn_caffe_weights_find(const struct cnn_caffe_weights *weights,
                                                     const char *layer);
/* Its sizes, at most 4 of them; the numbers, which are as many. CNN_FAILED where that is not so. */
cnn_status cnn_caffe_blob_look(const struct cnn_caffe_weights *weights,
                               const struct cnn_caffe_blob *blob, struct cnn_onnx_dims *dims,
                               struct cnn_protobuf_bytes *bytes, cnn_diag *diag);

/* ---- .prototxt ---- */

#define CNN_CAFFE_LAYERS 4096  /* of a network, at most */
#define CNN_CAFFE_BLOBS  64    /* that a layer reads or gives, at most */
#define CNN_CAFFE_READS  32768 /* of blobs by all layers, at most */

struct cnn_caffe_layer {
    const char *name, *type;                /* "Convolution", in V1 files, too */
    const struct cnn_prototxt_field *field; /* the layer's message */
    size_t bottom_count, top_count;
    const char *bottoms[CNN_CAFFE_BLOBS], *tops[CNN_CAFFE_BLOBS];
    bool done; /* another one does its work, too */
};

struct cnn_caffe_value { /* what a blob is at the place that has been reached */
    const char *blob;
    const char *value; /* of the draft; NULL: something that could not be translated */
    size_t rank;
    bool read; /* by a layer that is translated */
};

struct cnn_caffe {
    struct cnn_onnx_draft draft;
    const struct cnn_caffe_weights *weights;
    struct cnn_caffe_layer *layers;
    size_t count, number; /* of layers; of the one that is translated */
    struct cnn_caffe_value *values;
    size_t value_count;
    const char *input;                          /* blob; NULL: none so far */
    cnn_shape shape;                            /* of it; c 0: unknown */
    const struct cnn_prototxt_field *transform; /* of the layer that gives it; NULL */
    bool turn;      /* the network reads blue first, the model will read red first */
    size_t dropped; /* layers that do nothing in inference, or train */
    bool batch_statistics;
    bool wrong, damaged; /* something was told; of a file, and not of what it asks for */
    cnn_diag *diag;
};

/* caffe_net.c: all layers that there are in phase TEST. */
cnn_status cnn_caffe_layers(struct cnn_caffe *caffe, const struct cnn_prototxt_field *root);

/* caffe_input.c: the blob that images go into, its shape, and how they are prepared. */
cnn_status cnn_caffe_find_input(struct cnn_caffe *caffe, const struct cnn_prototxt_field *root);
bool cnn_caffe_is_data(const struct cnn_caffe_layer *layer);

/* caffe_translate.c: translates all layers into the draft. CNN_INVALID where something is not
 * supported, which is named, all of it. */
cnn_status cnn_caffe_translate(struct cnn_caffe *caffe);

/* ---- What the files of rules share ---- */

struct cnn_caffe_rule {
    const char *type, *parameters; /* the message that has its settings; NULL: none */
    size_t least, most;            /* bottoms */
    /* gives the layer's tops; a message and caffe->wrong on failure */
    void (*translate)(struct cnn_caffe *caffe, const struct cnn_caffe_layer *layer,
                      const struct cnn_prototxt_field *parameters);
};
extern const struct cnn_caffe_rule cnn_caffe_weighted_rules[], cnn_caffe_pointwise_rules[],
    cnn_caffe_map_rules[];

/* A message about the layer; the translation has failed then. */
void cnn_caffe_refuse(struct cnn_caffe *caffe, const struct cnn_caffe_layer *layer,
                      const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The blob of this name, NULL where nothing has given it; the one that the layer reads, which is
 * there. */
struct cnn_caffe_value *cnn_caffe_value(struct cnn_caffe *caffe, const char *blob);
struct cnn_caffe_value *cnn_caffe_bottom(struct cnn_caffe *caffe,
                                         const struct cnn_caffe_layer *layer, size_t i);
/* Top i is this value of the draft from now on; NULL: it could not be translated. */
void cnn_caffe_give(struct cnn_caffe *caffe, const struct cnn_caffe_layer *layer, size_t i,
                    const char *value, size_t rank);

/* Top 0 is the bottom under one operator without attributes. */
void cnn_caffe_give_unary(struct cnn_caffe *caffe, const struct cnn_caffe_layer *layer,
                          const char *op_type);
/* A tensor of one number. */
const char *cnn_caffe_constant(struct cnn_caffe *caffe, const struct cnn_caffe_layer *layer,
                               const char *suffix, double value);

/* Settings: field `name` of a message (which may be NULL), or what it is otherwise. False and a
 * message where it is wrong. */
bool cnn_caffe_integer(struct cnn_caffe *caffe, const struct cnn_prototxt_field *message,
                       const char *name, int64_t least, int64_t *value);
bool cnn_caffe_real(struct cnn_caffe *caffe, const struct cnn_prototxt_field *message,
                    const char *name, double *value);
bool cnn_caffe_flag(struct cnn_caffe *caffe, const struct cnn_prototxt_field *message,
                    const char *name, bool *value);
/* The place of its word, or of its number, among words, which end with NULL. */
bool cnn_caffe_choice(struct cnn_caffe *caffe, const struct cnn_prototxt_field *message,
                      const char *name, const char *const *words, size_t *value);
/* All numbers of a repeated field; list->count is not changed where there is none. */
struct cnn_caffe_list {
    int64_t least, *values;
    size_t room, count;
};
bool cnn_caffe_integers(struct cnn_caffe *caffe, const struct cnn_prototxt_field *message,
                        const char *name, struct cnn_caffe_list *list);

#endif
