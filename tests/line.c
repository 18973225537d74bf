#include "tests/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/plant.pb-c.h"
#include "tests/figures.h"

const enum err line_reasons[CSR_DEFECTS] = {
    [CSR_SOUND] = ERR_OK,
    [CSR_ABSENT] = ERR_CSR_MALFORMED,
    [CSR_CUT] = ERR_CSR_MALFORMED,
    [CSR_LONG] = ERR_CSR_MALFORMED,
    [CSR_FLIPPED] = ERR_CSR_SIGNATURE,
    [CSR_FOREIGN_KEY] = ERR_CSR_SIGNATURE,
    [CSR_WEAK_KEY] = ERR_CSR_KEY_NOT_P256,
    [CSR_OTHER_SUBJECT] = ERR_CSR_SUBJECT_MISMATCH,
    [CSR_UNLISTED] = ERR_ECU_UNKNOWN,
    [CSR_DUPLICATE] = ERR_CSR_ALREADY_ISSUED,
};

/* ---- modules ---- */

void line_make(struct line *l, const char *first_serial, size_t count, const struct csr_flaw *flaws,
               size_t flaw_count)
{
    static struct module_csr made[LINE_MODULES];
    memset(l, 0, sizeof *l);
    if (count > LINE_MODULES || plant_make_csrs(test_crypto(), first_serial, count, flaws, flaw_count, made))
        abort();
    l->count = count;
    l->pages = (count + PKI_PAGE_ITEMS - 1) / PKI_PAGE_ITEMS;
    memcpy(l->batch_id, "a batch, 16 byte", sizeof l->batch_id);
    for (size_t i = 0; i < count; i++)
        l->modules[i].csr = made[i];
    for (size_t i = 0; i < flaw_count; i++)
        l->modules[flaws[i].at].defect = flaws[i].defect;
}

void line_forget(struct line *l)
{
    for (size_t i = 0; i < l->count; i++) {
        l->modules[i].answered = false;
        l->modules[i].len = 0;
    }
}

void line_forget_ever(struct line *l)
{
    line_forget(l);
    for (size_t i = 0; i < l->count; i++)
        l->modules[i].first_len = 0;
}

bool line_complete(const struct line *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (!l->modules[i].answered)
            return false;
    return true;
}

/* ---- pages ---- */

static size_t items_of(const struct line *l, size_t page)
{
    size_t left = l->count - (page - 1) * PKI_PAGE_ITEMS;
    return left < PKI_PAGE_ITEMS ? left : PKI_PAGE_ITEMS;
}

size_t line_pack(const struct line *l, size_t page, uint8_t out[PKI_PAGE_MAX])
{
    struct module_csr csrs[PKI_PAGE_ITEMS];
    uint8_t id[PKI_BATCH_ID];
    Plant__V1__EcuCsr items[PKI_PAGE_ITEMS], *pointers[PKI_PAGE_ITEMS];
    Plant__V1__PlantHeader header = PLANT__V1__PLANT_HEADER__INIT;
    Plant__V1__EcuCertificatesRequest m = PLANT__V1__ECU_CERTIFICATES_REQUEST__INIT;
    memcpy(id, l->batch_id, sizeof id);
    header.protocol_version = 1;
    header.message_type = PLANT__V1__MESSAGE_TYPE__ECU_CERTIFICATES_REQUEST;
    header.batch_id = (ProtobufCBinaryData){sizeof id, id};
    header.page = (uint32_t)page;
    header.pages = (uint32_t)l->pages;
    m.header = &header;
    m.n_items = items_of(l, page);
    m.items = pointers;
    for (size_t i = 0; i < m.n_items; i++) {
        csrs[i] = l->modules[(page - 1) * PKI_PAGE_ITEMS + i].csr;
        plant__v1__ecu_csr__init(pointers[i] = &items[i]);
        items[i].ecu_serial = csrs[i].ecu_serial;
        items[i].csr = (ProtobufCBinaryData){csrs[i].len, csrs[i].der};
    }
    if (plant__v1__ecu_certificates_request__get_packed_size(&m) > PKI_PAGE_MAX)
        abort();
    return plant__v1__ecu_certificates_request__pack(&m, out);
}

static enum err take_item(struct line_module *to, const Plant__V1__EcuCertificate *item)
{
    struct span got = {item->certificate.data, item->certificate.len};
    if (strcmp(item->ecu_serial, to->csr.ecu_serial) != 0 || got.len > ECU_IDENTITY_MAX ||
        (item->error == 0) != (got.len > 0))
        return ERR_MSG_MALFORMED;
    to->answered = true;
    to->e = (enum err)item->error;
    to->len = got.len;
    if (!got.len)
        return ERR_OK;
    memcpy(to->certificate, got.p, got.len);
    if (to->first_len)
        return span_equal(got, span_of(to->first, to->first_len)) ? ERR_OK : ERR_INTERNAL;
    memcpy(to->first, got.p, got.len);
    to->first_len = got.len;
    return ERR_OK;
}

static enum err take_items(struct line *l, const Plant__V1__EcuCertificatesResponse *m)
{
    const Plant__V1__PlantHeader *h = m->header;
    enum err e = ERR_OK;
    if (!h || h->message_type != PLANT__V1__MESSAGE_TYPE__ECU_CERTIFICATES_RESPONSE || h->page == 0 ||
        h->page > l->pages || h->pages != l->pages || h->protocol_version != 1 ||
        !span_equal(span_of(h->batch_id.data, h->batch_id.len), span_of(l->batch_id, sizeof l->batch_id)) ||
        m->n_items != (h->error ? 0 : items_of(l, h->page)))
        return ERR_MSG_MALFORMED;
    for (size_t i = 0; !e && i < m->n_items; i++)
        e = take_item(&l->modules[(h->page - 1) * PKI_PAGE_ITEMS + i], m->items[i]);
    return e ? e : (enum err)h->error;
}

enum err line_take(struct line *l, struct span answer, size_t *page)
{
    Plant__V1__EcuCertificatesResponse *m =
        plant__v1__ecu_certificates_response__unpack(NULL, answer.len, answer.p);
    enum err e = m ? take_items(l, m) : ERR_MSG_MALFORMED;
    *page = m && m->header ? m->header->page : 0;
    if (m)
        plant__v1__ecu_certificates_response__free_unpacked(m, NULL);
    return e;
}

/* ---- the PKI on a bench ---- */

enum { PORT_PLANT = 1 };

static const struct component_args nobody = {.serial = ""};

static void start_pki(struct bench *b, const char *first_serial, size_t count)
{
    struct call_value values[2] = {{.number = 0}, {.number = count}};
    unsigned call;
    test_equip(&pki_class, "", b->node.store);
    text_copy(values[0].text, sizeof values[0].text, first_serial);
    if (bench_start(b, &nobody) || !component_call(&pki_class, "register-serials", &call))
        abort();
    node_on_call(&b->node, call, values);
}

void line_pki(struct bench *b, const char *first_serial, size_t count)
{
    bench_prepare(b, &pki_class, test_crypto());
    start_pki(b, first_serial, count);
}

void line_pki_on_disk(struct bench *b, const char *first_serial, size_t count)
{
    bench_on_disk(b, &pki_class, "bench-batch.db");
    start_pki(b, first_serial, count);
}

void line_pki_again(struct bench *b)
{
    node_stop(&b->node);
    if (bench_start(b, &nobody))
        abort();
}

enum err line_give(struct line *l, struct bench *b, size_t page)
{
    uint8_t out[PKI_PAGE_MAX];
    size_t answered;
    b->sent_count = b->trace_count = 0;
    node_on_bytes(&b->node, PORT_PLANT, "tester", span_of(out, line_pack(l, page, out)));
    if (b->sent_count != 1 || b->sent[0].port != PORT_PLANT || strcmp(b->sent[0].address, "tester") != 0)
        return ERR_MSG_NO_ANSWER;
    enum err e = line_take(l, span_of(b->sent[0].bytes, b->sent[0].len), &answered);
    return !e && answered != page ? ERR_MSG_OUT_OF_ORDER : e;
}

enum err line_run(struct line *l, struct bench *b)
{
    enum err e = ERR_OK;
    for (size_t page = 1; !e && page <= l->pages; page++)
        e = line_give(l, b, page);
    return e;
}

/* ---- judging ---- */

static const char *judge_certificate(const struct line_module *m, struct store *pki)
{
    const struct oem_identity *role = &test_oem(TEST_NOW_S)->roles[OEM_ECU_CA];
    struct x509 cert, ca;
    const struct x509 *issuers[] = {&ca};
    uint8_t stored[X509_MAX];
    size_t len;
    char key[ENV_KEY_MAX];
    snprintf(key, sizeof key, PKI_IDENTITY_PREFIX "%s", m->csr.ecu_serial);
    if (store_get(pki, key, stored, sizeof stored, &len))
        return "a certificate that the PKI did not keep";
    if (!span_equal(span_of(stored, len), span_of(m->certificate, m->len)))
        return "the PKI keeps another certificate than the module has";
    if (x509_parse(span_of(role->der, role->len), &ca) ||
        x509_parse(span_of(m->certificate, m->len), &cert) ||
        x509_check_chain(test_crypto(), &cert, X509_ECU_IDENTITY, issuers, 1, TEST_NOW_S))
        return "not a certificate of an ECU identity";
    if (strcmp(cert.subject, m->csr.ecu_serial) != 0)
        return "another subject than the serial";
    return memcmp(cert.public_key, m->csr.public_key, P256_POINT) == 0 ? NULL : "of another key";
}

static void count_entry(void *ctx, const char *key, struct span value)
{
    (void)key, (void)value;
    ++*(size_t *)ctx;
}

const char *line_judge(const struct line *l, struct store *pki)
{
    size_t certified = 0, kept = 0;
    const char *problem = NULL;
    for (size_t i = 0; !problem && i < l->count; i++) {
        const struct line_module *m = &l->modules[i];
        if (!m->answered)
            problem = "a module without an answer";
        else if (m->e != line_reasons[m->defect])
            problem = "another reason than the defect has";
        else if (!m->e)
            problem = judge_certificate(m, pki);
        certified += m->e == ERR_OK;
    }
    if (!problem && (store_scan(pki, PKI_IDENTITY_PREFIX, count_entry, &kept) || kept != certified))
        problem = "the PKI keeps certificates that no module has";
    return problem;
}
