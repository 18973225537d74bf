/* libcurl's multi interface on sd-event. The library is loaded when the first HTTP client of a process opens:
 * with all that it needs itself it takes longer to load than many a component to start, and most have no use
 * for it. */
#ifndef lib_media_http_http_curl_h
#define lib_media_http_http_curl_h

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <systemd/sd-event.h>

#define CURL_CALLS(X)      \
    X(global_init)         \
    X(easy_init)           \
    X(easy_cleanup)        \
    X(easy_setopt)         \
    X(easy_getinfo)        \
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

/* curl_easy_init is curl.easy_init, and so on; NULL before http_curl_open. */
struct curl_calls {
#define X(name) __typeof__(&curl_##name) name;
    CURL_CALLS(X)
#undef X
};
extern struct curl_calls curl;

struct http_curl;

/* `done` gets each transfer that has ended, no longer among those under way. NULL and a reason. */
struct http_curl *http_curl_open(sd_event *event, void (*done)(void *ctx, CURL *easy, CURLcode result),
                                 void *ctx, const char **reason);
/* Not from inside one of curl's own callbacks; the handle stays the caller's. */
void http_curl_start(struct http_curl *h, CURL *easy);
void http_curl_stop(struct http_curl *h, CURL *easy);
/* Nothing may be under way any more; NULL is allowed. */
void http_curl_close(struct http_curl *h);

#endif
