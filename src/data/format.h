/* Data-set formats: one file and one line in datasets.def each. A format is the word of
 * `data.dataset`: what its files are called, where they are looked for, and how they are read. */
#ifndef CNN_DATA_FORMAT_H
#define CNN_DATA_FORMAT_H

#include "data/dataset.h"
#include "data/images.h"

struct cnn_dataset_format;

/* What a reader is to read. */
struct cnn_data_request {
    const struct cnn_dataset_format *format;
    const char *path; /* as the user gave it, or of the default place; NULL: there are no files */
    enum cnn_split split;
    size_t limit;    /* at most so many images; 0: all */
    cnn_shape input; /* of the network: what files are brought to, and drawings made for */
    uint64_t seed;   /* of drawings */
    bool any_damage; /* see cnn_data_settings */
    const cnn_memory_data *memory; /* likewise */
};

/* The place of a data set that everybody uses, and where it is to be had. */
struct cnn_data_home {
    const char *folder;             /* under $CNN_DATA, or data */
    const char *package, *packaged; /* Debian's, and the folder that it makes; NULL: none */
    const char *address;            /* of the archive, or of the folder of the files */
    const char *size;               /* of what is fetched: "170 MB" */
    const char *checksum;           /* SHA-256 of the archive, which holds `folder` */
    /* where it is no archive: the commands that fetch it into root, a word of the shell, and check
     * it; NULL: those for the archive */
    void (*fetch)(const struct cnn_dataset_format *format, const char *root, struct cnn_text *out);
};

struct cnn_dataset_format {
    const char *name;                 /* "fashion_mnist" */
    const char *title;                /* "Fashion-MNIST", for messages */
    const struct cnn_data_home *home; /* NULL: none */
    /* Where there is no home: the hint for a description that names no path. NULL: there are no
     * files. */
    const char *wants_path;
    bool drawn;  /* the images follow from the seed */
    bool varies; /* other images are there from path to path, so the name says nothing of them */
    const void *more; /* what the formats of one file have of their own */

    /* Which splits there are, whatever the request's. NULL: training and test images. */
    cnn_status (*splits)(const struct cnn_data_request *request, bool has[3], cnn_diag *diag);

    /* Reads one of them. *out is written only on success, and freed with cnn_images_free. Labels
     * are below class_count, and the class names do not depend on the split. Damaged files are
     * CNN_FAILED, an input that the format cannot serve CNN_INVALID. */
    cnn_status (*read)(const struct cnn_data_request *request, struct cnn_images *out,
                       cnn_diag *diag);
};

/* Every format, in the order of cnn_dataset_names. */
extern const struct cnn_dataset_format *const cnn_dataset_formats[];
extern const size_t cnn_dataset_format_count;

/* Index of the format with this name; -1: there is none. */
int cnn_dataset_find(const char *name);

/* ---- for readers ---- */

/* The folder in which a data set with a home is looked for: the one under CNN_DATA, or data; or,
 * where that is not there, the one that the system's package makes. The caller's, for cnn_free;
 * NULL when out of memory. */
char *cnn_known_folder(const struct cnn_dataset_format *format);

/* The error for files that are not in folder: which names were looked for, and a hint with the
 * commands that fetch the set, check it and put it where it is looked for. Returns CNN_FAILED. */
cnn_status cnn_known_fail_missing(const struct cnn_dataset_format *format, const char *folder,
                                  const char *names, cnn_diag *diag);

#endif
