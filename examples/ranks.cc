// One run by several processes: mpirun -n 4 ranks CONFIG DIRECTORY. Each is a rank.
#include "owned.h"

#include <cstdlib>
#include <iostream>

namespace
{

// A rank for as long as it lives. What it ends with must be told, since the others may wait.
class Rank
{
  public:
    explicit Rank(cnn_diag *diag)
    {
        check(cnn_cluster_join(&cluster_, diag), diag);
        cnn_set_threads(static_cast<int>(cnn_cluster_threads(cluster_)));
        if (const char *launcher = cnn_cluster_launcher(nullptr, nullptr))
            std::clog << "started by " << launcher << "\n";
    }
    ~Rank()
    {
        if (agreed_)
            cnn_cluster_leave(cluster_, status_);
        else // all have met this error
            cnn_cluster_leave_together(cluster_, status_);
    }
    Rank(const Rank &) = delete;
    Rank &operator=(const Rank &) = delete;

    void train(const char *config, const char *directory, cnn_diag *diag)
    {
        cnn_train_options options = CNN_TRAIN_OPTIONS_INIT;
        options.config = config;
        options.directory = directory;
        options.cluster = cluster_;
        status_ = cnn_cluster_agree(cluster_, directory, diag); // each was given the same run
        agreed_ = status_ == CNN_OK;
        if (agreed_)
            status_ = cnn_train(&options, diag);
        const std::string messages = take_messages(diag);
        if (cnn_cluster_speaks(cluster_))
            std::cerr << messages;
        if (status_ == CNN_OK && cnn_cluster_rank(cluster_) == 0)
            std::cout << "trained by " << cnn_cluster_ranks(cluster_) << " processes\n";
    }

    bool good() const
    {
        return status_ == CNN_OK;
    }

  private:
    cnn_cluster *cluster_ = nullptr;
    cnn_status status_ = CNN_OK;
    bool agreed_ = false;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3) {
        std::cerr << "usage: ranks CONFIG DIRECTORY\n";
        return EXIT_FAILURE;
    }
    try {
        const Diag diag(cnn_diag_new());
        Rank rank(diag.get());
        rank.train(argv[1], argv[2], diag.get());
        return rank.good() ? EXIT_SUCCESS : EXIT_FAILURE;
    } catch (const std::exception &e) {
        std::cerr << e.what();
        return EXIT_FAILURE;
    }
}
