/* CSRs as only a faulty or hostile module would send them, in place of the one that its store holds. */
#ifndef sim_plant_bad_csr_h
#define sim_plant_bad_csr_h

#include "lib/host/store.h"
#include "lib/pki/csr.h"

/* Names another subject than the one issued, signed with the private key at key_at. ERR_NOT_FOUND when the
 * store holds no such CSR: the life before did not get that far. */
enum err bad_csr_other_subject(struct crypto *c, struct store *s, const char *csr_at, const char *key_at);
/* For the subject at subject_at, with a key on curve P-224. */
enum err bad_csr_weak_key(struct crypto *c, struct store *s, const char *csr_at, const char *subject_at);

/* One for a subject, with a key on curve P-224. */
enum err bad_csr_make_weak(struct crypto *c, const char *subject, uint8_t out[CSR_MAX], size_t *len);

#endif
