/* What the PKI's files share. */
#ifndef backend_pki_pki_internal_h
#define backend_pki_pki_internal_h

#include "backend/pki/pki.h"
#include "lib/pki/x509.h"

/* One port for each kind of call, so that each has callers of its own. */
enum { PKI_PORT_VEHICLE, PKI_PORT_PLANT, PKI_PORTS };

struct authority {
    struct p256_key *key;
    uint8_t der[X509_MAX];
    struct x509 certificate; /* points into der */
};

struct pki {
    struct env *env;
    struct authority j1, ecu_ca;
};

/* The certificate stored under that key: ERR_NOT_FOUND, or ERR_CSR_ALREADY_ISSUED when it is another public
 * key's. */
enum err pki_issued_before(struct pki *p, const char *key, const uint8_t *public_key, uint8_t *out,
                           size_t cap, size_t *len);

/* PP-01/12, a call of the VOS. */
void pki_on_issue_request(struct pki *p, const char *caller, struct span bytes);
/* RP-02/4, a page of the tester. */
void pki_on_page(struct pki *p, const char *caller, struct span bytes);
/* Puts `count` serials from `first` on on the plant's list, all or none. */
enum err pki_register_serials(struct pki *p, const char *first, uint64_t count);

#endif
