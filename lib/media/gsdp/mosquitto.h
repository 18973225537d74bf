/* mosquitto as GSDP, made for one run: a Unix socket in the run's own directory, a password for each user,
 * and rules from what the classes declare. */
#ifndef lib_media_gsdp_mosquitto_h
#define lib_media_gsdp_mosquitto_h

#include "lib/host/setup.h"

#define BROKER_USERS 72

/* What a client says as its id begins with this; no component's name does. */
#define BROKER_PREFIX "@"

/* Its password is the token in hex. */
struct broker_user {
    char name[ENV_NAME_MAX];
    struct token token;
};

struct broker {
    char directory[96], socket[108], configuration[128];
    struct broker_user users[BROKER_USERS];
    size_t user_count;
};

/* Writes configuration, hashes of passwords and rules (all 0600) into the directory. Each component is a user
 * by its own name, which is its client id, too, whatever it says: nobody can take another's. */
bool broker_prepare(struct broker *b, const char *directory, const struct setup_instance *instances,
                    size_t count);
/* NULL for who has no GSDP port. */
const struct broker_user *broker_user_of(const struct broker *b, const struct setup_instance *who);
/* Path of the mosquitto program, or NULL when it is not installed. */
const char *broker_program(void);

#endif
