#include "tests/attackers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/host/link.h"
#include "lib/media/call/call.h"
#include "lib/media/can/hub.h"
#include "lib/media/gsdp/mosquitto.h"
#include "lib/media/nfc/nfc.h"
#include "lib/pki/csr.h"
#include "proto/backend.pb-c.h"

#define IDLE      300
#define ANSWER_MS 1000
#define OVERSIZED 150000

/* ---- connections that say nothing: the newest of them, all the time ---- */

static void hold_idle(const char *path, int type, int more)
{
    static int held[1200];
    static unsigned next;
    if (!next)
        memset(held, -1, sizeof held);
    for (int i = 0; i < more; i++, next++) {
        int *place = &held[next % (sizeof held / sizeof held[0])];
        if (*place >= 0)
            close(*place);
        *place = link_connect_unix(path, type);
    }
}

/* Says it; the answer's length, 0 when it is hung up, -1 for none. */
static ssize_t say(const char *path, int type, const void *words, size_t len, uint8_t *answer, size_t cap)
{
    int fd = link_connect_unix(path, type);
    if (fd < 0)
        return -1;
    send(fd, words, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ssize_t got = poll(&p, 1, ANSWER_MS) == 1 ? recv(fd, answer, cap, MSG_DONTWAIT) : -1;
    close(fd);
    return got < 0 && errno == ECONNRESET ? 0 : got;
}

static void say_much(const char *path, int type)
{
    static uint8_t words[OVERSIZED];
    uint8_t answer[8];
    int big = 2 * OVERSIZED;
    int fd = link_connect_unix(path, type);
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof big);
    send(fd, words, sizeof words, MSG_NOSIGNAL | MSG_DONTWAIT);
    recv(fd, answer, sizeof answer, MSG_DONTWAIT);
    close(fd);
}

/* ---- the hub ---- */

static void lie_to_hub(const char *path, uint8_t segment, const char *name, struct attack_score *score)
{
    uint8_t hello[256], answer[200];
    struct hub_hello h = {.segment = segment, .everything = true};
    text_copy(h.name, sizeof h.name, name);
    if (getrandom(h.token.bytes, TOKEN_SIZE, 0) < 0)
        return;
    ssize_t n = say(path, SOCK_SEQPACKET, hello, hub_hello_write(&h, hello), answer, sizeof answer);
    score->gained += n > 0 && answer[0] != HUB_BYE;
}

void attack_hub(const char *path, struct attack_score *score)
{
    static const uint8_t frame[] = {HUB_FRAMES, 0, 0, 1, 0x23, 0, 1, 1};
    uint8_t answer[200];
    hold_idle(path, SOCK_SEQPACKET, IDLE);
    lie_to_hub(path, SEGMENT_BODY, "spaak", score);
    lie_to_hub(path, SEGMENT_DIAGNOSTIC, "rogue", score);
    lie_to_hub(path, 0xFF, "recorder", score); /* no bus: nobody hears all of them through a socket */
    ssize_t n = say(path, SOCK_SEQPACKET, frame, sizeof frame, answer, sizeof answer);
    score->gained += n > 0 && answer[0] != HUB_BYE;
    say_much(path, SOCK_SEQPACKET);
}

/* ---- calls ---- */

static void lie_to_server(const char *path, const char *name, struct attack_score *score)
{
    uint8_t hello[TOKEN_SIZE + ENV_NAME_MAX] = {0}, answer[CALL_PACKET_MAX];
    if (getrandom(hello, TOKEN_SIZE, 0) < 0)
        return;
    memcpy(hello + TOKEN_SIZE, name, strlen(name));
    score->gained += say(path, SOCK_SEQPACKET, hello, TOKEN_SIZE + strlen(name), answer, sizeof answer) > 0;
}

/* With a key of its own and a CSR that is in order. */
static void ask_for_certificate(const char *path, struct attack_score *score)
{
    static uint8_t csr[CSR_MAX], out[1024];
    static size_t csr_len;
    char subject[] = "V.SPAAKSIM.EU.01.0001AABBCCDDEEFF", serial[] = "SPAAK00000001";
    uint8_t answer[CALL_PACKET_MAX];
    struct crypto *crypto = csr_len ? NULL : crypto_new(NULL);
    struct p256_key *key = NULL;
    if (crypto && p256_generate(crypto, &key) == ERR_OK)
        csr_create(crypto, subject, key, csr, &csr_len);
    p256_free(key);
    crypto_free(crypto);
    Backend__V1__IssueRequest m = BACKEND__V1__ISSUE_REQUEST__INIT;
    m.request_id = 1;
    m.subject = subject;
    m.ecu_serial = serial;
    m.csr = (ProtobufCBinaryData){csr_len, csr};
    size_t len = backend__v1__issue_request__pack(&m, out);
    score->gained += say(path, SOCK_SEQPACKET, out, len, answer, sizeof answer) > 0;
}

void attack_call(const char *path, struct attack_score *score)
{
    hold_idle(path, SOCK_SEQPACKET, IDLE);
    lie_to_server(path, "vos", score);
    lie_to_server(path, "tester", score);
    lie_to_server(path, "tbe", score);
    lie_to_server(path, "", score);
    ask_for_certificate(path, score);
    say_much(path, SOCK_SEQPACKET);
}

/* ---- NFC ---- */

void attack_nfc(const char *path, struct attack_score *score)
{
    uint8_t hello[NFC_HEADER + TOKEN_SIZE + 5] = {NFC_GREETING, 0, TOKEN_SIZE + 5}, answer[8];
    static const uint8_t apdu[] = {NFC_APDU, 0, 2, 0x90, 0}, huge[] = {NFC_GREETING, 0xFF, 0xFF, 1, 2};
    memcpy(hello + NFC_HEADER + TOKEN_SIZE, "token", 5);
    hold_idle(path, SOCK_STREAM, IDLE);
    score->gained += say(path, SOCK_STREAM, hello, sizeof hello, answer, sizeof answer) > 0;
    score->gained += say(path, SOCK_STREAM, apdu, sizeof apdu, answer, sizeof answer) > 0;
    score->gained += say(path, SOCK_STREAM, huge, sizeof huge, answer, sizeof answer) > 0;
    say_much(path, SOCK_STREAM);
}

/* ---- the broker ---- */

static void put_text(struct wr *w, const char *text)
{
    wr_be16(w, (uint16_t)strlen(text));
    wr_copy(w, text, strlen(text));
}

/* MQTT 3.1.1, persistent session: with the client's id and user, and a password that is none. */
static size_t connect_packet(const char *id, const char *user, uint8_t out[200])
{
    struct wr w = wr_of(out + 2, 198);
    put_text(&w, "MQTT");
    wr_u8(&w, 4);
    wr_u8(&w, *user ? 0xC0 : 0x00);
    wr_be16(&w, 30);
    put_text(&w, id);
    if (*user) {
        put_text(&w, user);
        put_text(&w, "0000000000000000000000000000000000000000000000000000000000000000");
    }
    out[0] = 0x10;
    out[1] = (uint8_t)w.len; /* below 128 */
    return 2 + w.len;
}

static void lie_to_broker(const char *path, const char *id, const char *user, struct attack_score *score)
{
    uint8_t packet[200], answer[8] = {0};
    size_t len = connect_packet(id, user, packet);
    ssize_t n = say(path, SOCK_STREAM, packet, len, answer, sizeof answer);
    score->gained += n >= 4 && answer[0] == 0x20 && answer[3] == 0;
}

/* A packet of 256 MB is announced, and begun. */
static void announce_much(const char *path, uint8_t type)
{
    static uint8_t words[OVERSIZED] = {0, 0xFF, 0xFF, 0xFF, 0x7F};
    uint8_t answer[8];
    words[0] = type;
    say(path, SOCK_STREAM, words, sizeof words, answer, sizeof answer);
}

void attack_broker(const char *path, struct attack_score *score)
{
    hold_idle(path, SOCK_STREAM, IDLE);
    lie_to_broker(path, "vos", "vos", score);
    lie_to_broker(path, "tbm", "tbm", score);
    lie_to_broker(path, "vos", "", score);
    lie_to_broker(path, BROKER_PREFIX "vos", "", score);
    lie_to_broker(path, BROKER_PREFIX "vos", "vos", score);
    lie_to_broker(path, "vos", "SPAAK00000001", score);
    announce_much(path, 0x10);
    announce_much(path, 0x32);
}

/* ---- the processes ---- */

static void allow_files(void)
{
    struct rlimit l;
    if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
        l.rlim_cur = l.rlim_max;
        setrlimit(RLIMIT_NOFILE, &l);
    }
}

pid_t attack_start(attack *how, const char *path, struct attack_score *score)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, 9);
    if (nice(19) < 0) /* links are what is tested, not who gets the processor */
        _exit(1);
    allow_files();
    for (;;) {
        how(path, score);
        score->rounds++;
    }
}
