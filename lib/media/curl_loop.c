#include "lib/media/curl_loop.h"

#include <dlfcn.h>
#include <stdlib.h>

struct curl_calls curl;

/* A socket of curl's that is watched. */
struct watch {
    struct watch *next;
    struct curl_loop *h;
    sd_event_source *io;
};

struct curl_loop {
    sd_event *event;
    void (*done)(void *ctx, CURL *easy, CURLcode result);
    void *ctx;
    CURLM *multi;
    sd_event_source *timer;
    struct watch *watches;
};

bool curl_load(const char **reason)
{
    if (curl.global_init)
        return true;
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    bool ok = library != NULL;
    *reason = "libcurl cannot be loaded";
#define X(name) ok = ok && (*(void **)&curl.name = dlsym(library, "curl_" #name)) != NULL;
    CURL_CALLS(X)
#undef X
    if (ok && curl.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        return true;
    curl = (struct curl_calls){0};
    return false;
}

static void collect(struct curl_loop *h)
{
    CURLMsg *m;
    int left;
    while ((m = curl.multi_info_read(h->multi, &left))) {
        CURL *easy = m->easy_handle;
        CURLcode result = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        curl.multi_remove_handle(h->multi, easy);
        h->done(h->ctx, easy, result);
    }
}

static int on_io(sd_event_source *source, int fd, uint32_t revents, void *ctx)
{
    struct watch *w = ctx;
    struct curl_loop *h = w->h; /* the watch may go on the way */
    int running, what = 0;
    (void)source;
    what |= revents & (EPOLLIN | EPOLLHUP) ? CURL_CSELECT_IN : 0;
    what |= revents & EPOLLOUT ? CURL_CSELECT_OUT : 0;
    what |= revents & EPOLLERR ? CURL_CSELECT_ERR : 0;
    curl.multi_socket_action(h->multi, fd, what, &running);
    collect(h);
    return 0;
}

static int on_timer(sd_event_source *source, uint64_t now_us, void *ctx)
{
    struct curl_loop *h = ctx;
    int running;
    (void)source;
    (void)now_us;
    curl.multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    collect(h);
    return 0;
}

static void forget(struct curl_loop *h, struct watch *w)
{
    struct watch **at = &h->watches;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    sd_event_source_disable_unref(w->io);
    free(w);
}

static int add_watch(struct curl_loop *h, curl_socket_t fd, uint32_t events)
{
    struct watch *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    w->h = h;
    if (sd_event_add_io(h->event, &w->io, fd, events, on_io, w) < 0) {
        free(w);
        return -1;
    }
    w->next = h->watches;
    h->watches = w;
    return curl.multi_assign(h->multi, fd, w) == CURLM_OK ? 0 : -1;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *own)
{
    struct curl_loop *h = ctx;
    struct watch *w = own;
    uint32_t events =
        (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0u) | (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0u);
    (void)easy;
    if (what == CURL_POLL_REMOVE) {
        if (w)
            forget(h, w);
        return 0;
    }
    if (!w)
        return add_watch(h, fd, events);
    return sd_event_source_set_io_events(w->io, events) < 0 ? -1 : 0;
}

static int on_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
    struct curl_loop *h = ctx;
    (void)multi;
    if (timeout_ms < 0)
        return sd_event_source_set_enabled(h->timer, SD_EVENT_OFF) < 0 ? -1 : 0;
    if (sd_event_source_set_time_relative(h->timer, (uint64_t)timeout_ms * 1000) < 0 ||
        sd_event_source_set_enabled(h->timer, SD_EVENT_ONESHOT) < 0)
        return -1;
    return 0;
}

struct curl_loop *curl_loop_open(sd_event *event, void (*done)(void *ctx, CURL *easy, CURLcode result),
                                 void *ctx, const char **reason)
{
    struct curl_loop *h = curl_load(reason) ? calloc(1, sizeof *h) : NULL;
    if (!h)
        return NULL;
    h->event = event;
    h->done = done;
    h->ctx = ctx;
    h->multi = curl.multi_init();
    if (h->multi && sd_event_add_time_relative(event, &h->timer, CLOCK_MONOTONIC, 0, 1, on_timer, h) >= 0) {
        sd_event_source_set_enabled(h->timer, SD_EVENT_OFF);
        curl.multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
        curl.multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
        curl.multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
        curl.multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
        return h;
    }
    curl_loop_close(h);
    return NULL;
}

void curl_loop_start(struct curl_loop *h, CURL *easy)
{
    curl.multi_add_handle(h->multi, easy);
}

void curl_loop_stop(struct curl_loop *h, CURL *easy)
{
    curl.multi_remove_handle(h->multi, easy);
}

void curl_loop_close(struct curl_loop *h)
{
    if (!h)
        return;
    if (h->multi)
        curl.multi_cleanup(h->multi);
    while (h->watches)
        forget(h, h->watches);
    sd_event_source_disable_unref(h->timer);
    free(h);
}
