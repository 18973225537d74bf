/* Messages of key tracking and of the life of keys, as bytes; and the VOS, the KTS and the DOS that hear
 * them, whole components on a bench. Each input meets the same store and the same lives. */
#include <stdlib.h>
#include <string.h>

#include "backend/dos/dos.h"
#include "backend/kts/kts.h"
#include "backend/vos/vos.h"
#include "lib/msg/manage.h"
#include "tests/fuzz_targets.h"
#include "tests/support.h"

static struct bench b;
static const uint8_t key_id[TRACKING_KEY_ID] = {1, 2, 3};

/* ---- bytes ---- */

static void check_ask(struct span in, struct tracking_memory *m)
{
    struct manage_ask a, again;
    struct tracking_memory other;
    uint8_t out[FUZZ_INPUT_MAX];
    struct wr w = wr_of(out, sizeof out);
    if (manage_ask_read(in, m, &a))
        return;
    MUST(a.number && a.action && a.action < KEY_ACTIONS && a.cause && a.cause < KEY_CAUSES);
    MUST(manage_ask_write(&a, &w) == ERR_OK);
    MUST(manage_ask_read(span_of(out, w.len), &other, &again) == ERR_OK);
    MUST(again.event == a.event && again.issued_ms == a.issued_ms &&
         span_equal(again.resumption, a.resumption));
}

static void check_answer(struct span in, struct tracking_memory *m)
{
    struct manage_answer a;
    uint8_t out[FUZZ_INPUT_MAX];
    struct wr w = wr_of(out, sizeof out);
    if (manage_answer_read(in, m, &a))
        return;
    MUST(a.number && a.state < KEY_STATES && a.resumption.len <= TRACKING_RESUMPTION_MAX);
    MUST(manage_answer_write(&a, &w) == ERR_OK);
}

static void check_tracking(struct span in, struct tracking_memory *m)
{
    struct tracking_ask a;
    struct tracking_answer r;
    uint8_t out[FUZZ_INPUT_MAX + 512];
    struct wr w = wr_of(out, sizeof out);
    if (tracking_ask_read(in, m, &a) == ERR_OK)
        MUST(a.number && a.attestation.len && tracking_ask_write(&a, &w) == ERR_OK);
    w = wr_of(out, sizeof out);
    if (tracking_answer_read(in, m, &r) == ERR_OK)
        MUST(r.number && (r.error != ERR_OK) == (r.sealed.len == 0) &&
             tracking_answer_write(&r, &w) == ERR_OK);
}

/* ---- components ---- */

/* KTS and DOS track the key; the VOS has it of a vehicle, too. */
static void begin(const struct component_class *class)
{
    struct tracking_record r = {.state = KEY_ACTIVE, .sealed_len = 4};
    bench_prepare(&b, class, fuzz_crypto());
    test_equip(class, "", b.node.store);
    MUST(bench_start(&b, &(struct component_args){.serial = ""}) == ERR_OK);
    const char *prefix = class == &kts_class   ? KTS_REGISTERED
                         : class == &vos_class ? VOS_TRACKED_PREFIX
                                               : DOS_TRACKED "phone/";
    MUST(tracking_record_put(&b.node.env, prefix, key_id, &r) == ERR_OK);
    if (class == &dos_class)
        MUST(env_store_put(&b.node.env, DOS_PHONE_OF "0102030000000000000000000000000000000000",
                           span_of("phone", 5)) == ERR_OK);
    MUST(env_store_commit(&b.node.env) == ERR_OK);
    b.sent_count = b.trace_count = 0;
}

static void tell(const struct component_class *class, unsigned port, struct span in)
{
    begin(class);
    for (int i = 0; i < 2; i++) { /* twice: the same again */
        node_on_bytes(&b.node, port, "vos", in);
        MUST(!b.node.dead && b.sent_count <= (size_t)i + 1);
    }
    bench_free(&b);
}

static unsigned port_of(const struct component_class *class, const char *name)
{
    unsigned i = 0;
    while (i < class->port_count && strcmp(class->ports[i].name, name) != 0)
        i++;
    MUST(i < class->port_count);
    return i;
}

void fuzz_keys(const uint8_t *p, size_t len)
{
    struct tracking_memory memory;
    struct span in = {p, len};
    tracking_peek(in);
    check_ask(in, &memory);
    check_answer(in, &memory);
    check_tracking(in, &memory);
    tell(&kts_class, port_of(&kts_class, "kts"), in);
    tell(&dos_class, port_of(&dos_class, "keys"), in);
    tell(&dos_class, port_of(&dos_class, "tracking"), in);
    tell(&vos_class, port_of(&vos_class, "tracking"), in);
    tell(&vos_class, port_of(&vos_class, "kts"), in);
    tell(&vos_class, port_of(&vos_class, "keys"), in);
}

static void emit_ask(fuzz_emit *emit, void *arg, bool event, enum key_action action, size_t resumption)
{
    static const uint8_t statement[TRACKING_RESUMPTION_MAX] = {1};
    uint8_t out[FUZZ_INPUT_MAX];
    struct wr w = wr_of(out, sizeof out);
    struct manage_ask a = {.event = event,
                           .number = 7,
                           .action = action,
                           .cause = KEY_BY_DEVICE_OEM,
                           .issued_ms = 1000,
                           .resumption = span_of(statement, resumption)};
    memcpy(a.key_id, key_id, sizeof key_id);
    MUST(manage_ask_write(&a, &w) == ERR_OK);
    emit(arg, out, w.len);
}

static void emit_answer(fuzz_emit *emit, void *arg, enum err error)
{
    uint8_t out[FUZZ_INPUT_MAX];
    struct wr w = wr_of(out, sizeof out);
    struct tracking_record r = {.state = KEY_SUSPENDED, .state_ms = 1000};
    struct manage_ask a = {.number = 7, .action = KEY_SUSPEND, .cause = KEY_BY_SERVER, .issued_ms = 1000};
    memcpy(a.key_id, key_id, sizeof key_id);
    struct manage_answer said = manage_answer_of(&a, error, &r);
    MUST(manage_answer_write(&said, &w) == ERR_OK);
    emit(arg, out, w.len);
}

void fuzz_keys_seeds(fuzz_emit *emit, void *arg)
{
    static const uint8_t bytes[100] = {0x30};
    uint8_t out[FUZZ_INPUT_MAX];
    struct wr w = wr_of(out, sizeof out);
    struct span some = span_of(bytes, sizeof bytes);
    struct tracking_ask t = {
        .number = 3, .device_oem = some, .instance_ca = some, .endpoint = some, .attestation = some};
    struct tracking_answer r = {.number = 3, .sealed = some};
    emit_ask(emit, arg, false, KEY_SUSPEND, 0);
    emit_ask(emit, arg, false, KEY_RESUME, 100);
    emit_ask(emit, arg, false, KEY_TERMINATE, 0);
    emit_ask(emit, arg, true, KEY_TERMINATE, 0);
    emit_answer(emit, arg, ERR_OK);
    emit_answer(emit, arg, ERR_KEY_ENDED);
    MUST(tracking_ask_write(&t, &w) == ERR_OK);
    emit(arg, out, w.len);
    w = wr_of(out, sizeof out);
    MUST(tracking_answer_write(&r, &w) == ERR_OK);
    emit(arg, out, w.len);
}
