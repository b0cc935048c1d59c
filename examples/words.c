/* What the library knows without a model: its version, the keys of a description, pictures that it
 * reads, and how names from anywhere are shown and typed. words [WORD]: what WORD, a word of
 * another program, is called here. */
#include <cnn.h>
#include <stdio.h>
#include <stdlib.h>

static void describe_library(cnn_diag *diag)
{
    const char *shipped = cnn_default_model();
    cnn_set_threads(0); /* as many as there are cores */
    cnn_set_program("words");
    cnn_set_language("en", diag); /* of pages */
    printf("libcnn %s, built for %s; %d threads, kernels for %s; called %s\n", cnn_version(),
           CNN_VERSION, cnn_threads(), cnn_instruction_set(), cnn_program());
    if (cnn_check_environment(diag) != CNN_OK)
        printf("CNN_CPU names kernels that this machine does not have\n");
    printf("the model that ships with it: %s\n", shipped ? shipped : "not found");
}

/* The sections of a description, and the keys of each. */
static void list_keys(void)
{
    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        const cnn_section_info section = cnn_reference_section(i);
        printf("%s (%s):", section.name, section.group);
        for (size_t k = 0; k < section.keys; k++)
            printf(" %s", cnn_reference_key(i, k).name);
        printf("\n");
    }
}

static void list_kinds(void)
{
    static const char *const files[] = {"cat.png", "cat.tiff"};
    for (int kind = 0; kind < CNN_PICTURE_KINDS; kind++)
        printf("picture %s: %s\n", cnn_picture_kind_name((cnn_picture_kind)kind),
               cnn_picture_kind_help((cnn_picture_kind)kind));
    printf("views: %s, %s\n", cnn_tta_name(CNN_TTA_FLIP), cnn_tta_name(CNN_TTA_SHIFT));
    printf("reads %s (%s)\n", cnn_image_kinds(), cnn_image_endings());
    for (size_t i = 0; i < 2; i++) {
        const char *how = cnn_image_conversion(files[i]);
        printf("%s is %s\n", files[i], cnn_image_readable(files[i]) ? "read" : "not read");
        if (how)
            printf("convert it: %s\n", how);
    }
}

/* A name as a terminal may show it: what would act on the terminal becomes a question mark. */
static void print_shown(const char *name)
{
    uint32_t code = 0;
    for (const char *at = name; *at;) {
        size_t bytes = cnn_character(at, &code);
        if (bytes > 0 && cnn_character_shown(code))
            printf("%.*s", (int)bytes, at);
        else
            printf("?");
        at += bytes > 0 ? bytes : 1;
    }
    printf(" takes %zu columns\n", cnn_text_columns(name));
}

static void suggest(const char *path)
{
    char *word = cnn_shell_word(path), *near = cnn_nearest_path(path);
    if (word)
        printf("in a shell: %s\n", word);
    if (near)
        printf("did you mean %s?\n", near);
    cnn_free(word);
    cnn_free(near);
}

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "learning_rate", *here = cnn_reference_word(word);
    cnn_diag *diag = cnn_diag_new();
    if (!diag)
        return EXIT_FAILURE;
    describe_library(diag);
    list_keys();
    list_kinds();
    print_shown("caf\xC3\xA9 \xEA\xB3\xA0\xEC\x96\x91\xEC\x9D\xB4");
    suggest("a folder/it's here.png");
    printf("%s is called %s here\n", word, here ? here : "nothing that is known");
    cnn_diag_free(diag);
    return EXIT_SUCCESS;
}
