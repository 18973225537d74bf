/* RP-02/4 and 5: identities of modules, for the tester. Every result is a function of the CSR, the plant's
 * list and what was issued before, so a page that comes again gets the same answer. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "backend/pki/pki_internal.h"
#include "lib/msg/msg.h"
#include "lib/pki/csr.h"
#include "lib/pki/ecu_identity.h"
#include "proto/plant.pb-c.h"

#define REQUEST  PLANT__V1__MESSAGE_TYPE__ECU_CERTIFICATES_REQUEST
#define RESPONSE PLANT__V1__MESSAGE_TYPE__ECU_CERTIFICATES_RESPONSE

#define REQUEST_NAME "EcuCertificatesRequest"
#define ANSWER_NAME  "EcuCertificatesResponse"
#define VERSION      1

static_assert(ECU_SERIAL_MAX == MSG_SERIAL_MAX,
              "a module signs its messages by the serial it was certified for");

struct result {
    enum err e;
    size_t len;
    uint8_t certificate[ECU_IDENTITY_MAX];
};

struct page {
    struct pki *pki;
    const Plant__V1__EcuCertificatesRequest *request;
    struct result results[PKI_PAGE_ITEMS];
    size_t issued, again, refused;
};

/* ---- one module ---- */

static enum err check_listed(struct pki *p, const char *serial)
{
    char key[ENV_KEY_MAX];
    uint8_t entry[8];
    size_t len;
    snprintf(key, sizeof key, PKI_SERIAL_PREFIX "%s", serial);
    enum err e = env_store_get(p->env, key, entry, sizeof entry, &len);
    return e == ERR_NOT_FOUND ? ERR_ECU_UNKNOWN : e;
}

/* RP-02/4: syntax, key and self-signature; then whose it is. */
static enum err check_item(struct pki *p, const Plant__V1__EcuCsr *item, struct csr *csr)
{
    enum err e = csr_check(p->env->crypto, span_of(item->csr.data, item->csr.len), csr);
    if (!e && strcmp(csr->subject, item->ecu_serial) != 0)
        e = ERR_CSR_SUBJECT_MISMATCH;
    return e ? e : check_listed(p, csr->subject);
}

static enum err certify_item(struct page *page, const Plant__V1__EcuCsr *item, struct result *r)
{
    struct pki *p = page->pki;
    struct csr csr;
    char key[ENV_KEY_MAX];
    enum err e = check_item(p, item, &csr);
    if (e)
        return e;
    snprintf(key, sizeof key, PKI_IDENTITY_PREFIX "%s", csr.subject);
    e = pki_issued_before(p, key, csr.public_key, r->certificate, sizeof r->certificate, &r->len);
    if (e != ERR_NOT_FOUND) {
        page->again += e == ERR_OK;
        return e;
    }
    e = ecu_identity_issue(p->env->crypto, &p->ecu_ca.certificate, p->ecu_ca.key, csr.subject, csr.public_key,
                           env_wall_ms(p->env) / 1000, r->certificate, &r->len);
    if (!e)
        e = env_store_put(p->env, key, span_of(r->certificate, r->len));
    page->issued += e == ERR_OK;
    return e;
}

/* ---- a page ---- */

static void describe(const Plant__V1__PlantHeader *h, const char *before, const char *serial, char out[96])
{
    char id[2 * 4 + 1];
    hex_encode(h->batch_id.data, 4, id);
    snprintf(out, 96, "batch=%s page=%u/%u%s%.*s", id, h->page, h->pages, before, ECU_SERIAL_MAX, serial);
}

/* What is this PKI's own trouble and no module's: the page is not done, and asked for again. */
static bool stops_page(enum err e)
{
    return e == ERR_STORE_FAILED || e == ERR_NO_MEMORY;
}

/* A failure of one module and no refusal of the page, which stores what it has issued for the others. */
static void trace_refused(struct page *page, const Plant__V1__EcuCsr *item, enum err e)
{
    char detail[96];
    describe(page->request->header, " ecu=", item->ecu_serial, detail);
    env_trace_reason(page->pki->env, TRACE_FAIL, "RP-02/4", REQUEST_NAME, e, (uint32_t)item->csr.len, detail);
    page->refused++;
}

static enum err certify_page(struct page *page)
{
    for (size_t i = 0; i < page->request->n_items; i++) {
        struct result *r = &page->results[i];
        r->e = certify_item(page, page->request->items[i], r);
        if (stops_page(r->e))
            return r->e;
        if (r->e)
            trace_refused(page, page->request->items[i], r->e);
    }
    return page->issued ? env_store_commit(page->pki->env) : ERR_OK;
}

/* A page whose header cannot be read, or that would not know its answer, gets none. */
static bool header_readable(const Plant__V1__EcuCertificatesRequest *r)
{
    return r && r->header && r->header->batch_id.len == PKI_BATCH_ID;
}

static enum err check_page(const Plant__V1__EcuCertificatesRequest *r)
{
    const Plant__V1__PlantHeader *h = r->header;
    if (h->protocol_version != VERSION)
        return ERR_MSG_VERSION;
    if (h->message_type != REQUEST)
        return ERR_MSG_UNEXPECTED;
    if (h->page == 0 || h->page > h->pages || r->n_items == 0)
        return ERR_MSG_MALFORMED;
    return r->n_items > PKI_PAGE_ITEMS ? ERR_MSG_TOO_LONG : ERR_OK;
}

static enum err serve(struct page *page, const char *caller, struct span bytes)
{
    char detail[96];
    enum err e = check_page(page->request);
    if (e)
        return e;
    describe(page->request->header, "", "", detail);
    env_trace_message(page->pki->env, TRACE_ACCEPT, "RP-02/4", REQUEST_NAME, caller, bytes, detail);
    e = certify_page(page);
    if (e)
        return e;
    snprintf(detail, sizeof detail, "certifies modules: %zu new, %zu again, %zu refused", page->issued,
             page->again, page->refused);
    env_trace_step(page->pki->env, "RP-02/5", detail);
    return ERR_OK;
}

static size_t pack_answer(struct page *page, enum err error, uint8_t out[PKI_PAGE_MAX])
{
    Plant__V1__EcuCertificatesResponse answer = PLANT__V1__ECU_CERTIFICATES_RESPONSE__INIT;
    Plant__V1__PlantHeader header = *page->request->header;
    Plant__V1__EcuCertificate items[PKI_PAGE_ITEMS], *pointers[PKI_PAGE_ITEMS];
    size_t n = error ? 0 : page->request->n_items;
    header.base.n_unknown_fields = 0;
    header.protocol_version = VERSION;
    header.message_type = RESPONSE;
    header.error = (uint32_t)error;
    for (size_t i = 0; i < n; i++) {
        struct result *r = &page->results[i];
        plant__v1__ecu_certificate__init(pointers[i] = &items[i]);
        if (strlen(page->request->items[i]->ecu_serial) <= ECU_SERIAL_MAX)
            items[i].ecu_serial = page->request->items[i]->ecu_serial;
        items[i].error = (uint32_t)r->e;
        items[i].certificate = (ProtobufCBinaryData){r->e ? 0 : r->len, r->certificate};
    }
    answer.header = &header;
    answer.n_items = n;
    answer.items = pointers;
    assert(plant__v1__ecu_certificates_response__get_packed_size(&answer) <= PKI_PAGE_MAX);
    return plant__v1__ecu_certificates_response__pack(&answer, out);
}

void pki_on_page(struct pki *p, const char *caller, struct span bytes)
{
    uint8_t memory[2 * PKI_PAGE_MAX], out[PKI_PAGE_MAX];
    struct msg_arena arena;
    struct page page = {.pki = p};
    msg_arena_init(&arena, memory, sizeof memory);
    page.request = plant__v1__ecu_certificates_request__unpack(&arena.allocator, bytes.len, bytes.p);
    if (!header_readable(page.request)) {
        env_trace_reason(p->env, TRACE_REJECT, NULL, REQUEST_NAME, ERR_MSG_MALFORMED, (uint32_t)bytes.len,
                         NULL);
        return;
    }
    enum err e = serve(&page, caller, bytes);
    if (e)
        env_trace_reason(p->env, TRACE_REJECT, NULL, REQUEST_NAME, e, (uint32_t)bytes.len, NULL);
    size_t len = pack_answer(&page, e, out);
    e = env_send_bytes(p->env, PKI_PORT_PLANT, caller, span_of(out, len));
    if (e)
        env_trace_reason(p->env, TRACE_FAIL, "RP-02/5", ANSWER_NAME, e, 0, "it was not sent");
}

/* ---- the plant's list ---- */

enum err pki_register_serials(struct pki *p, const char *first, uint64_t count)
{
    char serial[ECU_SERIAL_MAX + 1], key[ENV_KEY_MAX];
    enum err e = ERR_OK;
    for (uint64_t i = 0; !e && i < count; i++) {
        e = ecu_serial_after(first, i, serial);
        snprintf(key, sizeof key, PKI_SERIAL_PREFIX "%s", serial);
        if (!e)
            e = env_store_put(p->env, key, span_of("\1", 1));
    }
    return e ? e : env_store_commit(p->env);
}
