/* libcurl's multi interface on sd-event, for the media that use it. The library is loaded when the first
 * client of a process opens: with all that it needs itself it takes longer to load than many a component to
 * start, and most have no use for it. */
#ifndef lib_media_curl_loop_h
#define lib_media_curl_loop_h

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdbool.h>
#include <systemd/sd-event.h>

#define CURL_CALLS(X)      \
    X(global_init)         \
    X(easy_init)           \
    X(easy_cleanup)        \
    X(easy_perform)        \
    X(easy_setopt)         \
    X(easy_getinfo)        \
    X(easy_strerror)       \
    X(slist_append)        \
    X(slist_free_all)      \
    X(multi_init)          \
    X(multi_cleanup)       \
    X(multi_add_handle)    \
    X(multi_remove_handle) \
    X(multi_setopt)        \
    X(multi_assign)        \
    X(multi_socket_action) \
    X(multi_info_read)

/* curl_easy_init is curl.easy_init, and so on; NULL before the first curl_load. */
struct curl_calls {
#define X(name) __typeof__(&curl_##name) name;
    CURL_CALLS(X)
#undef X
};
extern struct curl_calls curl;

/* Loads libcurl and makes it ready, once in a process; in its first thread, before any other uses it. False
 * and a reason. curl_loop_open does it by itself. */
bool curl_load(const char **reason);

struct curl_loop;

/* `done` gets each transfer that has ended, no longer among those under way. NULL and a reason. */
struct curl_loop *curl_loop_open(sd_event *event, void (*done)(void *ctx, CURL *easy, CURLcode result),
                                 void *ctx, const char **reason);
/* Not from inside one of curl's own callbacks; the handle stays the caller's. */
void curl_loop_start(struct curl_loop *h, CURL *easy);
void curl_loop_stop(struct curl_loop *h, CURL *easy);
/* Nothing may be under way any more; NULL is allowed. */
void curl_loop_close(struct curl_loop *h);

#endif
