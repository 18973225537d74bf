/* Identities of modules in batches (RP-02): what the PKI says to each CSR and to each page. Interrupted
 * batches: test_pki_batch_cut.c. */
#include <stdio.h>

#include "proto/plant.pb-c.h"
#include "tests/check.h"
#include "tests/line.h"

enum { PKI_PORT, PLANT_PORT };

#define SERIAL   "SPAAK00000001"
#define COUNT(a) (sizeof(a) / sizeof(a)[0])

static struct line line;
static struct bench pki;

static void begin(size_t count, const struct csr_flaw *flaws, size_t flaw_count)
{
    line_make(&line, SERIAL, count, flaws, flaw_count);
    line_pki(&pki, SERIAL, count);
}

static void expect_good_end(const char *what)
{
    const char *problem = line_judge(&line, pki.node.store);
    cr_expect(eq(ptr, (void *)problem, NULL), "%s: %s", what, problem);
}

/* ---- modules ---- */

static const struct {
    const char *what;
    enum csr_defect defect;
    enum err reason;
} bad[] = {
    {"no CSR", CSR_ABSENT, ERR_CSR_MALFORMED},
    {"the last byte missing", CSR_CUT, ERR_CSR_MALFORMED},
    {"a byte too many", CSR_LONG, ERR_CSR_MALFORMED},
    {"a bit of the signature", CSR_FLIPPED, ERR_CSR_SIGNATURE},
    {"a key that it does not have", CSR_FOREIGN_KEY, ERR_CSR_SIGNATURE},
    {"a key on P-224", CSR_WEAK_KEY, ERR_CSR_KEY_NOT_P256},
    {"the CN of another module", CSR_OTHER_SUBJECT, ERR_CSR_SUBJECT_MISMATCH},
    {"not on the list", CSR_UNLISTED, ERR_ECU_UNKNOWN},
    {"the serial of the module before it", CSR_DUPLICATE, ERR_CSR_ALREADY_ISSUED},
};

Test(batch, a_bad_csr_has_its_reason_and_stops_no_other)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        const struct csr_flaw flaw = {1, bad[i].defect};
        begin(3, &flaw, 1);
        EXPECT_OK(line_run(&line, &pki), "%s", bad[i].what);
        cr_expect(eq(str, (char *)err_name(line.modules[1].e), (char *)err_name(bad[i].reason)), "%s",
                  bad[i].what);
        expect_good_end(bad[i].what);
        cr_assert(eq(sz, bench_count(&pki, TRACE_FAIL, ERR_OK), 1), "%s", bad[i].what);
        const struct trace_event *e = bench_last(&pki, TRACE_FAIL);
        cr_expect(eq(str, (char *)e->step, "RP-02/4"));
        cr_expect(eq(int, e->reason, bad[i].reason), "%s", bad[i].what);
        char ecu[40] = "";
        cr_expect(trace_detail(e, "ecu", ecu, sizeof ecu));
        cr_expect(eq(str, ecu, line.modules[1].csr.ecu_serial), "the trace says which");
        bench_free(&pki);
    }
    cr_expect(eq(sz, COUNT(bad), CSR_DEFECTS - 1), "a row for each defect");
}

Test(batch, one_by_one_is_a_batch_of_one)
{
    for (size_t i = 0; i < COUNT(bad); i++) {
        const struct csr_flaw flaw = {0, bad[i].defect};
        if (bad[i].defect == CSR_DUPLICATE)
            continue; /* of nobody */
        begin(1, &flaw, 1);
        EXPECT_OK(line_run(&line, &pki), "%s", bad[i].what);
        EXPECT_ERR(line.modules[0].e, bad[i].reason);
        cr_expect(eq(sz, bench_count(&pki, TRACE_STORE, ERR_OK), 0), "%s", bad[i].what);
        bench_free(&pki);
    }
    begin(1, NULL, 0);
    EXPECT_OK(line_run(&line, &pki));
    expect_good_end("one module");
    bench_free(&pki);
}

Test(batch, of_100_modules_97_are_certified)
{
    static const struct csr_flaw three[] = {{12, CSR_FLIPPED}, {50, CSR_UNLISTED}, {99, CSR_WEAK_KEY}};
    size_t certified = 0, stores = 0;
    begin(100, three, COUNT(three));
    cr_assert(eq(sz, line.pages, 15));
    for (size_t page = 1; page <= line.pages; page++) {
        EXPECT_OK(line_give(&line, &pki, page));
        stores += bench_count(&pki, TRACE_STORE, ERR_OK);
        cr_expect(eq(sz, bench_count(&pki, TRACE_REJECT, ERR_OK), 0),
                  "what is refused as a whole stores nothing: this is not");
    }
    for (size_t i = 0; i < line.count; i++)
        certified += line.modules[i].e == ERR_OK;
    cr_expect(eq(sz, certified, 97));
    cr_expect(eq(sz, stores, 15), "a transaction for each page");
    EXPECT_ERR(line.modules[12].e, ERR_CSR_SIGNATURE);
    EXPECT_ERR(line.modules[50].e, ERR_ECU_UNKNOWN);
    EXPECT_ERR(line.modules[99].e, ERR_CSR_KEY_NOT_P256);
    expect_good_end("100 modules");
    bench_free(&pki);
}

Test(batch, of_1000_modules_all_are_certified)
{
    begin(1000, NULL, 0);
    cr_assert(eq(sz, line.pages, 143));
    EXPECT_OK(line_run(&line, &pki));
    expect_good_end("1,000 modules");
    bench_free(&pki);
}

Test(batch, a_module_has_one_key)
{
    static struct line first;
    begin(1, NULL, 0);
    EXPECT_OK(line_run(&line, &pki));
    first = line;
    /* the same key under a signature of its own is no other CSR than before; another key is */
    line_make(&line, SERIAL, 1, NULL, 0);
    EXPECT_OK(line_run(&line, &pki));
    EXPECT_ERR(line.modules[0].e, ERR_CSR_ALREADY_ISSUED);
    line_forget(&first);
    EXPECT_OK(line_run(&first, &pki));
    cr_expect(eq(sz, bench_count(&pki, TRACE_STORE, ERR_OK), 0), "nothing new to keep");
    line = first;
    expect_good_end("the first key");
    bench_free(&pki);
}

Test(batch, a_module_twice_in_a_page_has_one_certificate)
{
    begin(2, NULL, 0);
    line.modules[1].csr = line.modules[0].csr;
    EXPECT_OK(line_run(&line, &pki));
    cr_assert(line.modules[0].len > 0);
    cr_expect(span_equal(span_of(line.modules[0].certificate, line.modules[0].len),
                         span_of(line.modules[1].certificate, line.modules[1].len)));
    bench_free(&pki);
}

Test(batch, an_authority_that_has_ended_certifies_nobody_anew)
{
    begin(2, NULL, 0);
    line.count = 1;
    EXPECT_OK(line_run(&line, &pki));
    line.count = 2;
    pki.wall_ms += 31ll * 365 * 86400 * 1000;
    EXPECT_OK(line_run(&line, &pki));
    EXPECT_OK(line.modules[0].e, "it has had its certificate");
    EXPECT_ERR(line.modules[1].e, ERR_CERT_EXPIRED);
    bench_free(&pki);
}

/* ---- pages ---- */

Test(batch, pages_in_any_order_and_over_again)
{
    static const struct csr_flaw flaws[] = {{3, CSR_CUT}, {14, CSR_UNLISTED}, {20, CSR_FLIPPED}};
    static const size_t orders[][8] = {
        {1, 2, 3}, {3, 2, 1}, {2, 2, 2, 1, 3}, {3, 1, 3, 1, 2, 2}, {1, 2, 3, 1, 2, 3}};
    for (size_t i = 0; i < COUNT(orders); i++) {
        begin(21, flaws, COUNT(flaws));
        for (const size_t *page = orders[i]; *page; page++)
            EXPECT_OK(line_give(&line, &pki, *page), "order %zu, page %zu", i, *page);
        expect_good_end("any order");
        bench_free(&pki);
    }
}

/* A request with one module, and what is wrong with it. */
static const struct {
    const char *what;
    uint32_t version, type;
    size_t id_len;
    uint32_t page, pages;
    size_t items;
    enum err reason;
    bool answered;
} pages[] = {
    {"sound", 1, 900, 16, 1, 1, 1, ERR_OK, true},
    {"full", 1, 900, 16, 143, 143, 7, ERR_OK, true},
    {"one too many", 1, 900, 16, 1, 1, 8, ERR_MSG_TOO_LONG, true},
    {"nobody", 1, 900, 16, 1, 1, 0, ERR_MSG_MALFORMED, true},
    {"page 0", 1, 900, 16, 0, 1, 1, ERR_MSG_MALFORMED, true},
    {"behind the last page", 1, 900, 16, 3, 2, 1, ERR_MSG_MALFORMED, true},
    {"of no pages", 1, 900, 16, 1, 0, 1, ERR_MSG_MALFORMED, true},
    {"another version", 2, 900, 16, 1, 1, 1, ERR_MSG_VERSION, true},
    {"an answer", 1, 901, 16, 1, 1, 1, ERR_MSG_UNEXPECTED, true},
    {"of no type", 1, 0, 16, 1, 1, 1, ERR_MSG_UNEXPECTED, true},
    {"a short batch id", 1, 900, 15, 1, 1, 1, ERR_MSG_MALFORMED, false},
    {"a long batch id", 1, 900, 17, 1, 1, 1, ERR_MSG_MALFORMED, false},
    {"no batch id", 1, 900, 0, 1, 1, 1, ERR_MSG_MALFORMED, false},
};

static void give_page(size_t row)
{
    static uint8_t out[PKI_PAGE_MAX];
    uint8_t id[17] = "a batch, 16 byte";
    Plant__V1__PlantHeader header = PLANT__V1__PLANT_HEADER__INIT;
    Plant__V1__EcuCertificatesRequest m = PLANT__V1__ECU_CERTIFICATES_REQUEST__INIT;
    Plant__V1__EcuCsr item = PLANT__V1__ECU_CSR__INIT, *items[8];
    struct module_csr *csr = &line.modules[0].csr;
    header.protocol_version = pages[row].version;
    header.message_type = (Plant__V1__MessageType)pages[row].type;
    header.batch_id = (ProtobufCBinaryData){pages[row].id_len, id};
    header.page = pages[row].page;
    header.pages = pages[row].pages;
    item.ecu_serial = csr->ecu_serial;
    item.csr = (ProtobufCBinaryData){csr->len, csr->der};
    for (size_t i = 0; i < COUNT(items); i++)
        items[i] = &item;
    m.header = &header;
    m.n_items = pages[row].items;
    m.items = items;
    pki.sent_count = pki.trace_count = 0;
    node_on_bytes(&pki.node, PLANT_PORT, "tester",
                  span_of(out, plant__v1__ecu_certificates_request__pack(&m, out)));
}

Test(batch, a_page_that_is_none_is_refused_whole)
{
    for (size_t i = 0; i < COUNT(pages); i++) {
        begin(1, NULL, 0);
        give_page(i);
        cr_assert(eq(sz, pki.sent_count, pages[i].answered), "%s", pages[i].what);
        cr_expect(eq(sz, bench_count(&pki, TRACE_REJECT, pages[i].reason), pages[i].reason != ERR_OK), "%s",
                  pages[i].what);
        cr_expect(eq(sz, bench_count(&pki, TRACE_STORE, ERR_OK), pages[i].reason == ERR_OK), "%s",
                  pages[i].what);
        if (pages[i].answered) {
            Plant__V1__EcuCertificatesResponse *m =
                plant__v1__ecu_certificates_response__unpack(NULL, pki.sent[0].len, pki.sent[0].bytes);
            cr_assert(m && m->header, "%s", pages[i].what);
            cr_expect(eq(str, (char *)err_name(m->header->error), (char *)err_name(pages[i].reason)), "%s",
                      pages[i].what);
            cr_expect(eq(sz, m->n_items, pages[i].reason ? 0 : pages[i].items), "%s", pages[i].what);
            cr_expect(eq(u32, m->header->page, pages[i].page), "%s", pages[i].what);
            cr_expect(eq(u32, m->header->pages, pages[i].pages), "%s", pages[i].what);
            plant__v1__ecu_certificates_response__free_unpacked(m, NULL);
        }
        bench_free(&pki);
    }
}

Test(batch, garbage_gets_no_answer_and_changes_nothing)
{
    static uint8_t crowd[PKI_PAGE_MAX], flipped[PKI_PAGE_MAX], out[PKI_PAGE_MAX];
    begin(7, NULL, 0);
    for (size_t i = 0; i < sizeof crowd; i += 2)
        crowd[i] = 0x12; /* items without contents, and no header */
    const struct span rows[] = {
        {NULL, 0}, span_of("\xff", 1), span_of("\x0a\x7f", 2), span_of(crowd, sizeof crowd)};
    for (size_t i = 0; i < COUNT(rows); i++) {
        pki.sent_count = pki.trace_count = 0;
        node_on_bytes(&pki.node, PLANT_PORT, "tester", rows[i]);
        cr_expect(eq(sz, pki.sent_count, 0), "row %zu", i);
        cr_expect(eq(sz, bench_count(&pki, TRACE_REJECT, ERR_MSG_MALFORMED), 1), "row %zu", i);
    }
    size_t len = line_pack(&line, 1, out);
    for (size_t cut = 0; cut < len; cut++) {
        pki.sent_count = pki.trace_count = 0;
        node_on_bytes(&pki.node, PLANT_PORT, "tester", span_of(out, cut));
    }
    for (size_t i = 0; i < len; i++) {
        memcpy(flipped, out, len);
        flipped[i] ^= 0x80;
        pki.sent_count = pki.trace_count = 0;
        node_on_bytes(&pki.node, PLANT_PORT, "tester", span_of(flipped, len));
        cr_expect(le(sz, pki.sent_count, 1), "byte %zu", i);
    }
    EXPECT_OK(line_run(&line, &pki));
    expect_good_end("after garbage");
    bench_free(&pki);
}

/* A request for one module, and its answer, to the byte. */
Test(batch, bytes)
{
    uint8_t out[PKI_PAGE_MAX], want[PKI_PAGE_MAX];
    static const uint8_t head[] = {0x0A, 0x1B, 0x08, 0x01, 0x10, 0x84, 0x07, 0x1A, 0x10};
    struct wr w = wr_of(want, sizeof want);
    begin(1, NULL, 0);
    const struct module_csr *csr = &line.modules[0].csr;
    cr_assert(csr->len > 127 && csr->len < 256);
    wr_copy(&w, head, sizeof head);
    wr_copy(&w, line.batch_id, sizeof line.batch_id);
    wr_copy(&w, "\x20\x01\x28\x01\x12", 5);
    wr_be16(&w, (uint16_t)(0x8000 | ((18 + csr->len) & 0x7F) << 8 | (18 + csr->len) >> 7));
    wr_copy(&w, "\x0A\x0D" SERIAL "\x12", 16);
    wr_be16(&w, (uint16_t)(0x8001 | (csr->len & 0x7F) << 8));
    wr_copy(&w, csr->der, csr->len);
    size_t len = line_pack(&line, 1, out);
    cr_expect(span_equal(span_of(out, len), span_of(want, w.len)), "the request");
    EXPECT_OK(line_give(&line, &pki, 1));
    want[5] = 0x85; /* 901 */
    cr_expect(memcmp(pki.sent[0].bytes, want, 30) == 0, "the answer's header");
    struct rd r = rd_of(pki.sent[0].bytes, pki.sent[0].len);
    rd_span(&r, 32);
    cr_expect(memcmp(r.p, "\x0A\x0D" SERIAL "\x1A", 16) == 0, "no error, no field");
    cr_expect(eq(sz, r.left, 18 + line.modules[0].len));
    bench_free(&pki);
}

/* The longest that there can be fits into the answer. */
Test(batch, seven_of_the_longest_serials_fill_a_page)
{
    static const char longest[] = "MODULE00000000000000000000000000";
    cr_assert(eq(sz, strlen(longest), ECU_SERIAL_MAX));
    line_make(&line, longest, 7, NULL, 0);
    line_pki(&pki, longest, 7);
    EXPECT_OK(line_run(&line, &pki));
    expect_good_end("the longest serials");
    bench_free(&pki);
}

Test(batch, an_identity_with_the_longest_names_has_its_room)
{
    struct x509 ca;
    struct p256_key *key;
    uint8_t der[X509_MAX], out[ECU_IDENTITY_MAX], point[P256_POINT];
    char name[X509_CN_MAX + 1] = "";
    size_t len;
    memset(name, 'A', X509_CN_MAX);
    ASSERT_OK(p256_generate(test_crypto(), &key));
    p256_public(key, point);
    struct x509_template t = {.profile = X509_SERVER_CA,
                              .subject = name,
                              .issuer = name,
                              .not_before_s = TEST_NOW_S,
                              .not_after_s = TEST_NOW_S + 1000,
                              .public_key = point,
                              .issuer_public_key = point};
    ASSERT_OK(x509_issue(test_crypto(), &t, key, der, &len));
    ASSERT_OK(x509_parse(span_of(der, len), &ca));
    name[ECU_SERIAL_MAX] = '\0';
    EXPECT_OK(ecu_identity_issue(test_crypto(), &ca, key, name, point, TEST_NOW_S, out, &len));
    cr_expect(le(sz, len + 4, ECU_IDENTITY_MAX), "and four bytes that signatures and numbers may grow by");
    name[ECU_SERIAL_MAX] = 'A';
    EXPECT_ERR(ecu_identity_issue(test_crypto(), &ca, key, name, point, TEST_NOW_S, out, &len),
               ERR_BAD_ARGUMENT);
    EXPECT_ERR(ecu_identity_issue(test_crypto(), &ca, key, "", point, TEST_NOW_S, out, &len),
               ERR_BAD_ARGUMENT);
    p256_free(key);
}

/* The same but for key, number and signature, whoever makes it. */
Test(batch, an_identity_is_what_the_plant_makes_by_hand)
{
    struct oem_identity hand;
    struct x509 a, b;
    begin(1, NULL, 0);
    EXPECT_OK(line_run(&line, &pki));
    ASSERT_OK(oem_make_ecu(test_crypto(), test_oem(TEST_NOW_S), SERIAL, TEST_NOW_S, &hand));
    ASSERT_OK(x509_parse(span_of(hand.der, hand.len), &a));
    ASSERT_OK(x509_parse(span_of(line.modules[0].certificate, line.modules[0].len), &b));
    cr_expect(eq(str, a.subject, b.subject));
    cr_expect(eq(str, a.issuer, b.issuer));
    cr_expect(eq(i64, a.not_before_s, b.not_before_s));
    cr_expect(eq(i64, a.not_after_s, b.not_after_s));
    cr_expect(eq(i64, b.not_before_s, TEST_NOW_S - 86400));
    cr_expect(eq(i64, b.not_after_s, TEST_NOW_S + 25ll * 365 * 86400));
    cr_expect(eq(u8, a.key_usage, b.key_usage));
    cr_expect(eq(u8, a.purpose, b.purpose));
    cr_expect(memcmp(a.authority_key_id, b.authority_key_id, SHA1_SIZE) == 0);
    oem_identity_free(&hand);
    bench_free(&pki);
}

/* ---- the plant's list ---- */

static const struct {
    const char *first;
    uint64_t n;
    const char *serial; /* NULL: BAD_ARGUMENT */
} serials[] = {
    {"SPAAK00000001", 0, "SPAAK00000001"},
    {"SPAAK00000001", 9, "SPAAK00000010"},
    {"SPAAK00000999", 1, "SPAAK00001000"},
    {"A9", 0, "A9"},
    {"A9", 1, NULL},
    {"A05", 94, "A99"},
    {"A05", 95, NULL},
    {"12B3", 6, "12B9"},
    {"12B3", 7, NULL},
    {"7", 2, "9"},
    {"ABC", 0, "ABC"},
    {"ABC", 1, NULL},
    {"", 0, NULL},
    {"a1", 0, NULL},
    {"A 1", 0, NULL},
    {"A/1", 0, NULL},
    {"MODULE00000000000000000000000000", 7, "MODULE00000000000000000000000007"},
    {"MODULE000000000000000000000000001", 0, NULL},
};

Test(batch, serials_one_after_the_other)
{
    char out[ECU_SERIAL_MAX + 1];
    for (size_t i = 0; i < COUNT(serials); i++) {
        enum err e = ecu_serial_after(serials[i].first, serials[i].n, out);
        cr_expect(eq(int, e, serials[i].serial ? ERR_OK : ERR_BAD_ARGUMENT), "row %zu", i);
        if (!e && serials[i].serial)
            cr_expect(eq(str, out, (char *)serials[i].serial), "row %zu", i);
    }
}

static size_t listed(void)
{
    struct store *s = pki.node.store;
    size_t n = 0;
    char key[ENV_KEY_MAX], serial[ECU_SERIAL_MAX + 1];
    uint8_t entry[8];
    for (size_t i = 0, len; i < 1100; i++) {
        cr_assert(eq(int, ecu_serial_after("SPAAK00000000", i, serial), ERR_OK));
        snprintf(key, sizeof key, PKI_SERIAL_PREFIX "%s", serial);
        n += store_get(s, key, entry, sizeof entry, &len) == ERR_OK;
    }
    return n;
}

static enum err register_serials(const char *first, uint64_t count)
{
    struct call_value values[2] = {{.number = 0}, {.number = count}};
    unsigned call;
    text_copy(values[0].text, sizeof values[0].text, first);
    cr_assert(component_call(&pki_class, "register-serials", &call));
    pki.trace_count = 0;
    node_on_call(&pki.node, call, values);
    const struct trace_event *e = bench_last(&pki, TRACE_REJECT);
    return e ? (enum err)e->reason : ERR_OK;
}

Test(batch, an_operator_puts_serials_on_the_list)
{
    line_make(&line, SERIAL, 2, NULL, 0);
    line_pki(&pki, SERIAL, 1);
    EXPECT_OK(line_run(&line, &pki));
    EXPECT_OK(line.modules[0].e);
    EXPECT_ERR(line.modules[1].e, ERR_ECU_UNKNOWN);
    EXPECT_OK(register_serials("SPAAK00000002", 1));
    cr_expect(eq(sz, listed(), 2));
    EXPECT_OK(line_run(&line, &pki));
    expect_good_end("registered later");
    EXPECT_OK(register_serials("SPAAK00000001", 1000));
    cr_expect(eq(sz, listed(), 1000));
    EXPECT_OK(register_serials("SPAAK00000001", 1000));
    cr_expect(eq(sz, listed(), 1000), "those there are stay");
    EXPECT_ERR(register_serials("SPAAK99999990", 11), ERR_BAD_ARGUMENT);
    cr_expect(eq(sz, bench_count(&pki, TRACE_STORE, ERR_OK), 0), "all or none");
    bench_free(&pki);
}

Test(batch, the_plant_registers_the_vehicles_of_the_run)
{
    static const char *const both[] = {"SPAAK00000001", "SPAAK00000007", NULL};
    struct plant_shift shift = {
        .crypto = test_crypto(), .oem = *test_oem(TEST_NOW_S), .now_s = TEST_NOW_S, .serials = both};
    static const struct component_args none = {.serial = ""};
    line_make(&line, SERIAL, 7, NULL, 0);
    bench_prepare(&pki, &pki_class, test_crypto());
    ASSERT_OK(plant_equip(&shift, &pki_class, "", true, NULL, 0, pki.node.store));
    ASSERT_OK(bench_start(&pki, &none));
    EXPECT_OK(line_run(&line, &pki));
    for (size_t i = 0; i < 7; i++)
        EXPECT_ERR(line.modules[i].e, i == 0 || i == 6 ? ERR_OK : ERR_ECU_UNKNOWN);
    bench_free(&pki);
}

/* ---- who may ask ---- */

static const struct {
    const char *asker, *port;
    bool may;
} askers[] = {
    {"vos", "pki", true},      {"vos", "plant", false},   {"tester", "pki", false},
    {"tester", "plant", true}, {"rogue", "pki", false},   {"rogue", "plant", false},
    {"gsdp", "plant", false},  {"spaak", "plant", false}, {"", "plant", false},
};

Test(batch, each_call_has_callers_of_its_own)
{
    for (size_t i = 0; i < COUNT(askers); i++) {
        const struct component_class asker = {.name = askers[i].asker, .place = PLACE_OUTSIDE};
        const struct port_spec port = {
            .name = askers[i].port, .medium = "call", .end = PORT_ASKS, .server = "pki"};
        unsigned at;
        cr_expect(eq(int, medium_reaches(&asker, 0, &port, &pki_class, 0, &at), askers[i].may), "%s at %s",
                  askers[i].asker, askers[i].port);
    }
}

/* What belongs to the one port gets nothing at the other. */
Test(batch, a_page_at_the_port_of_the_vos_gets_no_certificate)
{
    uint8_t out[PKI_PAGE_MAX];
    begin(1, NULL, 0);
    node_on_bytes(&pki.node, PKI_PORT, "vos", span_of(out, line_pack(&line, 1, out)));
    cr_expect(eq(sz, pki.sent_count, 0));
    cr_expect(eq(sz, bench_count(&pki, TRACE_REJECT, ERR_MSG_MALFORMED), 1));
    bench_free(&pki);
}
