/* Files that come with the program: beside it or beside its folder in the build tree, in share/cnn/
 * beside the bin/ that it was installed to, or where `make install` was told to put them. */
#include "util/shipped.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Takes the last component off a path; false where none is left. */
static bool strip_component(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

bool cnn_shipped_file(const char *name, char path[CNN_SHIPPED_PATH])
{
    static const char *const places[] = {"/", "/../", "/../share/cnn/"};
    char program[CNN_SHIPPED_PATH / 2];
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    program[length > 0 ? length : 0] = '\0';
    bool found = strip_component(program);
    for (size_t i = 0; found && i < sizeof places / sizeof *places; i++) {
        snprintf(path, CNN_SHIPPED_PATH, "%s%s%s", program, places[i], name);
        if (access(path, R_OK) == 0)
            return true;
    }
    snprintf(path, CNN_SHIPPED_PATH, "%s/%s", CNN_DATADIR, name);
    return access(path, R_OK) == 0;
}
