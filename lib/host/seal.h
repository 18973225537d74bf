/* Between a component and its store: values that its class declares as sealed lie in the store sealed
 * (lib/crypto/sealed.h), and the component sees them open. The key comes from outside the store. They may be
 * as long as any other value of the class (value_max). */
#ifndef lib_host_seal_h
#define lib_host_seal_h

#include "lib/crypto/sealed.h"
#include "lib/env/component.h"
#include "lib/host/store.h"

/* All borrowed. */
struct seal {
    struct crypto *crypto;
    const struct component_class *class;
    const uint8_t *key; /* SEALED_KEY bytes; of a class that seals nothing it may be NULL */
};

/* A value as it lies in the store; freed by seal_value_free. */
struct seal_value {
    size_t len;
    uint8_t *bytes; /* owned; NULL: none */
};

/* Does the class keep this entry sealed? */
bool seal_covers(const struct component_class *class, const char *key);
/* Longest sealed value of the class as it lies in the store, bytes. */
size_t seal_stored_max(const struct component_class *class);
/* ERR_NO_SPACE for a value that is longer than the class declares, ERR_STORE_KEY_MISSING without a key,
 * ERR_NO_MEMORY. On an error there is nothing to free. */
enum err seal_make(const struct seal *s, const char *key, struct span plain, struct seal_value *out);
void seal_value_free(struct seal_value *v);
/* Opens what lies in the store. ERR_NO_SPACE, and the errors of sealed_open. */
enum err seal_open(const struct seal *s, const char *key, struct span stored, void *buf, size_t cap,
                   size_t *len);
/* Reads an entry and opens it. ERR_NOT_FOUND, ERR_NO_SPACE, ERR_NO_MEMORY, and the errors of sealed_open. */
enum err seal_get(const struct seal *s, struct store *store, const char *key, void *buf, size_t cap,
                  size_t *len);
/* As store_scan, with open values. What cannot be opened is left out and ends in its error. */
enum err seal_scan(const struct seal *s, struct store *store, const char *prefix, store_each *each,
                   void *ctx);
/* Before a life: everything that is sealed can be opened with the key. What is sealed with the former one
 * (NULL: there is none) is sealed anew, all in one transaction; *renewed counts it. On an error the store is
 * as it was: ERR_STORE_KEY_MISSING, ERR_STORE_KEY_WRONG, ERR_RECORD_TORN. */
enum err seal_check(const struct seal *s, const uint8_t *former, struct store *store, size_t *renewed);

#endif
