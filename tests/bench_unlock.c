/* bench_unlock BUILD: a phone at the door of a vehicle of separate processes, again and again: from the card
 * that the reader has selected to doors that are unlocked, through NFC, reader, CAN, SpaaK Module, CAN and
 * body controller. Fast transactions; the times are those of the trace. Beside it what the same transaction
 * costs both ends in memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/figures.h"
#include "tests/pairing_rig.h"

enum { UNLOCKS = 100, IN_MEMORY = 200, WAKE_UPS = 18, CHAINS_MAX = 8000, CHAIN_PAUSE_US = 50000 };

/* ---- bare wake-ups, while the vehicle is at work ---- */

/* On the way from the card to the doors one process after the other is woken WAKE_UPS times: each of the
 * eight frames (answer to SELECT; first frame, flow control and rest of AUTH0 and of its answer; the command)
 * wakes the hub and its addressee, AUTH0 the phone, its answer the reader. */
static void echo(int fd)
{
    char c;
    while (read(fd, &c, 1) == 1 && write(fd, &c, 1) == 1)
        ;
    _exit(0);
}

static double chain_ms(int fd)
{
    char c = 0;
    double t = wall_s();
    for (int i = 0; i < WAKE_UPS / 2; i++)
        figure_must(write(fd, &c, 1) == 1 && read(fd, &c, 1) == 1, "a wake-up");
    return (wall_s() - t) * 1e3;
}

/* Until the player has ended: so both have the same machine. */
static size_t measure_chains(pid_t player, double ms[CHAINS_MAX])
{
    int pair[2], status;
    size_t n = 0;
    figure_must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0, "a pair of sockets");
    pid_t other = fork();
    if (other == 0) {
        close(pair[0]);
        echo(pair[1]);
    }
    close(pair[1]);
    while (waitpid(player, &status, WNOHANG) == 0 && n < CHAINS_MAX) {
        usleep(CHAIN_PAUSE_US);
        ms[n++] = chain_ms(pair[0]);
    }
    figure_must(n < CHAINS_MAX && WIFEXITED(status) && WEXITSTATUS(status) == 0, "spaaksim play unlock");
    close(pair[0]);
    waitpid(other, NULL, 0);
    return n;
}

/* ---- contacts ---- */

/* The phone is held there, taken away, the doors are locked; it comes back when the vehicle must have
 * believed that it was gone (docs/unlocking.md). */
static void play(const char *build, const char *out)
{
    char command[500];
    snprintf(command, sizeof command, "%s/bin/spaaksim play unlock --world process --quiet --out %s >&2",
             build, out);
    FILE *lines = popen(command, "w");
    figure_must(lines != NULL, "spaaksim play");
    fprintf(lines, "run 500 ms; ");
    for (int i = 0; i < UNLOCKS; i++)
        fprintf(lines, "phone place reader=door; run 200 ms; phone lift; bcm lock-doors; run 2600 ms\n");
    fprintf(lines, "quit\n");
    _exit(pclose(lines) == 0 ? 0 : 1);
}

static bool has(const char *line, const char *what)
{
    return strstr(line, what) != NULL;
}

/* Milliseconds from the first selection after the phone was laid down. */
static size_t read_trace(const char *out, double ms[UNLOCKS])
{
    char path[300], line[2000];
    unsigned long long t = 0, selected = 0;
    bool laid = false;
    size_t n = 0;
    snprintf(path, sizeof path, "%s/trace.jsonl", out);
    FILE *f = fopen(path, "re");
    figure_must(f != NULL, "the trace");
    while (n < UNLOCKS && fgets(line, sizeof line, f)) {
        const char *at = strstr(line, "\"t_us\":");
        if (!at || sscanf(at, "\"t_us\":%llu", &t) != 1)
            continue;
        if (has(line, "\"phone\"") && has(line, "\"place\"")) {
            laid = true;
            selected = 0;
        } else if (laid && !selected && has(line, "\"message\":\"card\",\"detail\":\"here\"")) {
            selected = t;
        } else if (laid && selected && has(line, "\"message\":\"doors\",\"detail\":\"unlocked\"")) {
            ms[n++] = (double)(t - selected) / 1e3;
            laid = false;
        }
    }
    fclose(f);
    return n;
}

static double in_memory_ms(void)
{
    static double took[IN_MEMORY];
    struct rig *r = rig_ready(test_crypto());
    figure_must(rig_pair(r) == ERR_OK, "a pairing in memory");
    for (size_t i = 0; i < IN_MEMORY; i++) {
        bool fast = false;
        double t = wall_s();
        figure_must(rig_unlock(r, true, false, &fast) == ERR_OK && fast, "a fast transaction in memory");
        took[i] = (wall_s() - t) * 1e3;
    }
    rig_free(r);
    return figure_median(took, IN_MEMORY);
}

int main(int argc, char **argv)
{
    static double ms[UNLOCKS], chain[CHAINS_MAX];
    char out[200], command[300];
    figure_must(argc == 2, "usage: bench_unlock BUILD");
    test_path(out, sizeof out, "bench-unlock");
    pid_t player = fork();
    if (player == 0)
        play(argv[1], out);
    size_t chains = measure_chains(player, chain), n = read_trace(out, ms);
    snprintf(command, sizeof command, "rm -rf %s", out);
    figure_must(system(command) == 0, "cleaning up");
    figure_must(n == UNLOCKS, "each contact unlocks");
    const double floor = in_memory_ms(), median = figure_median(ms, n);
    static const char is[] = "the same transaction in memory, both ends, median of 200";
    figure_report("process_unlock", median, "ms from card selected to doors unlocked, median of 100", floor,
                  is, 20);
    figure_report("process_unlock_p99", ms[n * 99 / 100 - 1], "ms, 99th percentile of 100", floor, is, 100);
    const double woken = figure_median(chain, chains) + floor;
    figure_report("process_unlock_to_wake_ups", median, "ms, the same median", woken,
                  "18 bare wake-ups of one process by another, measured meanwhile, and the work in memory",
                  4);
    figure_report("process_unlock_p99_to_wake_ups", ms[n * 99 / 100 - 1], "ms, the same 99th percentile",
                  chain[chains * 99 / 100] + floor,
                  "the 99th percentile of those wake-ups, and the work in memory", 4);
    return 0;
}
