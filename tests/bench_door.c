/* The back end's door: token checks, and pairing passwords through nginx, TBE and VOS. Placement: free; the
 * client is a process of its own, TBE and VOS share one, nginx has one worker. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend/tbe/tbe.h"
#include "backend/vos/vos.h"
#include "lib/media/curl_loop.h"
#include "lib/media/http/http_tls.h"
#include "lib/media/http/nginx.h"
#include "lib/token/token.h"
#include "tests/figures.h"
#include "tests/launch.h"
#include "tests/stage.h"
#include "tests/verifier_rig.h"

/* ---- tokens ---- */

static void bench_tokens(void)
{
    enum { N = 4000, ROUNDS = 3 };
    struct crypto *c = test_crypto();
    struct token_claims claims = {.issuer = TBE_ISSUER,
                                  .subject = "anna",
                                  .audience = TBE_AUDIENCE_APP,
                                  .scope = TBE_SCOPE_PAIRING,
                                  .client = "an-app-on-a-phone",
                                  .id = "00112233445566778899aabbccddeeff",
                                  .issued_s = TEST_NOW_S,
                                  .expires_s = TEST_NOW_S + 900};
    struct p256_key *k;
    char token[TOKEN_MAX + 1];
    double rate[ROUNDS], bare[ROUNDS];
    figure_must(p256_generate(c, &k) == ERR_OK, "a key");
    const struct token_key key = {"tbe-1", k};
    const struct token_policy policy = {c, &key, 1, TBE_ISSUER, TBE_AUDIENCE_APP, TEST_NOW_S};
    figure_must(token_make(c, &claims, &key, token) == ERR_OK, "a token");
    for (int round = 0; round < ROUNDS; round++) {
        double t = cpu_s();
        for (int i = 0; i < N; i++)
            figure_must(token_check(&policy, span_of(token, strlen(token)), &claims) == ERR_OK, "a check");
        rate[round] = N / (cpu_s() - t);
        bare[round] = 1 / measure_p256().verify;
    }
    p256_free(k);
    figure_report("token_checks", figure_median(rate, ROUNDS), "checks/s per core, median of 3",
                  figure_median(bare, ROUNDS), "P-256 verify of OpenSSL alone", 0.8);
}

/* ---- the back end in this process ---- */

#define REQUESTS    6000
#define CONNECTIONS 16
#define PATH        "/v1/pairing-passwords"
#define KEY         "0123456789abcdef0123456789abcdef"

enum { TBE_APP = 0, TBE_INIT = 2, VOS_INIT = 2 };

static struct bench tbe, vos;
static char token[TOKEN_MAX + 1];
static size_t body_len; /* of the last answer */

static void serial_of(unsigned i, char out[16])
{
    snprintf(out, 16, "SPAAK%08u", 10000 + i);
}

struct clones {
    struct server *from;
    unsigned vehicle;
    char keys[64][ENV_KEY_MAX];
    size_t count;
};

static void take_key(void *ctx, const char *key, struct span value)
{
    struct clones *c = ctx;
    (void)value;
    if (strstr(key, SERIAL) && c->count < 64)
        text_copy(c->keys[c->count++], sizeof c->keys[0], key);
}

/* Whatever the VOS holds of its one vehicle, for another; what lies sealed is opened and sealed anew. */
static void clone(struct clones *c, unsigned i)
{
    char serial[16], key[ENV_KEY_MAX];
    uint8_t value[ENV_VALUE_MAX];
    size_t len;
    serial_of(i, serial);
    for (size_t k = 0; k < c->count; k++) {
        const char *at = strstr(c->keys[k], SERIAL);
        snprintf(key, sizeof key, "%.*s%s%s", (int)(at - c->keys[k]), c->keys[k], serial,
                 at + strlen(SERIAL));
        figure_must(env_store_get(&vos.node.env, c->keys[k], value, sizeof value, &len) == ERR_OK &&
                        env_store_put(&vos.node.env, key, span_of(value, len)) == ERR_OK,
                    key);
    }
    figure_must(env_store_commit(&vos.node.env) == ERR_OK, "a commit");
}

/* A vehicle with a set that it has installed, and anna for its owner. */
static void make_one(struct server *s)
{
    struct call_value values[2] = {{.text = SERIAL}, {.text = "anna"}};
    uint8_t set_id[RIG_SET_ID];
    unsigned number;
    server_start(s, true, NULL, NULL);
    server_call(s, "push-verifiers");
    bench_finish_works(&s->b);
    Spaak__V1__Spake2VerifierSet *set = server_pushed(s);
    memcpy(set_id, set->set_id.data, RIG_SET_ID);
    spaak__v1__spake2_verifier_set__free_unpacked(set, NULL);
    server_report(s, span_of(set_id, RIG_SET_ID), SPAAK__V1__RESP_ENUM__RESP_ENUM_INSTALLED);
    figure_must(component_call(&vos_class, "register-owner", &number), "register-owner");
    node_on_call(&s->b.node, number, values);
}

static void forget(struct node *n, const struct trace_event *e)
{
    (void)n, (void)e;
}

/* At its start it claims every vehicle: more than a bench keeps. */
static void start_vos(void)
{
    static struct node_host quiet;
    static struct server one;
    static struct clones c;
    const struct component_args none = {.serial = ""};
    make_one(&one);
    bench_on_disk(&vos, &vos_class, "bench-door.db");
    quiet = *vos.node.host;
    quiet.trace = forget;
    vos.node.host = &quiet;
    figure_must(store_copy(one.b.node.store, vos.node.store) == ERR_OK && bench_start(&vos, &none) == ERR_OK,
                "the VOS");
    store_scan(vos.node.store, "", take_key, &c);
    for (unsigned i = 0; i < REQUESTS; i++)
        clone(&c, i);
    figure_must(store_sync(vos.node.store) == ERR_OK, "the store of the VOS");
    node_stop(&vos.node);
    figure_must(bench_start(&vos, &none) == ERR_OK, "the VOS again");
}

static struct span request(const char *path, const char *body, uint8_t out[2048])
{
    struct http_request q = {.method = HTTP_POST, .body = span_of(body, strlen(body))};
    struct wr w = wr_of(out, 2048);
    const char *type = http_type_name(HTTP_TYPE_JSON);
    q.words[HTTP_WORD_PATH] = span_of(path, strlen(path));
    q.words[HTTP_WORD_TYPE] = span_of(type, strlen(type));
    figure_must(http_request_write(&q, &w) == ERR_OK, "a request");
    return span_of(out, w.len);
}

static void start_tbe(void)
{
    static const uint64_t settings[] = {900, 5, 100000, 2000, 100000, 5};
    static const char head[] = "{\"access_token\":\"";
    uint8_t bytes[2048];
    bench_prepare(&tbe, &tbe_class, test_crypto());
    figure_must(bench_start(&tbe, &(struct component_args){.serial = "", .settings = settings}) == ERR_OK,
                "the TBE");
    tbe.sent_count = 0;
    node_on_bytes(
        &tbe.node, TBE_APP, "/1",
        request("/v1/tokens",
                "{\"user\":\"anna\",\"secret\":\"lake-and-lantern\",\"client\":\"an-app-on-a-phone\"}",
                bytes));
    bench_finish_works(&tbe);
    figure_must(tbe.sent_count == 1, "an answer to signing in");
    const char *at = memmem(tbe.sent[0].bytes, tbe.sent[0].len, head, sizeof head - 1);
    figure_must(at != NULL, "a token");
    at += sizeof head - 1;
    snprintf(token, sizeof token, "%.*s", (int)strcspn(at, "\""), at);
}

/* One request through both; its answer is queued and leaves when the store is durable. */
static void serve(const char *address, struct span bytes)
{
    struct http_response r;
    tbe.sent_count = vos.sent_count = tbe.trace_count = vos.trace_count = 0;
    node_on_bytes(&tbe.node, TBE_APP, address, bytes);
    if (tbe.sent_count == 1 && tbe.sent[0].port == TBE_INIT) {
        node_on_bytes(&vos.node, VOS_INIT, "tbe", span_of(tbe.sent[0].bytes, tbe.sent[0].len));
        tbe.sent_count = 0;
        figure_must(vos.sent_count == 1, "an answer of the VOS");
        node_on_bytes(&tbe.node, TBE_INIT, "", span_of(vos.sent[0].bytes, vos.sent[0].len));
    }
    figure_must(tbe.sent_count == 1, "an answer of the TBE");
    const struct span answer = span_of(tbe.sent[0].bytes, tbe.sent[0].len);
    figure_must(http_response_read(answer, &r) == ERR_OK, "a response");
    body_len = r.body.len;
    figure_must(stage_send_bytes(stage_find("server"), address, answer) == ERR_OK, "sending");
}

/* ---- the client, in a process of its own ---- */

struct client {
    const char *socket, *method;
    unsigned begun, done, wrong, wanted_status;
    struct curl_slist *headers;
    struct curl_loop *loop;
    sd_event *event;
};

static size_t drop(char *p, size_t one, size_t len, void *ctx)
{
    (void)p, (void)one, (void)ctx;
    return len;
}

static void ask(struct client *c, CURL *easy)
{
    char body[64], serial[16];
    serial_of(c->begun++, serial);
    snprintf(body, sizeof body, "{\"vehicle\":\"%s\"}", serial);
    if (strcmp(c->method, "POST") == 0)
        curl.easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, body);
    curl_loop_start(c->loop, easy);
}

static void on_done(void *ctx, CURL *easy, CURLcode result)
{
    struct client *c = ctx;
    long status = 0;
    curl.easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    c->wrong += result != CURLE_OK || status != (long)c->wanted_status;
    c->done++;
    if (c->begun < REQUESTS)
        ask(c, easy);
}

static CURL *connection(const struct client *c)
{
    char ca[120];
    CURL *easy = curl.easy_init();
    snprintf(ca, sizeof ca, "%s/tls-ca.crt", stage.directory);
    curl.easy_setopt(easy, CURLOPT_URL, "https://fair.server.example" PATH);
    curl.easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, c->socket);
    curl.easy_setopt(easy, CURLOPT_CAINFO, ca);
    curl.easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl.easy_setopt(easy, CURLOPT_HTTPHEADER, c->headers);
    curl.easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    curl.easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    return easy;
}

/* Requests per second; 0: an answer was another than wanted. */
static double client_rate(const char *socket, const char *method, unsigned wanted_status)
{
    struct client c = {.socket = socket, .method = method, .wanted_status = wanted_status};
    char authorization[TOKEN_MAX + 32];
    const char *reason = "";
    snprintf(authorization, sizeof authorization, "Authorization: Bearer %s", token);
    figure_must(sd_event_new(&c.event) >= 0 &&
                    (c.loop = curl_loop_open(c.event, on_done, &c, &reason)) != NULL,
                reason);
    c.headers = curl.slist_append(NULL, "Content-Type: application/json");
    c.headers = curl.slist_append(c.headers, "Idempotency-Key: " KEY);
    c.headers = curl.slist_append(c.headers, authorization);
    double t = wall_s();
    for (unsigned i = 0; i < CONNECTIONS; i++)
        ask(&c, connection(&c));
    while (c.done < REQUESTS)
        sd_event_run(c.event, UINT64_MAX);
    return c.wrong ? 0 : REQUESTS / (wall_s() - t);
}

static double run_client(const char *socket, const char *method, unsigned wanted_status)
{
    double rate = 0;
    int ends[2], status = 0;
    figure_must(pipe2(ends, O_CLOEXEC) == 0, "a pipe");
    pid_t pid = fork();
    if (pid == 0) {
        rate = client_rate(socket, method, wanted_status);
        _exit(write(ends[1], &rate, sizeof rate) == sizeof rate ? 0 : 1);
    }
    while (pid > 0 && waitpid(pid, &status, WNOHANG) == 0) {
        for (int n = 1; n > 0; n = sd_event_run(stage.event, 0))
            ;
        figure_must(store_sync(vos.node.store) == ERR_OK, "durable"); /* one commit for what came together */
        stage_flush();
        sd_event_run(stage.event, 2000);
    }
    figure_must(pid > 0 && status == 0 && read(ends[0], &rate, sizeof rate) == sizeof rate && rate > 0,
                "the client's answers");
    close(ends[0]);
    close(ends[1]);
    return rate;
}

/* ---- nginx and a file ---- */

static void write_text(const char *name, const char *text, size_t len)
{
    char path[160];
    snprintf(path, sizeof path, "%s/%s", stage.directory, name);
    FILE *f = fopen(path, "we");
    figure_must(f && fwrite(text, 1, len, f) == len && fclose(f) == 0, path);
}

static pid_t start_static(void)
{
    char text[2000], key[HTTP_PEM_MAX], pem[HTTP_PEM_MAX], *body = calloc(1, body_len + 1);
    struct tls_identity own;
    struct crypto *c = crypto_new(NULL);
    figure_must(tls_issue(c, &stage.authority, TLS_SERVER, "fair.server.example", (int64_t)time(NULL),
                          &own) == ERR_OK &&
                    http_tls_key(own.scalar, key) && http_tls_certificate(span_of(own.der, own.len), pem),
                "an identity");
    crypto_free(c);
    write_text("static.key", key, strlen(key));
    write_text("static.crt", pem, strlen(pem));
    snprintf(text, sizeof text, "mkdir -p %s/www/v1", stage.directory);
    figure_must(body && system(text) == 0, text);
    memset(body, 'x', body_len);
    write_text("www" PATH, body, body_len);
    free(body);
    const char *d = stage.directory;
    int len =
        snprintf(text, sizeof text,
                 "daemon off;\nworker_processes 1;\npid %s/static.pid;\nerror_log stderr warn;\n%s"
                 "events { worker_connections 2048; }\nhttp {\naccess_log off;\nclient_body_temp_path %s;\n"
                 "proxy_temp_path %s;\nfastcgi_temp_path %s;\nuwsgi_temp_path %s;\nscgi_temp_path %s;\n"
                 "keepalive_requests 1000000;\nssl_protocols TLSv1.2 TLSv1.3;\nserver {\n"
                 "listen unix:%s/static.sock ssl;\nssl_certificate %s/static.crt;\n"
                 "ssl_certificate_key %s/static.key;\nroot %s/www;\n}\n}\n",
                 d, geteuid() == 0 ? "user root;\n" : "", d, d, d, d, d, d, d, d, d);
    write_text("static.conf", text, (size_t)len);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        snprintf(text, sizeof text, "%s/static.conf", d);
        execl(nginx_program(), "nginx", "-e", "stderr", "-p", d, "-c", text, (char *)NULL);
        _exit(1);
    }
    usleep(300000);
    return pid;
}

/* The door's own limit of requests is not what is measured. */
static void start_door(void)
{
    char command[200];
    stage_begin(true, PORT_FAIR, 0);
    stage.on_request = serve;
    stage_helper(false);
    snprintf(command, sizeof command, "sed -i '/^limit_req zone/d' %s/nginx.conf", stage.directory);
    figure_must(system(command) == 0, command);
    stage_helper(true);
    stage_start(stage_find("server"));
    stage_settle();
}

static void bench_passwords(void)
{
    char door[120], file[120];
    start_vos();
    start_tbe();
    start_door();
    snprintf(door, sizeof door, "%s/https.sock", stage.directory);
    snprintf(file, sizeof file, "%s/static.sock", stage.directory);
    double ours = run_client(door, "POST", 201);
    pid_t pid = start_static();
    double floor = run_client(file, "GET", 200);
    kill(pid, SIGTERM);
    waitpid(pid, NULL, 0);
    figure_report("door_passwords", ours,
                  "pairing passwords/s through nginx, TBE and VOS, durable, 16 connections, HTTP/1.1", floor,
                  "the same nginx and client with a file of that size", 0.15);
    stage_finish();
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    bench_tokens();
    if (!nginx_program()) {
        fprintf(stderr, "bench: nginx is not installed: no door_passwords\n");
        return 0;
    }
    bench_passwords();
    return 0;
}
