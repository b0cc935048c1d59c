/* Import of a graph of ONNX operators: lowered to layers, described, filled with its parameters,
 * and held against what the graph itself gives. Formats with other operators translate theirs. */
#ifndef CNN_FORMATS_IMPORT_GRAPH_H
#define CNN_FORMATS_IMPORT_GRAPH_H

#include "formats/importer.h"
#include "formats/onnx.h"

/* The graph, and what its file says besides. */
struct cnn_import_graph {
    const struct cnn_onnx *graph;
    const char *network; /* its name; NULL: that of the file */
    const char *notes;   /* lines: what the translation dropped, folded, guessed; NULL: none */
    size_t nodes;        /* of the file */
    int64_t opset;       /* of the file; 0: it has none */
    const char *const *classes; /* names, where the user gives none; none: numbers */
    size_t class_count;
    /* What pixels go through where the user does not say; without it: numbers from 0 to 1. */
    bool normalize;
    double mean[CNN_MAX_CHANNELS], std[CNN_MAX_CHANNELS];
};

cnn_status cnn_import_graph(const struct cnn_import_request *request,
                            const struct cnn_import_graph *graph, cnn_model **out,
                            cnn_import_info *info, cnn_diag *diag);

#endif
