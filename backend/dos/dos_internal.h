/* What the files of the DOS share. */
#ifndef backend_dos_internal_h
#define backend_dos_internal_h

#include "backend/dos/dos.h"
#include "lib/http/http.h"
#include "lib/pki/x509.h"

enum { DOS_PORT_DEVICE };
enum { DOS_CLAIM_INSTANCE_CA };

#define DOS_OUT_MAX         4096
#define DOS_VEHICLE_OEM_MAX 32

struct dos {
    struct env *env;
    struct p256_key *key; /* of [D] */
    uint8_t certificate[X509_MAX];
    size_t certificate_len;
};

/* Whose request it is. */
struct dos_visit {
    const char *address;      /* to answer to */
    char phone[ENV_NAME_MAX]; /* as its certificate says */
    const struct http_request *request;
};

/* dos.c */
void dos_answer(struct dos *d, const struct dos_visit *v, unsigned status, const char *json);

/* instance_ca.c: answers, or gives the reason of a refusal. */
enum err dos_certify_instance_ca(struct dos *d, const struct dos_visit *v);

#endif
