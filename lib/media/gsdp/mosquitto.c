#include "lib/media/gsdp/mosquitto.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/base/bytes.h"
#include "lib/media/gsdp/gsdp.h"

#define SALT       12
#define HASH       64
#define ITERATIONS 101 /* mosquitto_passwd's own number */

#define PACKET_HEAD 300 /* bytes beside message and topic; CONNECT has room in it */

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
static bool add_password(FILE *f, struct broker_user *c)
{
    uint8_t salt[SALT], hash[HASH];
    char salt_text[32], hash_text[128], password[2 * TOKEN_SIZE + 1];
    if (RAND_bytes(c->token.bytes, TOKEN_SIZE) != 1 || RAND_bytes(salt, sizeof salt) != 1)
        return false;
    hex_encode(c->token.bytes, TOKEN_SIZE, password);
    int rc = PKCS5_PBKDF2_HMAC(password, 2 * TOKEN_SIZE, salt, SALT, ITERATIONS, EVP_sha512(), HASH, hash);
    explicit_bzero(password, sizeof password);
    if (rc != 1)
        return false;
    EVP_EncodeBlock((unsigned char *)salt_text, salt, SALT);
    EVP_EncodeBlock((unsigned char *)hash_text, hash, HASH);
    return fprintf(f, "%s:$7$%d$%s$%s\n", c->name, ITERATIONS, salt_text, hash_text) > 0;
}

static bool uses_gsdp(const struct setup_instance *who)
{
    for (size_t i = 0; i < who->class->port_count; i++)
        if (strcmp(who->class->ports[i].medium, medium_gsdp.name) == 0)
            return true;
    return false;
}

const struct broker_user *broker_user_of(const struct broker *b, const struct setup_instance *who)
{
    for (size_t i = 0; uses_gsdp(who) && i < b->user_count; i++)
        if (strcmp(b->users[i].name, who->name) == 0)
            return &b->users[i];
    return NULL;
}

static bool write_passwords(struct broker *b, const struct setup_instance *instances, size_t count)
{
    FILE *f = create(b->directory, "passwords");
    bool ok = f != NULL;
    for (size_t i = 0; ok && i < count; i++) {
        const struct setup_instance *who = &instances[i];
        if (!uses_gsdp(who) || broker_user_of(b, who))
            continue;
        ok = b->user_count < BROKER_USERS;
        if (!ok)
            break;
        struct broker_user *u = &b->users[b->user_count++];
        text_copy(u->name, sizeof u->name, who->name);
        ok = add_password(f, u);
    }
    return f && fclose(f) == 0 && ok;
}

/* "{serial}" of a declared topic becomes the vehicle's. */
static void write_rule(FILE *f, const struct topic_rule *r, const char *serial)
{
    static const char place[] = "{serial}";
    static const char *const words[] = {
        [TOPIC_READ] = "read", [TOPIC_WRITE] = "write", [TOPIC_READ | TOPIC_WRITE] = "readwrite"};
    const char *at = strstr(r->filter, place);
    if (at)
        fprintf(f, "topic %s %.*s%s%s\n", words[r->access], (int)(at - r->filter), r->filter, serial,
                at + sizeof place - 1);
    else
        fprintf(f, "topic %s %s\n", words[r->access], r->filter);
}

static bool write_rules(struct broker *b, const struct setup_instance *instances, size_t count)
{
    FILE *f = create(b->directory, "rules");
    if (!f)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct setup_instance *who = &instances[i];
        if (!uses_gsdp(who))
            continue;
        fprintf(f, "user %s\n", who->name);
        for (const struct topic_rule *r = who->class->topics; r && r->filter; r++)
            write_rule(f, r, who->serial);
    }
    return fclose(f) == 0;
}

/* The longest message that anybody here takes. A packet has topic, header and identifier beside it; CONNECT
 * with its 64 characters of password is shorter. */
static size_t longest_message(const struct setup_instance *instances, size_t count)
{
    size_t longest = 0;
    for (size_t i = 0; i < count; i++)
        if (uses_gsdp(&instances[i]) && component_message_max(instances[i].class) > longest)
            longest = component_message_max(instances[i].class);
    return longest;
}

/* What a client cannot do to the others: take their id, fill the broker, or its own queue without end. The
 * broker reads a packet whole before it looks at message_size_limit, so the packet has a limit, too. The
 * prefix is for mosquitto 2.0: a client without a user that claims the id of one is refused, but takes that
 * client's session with it; what nobody can claim nobody loses. */
static void write_limits(FILE *f, size_t message_max)
{
    fprintf(f,
            "use_username_as_clientid true\nclientid_prefixes " BROKER_PREFIX
            "\nmessage_size_limit %zu\nmax_packet_size %zu\n"
            "max_inflight_messages %d\nmax_queued_messages %d\n",
            message_max, message_max + GSDP_TOPIC_MAX + PACKET_HEAD, GSDP_INFLIGHT_MAX, GSDP_QUEUE_MAX);
}

bool broker_prepare(struct broker *b, const char *directory, const struct setup_instance *instances,
                    size_t count)
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
            "log_type notice\n",
            b->socket, directory, directory);
    write_limits(f, longest_message(instances, count));
    if (geteuid() == 0)
        fputs("user root\n", f); /* stays able to read the run's own directory, and dies with the runner */
    return fclose(f) == 0 && write_passwords(b, instances, count) && write_rules(b, instances, count);
}
