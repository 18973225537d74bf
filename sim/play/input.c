#include "sim/play/input.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "lib/host/spawn.h"

#define PROMPT      "spaaksim> "
#define HISTORY_MAX 1000
#define CANDIDATES  256

enum prompt {
    PROMPT_GONE,
    PROMPT_SHOWN,
    PROMPT_HIDDEN /* made room for output, and is to be drawn again */
};

/* readline has one state for the whole program, and so has this. */
static struct {
    const struct play *completer;
    bool by_hand, edits; /* edits: readline reads the line */
    int signals, beside; /* descriptors; -1: none */
    enum prompt prompt;
    enum input_news news; /* what readline's handler was told */
    char *typed;
    int last_signal;
    /* of the other kinds of input: bytes that were read, and the line that they end in */
    char chunk[4096], line[PLAY_LINE_MAX + 2];
    size_t chunk_len, chunk_at, line_len;
    bool at_end;
} in;

/* ---- output ---- */

void input_print(const char *line)
{
    if (in.prompt == PROMPT_SHOWN) {
        rl_clear_visible_line();
        in.prompt = PROMPT_HIDDEN;
    }
    puts(line);
}

/* ---- the terminal ---- */

static char *next_candidate(const char *text, int state)
{
    static char *found[CANDIDATES];
    static size_t count, at;
    (void)text;
    if (state == 0) {
        char *beginning = strndup(rl_line_buffer, (size_t)rl_point);
        count = beginning ? play_complete(in.completer, beginning, found, CANDIDATES) : 0;
        at = 0;
        free(beginning);
    }
    if (at == count)
        return NULL;
    size_t len = strlen(found[at]);
    rl_completion_suppress_append = len && found[at][len - 1] == '=';
    return found[at++];
}

static char **complete(const char *text, int start, int end)
{
    (void)start;
    (void)end;
    rl_attempted_completion_over = 1; /* files are no answer */
    return rl_completion_matches(text, next_candidate);
}

static void take_line(char *line)
{
    rl_callback_handler_remove();
    in.prompt = PROMPT_GONE;
    free(in.typed);
    in.typed = line;
    in.news = line ? INPUT_LINE : INPUT_END;
    if (!line)
        putchar('\n');
    else if (*line)
        add_history(line);
}

static void show_prompt(void)
{
    if (in.prompt == PROMPT_GONE) {
        rl_callback_handler_install(PROMPT, take_line);
    } else if (in.prompt == PROMPT_HIDDEN) {
        rl_on_new_line();
        rl_redisplay();
    }
    in.prompt = PROMPT_SHOWN;
}

static void hide_prompt(void)
{
    if (in.prompt == PROMPT_GONE)
        return;
    rl_callback_sigcleanup();
    rl_callback_handler_remove();
    if (in.prompt == PROMPT_SHOWN)
        putchar('\n');
    in.prompt = PROMPT_GONE;
}

static void open_editor(void)
{
    static char blanks[] = " \t\n;";
    rl_readline_name = "spaaksim";
    rl_catch_signals = 0;
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = blanks;
    rl_variable_bind("enable-bracketed-paste", "off"); /* several lines pasted are several lines */
    using_history();
    stifle_history(HISTORY_MAX);
}

/* ---- any other input ---- */

static bool fill(void)
{
    ssize_t n = read(STDIN_FILENO, in.chunk, sizeof in.chunk);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    in.chunk_len = n > 0 ? (size_t)n : 0;
    in.chunk_at = 0;
    in.at_end = n <= 0;
    return !in.at_end;
}

/* Moves bytes into the line; true when it is whole. One that is too long keeps a character too many, by which
 * it is known. */
static bool take_bytes(void)
{
    while (in.chunk_at < in.chunk_len) {
        char c = in.chunk[in.chunk_at++];
        if (c == '\n')
            return true;
        if (in.line_len <= PLAY_LINE_MAX)
            in.line[in.line_len++] = c;
    }
    return in.at_end && in.line_len;
}

static enum input_news plain_line(struct input_line *out)
{
    if (!take_bytes())
        return in.at_end ? INPUT_END : INPUT_NOTHING;
    in.line[in.line_len] = '\0';
    *out = (struct input_line){in.line, in.line_len};
    in.line_len = 0;
    return INPUT_LINE;
}

/* ---- signals ---- */

/* Ctrl-Z: the shell gets its terminal as it was. */
static void stand_still(void)
{
    if (in.prompt != PROMPT_GONE)
        rl_deprep_terminal();
    kill(getpid(), SIGSTOP);
    if (in.prompt == PROMPT_GONE)
        return;
    rl_prep_terminal(1);
    rl_forced_update_display();
}

enum input_news input_signal(void)
{
    struct signalfd_siginfo si;
    while (read(in.signals, &si, sizeof si) == (ssize_t)sizeof si) {
        in.last_signal = (int)si.ssi_signo;
        if (in.last_signal == SIGTSTP) {
            stand_still();
            continue;
        }
        if (in.edits && in.prompt == PROMPT_GONE)
            putchar('\n'); /* after the "^C" of the terminal */
        hide_prompt();
        return in.last_signal == SIGINT && in.by_hand ? INPUT_BREAK : INPUT_STOP;
    }
    return INPUT_NOTHING;
}

const char *input_signal_name(void)
{
    return spawn_signal_name(in.last_signal);
}

static bool open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTSTP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN); /* who no longer reads ends the play, not the program */
    in.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return in.signals >= 0;
}

/* ---- both ---- */

bool input_open(const struct play *completer)
{
    in.beside = -1;
    in.completer = completer;
    in.by_hand = isatty(STDIN_FILENO);
    in.edits = in.by_hand && isatty(STDOUT_FILENO);
    if (in.edits)
        open_editor();
    return open_signals();
}

void input_close(void)
{
    hide_prompt();
    if (in.signals >= 0)
        close(in.signals);
    in.signals = -1;
    free(in.typed);
    in.typed = NULL;
    clear_history();
}

void input_beside(int fd)
{
    in.beside = fd;
}

bool input_is_by_hand(void)
{
    return in.by_hand;
}

static enum input_news read_keys(struct input_line *out)
{
    in.news = INPUT_NOTHING;
    rl_callback_read_char();
    if (in.news == INPUT_LINE)
        *out = (struct input_line){in.typed, strlen(in.typed)};
    return in.news;
}

static enum input_news read_bytes(struct input_line *out)
{
    fill();
    return plain_line(out);
}

enum input_news input_wait(int timeout_ms, struct input_line *out)
{
    struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                           {.fd = in.signals, .events = POLLIN},
                           {.fd = in.beside, .events = POLLIN}};
    enum input_news news = in.edits ? INPUT_NOTHING : plain_line(out);
    if (news != INPUT_NOTHING)
        return news;
    if (in.edits)
        show_prompt();
    fflush(stdout);
    if (poll(fds, 3, timeout_ms) <= 0)
        return INPUT_NOTHING;
    if (fds[1].revents && (news = input_signal()) != INPUT_NOTHING)
        return news;
    if (!fds[0].revents)
        return fds[2].revents ? INPUT_BESIDE : INPUT_NOTHING;
    return in.edits ? read_keys(out) : read_bytes(out);
}
