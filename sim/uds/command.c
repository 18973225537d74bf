/* spaaksim uds: a tester's tool at the desk of a running world. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "sim/commands.h"
#include "sim/language/tree.h"
#include "sim/uds/desk.h"
#include "sim/uds/words.h"

#define TIMEOUT_MS     2000
#define TIMEOUT_MAX_MS 600000
#define PENDING_MS     5500 /* after a 78, at least */
#define FOLDER_TEXT    560
#define PRESENT_TEXT   1000

struct talk {
    const struct matrix_row *row;
    unsigned group;
    char ecu[DESK_LINE_ECU];
    uint64_t timeout_ms;
    bool hex;
    int fd;
};

/* ---- who is meant ---- */

static const struct matrix_row *row_of(const char *ecu)
{
    char name[DESK_LINE_ECU];
    for (size_t i = 0; i < DESK_ECUS && desk_ecu(i); i++) {
        desk_ecu_name(desk_ecu(i), name);
        if (strcmp(name, ecu) == 0)
            return desk_ecu(i);
    }
    return strcmp(ecu, "all") == 0 ? desk_all() : NULL;
}

static void say_no_such(const char *word, const char *ecu)
{
    char texts[DESK_ECUS][DESK_LINE_ECU];
    const char *names[DESK_ECUS + 2];
    size_t n = 0;
    for (; n < DESK_ECUS && desk_ecu(n); n++) {
        desk_ecu_name(desk_ecu(n), texts[n]);
        names[n] = texts[n];
    }
    names[n++] = "all";
    names[n] = NULL;
    const char *meant = text_closest(ecu, names);
    fprintf(stderr, "spaaksim: there is no ECU \"%.40s\"; ", word);
    if (meant)
        fprintf(stderr, "did you mean \"%s\"? ", meant);
    fputs(meant ? "There are" : "there are", stderr);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, " %s", names[i]);
    fputs(", of a further vehicle v0002.sgw\n", stderr);
}

/* "sgw", "v0002.sgw" */
static bool read_ecu(const char *word, struct talk *t)
{
    int used = 0;
    if (sscanf(word, "v%4u.%n", &t->group, &used) != 1 || used != 6)
        t->group = 0, used = 0;
    t->row = row_of(word + used);
    text_copy(t->ecu, sizeof t->ecu, word + used);
    if (!t->row)
        say_no_such(word, word + used);
    return t->row;
}

/* ---- the connection ---- */

/* By the folder's descriptor, for a path of any length. A world that stands still does not keep us for ever.
 * -1 and errno. */
static int connect_in(const struct talk *t, const char *folder, const char *file)
{
    struct timeval limit = {.tv_sec = (time_t)(t->timeout_ms / 1000),
                            .tv_usec = (suseconds_t)(t->timeout_ms % 1000 * 1000)};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int directory = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd = directory < 0 ? -1 : socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof at.sun_path, "/proc/self/fd/%d/%s", directory, file);
    if (fd >= 0)
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        fd = -1;
    }
    int why = errno;
    if (directory >= 0)
        close(directory);
    errno = why;
    return fd;
}

/* ---- who is there ---- */

/* "v0002.uds-sgw.sock" -> "v0002.sgw". False for another file. */
static bool ecu_of_file(const char *file, char out[DESK_FILE])
{
    const char *mark = strstr(file, "uds-");
    size_t len = strlen(file);
    bool ours = mark && (mark == file || mark[-1] == '.') && len < DESK_FILE && len > 5 &&
                strcmp(file + len - 5, ".sock") == 0;
    if (ours)
        snprintf(out, DESK_FILE, "%.*s%.*s", (int)(mark - file), file, (int)strcspn(mark + 4, "."), mark + 4);
    return ours;
}

static int is_socket_file(const struct dirent *e)
{
    char unused[DESK_FILE];
    return ecu_of_file(e->d_name, unused);
}

/* A world that was killed leaves sockets that nobody listens at. */
static bool is_heard(const struct talk *t, const char *folder, const char *file)
{
    int fd = connect_in(t, folder, file);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The ECUs that a world in that folder has, each behind a blank; false when none runs there. */
static bool list_present(const struct talk *t, const char *folder, char out[PRESENT_TEXT])
{
    struct dirent **files = NULL;
    char ecu[DESK_FILE];
    int n = scandir(folder, &files, is_socket_file, alphasort);
    size_t used = 0;
    bool runs = n > 0 && is_heard(t, folder, files[0]->d_name);
    out[0] = '\0';
    for (int i = 0; i < n; i++) {
        if (runs && used < PRESENT_TEXT && ecu_of_file(files[i]->d_name, ecu))
            used += (size_t)snprintf(out + used, PRESENT_TEXT - used, " %s", ecu);
        free(files[i]);
    }
    free(files);
    return runs;
}

static const char *const places[] = {"out/play-%s", "out/%s", "%s", NULL};

/* A name with a slash is that of a folder. */
static size_t first_place(const char *name)
{
    return strchr(name, '/') ? 2 : 0;
}

static void place_of(size_t place, const char *name, char folder[FOLDER_TEXT])
{
    snprintf(folder, FOLDER_TEXT, "%.*s%s", (int)strcspn(places[place], "%"), places[place], name);
}

static void say_no_world(const struct talk *t, const char *name, int why)
{
    char folder[FOLDER_TEXT], present[PRESENT_TEXT], file[DESK_FILE], ecu[DESK_FILE];
    desk_file(t->group, t->ecu, file);
    ecu_of_file(file, ecu);
    for (size_t i = first_place(name); places[i]; i++) {
        place_of(i, name, folder);
        if (!list_present(t, folder, present))
            continue;
        fprintf(stderr, "spaaksim: the world in %s runs, and has no %s; it has%s\n", folder, ecu, present);
        return;
    }
    fprintf(stderr, "spaaksim: no running world listens for a tester's tool (%s); looked for %s in",
            strerror(why), file);
    for (size_t i = first_place(name); places[i]; i++) {
        place_of(i, name, folder);
        fprintf(stderr, "%s %s", i > first_place(name) ? "," : "", folder);
    }
    fputs("\nStart one with `spaaksim play NAME`, or `spaaksim run NAME` in the process world; a run in the "
          "virtual world has no time to listen.\n",
          stderr);
}

static bool connect_to(struct talk *t, const char *name)
{
    char folder[FOLDER_TEXT], file[DESK_FILE];
    int why = ENOENT;
    desk_file(t->group, t->ecu, file);
    t->fd = -1;
    for (size_t i = first_place(name); places[i] && t->fd < 0; i++) {
        place_of(i, name, folder);
        t->fd = connect_in(t, folder, file);
        if (t->fd < 0 && errno != ENOENT)
            why = errno;
    }
    if (t->fd < 0)
        say_no_world(t, name, why);
    return t->fd >= 0;
}

/* ---- a request ---- */

static uint64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

enum answered { ANSWER_CAME, ANSWER_NONE, ANSWER_GONE };

static enum answered receive(struct talk *t, uint64_t until_ms, uint8_t *pdu, struct span *out)
{
    for (;;) {
        struct pollfd p = {t->fd, POLLIN, 0};
        uint64_t now = clock_ms();
        int rc = poll(&p, 1, now < until_ms ? (int)(until_ms - now) : 0);
        if (rc == 0)
            return ANSWER_NONE;
        ssize_t n = rc < 0 ? -1 : recv(t->fd, pdu, DESK_PDU_MAX, 0);
        if (n < 0 && errno == EINTR)
            continue;
        *out = span_of(pdu, n > 0 ? (size_t)n : 0);
        return n > 0 ? ANSWER_CAME : ANSWER_GONE;
    }
}

static bool is_negative(struct span answer)
{
    return answer.len == UDS_NEGATIVE_LEN && answer.p[0] == UDS_NEGATIVE;
}

static bool is_pending(struct span answer)
{
    return is_negative(answer) && answer.p[2] == UDS_NRC_PENDING;
}

static void tell(const struct talk *t, struct span answer)
{
    if (!t->hex)
        words_tell(answer, stdout);
    for (size_t i = 0; t->hex && i < answer.len; i++)
        printf("%02X%s", answer.p[i], i + 1 < answer.len ? "" : "\n");
}

static bool wants_no_answer(struct span request)
{
    return request.len > 1 && uds_sid_has_subfunction(request.p[0]) && request.p[1] & UDS_SUPPRESS;
}

static int tell_silence(const struct talk *t, struct span request)
{
    if (wants_no_answer(request)) {
        if (!t->hex)
            puts("no answer, as was asked");
        return EXIT_PASSED;
    }
    fprintf(stderr, "spaaksim: %s is silent\n", t->row == desk_all() ? "everybody" : t->ecu);
    if (request.p[0] & UDS_POSITIVE)
        fprintf(stderr, "%02X begins no request: it was not sent.\n", request.p[0]);
    else if (t->row != desk_all() && matrix_relayed(t->row))
        fprintf(
            stderr,
            "The gate may be closed (in play: `tester open-gate`), the tester's role may not reach so far "
            "(a workshop's does not: BUS_ROLE in the trace), or %s is dead or boots.\n",
            t->ecu);
    else if (t->row != desk_all())
        fprintf(stderr, "It may be dead, or boot.\n");
    return EXIT_FAILED;
}

static int tell_gone(void)
{
    fputs("spaaksim: the connection was closed: the world has ended, or too many tools are connected\n",
          stderr);
    return EXIT_MISSING;
}

/* To one ECU until its final answer; to all until nobody says more. */
static int ask(struct talk *t, struct span request)
{
    static uint8_t pdu[DESK_PDU_MAX];
    unsigned positive = 0, negative = 0;
    struct span answer;
    enum answered how;
    uint64_t until_ms = clock_ms() + t->timeout_ms;
    if (send(t->fd, request.p, request.len, MSG_NOSIGNAL) < 0)
        return tell_gone();
    while ((how = receive(t, until_ms, pdu, &answer)) == ANSWER_CAME) {
        bool pending = is_pending(answer);
        if (!pending || !t->hex)
            tell(t, answer);
        positive += !is_negative(answer);
        negative += is_negative(answer) && !pending;
        if (!pending && t->row != desk_all())
            break;
        until_ms = clock_ms() + (pending && t->timeout_ms < PENDING_MS ? PENDING_MS : t->timeout_ms);
    }
    if (how == ANSWER_GONE)
        return tell_gone();
    if (!positive && !negative)
        return tell_silence(t, request);
    return positive ? EXIT_PASSED : EXIT_FAILED;
}

/* ---- the command line ---- */

static bool read_timeout(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (*text >= '0' && *text <= '9' && !*end && !errno && *out >= 1 && *out <= TIMEOUT_MAX_MS)
        return true;
    fprintf(stderr, "spaaksim: --timeout goes from 1 to %d milliseconds\n", TIMEOUT_MAX_MS);
    return false;
}

static bool read_options(int argc, char **argv, struct talk *t)
{
    static const struct option longs[] = {
        {"timeout", required_argument, NULL, 't'}, {"hex", no_argument, NULL, 'x'}, {NULL, 0, NULL, 0}};
    int letter;
    *t = (struct talk){.timeout_ms = TIMEOUT_MS, .fd = -1};
    while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1) {
        if (letter == 'x')
            t->hex = true;
        else if (letter != 't' || !read_timeout(optarg, &t->timeout_ms))
            return false;
    }
    return true;
}

static bool check_length(const struct talk *t, const struct words_requests *requests)
{
    for (size_t i = 0; i < requests->count; i++)
        if (t->row == desk_all() && requests->pdus[i].len > desk_all()->pdu_max) {
            fprintf(stderr, "spaaksim: to all goes what fits one frame: %u bytes\n", desk_all()->pdu_max);
            return false;
        }
    return true;
}

static int wrong(const char *problem)
{
    fprintf(stderr, "spaaksim: %s; try spaaksim uds --help\n", problem);
    return EXIT_WRONG;
}

int command_uds(int argc, char **argv)
{
    static struct words_requests requests;
    char problem[WORDS_PROBLEM];
    struct talk t;
    int rc = EXIT_PASSED;
    if (!read_options(argc, argv, &t))
        return wrong("the options are wrong");
    if (argc - optind < 3)
        return wrong("uds takes a world, an ECU, and what to say to it");
    if (!read_ecu(argv[optind + 1], &t))
        return EXIT_WRONG;
    if (!words_read(argc - optind - 2, argv + optind + 2, &requests, problem))
        return wrong(problem);
    if (!check_length(&t, &requests))
        return EXIT_WRONG;
    if (!connect_to(&t, argv[optind]))
        return EXIT_MISSING;
    for (size_t i = 0; i < requests.count && rc != EXIT_MISSING; i++) {
        int one = ask(&t, requests.pdus[i]);
        rc = one > rc ? one : rc;
    }
    close(t.fd);
    return rc;
}
