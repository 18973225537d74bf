/* GSDP in the process world: a mosquitto of the run's own, or an existing broker over mutual TLS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/host/setup.h"
#include "lib/media/gsdp/gsdp.h"
#include "lib/media/gsdp/gsdp_reach.h"
#include "lib/media/gsdp/mosquitto.h"
#include "lib/media/media.h"

/* Where the certificates for somebody else's broker lie: ca.crt, and <user>.crt, <user>.key. */
#define TLS_VARIABLE "SPAAKSIM_GSDP_TLS"
#define TLS_DEFAULT  "gsdp-tls"
#define LIVES_MAX    64

struct gsdp_setup {
    struct broker broker;
    bool own;
    char host[GSDP_HOST_MAX];
    bool has_lived[LIVES_MAX]; /* by instance */
};

static bool is_remote(const char *choice)
{
    return strcmp(choice, "auto") != 0;
}

static bool takes(const char *choice, char *problem, size_t cap)
{
    char host[GSDP_HOST_MAX];
    return !is_remote(choice) || gsdp_address(choice, host, problem, cap);
}

static const char *tls_folder(void)
{
    return getenv(TLS_VARIABLE) ? getenv(TLS_VARIABLE) : TLS_DEFAULT;
}

/* Whose certificate a client shows there. */
static const char *tls_name(const struct setup_instance *who)
{
    return who->class->place == PLACE_VEHICLE ? who->serial : who->name;
}

static bool has_port(const struct setup_instance *who)
{
    for (size_t i = 0; i < who->class->port_count; i++)
        if (strcmp(who->class->ports[i].medium, medium_gsdp.name) == 0)
            return true;
    return false;
}

static bool have_files(const struct setup_world *w, char *problem, size_t cap)
{
    static const char *const endings[] = {"crt", "key"};
    char path[600];
    snprintf(path, sizeof path, "%.400s/ca.crt", tls_folder());
    bool ok = gsdp_file(path, "the broker", problem, cap);
    for (size_t i = 0; ok && i < w->count; i++)
        for (size_t k = 0; ok && k < 2 && has_port(&w->instances[i]); k++) {
            snprintf(path, sizeof path, "%.400s/%s.%s", tls_folder(), tls_name(&w->instances[i]), endings[k]);
            ok = gsdp_file(path, w->instances[i].name, problem, cap);
        }
    return ok;
}

static bool open_remote(struct setup_world *w, struct gsdp_setup *g)
{
    char problem[400];
    snprintf(w->described, sizeof w->described, "GSDP at %.100s", w->choice);
    if (gsdp_address(w->choice, g->host, problem, sizeof problem) && have_files(w, problem, sizeof problem) &&
        gsdp_reach(g->host, problem, sizeof problem))
        return true;
    w->fail(w->ctx, problem);
    return false;
}

static bool gsdp_open(struct setup_world *w, void *state)
{
    struct gsdp_setup *g = state;
    g->own = !is_remote(w->choice);
    if (!g->own)
        return open_remote(w, g);
    if (!broker_program()) {
        w->fail(w->ctx, "mosquitto is not installed; apt-get install mosquitto, or --gsdp mqtts://host");
        return false;
    }
    snprintf(w->described, sizeof w->described, "GSDP on our mosquitto");
    if (broker_prepare(&g->broker, w->directory, w->instances, w->count))
        return true;
    w->fail(w->ctx, "cannot write the broker's configuration");
    return false;
}

static bool gsdp_helper(struct setup_world *w, void *state, struct setup_helper *out)
{
    struct gsdp_setup *g = state;
    (void)w;
    if (!g->own)
        return false;
    *out = (struct setup_helper){.fds = {{-1, -1}}, .tied = true, .by_signal = true};
    text_copy(out->arguments[0], sizeof out->arguments[0], broker_program());
    text_copy(out->arguments[1], sizeof out->arguments[1], "-c");
    text_copy(out->arguments[2], sizeof out->arguments[2], g->broker.configuration);
    return true;
}

/* Client ids differ in each run that may share a broker: they carry a vehicle's serial. */
static const char *run_serial(const struct setup_world *w, const struct setup_instance *who)
{
    for (size_t i = 0; !*who->serial && i < w->count; i++)
        if (*w->instances[i].serial)
            return w->instances[i].serial;
    return *who->serial ? who->serial : "0";
}

/* What a broker of somebody else's kept from an earlier run is not of this one. */
static bool is_first_life(const struct setup_world *w, struct gsdp_setup *g, const struct setup_instance *who)
{
    for (size_t i = 0; i < w->count && i < LIVES_MAX; i++)
        if (strcmp(w->instances[i].name, who->name) == 0) {
            bool first = !g->has_lived[i];
            g->has_lived[i] = true;
            return first;
        }
    return false;
}

static bool gsdp_endpoint(struct setup_world *w, void *state, const struct setup_end *e)
{
    struct gsdp_setup *g = state;
    const struct setup_instance *who = e->who;
    const struct broker_user *user = broker_user_of(&g->broker, who);
    const char *tls = tls_folder(), *serial = run_serial(w, who);
    if (g->own) {
        snprintf(e->endpoint, e->cap, "unix:%s;id=" BROKER_PREFIX "%s;user=%s", g->broker.socket, user->name,
                 user->name);
        return token_ring_add(e->ring, who->class->ports[e->port].name, user->name, &user->token);
    }
    const char *name = tls_name(who);
    snprintf(e->endpoint, e->cap, "mqtts:%s;id=%s-%s;ca=%s/ca.crt;cert=%s/%s.crt;key=%s/%s.key%s", g->host,
             who->name, serial, tls, tls, name, tls, name, is_first_life(w, g, who) ? ";session=fresh" : "");
    return true;
}

static void gsdp_close(struct setup_world *w, void *state)
{
    (void)w;
    explicit_bzero(state, sizeof(struct gsdp_setup));
}

const struct setup setup_gsdp = {
    .medium = &medium_gsdp,
    .option = "gsdp",
    .form = "auto|URL",
    .option_is = "own mosquitto, or an existing broker: mqtts://host[:port] (default auto)",
    .helper = "broker",
    .size = sizeof(struct gsdp_setup),
    .takes = takes,
    .needs_network = is_remote,
    .open = gsdp_open,
    .helper_is = gsdp_helper,
    .endpoint = gsdp_endpoint,
    .close = gsdp_close,
};
