/* Data sets that everybody uses: where they are looked for, and how they are fetched. Their
 * checksums are those of the files as the authors publish them; an archive holds the folder that is
 * looked for. */
#include "data/format.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/allocate.h"
#include "util/text.h"

static const char *data_root(void)
{
    const char *root = getenv("CNN_DATA");
    return root && *root ? root : "data";
}

char *cnn_known_folder(const struct cnn_dataset_format *format)
{
    const struct cnn_data_home *home = format->home;
    struct cnn_text text = {0};
    cnn_text_printf(&text, "%s/%s", data_root(), home->folder);
    if (!text.failed && home->packaged && access(text.data, F_OK) != 0 &&
        access(home->packaged, F_OK) == 0) {
        cnn_text_free(&text);
        cnn_text_printf(&text, "%s", home->packaged);
    }
    if (text.failed)
        cnn_text_free(&text);
    return text.data;
}

static void write_archive_commands(const struct cnn_data_home *home, const char *root,
                                   struct cnn_text *out)
{
    const char *file = strrchr(home->address, '/') + 1;
    cnn_text_printf(out,
                    "(mkdir -p %s && cd %s && curl -fLO %s && echo '%s  %s' | sha256sum -c && tar "
                    "-xzf %s)",
                    root, root, home->address, home->checksum, file, file);
}

static void hint_commands(const struct cnn_dataset_format *format, cnn_diag *diag)
{
    const struct cnn_data_home *home = format->home;
    struct cnn_text text = {0};
    char *root = cnn_shell_word(data_root());
    if (root && home->fetch)
        home->fetch(format, root, &text);
    else if (root)
        write_archive_commands(home, root, &text);
    if (root && !text.failed)
        cnn_hint(
            diag,
            "data.path or --data name its folder, else it is %s/%s; %s%s%sto fetch it (%s): %s",
            root, home->folder, home->package ? "apt-get install " : "",
            home->package ? home->package : "", home->package ? ", or " : "", home->size,
            text.data);
    cnn_text_free(&text);
    cnn_free(root);
}

cnn_status cnn_known_fail_missing(const struct cnn_dataset_format *format, const char *folder,
                                  const char *names, cnn_diag *diag)
{
    struct stat info;
    if (stat(folder, &info) != 0)
        cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s from the folder %s: %s (looked for %s)",
                 format->title, folder, strerror(errno), names);
    else if (!S_ISDIR(info.st_mode))
        cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s from %s: it is no folder", format->title,
                 folder);
    else
        cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s from the folder %s: it has no %s",
                 format->title, folder, names);
    hint_commands(format, diag);
    return CNN_FAILED;
}
