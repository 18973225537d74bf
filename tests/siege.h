/* A run under siege: a play in the process world that a test drives by lines, attackers at its sockets, and
 * what became of its processes. */
#ifndef tests_siege_h
#define tests_siege_h

#include "tests/attackers.h"
#include "tests/launch.h"

#define SIEGE_PROCESSES 24
#define SIEGE_ATTACKERS 4

struct siege {
    struct launch run;
    char directory[64]; /* of the test */
    char sockets[200];  /* of the run, as anybody finds it */
    int lines;          /* to the play */
    size_t read;        /* of what it has said */
    struct attack_score *score;
    pid_t attackers[SIEGE_ATTACKERS];
    size_t attacker_count;
    struct siege_process {
        pid_t pid;
        char name[20];
        long peak_kb;
    } processes[SIEGE_PROCESSES];
    size_t process_count;
};

/* Starts the play and waits until it has said that. `program` as for launch_start_program. */
void siege_begin(struct siege *s, const char *program, const char *scenario, const char *until);
/* A line to the play; waits until it has said that from now on. */
void siege_do(struct siege *s, const char *line, const char *until);
/* Starts an attacker at "<sockets>/<name>", and waits until it has done some rounds. */
void siege_attack(struct siege *s, attack *how, const char *name);
/* Ends the attackers. */
void siege_relieve(struct siege *s);
/* Ends the play by "quit"; its exit code. The records stay until siege_end. */
int siege_finish(struct siege *s);
void siege_end(struct siege *s);

/* Notes the processes of the run and how much memory each has had. */
void siege_weigh(struct siege *s);
/* The most that one of those has grown by since, in kB; its name. Those that have ended are left out. */
long siege_grown(struct siege *s, const char **name);

/* Lines of the run's trace that contain both. */
size_t siege_count(struct siege *s, const char *a, const char *b);
/* How often the message was asked for again that was asked for most often. */
size_t siege_most_retries(struct siege *s);

#endif
