/* Between a component and its store: values that its class declares as sealed lie in the store sealed
 * (lib/crypto/sealed.h), and the component sees them open. The key comes from outside the store. */
#ifndef lib_host_seal_h
#define lib_host_seal_h

#include "lib/crypto/sealed.h"
#include "lib/env/component.h"
#include "lib/host/store.h"

#define SEAL_VALUE_MAX 512 /* of a value that is to be sealed, bytes */

/* All borrowed. */
struct seal {
    struct crypto *crypto;
    const struct component_class *class;
    const uint8_t *key; /* SEALED_KEY bytes; of a class that seals nothing it may be NULL */
};

/* A value as it lies in the store. */
struct seal_value {
    size_t len;
    uint8_t bytes[SEAL_VALUE_MAX + SEALED_OVERHEAD];
};

/* Does the class keep this entry sealed? */
bool seal_covers(const struct component_class *class, const char *key);
/* ERR_NO_SPACE for a value that is too long, ERR_STORE_KEY_MISSING without a key. */
enum err seal_make(const struct seal *s, const char *key, struct span plain, struct seal_value *out);
/* Opens what get has read. ERR_NO_SPACE, and the errors of sealed_open. */
enum err seal_open(const struct seal *s, const char *key, struct span stored, void *buf, size_t cap,
                   size_t *len);
/* As store_scan, with open values. What cannot be opened is left out and ends in its error. */
enum err seal_scan(const struct seal *s, struct store *store, const char *prefix, store_each *each,
                   void *ctx);
/* Before a life: everything that is sealed can be opened with the key. What is sealed with the former one
 * (NULL: there is none) is sealed anew, all in one transaction; *renewed counts it. On an error the store is
 * as it was: ERR_STORE_KEY_MISSING, ERR_STORE_KEY_WRONG, ERR_RECORD_TORN. */
enum err seal_check(const struct seal *s, const uint8_t *former, struct store *store, size_t *renewed);

#endif
