/* What the files of the DOS share. */
#ifndef backend_dos_internal_h
#define backend_dos_internal_h

#include "backend/dos/dos.h"
#include "lib/http/http.h"
#include "lib/msg/manage.h"
#include "lib/pki/x509.h"

enum { DOS_PORT_DEVICE, DOS_PORT_TRACKING, DOS_PORT_KEYS };
enum { DOS_CLAIM_INSTANCE_CA, DOS_CLAIM_KEY, DOS_CLAIM_STATE };
enum { DOS_TIMER_VOS, DOS_TIMER_ASKS };
enum { DOS_SETTING_VOS_MS, DOS_SETTING_AGAIN_MS };

#define DOS_OUT_MAX         4096
#define DOS_MESSAGE_MAX     5120 /* a request of a phone, with its head */
#define DOS_VEHICLE_OEM_MAX 32
#define DOS_TRACKING_MAX    64 /* keys at the VOS at the same time */
#define DOS_ADDRESS         64 /* of a phone's request, with its end */

/* A key that waits for the VOS. */
struct dos_tracking {
    uint64_t request_id;       /* 0: free */
    char address[DOS_ADDRESS]; /* "": nobody waits for it any more */
    char phone[ENV_NAME_MAX];
    uint8_t key_id[TRACKING_KEY_ID];
    struct tracking_record record;
    uint64_t until_us;
};

struct dos {
    struct env *env;
    struct p256_key *key; /* of [D] */
    uint8_t certificate[X509_MAX];
    size_t certificate_len;
    bool vos_up;
    uint64_t vos_us, again_us, next_request_id;
    struct dos_tracking tracking[DOS_TRACKING_MAX]; /* slot = request_id modulo that */
};

/* Whose request it is. */
struct dos_visit {
    const char *address;      /* to answer to */
    char phone[ENV_NAME_MAX]; /* as its certificate says */
    const struct http_request *request;
    char key_text[TRACKING_KEY_TEXT]; /* of the path, where it has one */
};

/* dos.c */
void dos_answer(struct dos *d, const char *address, unsigned status, const char *json);
void dos_refuse(struct dos *d, const char *address, const char *what, enum err reason, uint32_t len);
/* A part of a store key, and of an identifier whose parts are separated by dots. */
bool dos_is_name(const char *text);

/* instance_ca.c: answers, or gives the reason of a refusal. */
enum err dos_certify_instance_ca(struct dos *d, const struct dos_visit *v);

/* tracking.c: likewise; or asks the VOS, and answers later. */
enum err dos_track(struct dos *d, const struct dos_visit *v);
void dos_on_tracked(struct dos *d, struct span bytes);
void dos_vos_lost(struct dos *d);
void dos_vos_late(struct dos *d);
/* Nobody waits at that address any more. */
void dos_forget(struct dos *d, const char *address);

/* keys.c */
/* Below which a phone's keys are tracked. */
void dos_tracked_prefix(const char *phone, char out[ENV_KEY_MAX]);
/* Puts. */
enum err dos_key_put_phone(struct dos *d, const uint8_t key_id[TRACKING_KEY_ID], const char *phone);
/* By the operator: all keys of that phone. ERR_NOT_FOUND: it has none. */
enum err dos_manage_keys(struct dos *d, enum key_action action, const char *phone);
/* What is asked and not answered. */
void dos_ask_again(struct dos *d);
void dos_on_managed(struct dos *d, struct span bytes);
/* The VOS says what has become of a key. */
void dos_on_manage(struct dos *d, const char *caller, struct span bytes);
/* Answers a phone, or gives the reason of a refusal. */
enum err dos_key_state(struct dos *d, const struct dos_visit *v);

#endif
