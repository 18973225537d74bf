/* RP-02/3 and what comes back: pages of a batch to the PKI (proto/plant.proto), one at a time. A page that
 * has no answer is sent again, the same to the byte of its items: the PKI gives the same answer. */
#include <stdio.h>
#include <string.h>

#include "lib/msg/msg.h"
#include "proto/plant.pb-c.h"
#include "sim/actors/tester/tester_parts.h"

#define REQUEST      PLANT__V1__MESSAGE_TYPE__ECU_CERTIFICATES_REQUEST
#define RESPONSE     PLANT__V1__MESSAGE_TYPE__ECU_CERTIFICATES_RESPONSE
#define REQUEST_NAME "EcuCertificatesRequest"
#define ANSWER_NAME  "EcuCertificatesResponse"
#define VERSION      1
#define PKI          "pki"

/* The modules of the page under way. */
struct page {
    unsigned numbers[PAGE_ITEMS];
    struct module modules[PAGE_ITEMS];
    size_t count;
};

static unsigned pages_of(const struct tester *t)
{
    return (t->batch.count + PAGE_ITEMS - 1) / PAGE_ITEMS;
}

static enum err load_page(struct tester *t, struct page *out)
{
    enum err e = ERR_OK;
    unsigned first = (t->batch.page - 1) * PAGE_ITEMS;
    out->count = 0;
    for (unsigned i = first; !e && i < first + PAGE_ITEMS && i < t->batch.count; i++)
        if (t->batch.modules[i].state == MODULE_COLLECTED) {
            out->numbers[out->count] = i;
            e = store_get_module(t, i, &out->modules[out->count++]);
        }
    return e;
}

/* ---- out ---- */

static size_t pack(struct tester *t, struct page *page, uint8_t out[MESSAGE_MAX])
{
    Plant__V1__EcuCsr items[PAGE_ITEMS], *pointers[PAGE_ITEMS];
    Plant__V1__PlantHeader header = PLANT__V1__PLANT_HEADER__INIT;
    Plant__V1__EcuCertificatesRequest m = PLANT__V1__ECU_CERTIFICATES_REQUEST__INIT;
    header.protocol_version = VERSION;
    header.message_type = REQUEST;
    header.batch_id = (ProtobufCBinaryData){BATCH_ID, t->batch.id};
    header.page = t->batch.page;
    header.pages = pages_of(t);
    m.header = &header;
    m.n_items = page->count;
    m.items = pointers;
    for (size_t i = 0; i < page->count; i++) {
        plant__v1__ecu_csr__init(pointers[i] = &items[i]);
        items[i].ecu_serial = page->modules[i].serial;
        items[i].csr = (ProtobufCBinaryData){page->modules[i].csr_len, page->modules[i].csr};
    }
    return plant__v1__ecu_certificates_request__pack(&m, out);
}

static void wait_for_answer(struct tester *t)
{
    env_timer_in(t->env, TIMER_PAGE, t->settings[SETTING_PAGE_MS] * 1000);
}

void page_send(struct tester *t)
{
    uint8_t out[MESSAGE_MAX];
    struct page page;
    char detail[ENV_TEXT_MAX];
    enum err e = load_page(t, &page);
    if (e) {
        batch_stop(t, e);
        return;
    }
    wait_for_answer(t);
    if (!t->plant_up)
        return;
    struct span message = span_of(out, pack(t, &page, out));
    snprintf(detail, sizeof detail, "page=%u/%u modules=%zu", t->batch.page, pages_of(t), page.count);
    env_send_bytes(t->env, PORT_PLANT, "", message); /* a lost one is sent again */
    env_trace_message(t->env, TRACE_SEND, "RP-02/3", REQUEST_NAME, PKI, message, detail);
}

static void try_again(struct tester *t, enum err reason)
{
    if (++t->batch.tries > t->settings[SETTING_TRIES]) {
        batch_stop(t, reason);
        return;
    }
    env_trace_reason(t->env, TRACE_RETRY, "RP-02/3", REQUEST_NAME, reason, t->batch.tries, NULL);
    page_send(t);
}

void page_on_timer(struct tester *t)
{
    if (t->batch.page)
        try_again(t, ERR_PKI_UNREACHABLE);
}

/* ---- in ---- */

static enum err check_chain(struct tester *t, const struct x509 *cert)
{
    uint8_t authority[X509_MAX];
    struct x509 ca;
    const struct x509 *issuers[] = {&ca};
    size_t len;
    enum err e = store_get(t, TESTER_ECU_CA, authority, sizeof authority, &len);
    if (!e)
        e = x509_parse(span_of(authority, len), &ca);
    return e ? e
             : x509_check_chain(t->env->crypto, cert, X509_ECU_IDENTITY, issuers, 1,
                                env_wall_ms(t->env) / 1000);
}

/* Is it the identity of the module that the CSR came from? Who stands on a bench gets it installed here: that
 * one is verified, too. */
static enum err check_certificate(struct tester *t, const struct module *m, bool on_bench, struct span der)
{
    struct x509 cert;
    struct csr csr;
    enum err e = x509_parse(der, &cert);
    if (!e)
        e = on_bench ? check_chain(t, &cert) : x509_check_profile(t->env->crypto, &cert, X509_ECU_IDENTITY);
    if (!e && strcmp(cert.subject, m->serial) != 0)
        e = ERR_CERT_SUBJECT_MISMATCH;
    if (!e)
        e = csr_parse(span_of(m->csr, m->csr_len), &csr);
    if (!e && memcmp(csr.public_key, cert.public_key, P256_POINT) != 0)
        e = ERR_CERT_KEY_MISMATCH;
    return e;
}

static enum err take_item(struct tester *t, unsigned number, struct module *m,
                          const Plant__V1__EcuCertificate *item)
{
    struct span der = {item->certificate.data, item->certificate.len};
    if (strcmp(item->ecu_serial, m->serial) != 0 || (item->error == 0) != (der.len > 0) ||
        der.len > ECU_IDENTITY_MAX ||
        (item->error && strcmp(err_name((enum err)item->error), "UNKNOWN") == 0))
        return ERR_MSG_MALFORMED;
    m->reason = item->error ? (enum err)item->error : check_certificate(t, m, number < t->batch.benches, der);
    m->state = !m->reason && number < t->batch.benches ? MODULE_CERTIFIED : MODULE_ENDED;
    if (m->state == MODULE_CERTIFIED) {
        memcpy(m->certificate, der.p, der.len);
        m->certificate_len = der.len;
    }
    return ERR_OK;
}

static bool is_ours(const struct tester *t, const Plant__V1__PlantHeader *h)
{
    return h && h->protocol_version == VERSION && h->message_type == RESPONSE && h->page == t->batch.page &&
           h->pages == pages_of(t) &&
           span_equal(span_of(h->batch_id.data, h->batch_id.len), span_of(t->batch.id, BATCH_ID));
}

/* Parse, check, commit: one transaction for the page. */
static enum err take_page(struct tester *t, const Plant__V1__EcuCertificatesResponse *m, struct page *page)
{
    enum err e = load_page(t, page);
    if (!e && m->n_items != page->count)
        e = ERR_MSG_MALFORMED;
    for (size_t i = 0; !e && i < page->count; i++)
        e = take_item(t, page->numbers[i], &page->modules[i], m->items[i]);
    for (size_t i = 0; !e && i < page->count; i++)
        e = store_put_module(t, page->numbers[i], &page->modules[i]);
    if (!e)
        e = env_store_commit(t->env);
    for (size_t i = 0; !e && i < page->count; i++) {
        t->batch.modules[page->numbers[i]].state = (uint8_t)page->modules[i].state;
        t->batch.modules[page->numbers[i]].reason = (uint16_t)page->modules[i].reason;
    }
    return e;
}

static void refuse(struct tester *t, struct span bytes, enum err e)
{
    env_trace_reason(t->env, TRACE_REJECT, NULL, ANSWER_NAME, e, (uint32_t)bytes.len, NULL);
}

static void take_answer(struct tester *t, const Plant__V1__EcuCertificatesResponse *m, struct span bytes)
{
    struct page page;
    if (m->header->error) {
        bool known = m->n_items == 0 && strcmp(err_name((enum err)m->header->error), "UNKNOWN") != 0;
        try_again(t, known ? (enum err)m->header->error : ERR_MSG_MALFORMED);
        return;
    }
    enum err e = take_page(t, m, &page);
    if (e) {
        refuse(t, bytes, e); /* its timer asks again */
        return;
    }
    t->batch.page = t->batch.tries = 0;
    env_timer_set(t->env, TIMER_PAGE, ENV_NEVER);
    env_trace_message(t->env, TRACE_ACCEPT, NULL, ANSWER_NAME, PKI, bytes, NULL);
    batch_pump(t);
}

void page_on_answer(struct tester *t, struct span bytes)
{
    uint8_t memory[2 * MESSAGE_MAX];
    struct msg_arena arena;
    msg_arena_init(&arena, memory, sizeof memory);
    const Plant__V1__EcuCertificatesResponse *m =
        plant__v1__ecu_certificates_response__unpack(&arena.allocator, bytes.len, bytes.p);
    if (!m || !m->header)
        refuse(t, bytes, ERR_MSG_MALFORMED);
    else if (!t->batch.page || !is_ours(t, m->header))
        refuse(t, bytes, ERR_MSG_UNEXPECTED);
    else
        take_answer(t, m, bytes);
}
