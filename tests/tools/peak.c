/* peak MEBIBYTES COMMAND...: runs the command, and fails where it has held more memory at once. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct rusage usage;
    int status = 0;
    pid_t child = argc > 2 ? fork() : -1;

    if (child == 0) {
        execvp(argv[2], argv + 2);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child ||
        getrusage(RUSAGE_CHILDREN, &usage) != 0) {
        fprintf(stderr, "peak: cannot run the command\n");
        return 125;
    }
    if (usage.ru_maxrss > 1024 * atol(argv[1])) {
        fprintf(stderr, "peak: %ld MiB, at most %s are right\n", usage.ru_maxrss / 1024, argv[1]);
        return 124;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 126;
}
