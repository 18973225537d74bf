/* mosquitto as GSDP, made for one run: a Unix socket in the run's own directory, a password for each client,
 * rules by which a vehicle reaches its own topics only. */
#ifndef lib_media_gsdp_mosquitto_h
#define lib_media_gsdp_mosquitto_h

#include <stdbool.h>
#include <stddef.h>

struct broker_client {
    char user[40], password[36];
};

struct broker {
    char directory[96], socket[108], configuration[128];
    struct broker_client vehicle, vos, gsdp;
};

/* Writes configuration, passwords and rules (all 0600) into the directory. */
bool broker_prepare(struct broker *b, const char *directory, const char *vehicle_serial);
/* Path of the mosquitto program, or NULL when it is not installed. */
const char *broker_program(void);

#endif
