// What the library knows without a model, in C++: words WORD says what WORD of another program is
// called here, and what a command line with it looks like.
#include "owned.h"

#include <cstdlib>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace
{

// The keys of a description, by section.
std::map<std::string, std::vector<std::string>> keys()
{
    std::map<std::string, std::vector<std::string>> all;
    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        const cnn_section_info section = cnn_reference_section(i);
        for (size_t k = 0; k < section.keys; k++)
            all[section.name].push_back(cnn_reference_key(i, k).name);
    }
    return all;
}

// text without what would act on a terminal.
std::string harmless(const std::string &text)
{
    std::string shown;
    for (size_t at = 0; at < text.size();) {
        uint32_t code = 0;
        const size_t bytes = cnn_character(text.c_str() + at, &code);
        shown += bytes > 0 && cnn_character_shown(code) ? text.substr(at, bytes) : "?";
        at += bytes > 0 ? bytes : 1;
    }
    return shown;
}

void tell_of_pictures()
{
    for (int kind = 0; kind < CNN_PICTURE_KINDS; kind++)
        std::cout << cnn_picture_kind_name(static_cast<cnn_picture_kind>(kind)) << ": "
                  << cnn_picture_kind_help(static_cast<cnn_picture_kind>(kind)) << "\n";
    std::cout << "pictures of " << cnn_image_kinds() << " are read, by " << cnn_image_endings()
              << "; views are " << cnn_tta_name(CNN_TTA_FLIP) << " and "
              << cnn_tta_name(CNN_TTA_SHIFT) << "\n";
    for (const std::string name : {"a.jpg", "a.gif"}) {
        const char *how = cnn_image_conversion(name.c_str());
        std::cout << name << ": "
                  << (cnn_image_readable(name.c_str()) ? "read"
                      : how                            ? how
                                                       : "no picture")
                  << "\n";
    }
}

} // namespace

int main(int argc, char **argv)
{
    const std::string word = argc > 1 ? argv[1] : "batchnorm";
    const Diag diag(cnn_diag_new());
    cnn_set_threads(2);
    cnn_set_program("words");
    try {
        check(cnn_check_environment(diag.get()), diag.get());
        check(cnn_set_language("ko", diag.get()), diag.get()); // of pages
    } catch (const std::exception &e) {
        std::cerr << e.what();
        return EXIT_FAILURE;
    }
    std::cout << cnn_program() << ": libcnn " << cnn_version() << " with " << cnn_threads()
              << " threads, kernels for " << cnn_instruction_set() << "\n";
    for (const auto &section : keys())
        std::cout << section.first << " has " << section.second.size() << " keys\n";
    tell_of_pictures();
    const char *here = cnn_reference_word(word.c_str()), *shipped = cnn_default_model();
    std::cout << harmless(word) << " (" << cnn_text_columns(word.c_str()) << " columns) is "
              << (here ? here : "no word that is known") << "\n";
    const Text quoted(cnn_shell_word(word.c_str())), near(cnn_nearest_path(word.c_str()));
    std::cout << "type: cnn summary " << (quoted ? quoted.get() : "") << "\n"
              << (near ? near.get() : "no such file is near") << "\n"
              << (shipped ? shipped : "no model ships") << "\n";
    return EXIT_SUCCESS;
}
