/* The rules of our own broker: a vehicle reaches its own topics only, and nobody without a password gets in.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <mosquitto.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backend/vos/vos.h"
#include "lib/host/spawn.h"
#include "lib/media/gsdp/mosquitto.h"
#include "tbm/tbm.h"
#include "tests/support.h"

struct client {
    struct mosquitto *m;
    int result; /* of CONNECT, -1 before it is known */
    unsigned heard, confirmed;
    char last[64];
};

static void on_connect(struct mosquitto *m, void *ctx, int rc)
{
    (void)m;
    ((struct client *)ctx)->result = rc;
}

static void on_subscribe(struct mosquitto *m, void *ctx, int mid, int n, const int *granted)
{
    (void)m, (void)mid, (void)n, (void)granted;
    ((struct client *)ctx)->confirmed++;
}

static void on_publish(struct mosquitto *m, void *ctx, int mid)
{
    (void)m, (void)mid;
    ((struct client *)ctx)->confirmed++;
}

static void on_message(struct mosquitto *m, void *ctx, const struct mosquitto_message *msg)
{
    struct client *c = ctx;
    (void)m;
    c->heard++;
    snprintf(c->last, sizeof c->last, "%s", msg->topic);
}

static void turn(struct client *a, struct client *b)
{
    mosquitto_loop(a->m, 5, 1);
    if (b)
        mosquitto_loop(b->m, 5, 1);
}

static void wait_confirmed(struct client *a, struct client *b, unsigned n)
{
    for (int i = 0; i < 1000 && a->confirmed < n; i++)
        turn(a, b);
    cr_assert(ge(u32, a->confirmed, n));
}

static void join(struct client *c, const struct broker *b, const char *user, const char *password)
{
    memset(c, 0, sizeof *c);
    c->result = -1;
    char id[64];
    snprintf(id, sizeof id, BROKER_PREFIX "%s", user ? user : "nobody");
    c->m = mosquitto_new(id, true, c);
    mosquitto_connect_callback_set(c->m, on_connect);
    mosquitto_subscribe_callback_set(c->m, on_subscribe);
    mosquitto_publish_callback_set(c->m, on_publish);
    mosquitto_message_callback_set(c->m, on_message);
    if (user)
        mosquitto_username_pw_set(c->m, user, password);
    struct timespec pause = {0, 5000000};
    for (int i = 0; i < 1000 && mosquitto_connect(c->m, b->socket, 0, 60) != MOSQ_ERR_SUCCESS; i++)
        nanosleep(&pause, NULL); /* the broker is starting */
    for (int i = 0; i < 1000 && c->result < 0; i++)
        mosquitto_loop(c->m, 5, 1);
}

static void join_as(struct client *c, const struct broker *b, const struct setup_instance *who)
{
    char password[2 * TOKEN_SIZE + 1];
    hex_encode(broker_user_of(b, who)->token.bytes, TOKEN_SIZE, password);
    join(c, b, who->name, password);
}

Test(broker, rules, .timeout = 60)
{
    struct broker b = {.user_count = 0};
    const struct setup_instance instances[] = {{"tbm", &tbm_class, "SPAAK00000001", 0, false},
                                               {"vos", &vos_class, "", 0, false}};
    struct client vehicle, vos, nobody;
    char directory[96], log[] = "/dev/null", flag[] = "-c", program[100], command[200];
    char *argv[] = {program, flag, b.configuration, NULL};
    struct stat st;
    pid_t pid;
    test_path(directory, sizeof directory, "broker");
    mkdir(directory, 0700);
    cr_assert(broker_prepare(&b, directory, instances, 2));
    cr_assert(eq(int, stat(b.configuration, &st), 0));
    cr_expect(eq(int, (int)(st.st_mode & 077), 0), "for its owner only");
    snprintf(program, sizeof program, "%s", broker_program());
    cr_assert(eq(int, spawn(argv, log, NULL, true, &pid), 0));
    mosquitto_lib_init();

    join(&nobody, &b, NULL, NULL);
    cr_expect(ne(int, nobody.result, 0), "no password");
    mosquitto_destroy(nobody.m);
    join(&nobody, &b, "vos", "guess");
    cr_expect(ne(int, nobody.result, 0), "wrong password");
    mosquitto_destroy(nobody.m);

    join_as(&vehicle, &b, &instances[0]);
    join_as(&vos, &b, &instances[1]);
    cr_assert(eq(int, vehicle.result, 0));
    cr_assert(eq(int, vos.result, 0));
    mosquitto_subscribe(vehicle.m, NULL, "spaak/+/down/+", 1);
    mosquitto_subscribe(vos.m, NULL, "spaak/+/up/vos", 1);
    wait_confirmed(&vehicle, &vos, 1);
    wait_confirmed(&vos, &vehicle, 1);
    mosquitto_publish(vos.m, NULL, "spaak/SPAAK00000002/down/vos", 1, "x", 1, false); /* another vehicle's */
    mosquitto_publish(vos.m, NULL, "spaak/SPAAK00000001/down/vos", 1, "x", 1, false);
    wait_confirmed(&vos, &vehicle, 3);
    for (int i = 0; i < 200 && vehicle.heard == 0; i++)
        turn(&vehicle, &vos);
    cr_expect(eq(u32, vehicle.heard, 1));
    cr_expect(eq(str, vehicle.last, "spaak/SPAAK00000001/down/vos"));
    mosquitto_publish(vehicle.m, NULL, "spaak/SPAAK00000002/up/vos", 1, "x", 1,
                      false); /* in another's name */
    mosquitto_publish(vehicle.m, NULL, "spaak/SPAAK00000001/up/vos", 1, "x", 1, false);
    wait_confirmed(&vehicle, &vos, 3);
    for (int i = 0; i < 200 && vos.heard == 0; i++)
        turn(&vos, &vehicle);
    cr_expect(eq(u32, vos.heard, 1));
    cr_expect(eq(str, vos.last, "spaak/SPAAK00000001/up/vos"));

    mosquitto_destroy(vehicle.m);
    mosquitto_destroy(vos.m);
    mosquitto_lib_cleanup();
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    cr_assert(eq(int, system(command), 0));
}
