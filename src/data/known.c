/* Known data sets. The checksums are those of the files as their authors publish them; the archives
 * of CIFAR hold the folder that they are looked for in. */
#include "data/known.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/text.h"

enum { IDX_FILES = 4 };

static const struct known {
    const char *name, *folder;
    const char *package, *packaged; /* Debian's, and the folder that it makes */
    const char *address;            /* of the folder of the files, or of the archive */
    const char *size;
    const char *sums[IDX_FILES]; /* SHA-256; of the files, or one of the archive */
} sets[] = {
    [CNN_KNOWN_MNIST] =
        {.name = "MNIST",
         .folder = "mnist",
         .address = "https://ossci-datasets.s3.amazonaws.com/mnist",
         .size = "11.6 MB",
         .sums = {"440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                  "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                  "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                  "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}},
    [CNN_KNOWN_FASHION_MNIST] =
        {.name = "Fashion-MNIST",
         .folder = "fashion-mnist",
         .package = "dataset-fashion-mnist",
         .packaged = "/usr/share/datasets/fashion-mnist",
         .address = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
         .size = "30.9 MB",
         .sums = {"3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                  "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                  "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                  "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"}},
    [CNN_KNOWN_CIFAR10] =
        {.name = "CIFAR-10",
         .folder = "cifar-10-batches-bin",
         .address = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
         .size = "170 MB",
         .sums = {"c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}},
    [CNN_KNOWN_CIFAR100] =
        {.name = "CIFAR-100",
         .folder = "cifar-100-binary",
         .address = "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
         .size = "169 MB",
         .sums = {"58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"}},
};

static const char *data_root(void)
{
    const char *root = getenv("CNN_DATA");
    return root && *root ? root : "data";
}

char *cnn_known_folder(enum cnn_known_set set)
{
    const struct known *known = &sets[set];
    struct cnn_text text = {0};
    cnn_text_printf(&text, "%s/%s", data_root(), known->folder);
    if (!text.failed && known->packaged && access(text.data, F_OK) != 0 &&
        access(known->packaged, F_OK) == 0) {
        cnn_text_free(&text);
        cnn_text_printf(&text, "%s", known->packaged);
    }
    if (text.failed)
        cnn_text_free(&text);
    return text.data;
}

/* Commands for four files, in the order of sums. */
static void write_file_commands(const struct known *known, const char *root, struct cnn_text *out)
{
    static const char *const files[IDX_FILES] = {"train-images-idx3", "train-labels-idx1",
                                                 "t10k-images-idx3", "t10k-labels-idx1"};
    cnn_text_printf(out,
                    "(mkdir -p %s/%s && cd %s/%s && curl -fLO '%s/{train,t10k}-"
                    "{images-idx3,labels-idx1}-ubyte.gz' && printf '%%s  %%s-ubyte.gz\\n'",
                    root, known->folder, root, known->folder, known->address);
    for (size_t i = 0; i < IDX_FILES; i++)
        cnn_text_printf(out, " %s %s", known->sums[i], files[i]);
    cnn_text_printf(out, " | sha256sum -c)");
}

static void write_archive_commands(const struct known *known, const char *root,
                                   struct cnn_text *out)
{
    const char *file = strrchr(known->address, '/') + 1;
    cnn_text_printf(out,
                    "(mkdir -p %s && cd %s && curl -fLO %s && echo '%s  %s' | sha256sum -c && tar "
                    "-xzf %s)",
                    root, root, known->address, known->sums[0], file, file);
}

static void hint_commands(const struct known *known, cnn_diag *diag)
{
    struct cnn_text text = {0};
    char *root = cnn_shell_word(data_root());
    if (root && known->sums[1])
        write_file_commands(known, root, &text);
    else if (root)
        write_archive_commands(known, root, &text);
    if (root && !text.failed)
        cnn_hint(
            diag,
            "data.path or --data name its folder, else it is %s/%s; %s%s%sto fetch it (%s): %s",
            root, known->folder, known->package ? "apt-get install " : "",
            known->package ? known->package : "", known->package ? ", or " : "", known->size,
            text.data);
    cnn_text_free(&text);
    free(root);
}

cnn_status cnn_known_fail_missing(enum cnn_known_set set, const char *folder, const char *names,
                                  cnn_diag *diag)
{
    const struct known *known = &sets[set];
    struct stat info;
    if (stat(folder, &info) != 0)
        cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s from the folder %s: %s (looked for %s)",
                 known->name, folder, strerror(errno), names);
    else if (!S_ISDIR(info.st_mode))
        cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s from %s: it is no folder", known->name,
                 folder);
    else
        cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s from the folder %s: it has no %s",
                 known->name, folder, names);
    hint_commands(known, diag);
    return CNN_FAILED;
}
