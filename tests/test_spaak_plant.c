/* The life of a SpaaK Module in the plant: RP-01 and RP-02 over diagnostics, each verdict to the byte, and a
 * power cut or a refusing store at each of its commits. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "ecu/spaak/spaak.h"
#include "tests/check.h"
#include "tests/foreign_cert.h"
#include "tests/module_bench.h"

/* ---- certificates that something is wrong with ---- */

struct flawed {
    enum x509_profile profile;
    enum oem_role issuer;   /* as it names it */
    enum oem_role signer;   /* who really signs */
    const char *subject;    /* NULL: any */
    const uint8_t *point;   /* NULL: of a fresh key */
    int64_t begin_s, end_s; /* from now; 0, 0: sound */
    bool off_curve;
};

#define CERT(profile_, issuer_, signer_, ...)                                          \
    (struct flawed)                                                                    \
    {                                                                                  \
        .profile = (profile_), .issuer = (issuer_), .signer = (signer_), ##__VA_ARGS__ \
    }

static size_t issue(const struct flawed *f, uint8_t der[X509_MAX])
{
    const struct oem *o = test_oem(TEST_NOW_S);
    uint8_t point[P256_POINT], issuer[P256_POINT];
    struct p256_key *key;
    struct x509 ca;
    size_t len;
    ASSERT_OK(x509_parse(span_of(o->roles[f->issuer].der, o->roles[f->issuer].len), &ca));
    ASSERT_OK(p256_generate(test_crypto(), &key));
    p256_public(key, point);
    p256_free(key);
    if (f->point)
        memcpy(point, f->point, sizeof point);
    point[P256_POINT - 1] ^= f->off_curve;
    p256_public(o->roles[f->issuer].key, issuer);
    bool root = f->profile == X509_OEM_ROOT;
    struct x509_template t = {.profile = f->profile,
                              .subject = f->subject ? f->subject : "a subject",
                              .issuer = root ? "a subject" : ca.subject,
                              .not_before_s = TEST_NOW_S + (f->end_s ? f->begin_s : -10),
                              .not_after_s = TEST_NOW_S + (f->end_s ? f->end_s : 86400),
                              .public_key = point,
                              .issuer_public_key = root ? point : issuer};
    ASSERT_OK(x509_issue(test_crypto(), &t, o->roles[f->signer].key, der, &len));
    return len;
}

static void put_flawed(struct module_bench *m, const char *name, struct flawed f)
{
    uint8_t der[X509_MAX];
    size_t len = issue(&f, der);
    module_blob(m, name, span_of(der, len));
}

/* A sound one, with one byte of it another: at a distance from its end, or where `before` ends. */
static void put_changed(struct module_bench *m, const char *name, const char *of, const char *before,
                        size_t before_len, size_t from_end)
{
    uint8_t der[X509_MAX];
    struct span whole = module_bytes(m, of);
    memcpy(der, whole.p, whole.len);
    const uint8_t *at = before ? memmem(der, whole.len, before, before_len) : NULL;
    cr_assert(at || !before);
    der[before ? (size_t)(at - der) + before_len - 1 : whole.len - from_end] ^= 1;
    module_blob(m, name, span_of(der, whole.len));
}

/* A root that signs itself, below which so many authorities may stand. */
static void put_root(struct module_bench *m, const char *name, int path_len)
{
    uint8_t der[X509_MAX];
    const struct p256_key *key = test_oem(TEST_NOW_S)->roles[OEM_VOS].key;
    const struct foreign_cert root = {.subject = "a root",
                                      .issuer = "a root",
                                      .key = key,
                                      .issuer_key = key,
                                      .path_len = path_len,
                                      .ccc_type = 9};
    size_t len = foreign_cert_make(test_crypto(), &root, der);
    module_blob(m, name, span_of(der, len));
}

static void put_flawed_anchors(struct module_bench *m)
{
    static const uint8_t p256[] = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
    uint8_t longer[X509_MAX + 1] = {0};
    struct span j1 = module_bytes(m, "J1");
    memcpy(longer, j1.p, j1.len);
    module_blob(m, "cut", span_of(j1.p, j1.len - 1));
    module_blob(m, "long", span_of(longer, j1.len + 1));
    put_changed(m, "flipped", "J1", NULL, 0, 1);
    put_changed(m, "other-curve", "J1", (const char *)p256, sizeof p256, 0);
    put_flawed(m, "off-curve", CERT(X509_OEM_SUB_CA, OEM_J, OEM_J, .off_curve = true));
    put_flawed(m, "expired", CERT(X509_OEM_SUB_CA, OEM_J, OEM_J, .begin_s = -90, .end_s = -1));
    put_flawed(m, "early", CERT(X509_OEM_SUB_CA, OEM_J, OEM_J, .begin_s = 60, .end_s = 90));
    put_flawed(m, "stranger", CERT(X509_OEM_SUB_CA, OEM_J_PHYSICAL_KEY, OEM_J_PHYSICAL_KEY));
    put_flawed(m, "forged", CERT(X509_OEM_SUB_CA, OEM_J, OEM_J_PHYSICAL_KEY));
    put_flawed(m, "forged-root", CERT(X509_OEM_ROOT, OEM_J, OEM_J));
    put_flawed(m, "another", CERT(X509_OEM_SUB_CA, OEM_J, OEM_J));
    put_root(m, "no-room", 0);
    put_flawed(m, "vehicle", CERT(X509_VEHICLE, OEM_J, OEM_J));
    put_flawed(m, "device-ca", CERT(X509_INSTANCE_CA, OEM_J, OEM_J));
}

/* ---- verdicts on anchors ---- */

static const struct {
    const char *name, *before, *request;
    enum err reason;
} anchor_rows[] = {
    {"not DER", "", "3101030301AABB > 7101030301", ERR_DER_SYNTAX},
    {"an end is missing", "", "3101030302{cut} > 7101030301", ERR_DER_SYNTAX},
    {"a byte too many", "", "3101030302{long} > 7101030301", ERR_DER_SYNTAX},
    {"a CA of another kind", "J", "3101030302{device-ca} > 7101030301", ERR_CERT_PROFILE},
    {"a signer of another kind", "J", "3101030305{vos-signer} > 7101030301", ERR_CERT_PURPOSE},
    {"a root with no room for J1", "", "3101030301{no-room} > 7101030301", ERR_CERT_PROFILE},
    {"no CA", "J", "3101030302{vehicle} > 7101030302", ERR_CERT_NOT_CA},
    {"no CA as a root", "", "3101030301{vehicle} > 7101030302", ERR_CERT_NOT_CA},
    {"J1 for J", "J", "3101030301{J1} > 7101030303", ERR_ANCHOR_SLOT},
    {"J1 for Z1, before J", "", "3101030304{J1} > 7101030303", ERR_ANCHOR_SLOT},
    {"J1 for Z1", "J", "3101030304{J1} > 7101030303", ERR_ANCHOR_SLOT},
    {"Z1 for ZZ2", "J", "3101030305{Z1} > 7101030303", ERR_ANCHOR_SLOT},
    {"ZZ2 for Z1", "J", "3101030304{ZZ2} > 7101030303", ERR_ANCHOR_SLOT},
    {"J for J_PhysicalKey", "J", "3101030303{J} > 7101030303", ERR_ANCHOR_SLOT},
    {"J_PhysicalKey for J", "P", "3101030301{J_PhysicalKey} > 7101030303", ERR_ANCHOR_SLOT},
    {"expired", "J", "3101030302{expired} > 7101030304", ERR_CERT_EXPIRED},
    {"expired, and for another slot", "J", "3101030304{expired} > 7101030304", ERR_CERT_EXPIRED},
    {"not valid yet", "J", "3101030302{early} > 7101030305", ERR_CERT_NOT_YET_VALID},
    {"no J to hold it against", "", "3101030302{J1} > 7101030306", ERR_CERT_ISSUER_UNKNOWN},
    {"of another root", "J", "3101030302{stranger} > 7101030306", ERR_CERT_ISSUER_UNKNOWN},
    {"of another root, and for another slot", "J", "3101030304{stranger} > 7101030306",
     ERR_CERT_ISSUER_UNKNOWN},
    {"signed by somebody else", "J", "3101030302{forged} > 7101030306", ERR_CERT_SIGNATURE},
    {"a bit of the signature", "J", "3101030302{flipped} > 7101030306", ERR_CERT_SIGNATURE},
    {"a root that did not sign itself", "", "3101030301{forged-root} > 7101030306", ERR_CERT_SIGNATURE},
    {"another curve", "J", "3101030302{other-curve} > 7101030307", ERR_KEY_NOT_P256},
    {"not on the curve", "J", "3101030302{off-curve} > 7101030307", ERR_KEY_INVALID},
    {"the slot is taken", "J1", "3101030302{another} > 7101030308", ERR_ANCHOR_HELD},
    {"slot 0", "", "3101030300{J} > 7F3131", ERR_BAD_ARGUMENT},
    {"slot 6", "", "3101030306{J} > 7F3131", ERR_BAD_ARGUMENT},
    {"neither LOCK nor DONE", "", "310103054C4F434C > 7F3131", ERR_BAD_ARGUMENT},
    {"LOCK, a slot empty", "J1", MODULE_LOCK "7F3122", ERR_NOT_FOUND},
    {"DONE before LOCK", "J1", MODULE_DONE "7F3122", ERR_PLANT_OPEN},
    {"CSR without a key", "", "31010302 > 7F3122", ERR_NOT_FOUND},
    {"a CSR that was not made", "", "31030302 > 7F3124", ERR_NOT_FOUND},
    {"identity without a key", "", "31010304{J} > 7F3122", ERR_NOT_FOUND},
};

static void prepare_slots(struct module_bench *m, const char *before)
{
    PLAY(m, MODULE_OPEN);
    if (*before == 'J')
        PLAY(m, "3101030301{J} > 7101030300");
    if (strcmp(before, "J1") == 0)
        PLAY(m, "3101030302{J1} > 7101030300");
    if (*before == 'P')
        PLAY(m, "3101030303{J_PhysicalKey} > 7101030300");
}

Test(spaak_plant, each_anchor_that_is_refused_has_its_verdict_and_its_reason)
{
    for (size_t i = 0; i < sizeof anchor_rows / sizeof anchor_rows[0]; i++) {
        struct module_bench *m = module_open(false);
        put_flawed_anchors(m);
        prepare_slots(m, anchor_rows[i].before);
        module_expect_refusal(m, anchor_rows[i].name, anchor_rows[i].request, anchor_rows[i].reason);
        module_close(m);
    }
}

/* One bit of any byte, or its end at any length: never stored, always with a verdict. */
Test(spaak_plant, nothing_near_a_sound_anchor_is_taken)
{
    struct module_bench *m = module_open(false);
    uint8_t pdu[5 + X509_MAX] = {0x31, 0x01, 0x03, 0x03, 0x02};
    struct span j1 = module_bytes(m, "J1");
    prepare_slots(m, "J");
    PLAY(m, "wait 2100"); /* who is silent has been noted */
    module_count_commits(m);
    m->b.trace_count = 0;
    for (size_t i = 0; i < 2 * j1.len; i++) {
        bool flip = i < j1.len;
        size_t at = flip ? i : i - j1.len;
        memcpy(pdu + 5, j1.p, j1.len);
        pdu[5 + at] ^= (uint8_t)(flip << at % 8);
        PLAY(m, "all 3E80 > -");
        const struct tester_answer *a = module_ask(m, span_of(pdu, 5 + (flip ? j1.len : at ? at : 1)));
        cr_assert(a && a->len == 5 && memcmp(a->bytes, "\x71\x01\x03\x03", 4) == 0, "%zu", i);
        cr_expect(ne(u8, a->bytes[4], 0x00), "%zu", i);
        cr_expect(eq(sz, bench_count(&m->b, TRACE_REJECT, ERR_OK), 1), "%zu", i);
        m->b.trace_count = 0;
    }
    cr_expect(eq(u32, m->commits, 0));
    PLAY(m, "3101030302{J1} > 7101030300");
    module_close(m);
}

/* ---- verdicts on the identity ---- */

static const struct {
    const char *name, *options, *verdict;
    enum err reason;
} identity_rows[] = {
    {"not DER", "AA", "01", ERR_DER_SYNTAX},
    {"something behind it", "{good}00", "01", ERR_DER_SYNTAX},
    {"something behind its authority", "{good}{ecu-ca}30", "01", ERR_DER_SYNTAX},
    {"a tester's", "{vehicle}{ecu-ca}", "01", ERR_CERT_PROFILE},
    {"a server's", "{signer}{ecu-ca}", "01", ERR_CERT_PURPOSE},
    {"a CA", "{ca}", "02", ERR_CERT_PROFILE},
    {"expired", "{expired}{ecu-ca}", "04", ERR_CERT_EXPIRED},
    {"not valid yet", "{early}{ecu-ca}", "05", ERR_CERT_NOT_YET_VALID},
    {"its authority is not told", "{good}", "06", ERR_CERT_ISSUER_UNKNOWN},
    {"another authority is told", "{good}{Z1}", "06", ERR_CERT_ISSUER_UNKNOWN},
    {"its authority is none", "{good}{good}", "06", ERR_CERT_ISSUER_UNKNOWN},
    {"its authority is not below J", "{good}{false-ca}", "06", ERR_CERT_ISSUER_UNKNOWN},
    {"its authority was not signed by J", "{good}{forged-ca}", "06", ERR_CERT_SIGNATURE},
    {"of a sub-CA that is for vehicles", "{of-J1}{J1}", "06", ERR_CERT_ISSUER_UNKNOWN},
    {"signed by somebody else", "{forged}{ecu-ca}", "06", ERR_CERT_SIGNATURE},
    {"another curve", "{other-curve}{ecu-ca}", "07", ERR_KEY_NOT_P256},
    {"another key", "{other-key}{ecu-ca}", "09", ERR_CERT_KEY_MISMATCH},
    {"another serial", "{other-serial}{ecu-ca}", "0A", ERR_CERT_SUBJECT_MISMATCH},
};

static void put_flawed_identities(struct module_bench *m)
{
    static const uint8_t p256[] = {0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07};
    const struct tester_answer *a = module_ask(m, span_of("\x22\x02\x16", 3));
    uint8_t own[P256_POINT], authority[P256_POINT];
    cr_assert(a && a->len == 3 + P256_POINT);
    memcpy(own, a->bytes + 3, P256_POINT);
    p256_public(test_oem(TEST_NOW_S)->roles[OEM_ECU_CA].key, authority);
#define OURS(...) \
    CERT(X509_ECU_IDENTITY, OEM_ECU_CA, OEM_ECU_CA, .subject = MODULE_SERIAL, .point = own, ##__VA_ARGS__)
#define AUTHORITY .subject = "spaaksim ECU Identity CA", .point = authority
    put_flawed(m, "good", OURS());
    put_flawed(m, "vehicle",
               CERT(X509_VEHICLE, OEM_ECU_CA, OEM_ECU_CA, .subject = MODULE_SERIAL, .point = own));
    put_flawed(m, "signer",
               CERT(X509_VOS_SIGNER, OEM_ECU_CA, OEM_ECU_CA, .subject = MODULE_SERIAL, .point = own));
    put_flawed(m, "ca", CERT(X509_SERVER_CA, OEM_J, OEM_J, .subject = MODULE_SERIAL, .point = own));
    put_flawed(m, "expired", OURS(.begin_s = -90, .end_s = -1));
    put_flawed(m, "early", OURS(.begin_s = 60, .end_s = 90));
    put_flawed(m, "of-J1", CERT(X509_ECU_IDENTITY, OEM_J1, OEM_J1, .subject = MODULE_SERIAL, .point = own));
    put_flawed(m, "forged",
               CERT(X509_ECU_IDENTITY, OEM_ECU_CA, OEM_J1, .subject = MODULE_SERIAL, .point = own));
    put_flawed(m, "other-key", CERT(X509_ECU_IDENTITY, OEM_ECU_CA, OEM_ECU_CA, .subject = MODULE_SERIAL));
    put_flawed(m, "other-serial",
               CERT(X509_ECU_IDENTITY, OEM_ECU_CA, OEM_ECU_CA, .subject = "SPAAK00000002", .point = own));
    put_flawed(m, "false-ca", CERT(X509_SERVER_CA, OEM_J_PHYSICAL_KEY, OEM_J_PHYSICAL_KEY, AUTHORITY));
    put_flawed(m, "forged-ca", CERT(X509_SERVER_CA, OEM_J, OEM_J1, AUTHORITY));
    put_changed(m, "other-curve", "good", (const char *)p256, sizeof p256, 0);
}

Test(spaak_plant, each_identity_that_is_refused_has_its_verdict_and_its_reason)
{
    struct module_bench *m = module_open(false);
    PLAY(m, MODULE_OPEN "; " MODULE_ANCHORS "; " MODULE_KEY);
    put_flawed_identities(m);
    for (size_t i = 0; i < sizeof identity_rows / sizeof identity_rows[0]; i++) {
        char request[160];
        snprintf(request, sizeof request, "31010304%s > 71010304%s", identity_rows[i].options,
                 identity_rows[i].verdict);
        module_expect_refusal(m, identity_rows[i].name, request, identity_rows[i].reason);
    }
    cr_expect(eq(ptr, (void *)module_stored(m, SPAAK_ECU_CERTIFICATE).p, NULL));
    PLAY(m, "31010304{good}{ecu-ca} > 7101030400; 31010304{good} > 7101030400");
    module_certify(m, TEST_NOW_S);
    module_expect_refusal(m, "held", "31010304{identity}{ecu-ca} > 7101030408", ERR_ANCHOR_HELD);
    module_close(m);
}

/* An identity may come from J itself: then there is no authority to tell. */
Test(spaak_plant, an_identity_of_j)
{
    struct module_bench *m = module_open(false);
    PLAY(m, MODULE_OPEN "; " MODULE_ANCHORS "; " MODULE_KEY);
    const struct tester_answer *a = module_ask(m, span_of("\x22\x02\x16", 3));
    uint8_t own[P256_POINT];
    memcpy(own, a->bytes + 3, P256_POINT);
    put_flawed(m, "of-J", CERT(X509_ECU_IDENTITY, OEM_J, OEM_J, .subject = MODULE_SERIAL, .point = own));
    PLAY(m, "31010304{of-J} > 7101030400");
    module_close(m);
}
