// What the library makes, owned: freed where it goes out of scope.
#ifndef OWNED_H
#define OWNED_H

#include <cnn.h>

#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

template <typename T, void (*Free)(T *)> struct Freed {
    void operator()(T *made) const
    {
        Free(made);
    }
};
template <typename T, void (*Free)(T *)> using Owned = std::unique_ptr<T, Freed<T, Free>>;

using Diag = Owned<cnn_diag, cnn_diag_free>;
using Model = Owned<cnn_model, cnn_model_free>;
using Runner = Owned<cnn_runner, cnn_runner_free>;
using Evaluation = Owned<cnn_evaluation, cnn_evaluation_free>;
using Survey = Owned<cnn_survey, cnn_survey_free>;
using Findings = Owned<cnn_findings, cnn_findings_free>;
using Explanation = Owned<cnn_explanation, cnn_explanation_free>;
using Inspector = Owned<cnn_inspector, cnn_inspector_free>;
using GradientExplanation = Owned<cnn_gradient_explanation, cnn_gradient_explanation_free>;
using Similar = Owned<cnn_similar, cnn_similar_free>;
using BenchResult = Owned<cnn_bench_result, cnn_bench_result_free>;
using DataImage = Owned<cnn_data_image, cnn_data_image_free>;
using CheckpointInfo = Owned<cnn_checkpoint_info, cnn_checkpoint_info_free>;

template <typename T> struct Memory {
    void operator()(T *memory) const
    {
        cnn_free(memory);
    }
};
using Text = std::unique_ptr<char, Memory<char>>;
using Floats = std::unique_ptr<float, Memory<float>>;

// The messages of diag as text; diag is empty then.
inline std::string take_messages(cnn_diag *diag)
{
    std::string all;
    for (size_t i = 0; i < cnn_diag_count(diag); i++) {
        const Text text(cnn_message_format(cnn_diag_get(diag, i), nullptr));
        all += text ? text.get() : "out of memory\n";
    }
    if (cnn_diag_dropped(diag) > 0)
        all += "and " + std::to_string(cnn_diag_dropped(diag)) + " more\n";
    if (cnn_diag_out_of_memory(diag))
        all += "memory ran out\n";
    cnn_diag_clear(diag);
    return all;
}

// Throws what went wrong.
inline void check(cnn_status status, cnn_diag *diag)
{
    if (status != CNN_OK)
        throw std::runtime_error(take_messages(diag));
}

#endif
