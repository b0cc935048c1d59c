/* Files that come with the program. */
#ifndef CNN_UTIL_SHIPPED_H
#define CNN_UTIL_SHIPPED_H

#include <stdbool.h>

#define CNN_SHIPPED_PATH 4096

/* Finds a file by its name below share/cnn/ of the installation, or in the build tree. Its path
 * goes to path; false if there is no such file. */
bool cnn_shipped_file(const char *name, char path[CNN_SHIPPED_PATH]);

#endif
