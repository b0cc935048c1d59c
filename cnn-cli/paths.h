/* What the path of a file or folder says. */
#ifndef CNN_CLI_PATHS_H
#define CNN_CLI_PATHS_H

#include <stdbool.h>

/* Whether path ends in extension (".png"), upper or lower case. */
bool cnn_path_ends(const char *path, const char *extension);

/* Whether path is a file of numbers, which are used unchanged, and no picture. */
bool cnn_path_holds_numbers(const char *path);

bool cnn_path_is_folder(const char *path);

/* Whether the folder has a file or folder of this name. */
bool cnn_path_holds(const char *folder, const char *name);

/* Whether path is the directory of a run: it holds best.safetensors or last.safetensors. */
bool cnn_path_is_run(const char *path);

/* "folder/name", for free(); NULL when out of memory. */
char *cnn_path_join(const char *folder, const char *name);

/* For qsort of an array of paths. Digits compare as numbers: image2 comes before image10. */
int cnn_path_compare(const void *left, const void *right);

#endif
