/* A library for LD_PRELOAD: chosen system calls on files fail, write less, or end the process. It
 * traps the system calls themselves (seccomp), so those of the C library's streams are among them.
 *
 *   FAULTS=CALL:WHICH:EFFECT[,CALL:WHICH:EFFECT...]
 *   FAULTS_COUNT=FILE       at exit, the number of each call, lines of CALL and number, in FILE
 *
 * CALL is write, fsync, rename, close, truncate, link or unlink, or any: all of them counted
 * together. WHICH is N (the Nth, from 1), N+ (it and all later ones) or %N (every Nth). EFFECT is
 * EIO, ENOSPC, EPERM or EINTR; short (write moves half of its bytes); kill (SIGKILL in place of the
 * call) or killed (SIGKILL behind it). A close that fails has closed all the same. Standard input,
 * output and error are left alone. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum call { WRITE, FSYNC, RENAME, CLOSE, TRUNCATE, LINK, UNLINK, ANY, CALLS };
enum { SHORT = -1, KILL = -2, KILLED = -3, RULES = 8 };

static const char *const call_names[] = {"write",    "fsync", "rename", "close",
                                         "truncate", "link",  "unlink", "any"};

static const struct {
    const char *name;
    int effect;
} effects[] = {{"EIO", EIO},     {"ENOSPC", ENOSPC}, {"EINTR", EINTR},  {"EPERM", EPERM},
               {"short", SHORT}, {"kill", KILL},     {"killed", KILLED}};

/* A system call may be known by several numbers. */
static const struct {
    int number;
    enum call call;
} numbers[] = {
    {SYS_write, WRITE},        {SYS_writev, WRITE},     {SYS_pwrite64, WRITE},  {SYS_fsync, FSYNC},
    {SYS_fdatasync, FSYNC},    {SYS_renameat2, RENAME}, {SYS_renameat, RENAME}, {SYS_close, CLOSE},
    {SYS_ftruncate, TRUNCATE}, {SYS_linkat, LINK},      {SYS_unlinkat, UNLINK},
#ifdef SYS_rename
    {SYS_rename, RENAME},      {SYS_link, LINK},        {SYS_unlink, UNLINK},
#endif
};
#define NUMBERS (sizeof numbers / sizeof *numbers)

static struct rule {
    enum call call;
    unsigned long at;
    bool onwards, every;
    int effect;
} rules[RULES];
static size_t rule_count;
static unsigned long counts[CALLS];

#ifdef __x86_64__
#define RESULT(context)      ((context)->uc_mcontext.gregs[REG_RAX])
#define ARGUMENT(context, i) ((context)->uc_mcontext.gregs[argument_registers[i]])
static const int argument_registers[] = {REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8};
#elif defined(__aarch64__)
#define RESULT(context)      ((context)->uc_mcontext.regs[0])
#define ARGUMENT(context, i) ((context)->uc_mcontext.regs[i])
#endif

#ifdef RESULT

static bool matches(const struct rule *rule, unsigned long n)
{
    return rule->every ? n % rule->at == 0 : n == rule->at || (rule->onwards && n > rule->at);
}

static int effect_of(enum call call)
{
    unsigned long n = __atomic_add_fetch(&counts[call], 1, __ATOMIC_RELAXED),
                  all = __atomic_add_fetch(&counts[ANY], 1, __ATOMIC_RELAXED);
    for (size_t i = 0; i < rule_count; i++)
        if ((rules[i].call == call && matches(&rules[i], n)) ||
            (rules[i].call == ANY && matches(&rules[i], all)))
            return rules[i].effect;
    return 0;
}

/* The call as it was meant: through syscall(), which the filter lets pass. */
static long carry_out(int number, const ucontext_t *context, bool half)
{
    size_t count = (size_t)ARGUMENT(context, 2);
    if (half && number == SYS_write && count > 1)
        count /= 2;
    long result = syscall(number, ARGUMENT(context, 0), ARGUMENT(context, 1), count,
                          ARGUMENT(context, 3), ARGUMENT(context, 4));
    return result < 0 ? -errno : result;
}

static void on_trap(int signal, siginfo_t *info, void *at)
{
    ucontext_t *context = at;
    int number = info->si_syscall, error = errno, effect = 0;
    enum call call = ANY;
    (void)signal;
    for (size_t i = 0; i < NUMBERS; i++)
        if (numbers[i].number == number)
            call = numbers[i].call;
    bool on_descriptor = call == WRITE || call == FSYNC || call == CLOSE || call == TRUNCATE;
    if (!on_descriptor || (int)ARGUMENT(context, 0) > 2)
        effect = effect_of(call);
    if (effect == KILL)
        kill(getpid(), SIGKILL);
    if (effect == SHORT && call != WRITE)
        effect = 0;
    long result = effect > 0 && call != CLOSE ? 0 : carry_out(number, context, effect == SHORT);
    if (effect == KILLED)
        kill(getpid(), SIGKILL);
    RESULT(context) = effect > 0 ? -effect : result;
    errno = error;
}

/* The filter: calls from within syscall() pass, those of the list are trapped. */
static void install_filter(void)
{
    const uint64_t own = (uint64_t)(uintptr_t)&syscall;
    struct sock_filter program[NUMBERS + 8];
    const struct sock_filter head[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(own >> 32), 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)own, 0, 1),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, (uint32_t)own + 64, 0, NUMBERS + 1),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    };
    size_t length = sizeof head / sizeof *head;
    memcpy(program, head, sizeof head);
    for (size_t i = 0; i < NUMBERS; i++)
        program[length++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)numbers[i].number, (uint8_t)(NUMBERS - i), 0);
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    program[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP);
    struct sock_fprog filter = {(unsigned short)length, program};
    struct sigaction action = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigaction(SIGSYS, &action, NULL);
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        dprintf(2, "faults: no seccomp here\n");
        _exit(98);
    }
}

static void wrong(const char *what)
{
    dprintf(2, "faults: %s\n", what);
    _exit(99);
}

static void read_rule(char *text)
{
    char call[16], which[16], effect[16], *end;
    struct rule rule = {.call = CALLS};
    if (rule_count == RULES || sscanf(text, "%15[a-z]:%15[0-9%+]:%15s", call, which, effect) != 3)
        wrong("a rule is CALL:WHICH:EFFECT");
    rule.every = which[0] == '%';
    rule.at = strtoul(which + rule.every, &end, 10);
    rule.onwards = *end == '+';
    for (int i = 0; i < CALLS; i++)
        if (strcmp(call, call_names[i]) == 0)
            rule.call = (enum call)i;
    for (size_t i = 0; i < sizeof effects / sizeof *effects; i++)
        if (strcmp(effect, effects[i].name) == 0)
            rule.effect = effects[i].effect;
    if (rule.call == CALLS || rule.effect == 0 || rule.at == 0)
        wrong("an unknown call, place or effect");
    rules[rule_count++] = rule;
}

__attribute__((constructor)) static void begin(void)
{
    const char *given = getenv("FAULTS");
    char *text = given ? strdup(given) : NULL, *rest = NULL;
    for (char *rule = text ? strtok_r(text, ",", &rest) : NULL; rule;
         rule = strtok_r(NULL, ",", &rest))
        read_rule(rule);
    free(text);
    install_filter();
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("FAULTS_COUNT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        for (int i = 0; i < CALLS; i++)
            fprintf(file, "%s %lu\n", call_names[i], counts[i]);
        fclose(file);
    }
}

#endif
