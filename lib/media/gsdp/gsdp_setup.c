/* GSDP in the process world: a mosquitto of the run's own, or an existing broker over mutual TLS. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/host/setup.h"
#include "lib/media/gsdp/gsdp.h"
#include "lib/media/gsdp/mosquitto.h"
#include "lib/media/media.h"

/* Where the certificates for somebody else's broker lie: ca.crt, and <user>.crt, <user>.key. */
#define TLS_VARIABLE "SPAAKSIM_GSDP_TLS"
#define TLS_DEFAULT  "gsdp-tls"

struct gsdp_setup {
    struct broker broker;
    bool own;
    char host[256];
};

static bool is_remote(const char *choice)
{
    return strcmp(choice, "auto") != 0;
}

static bool open_remote(struct setup_world *w, struct gsdp_setup *g)
{
    const char *url = w->choice;
    char text[320];
    if (strncmp(url, "mqtts://", 8) != 0 || !url[8]) {
        snprintf(text, sizeof text, "--gsdp takes auto or mqtts://host[:port], not \"%.200s\"", url);
        w->fail(w->ctx, text);
        return false;
    }
    snprintf(g->host, sizeof g->host, "%.200s%s", url + 8, strchr(url + 8, ':') ? "" : ":8883");
    snprintf(w->described, sizeof w->described, "GSDP at %.100s", url);
    return true;
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

static bool gsdp_endpoint(struct setup_world *w, void *state, const struct setup_instance *who, unsigned port,
                          int listen_as, char *out, size_t cap, int *listen_fd)
{
    const struct gsdp_setup *g = state;
    const struct broker_user *user = broker_user_of(&g->broker, who);
    const char *tls = getenv(TLS_VARIABLE) ? getenv(TLS_VARIABLE) : TLS_DEFAULT, *serial = run_serial(w, who);
    (void)port;
    (void)listen_as;
    (void)listen_fd;
    if (g->own && user) {
        snprintf(out, cap, "unix:%s;id=%s-%s;user=%s;password=%s", g->broker.socket, who->name, serial,
                 user->name, user->password);
        return true;
    }
    const char *name = who->class->place == PLACE_VEHICLE ? who->serial : who->name;
    snprintf(out, cap, "mqtts:%s;id=%s-%s;ca=%s/ca.crt;cert=%s/%s.crt;key=%s/%s.key", g->host, who->name,
             serial, tls, tls, name, tls, name);
    return !g->own;
}

const struct setup setup_gsdp = {
    .medium = &medium_gsdp,
    .option = "gsdp",
    .form = "auto|URL",
    .option_is = "own mosquitto, or an existing broker: mqtts://host[:port] (default auto)",
    .helper = "broker",
    .size = sizeof(struct gsdp_setup),
    .needs_network = is_remote,
    .open = gsdp_open,
    .helper_is = gsdp_helper,
    .endpoint = gsdp_endpoint,
};
