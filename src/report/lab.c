/* The page of `cnn lab`: the page that ships with the program (web/), with a model put into it. */
#include <string.h>

#include "model/model.h"
#include "util/allocate.h"
#include "util/file.h"
#include "util/output.h"
#include "util/shipped.h"
#include "util/words.h"

#define MOST ((size_t)1 << 30) /* bytes of a file that goes into a page */

/* A line of the page, in whose place the model goes. */
static const char place[] = "\n@MODEL@\n";

/* The page, and where the model goes in it. */
static cnn_status read_page(char **page, const char **at, cnn_diag *diag)
{
    char path[CNN_SHIPPED_PATH];
    size_t size;
    if (!cnn_shipped_file("lab.html", path)) {
        cnn_fail(diag, CNN_FAILED, NULL, "this program was built without the page of the lab");
        cnn_hint(diag, "'make lab' in its sources makes it, 'make deps-lab' installs what that "
                       "needs; then 'make install' again");
        return CNN_FAILED;
    }
    cnn_status status = cnn_file_read(path, MOST, page, &size, diag);
    if (status != CNN_OK)
        return status;
    *at = strstr(*page, place);
    return *at ? CNN_OK : cnn_fail(diag, CNN_FAILED, NULL, "%s is no page of the lab", path);
}

/* The language of the page and the model's file (base64), as JSON. */
static cnn_status write_model(struct cnn_text *text, const cnn_model *model, const char *language,
                              cnn_diag *diag)
{
    char *bytes = NULL;
    size_t size;
    cnn_status status = cnn_file_read(model->source, MOST, &bytes, &size, diag);
    if (status != CNN_OK)
        return status;
    cnn_text_printf(text, "\n{\"language\": \"%s\", \"file\": \"",
                    language ? language : cnn_language());
    cnn_text_base64(text, bytes, size);
    cnn_text_printf(text, "\"}\n");
    cnn_free(bytes);
    return text->failed ? cnn_fail_memory(diag, 2 * size, "the page") : CNN_OK;
}

static cnn_status write_page(const char *path, const char *page, const char *at,
                             const struct cnn_text *model, cnn_diag *diag)
{
    const char *rest = at + sizeof place - 1;
    struct cnn_writer *writer;
    cnn_status status = cnn_writer_open(path, &writer, diag);
    if (status != CNN_OK)
        return status;
    cnn_writer_write(writer, page, (size_t)(at - page));
    cnn_writer_write(writer, model->data, model->size);
    cnn_writer_write(writer, rest, strlen(rest));
    return cnn_writer_commit(writer, diag);
}

cnn_status cnn_lab(const cnn_model *model, const char *path, const char *language, cnn_diag *diag)
{
    struct cnn_text text = {0};
    char *page = NULL;
    const char *at = NULL;
    if (!model || !path)
        return cnn_fail_missing(diag, "cnn_lab", "model or path");
    cnn_status status = language ? cnn_language_check(language, diag) : CNN_OK;
    if (status == CNN_OK)
        status = cnn_model_has_parameters(model, diag);
    if (status == CNN_OK)
        status = cnn_output_replaces(path, CNN_OUTPUT_PAGE, NULL, diag);
    if (status == CNN_OK)
        status = read_page(&page, &at, diag);
    if (status == CNN_OK)
        status = write_model(&text, model, language, diag);
    if (status == CNN_OK)
        status = write_page(path, page, at, &text, diag);
    cnn_text_free(&text);
    cnn_free(page);
    return status;
}
