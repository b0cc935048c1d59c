/* Kinds of pictures: one file and one line in kinds.def each. A kind says which layers it can be
 * made of, and draws: it writes its files and adds its paragraph to the page. visualize.c decides
 * which are made of what, and says what cannot be. */
#ifndef CNN_VIZ_KIND_H
#define CNN_VIZ_KIND_H

#include "viz/visualize.h"

/* What a kind is made of when no layer is named. */
enum cnn_kind_source {
    CNN_KIND_EVERY_LAYER, /* all that fit */
    CNN_KIND_FIRST_LAYER, /* the first that fits */
    CNN_KIND_MAIN_LAYER,  /* cnn_view.main_layer */
    CNN_KIND_NO_LAYER     /* the input, or the network as a whole */
};

/* Whether a class is explained: that of the options, or the predicted one. Kinds that always do,
 * and are made of no layer, take none. */
enum cnn_kind_class { CNN_KIND_NO_CLASS, CNN_KIND_CLASS, CNN_KIND_CLASS_WITHOUT_LAYER };

struct cnn_view_kind {
    cnn_picture_kind number;
    const char *name, *help; /* of `visualize` */
    enum cnn_kind_source source;
    enum cnn_kind_class explains;
    bool needs_map; /* of layers with maps alone */
    /* of the images of view->dataset. Where every kind is asked for, it is made only if the options
     * say of which. */
    bool needs_data;
    /* of layers that it is true for; NULL: of all. misfit: what is said of the others: "layer 'x'
     * has no kernels" */
    bool (*fits)(const struct cnn_view *view, size_t layer);
    const char *misfit;
    bool with_layers;    /* stands with the layers on the page, and not after them */
    bool usual;          /* is made where no kind is asked for */
    bool about_answer;   /* shows what the answer rests on */
    bool takes_position; /* of the layer's map, by the options */
    bool takes_channel;  /* of the layer, likewise */
    bool takes_top;      /* a number of channels, likewise */
    /* layer: CNN_NO_INDEX where it is made of none. Classes are numbers where one is explained. */
    cnn_status (*show)(struct cnn_view *view, size_t layer, cnn_diag *diag);
};

/* In the order of the page. */
extern const struct cnn_view_kind *const cnn_view_kinds[CNN_PICTURE_KINDS];

/* request.c: everything about the request that does not need the input to be read. */
cnn_status cnn_view_prepare(struct cnn_view *view, cnn_diag *diag);

/* Then: the data set, where a kind that is wanted needs one. */
cnn_status cnn_view_open_data(struct cnn_view *view, cnn_diag *diag);

/* Of a view that is prepared: whether the kind is wanted, whether it then explains a class, and
 * whether it is made of this layer. */
bool cnn_view_wants(const struct cnn_view *view, const struct cnn_view_kind *kind);
bool cnn_view_explains(const struct cnn_view *view, const struct cnn_view_kind *kind);
bool cnn_view_takes(const struct cnn_view *view, const struct cnn_view_kind *kind, size_t layer);

#endif
