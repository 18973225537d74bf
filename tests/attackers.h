/* Attackers: processes of the same user that see a run's sockets and connect to them, as often as they can.
 * They know every name and every format, and no token. */
#ifndef tests_attackers_h
#define tests_attackers_h

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

/* Shared between a test and its attackers. */
struct attack_score {
    atomic_uint rounds; /* done, all attackers together */
    atomic_uint gained; /* times that one was let in, or got an answer that is not a refusal */
};

/* Each does one round of everything that it knows to do; `path` is the socket. */
typedef void attack(const char *path, struct attack_score *score);
attack attack_hub, attack_call, attack_nfc, attack_broker;

/* Starts one that goes on until it is killed. */
pid_t attack_start(attack *how, const char *path, struct attack_score *score);

#endif
