#include "lib/media/http/nginx.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/http/http_problem.h"

#define PAGES "/.problems/" /* of our own, not to be had from outside */

const char *nginx_program(void)
{
    static const char *const places[] = {"/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

/* One worker, beside a master: alone, nginx 1.22 does not bear sockets that were handed down. No logs of its
 * own: what it says goes where the runner put it. Bodies fit into buffers, so nothing lands in files. A
 * client's certificate is the key of its rate; those without one share theirs. */
static void write_general(FILE *f, const struct nginx_door *d)
{
    static const char *const kinds[] = {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"};
    fprintf(f,
            "daemon off;\nworker_processes 1;\npid %s/nginx.pid;\nerror_log stderr warn;\n%s"
            "events { worker_connections 2048; }\nhttp {\naccess_log off;\nserver_tokens off;\n"
            "server_names_hash_bucket_size 128;\n",
            d->directory, geteuid() == 0 ? "user root;\n" : "");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        fprintf(f, "%s_temp_path %s;\n", kinds[i], d->directory);
    fprintf(
        f,
        "reset_timedout_connection on;\nkeepalive_requests 1000000;\nkeepalive_timeout 30s;\n"
        "client_header_timeout 2s;\nclient_body_timeout 2s;\nsend_timeout 5s;\n"
        "client_body_buffer_size %d;\nlarge_client_header_buffers 4 8k;\nhttp2_max_concurrent_streams %d;\n"
        "map $ssl_client_fingerprint $who { \"\" nobody; default $ssl_client_fingerprint; }\n"
        "limit_req_zone $who zone=rate:1m rate=%dr/s;\nlimit_req_status 429;\nlimit_req_log_level info;\n",
        HTTP_BODY_MAX, HTTP_ASKS_MAX, HTTP_RATE_PER_S);
    fprintf(f, "ssl_protocols TLSv1.2 TLSv1.3;\nssl_ciphers ECDHE+AESGCM:ECDHE+CHACHA20;\n"
               "ssl_prefer_server_ciphers on;\nssl_session_tickets off;\nssl_session_cache off;\n"
               "scgi_buffers 12 8k;\nscgi_busy_buffers_size 16k;\nscgi_max_temp_file_size 0;\n"
               "scgi_request_buffering on;\nscgi_next_upstream off;\nscgi_intercept_errors off;\n"
               "scgi_pass_request_headers off;\n");
    fprintf(
        f,
        "scgi_buffer_size 16k;\nscgi_connect_timeout 1s;\nscgi_send_timeout %dms;\nscgi_read_timeout %dms;\n",
        HTTP_ANSWER_MS, HTTP_ANSWER_MS);
}

static void write_lines(FILE *f, unsigned status)
{
    struct http_response r = {.status = status};
    http_door_lines(status, &r);
    for (unsigned i = 0; i < HTTP_LINES; i++)
        if (r.lines[i].len)
            fprintf(f, "add_header %s \"%.*s\" always; ", http_lines[i].header, (int)r.lines[i].len,
                    (const char *)r.lines[i].p);
}

/* What nginx says no to by itself, in our words: a page for each status. They have paths, since where nginx
 * could not read the path of a request it finds no location by name. */
static void write_problems(FILE *f)
{
    char text[HTTP_PROBLEM_MAX];
    fprintf(f, "error_page 494 497 =400 " PAGES "400;\nerror_page 495 496 =403 " PAGES "403;\n");
    for (const struct http_door_problem *p = http_door_problems; p->status; p++) {
        http_problem_text(p->status, p->reason, NULL, text);
        fprintf(f,
                "error_page %u " PAGES "%u;\nlocation = " PAGES
                "%u { internal; default_type application/problem+json; ",
                p->status, p->status, p->status);
        write_lines(f, p->status);
        fprintf(f, "return %u '", p->status);
        for (const char *c = text; *c; c++)
            fprintf(f, *c == '\'' || *c == '\\' ? "\\%c" : "%c", *c);
        fprintf(f, "'; }\n");
    }
}

static void write_listen(FILE *f, const struct nginx_door *d, const char *more)
{
    fprintf(f, "listen unix:%s ssl http2%s;\n", d->socket, more);
    if (d->tcp_port)
        fprintf(f, "listen 127.0.0.1:%u ssl http2%s;\n", d->tcp_port, more);
}

/* Who asks for no host of ours gets no handshake, and who then names another host gets no answer of it. */
static void write_stranger(FILE *f, const struct nginx_door *d)
{
    fprintf(f, "server {\n");
    write_listen(f, d, " default_server");
    fprintf(f, "server_name _;\nssl_reject_handshake on;\n");
    write_problems(f);
    fprintf(f, "location / { return 421; }\n}\n");
}

/* The words of a request, in their order; what is empty is left out. */
static void write_words(FILE *f)
{
    char variable[40];
    fprintf(f, "scgi_param SCGI 1;\n");
    for (unsigned i = 0; i < HTTP_WORDS; i++) {
        const char *name = http_words[i].scgi;
        size_t n = 0;
        for (; name[n] && n + 1 < sizeof variable; n++)
            variable[n] = (char)(name[n] >= 'A' && name[n] <= 'Z' ? name[n] + ('a' - 'A') : name[n]);
        variable[n] = '\0';
        /* the two whose variables are called otherwise */
        fprintf(f, "scgi_param %s $%s if_not_empty;\n", name,
                i == HTTP_WORD_CERTIFICATE ? "ssl_client_escaped_cert" : variable);
    }
}

static void write_host(FILE *f, const struct nginx_door *d, const struct nginx_host *h)
{
    fprintf(f, "server {\n");
    write_listen(f, d, "");
    fprintf(f,
            "server_name %s%s%s;\nssl_certificate %s/%s.crt;\nssl_certificate_key /proc/self/fd/%d;\n"
            "ssl_client_certificate %s/tls-ca.crt;\nssl_verify_client %s;\nclient_max_body_size %zu;\n"
            "limit_req zone=rate burst=%d nodelay;\n",
            h->name, d->tcp_port ? " " : "", d->tcp_port ? h->local : "", d->directory, h->name, h->key_fd,
            d->directory, h->open_to_all ? "optional" : "on", h->body_max, HTTP_BURST);
    write_problems(f);
    fprintf(f, "location / {\nif ($request_method !~ ^(");
    for (unsigned m = 0; m < HTTP_METHODS; m++)
        fprintf(f, "%s%s", m ? "|" : "", http_method_name((enum http_method)m));
    fprintf(f, ")$) { return 405; }\n");
    write_words(f);
    fprintf(f, "scgi_pass unix:/proc/self/fd/%d;\n}\n}\n", h->scgi_fd);
}

bool nginx_prepare(const struct nginx_door *d)
{
    char path[160];
    snprintf(path, sizeof path, "%s/" NGINX_CONFIGURATION, d->directory);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f)
        return false;
    write_general(f, d);
    write_stranger(f, d);
    for (size_t i = 0; i < d->count; i++)
        write_host(f, d, &d->hosts[i]);
    fprintf(f, "}\n");
    bool ok = !ferror(f);
    return fclose(f) == 0 && ok;
}
