/* The modules of a production line that are not there as components: their CSRs, made by the same code as a
 * SpaaK Module's, and those that something is wrong with. The rest of a batch, for RP-02. */
#ifndef sim_plant_modules_h
#define sim_plant_modules_h

#include "lib/pki/csr.h"
#include "lib/pki/ecu_identity.h"

enum csr_defect {
    CSR_SOUND,
    CSR_ABSENT,        /* no bytes: the module gave none */
    CSR_CUT,           /* the last byte is missing */
    CSR_LONG,          /* a byte more than it says */
    CSR_FLIPPED,       /* the signature's last bit is another */
    CSR_FOREIGN_KEY,   /* names another key than the one that signed */
    CSR_WEAK_KEY,      /* a key on curve P-224 */
    CSR_OTHER_SUBJECT, /* its CN is not the serial of the module that it was read from */
    CSR_UNLISTED,      /* of a module that is not on the plant's list: the serial begins with X */
    CSR_DUPLICATE,     /* of another module with the serial of the one before it */
    CSR_DEFECTS
};

struct csr_flaw {
    size_t at; /* which module of the batch, from 0 */
    enum csr_defect defect;
};

/* What a tester has of a module: no private key, that stays in the module. */
struct module_csr {
    char ecu_serial[ECU_SERIAL_MAX + 1];
    uint8_t public_key[P256_POINT];
    uint8_t der[CSR_MAX];
    size_t len;
};

/* CSRs of `count` modules with serials from `first_serial` on, each with a key of its own. Flaws beyond the
 * batch, a duplicate of nobody and serials that do not reach are ERR_BAD_ARGUMENT. */
enum err plant_make_csrs(struct crypto *c, const char *first_serial, size_t count,
                         const struct csr_flaw *flaws, size_t flaw_count, struct module_csr *out);

#endif
