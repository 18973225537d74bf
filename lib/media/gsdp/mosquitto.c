#include "lib/media/gsdp/mosquitto.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/bytes.h"

#define SALT       12
#define HASH       64
#define ITERATIONS 101 /* mosquitto_passwd's own number */

const char *broker_program(void)
{
    static const char *const places[] = {"/usr/sbin/mosquitto", "/usr/bin/mosquitto",
                                         "/usr/local/sbin/mosquitto"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static FILE *create(const char *directory, const char *name)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd < 0 ? NULL : fdopen(fd, "w");
}

/* One line of mosquitto's password file: user:$7$iterations$salt$hash, PBKDF2 with SHA-512. */
static bool add_client(FILE *f, struct broker_client *c, const char *user)
{
    uint8_t secret[16], salt[SALT], hash[HASH];
    char salt_text[32], hash_text[128];
    text_copy(c->user, sizeof c->user, user);
    if (RAND_bytes(secret, sizeof secret) != 1 || RAND_bytes(salt, sizeof salt) != 1)
        return false;
    hex_encode(secret, sizeof secret, c->password);
    if (PKCS5_PBKDF2_HMAC(c->password, (int)strlen(c->password), salt, SALT, ITERATIONS, EVP_sha512(), HASH,
                          hash) != 1)
        return false;
    EVP_EncodeBlock((unsigned char *)salt_text, salt, SALT);
    EVP_EncodeBlock((unsigned char *)hash_text, hash, HASH);
    return fprintf(f, "%s:$7$%d$%s$%s\n", user, ITERATIONS, salt_text, hash_text) > 0;
}

static bool write_passwords(struct broker *b, const char *vehicle_serial)
{
    FILE *f = create(b->directory, "passwords");
    if (!f)
        return false;
    bool ok = add_client(f, &b->vehicle, vehicle_serial) && add_client(f, &b->vos, "vos") &&
              add_client(f, &b->gsdp, "gsdp");
    return fclose(f) == 0 && ok;
}

static bool write_rules(struct broker *b)
{
    FILE *f = create(b->directory, "rules");
    if (!f)
        return false;
    fputs("pattern write spaak/%u/up/+\npattern read spaak/%u/down/+\n"
          "user vos\ntopic read spaak/+/up/vos\ntopic write spaak/+/down/vos\n"
          "user gsdp\ntopic read spaak/+/up/gsdp\ntopic write spaak/+/down/gsdp\n",
          f);
    return fclose(f) == 0;
}

bool broker_prepare(struct broker *b, const char *directory, const char *vehicle_serial)
{
    text_copy(b->directory, sizeof b->directory, directory);
    snprintf(b->socket, sizeof b->socket, "%s/gsdp.sock", directory);
    snprintf(b->configuration, sizeof b->configuration, "%s/mosquitto.conf", directory);
    FILE *f = create(directory, "mosquitto.conf");
    if (!f)
        return false;
    fprintf(f,
            "listener 0 %s\nallow_anonymous false\npassword_file %s/passwords\nacl_file %s/rules\n"
            "persistence false\nset_tcp_nodelay true\nlog_dest stderr\nlog_type error\nlog_type warning\n"
            "log_type notice\nmax_inflight_messages 0\n",
            b->socket, directory, directory);
    if (geteuid() == 0)
        fputs("user root\n", f); /* stays able to read the run's own directory, and dies with the runner */
    return fclose(f) == 0 && write_passwords(b, vehicle_serial) && write_rules(b);
}
