/* A phone with a Digital Key applet for a reader of your own: it comes into the field of whoever listens at a
 * Unix stream socket (frames: lib/media/nfc/nfc.h), pairs with the vehicle that knows the password, gets its
 * key tracking receipt between two contacts, and opens ever after.
 *
 *   build/tests/card_phone SOCKET [--seed N] [--files FOLDER]
 *
 * FOLDER gets what a vehicle needs to be met with trust: its key and certificates under root J, the key
 * tracking server's public key, the password. Ends with 0 when the reader closes the connection, 1 when it
 * said what is no frame, 3 when there is none. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/host/seeded.h"
#include "lib/media/nfc/nfc.h"
#include "tests/pairing_rig.h"

struct card {
    struct rig *rig;
    int fd;
    bool tracked; /* it has had its receipt */
    bool wrong;   /* the reader said something that is no frame */
};

static const char usage[] = "usage: card_phone SOCKET [--seed N] [--files FOLDER]\n"
                            "  SOCKET          where a reader listens, on this machine\n"
                            "  --seed N        the same phone and vehicle again\n"
                            "  --files FOLDER  what the vehicle's side needs is put there\n";

/* ---- files for the other side ---- */

static bool put_file(int dir, const char *name, const void *p, size_t len)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, p, len) == (ssize_t)len;
    if (fd >= 0)
        ok = close(fd) == 0 && ok;
    if (!ok)
        fprintf(stderr, "card_phone: %s: %s\n", name, strerror(errno));
    return ok;
}

static bool put_files(const struct rig *r, const char *folder)
{
    uint8_t scalar[P256_SCALAR], kts[P256_POINT];
    int dir = mkdir(folder, 0700) == 0 ? open(folder, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (dir < 0) {
        fprintf(stderr, "card_phone: %s: %s\n", folder, strerror(errno));
        return false;
    }
    p256_public(r->kts.key, kts);
    bool ok =
        p256_private(r->k.key, scalar) == ERR_OK && put_file(dir, "vehicle-key.bin", scalar, sizeof scalar) &&
        put_file(dir, "vehicle.der", r->k.der, r->k.len) &&
        put_file(dir, "intermediate.der", r->j1.der, r->j1.len) &&
        put_file(dir, "root.der", r->j.der, r->j.len) && put_file(dir, "kts-public.bin", kts, sizeof kts) &&
        put_file(dir, "password.txt", RIG_PASSWORD, strlen(RIG_PASSWORD));
    close(dir);
    return ok;
}

static const char *const file_names[] = {"vehicle-key.bin", "vehicle.der",    "intermediate.der",
                                         "root.der",        "kts-public.bin", "password.txt"};

/* Nobody came for them. */
static void take_files(const char *folder)
{
    int dir = open(folder, O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (size_t i = 0; dir >= 0 && i < sizeof file_names / sizeof file_names[0]; i++)
        unlinkat(dir, file_names[i], 0);
    if (dir >= 0)
        close(dir);
    rmdir(folder);
}

/* ---- the link ---- */

static bool read_all(int fd, void *out, size_t len)
{
    for (uint8_t *p = out; len;) {
        ssize_t n = read(fd, p, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_answer(int fd, struct span answer)
{
    uint8_t frame[NFC_HEADER + APDU_RESPONSE_MAX];
    struct wr w = wr_of(frame, sizeof frame);
    wr_u8(&w, NFC_APDU);
    wr_be16(&w, (uint16_t)answer.len);
    wr_copy(&w, answer.p, answer.len);
    return !w.failed && send(fd, frame, w.len, MSG_NOSIGNAL) == (ssize_t)w.len;
}

/* Between two contacts the phone makes its key, and is with its servers. */
static void field_changed(struct card *c)
{
    struct dk_device *d = &c->rig->device;
    rig_phone_reset(c->rig);
    if (d->state == DK_CREATING && !d->pairing.key && dk_device_create_key(d))
        fprintf(stderr, "card_phone: the key cannot be made\n");
    /* phase 3 is over, or was tried */
    bool used = d->owned[0].paired && c->rig->applet.keys[0].has_kpersistent;
    if (!used || c->tracked)
        return;
    enum err e = rig_track_key(c->rig);
    c->tracked = e == ERR_OK;
    if (e)
        fprintf(stderr, "card_phone: no receipt from the key tracking server: %s\n", err_text(e));
}

static bool answer(struct card *c, struct span command)
{
    uint8_t bytes[APDU_RESPONSE_MAX];
    struct wr w = wr_of(bytes, sizeof bytes);
    rig_phone_input(c->rig, command, &w);
    return send_answer(c->fd, span_of(bytes, w.len));
}

/* False when the reader has gone, or does not speak in frames: then says so. */
static bool one_frame(struct card *c)
{
    static uint8_t body[NFC_APDU_MAX];
    uint8_t header[NFC_HEADER];
    if (!read_all(c->fd, header, sizeof header))
        return false;
    size_t len = (size_t)(header[1] << 8 | header[2]);
    c->wrong = len > sizeof body || header[0] >= NFC_FRAMES || (header[0] != NFC_APDU && len != 0);
    if (c->wrong) {
        fprintf(stderr, "card_phone: no frame: type %02X, %zu bytes; docs/ccc.md has them\n", header[0], len);
        return false;
    }
    if (!read_all(c->fd, body, len))
        return false;
    if (header[0] == NFC_APDU)
        return answer(c, span_of(body, len));
    field_changed(c);
    return true;
}

static int reach(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (strlen(path) >= sizeof a.sun_path || fd < 0) {
        fprintf(stderr, "card_phone: %s: the name of a socket has at most 107 characters\n", path);
        return -1;
    }
    text_copy(a.sun_path, sizeof a.sun_path, path);
    if (connect(fd, (const struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    fprintf(stderr, "card_phone: nobody listens at %s: %s\n", path, strerror(errno));
    close(fd);
    return -1;
}

/* clock_s: the time that stands still for a phone that repeats itself; 0: now. */
static int serve(struct crypto *crypto, const char *socket_path, const char *folder, int64_t clock_s)
{
    struct card c = {.rig = rig_new(crypto), .fd = -1};
    int rc = 3;
    rig_enter_password(c.rig, false);
    if (folder && !put_files(c.rig, folder))
        goto out;
    c.fd = reach(socket_path);
    if (c.fd < 0) {
        if (folder)
            take_files(folder);
        goto out;
    }
    while (c.rig->device.now_s = clock_s ? clock_s : time(NULL), one_frame(&c))
        ;
    rc = c.wrong ? 1 : 0;
    close(c.fd);
out:
    rig_free(c.rig);
    return rc;
}

int main(int argc, char **argv)
{
    const char *seed = NULL, *folder = NULL;
    struct seeded_context seeded;
    struct seeded_stream stream;
    if (argc < 2 || argv[1][0] == '-') {
        fputs(usage, argc == 2 && strcmp(argv[1], "--help") == 0 ? stdout : stderr);
        return argc == 2 && strcmp(argv[1], "--help") == 0 ? 0 : 2;
    }
    for (int i = 2; i < argc; i += 2) {
        const char **option = strcmp(argv[i], "--seed") == 0    ? &seed
                              : strcmp(argv[i], "--files") == 0 ? &folder
                                                                : NULL;
        if (!option || i + 1 == argc) {
            fputs(usage, stderr);
            return 2;
        }
        *option = argv[i + 1];
    }
    if (seed && !seeded_context_open(&seeded))
        return 3;
    if (seed) {
        seeded_stream_init(&stream, strtoull(seed, NULL, 0), "card");
        seeded_use(&stream);
    }
    struct crypto *crypto = crypto_new(seed ? seeded.openssl : NULL);
    int rc = crypto ? serve(crypto, argv[1], folder, seed ? RIG_NOW_S : 0) : 3;
    crypto_free(crypto);
    if (seed)
        seeded_context_close(&seeded);
    return rc;
}
