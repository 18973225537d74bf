/* The back end's front door over HTTP, for apps and operators (docs/api.md), customers and the hotline
 * (docs/portal.md): signs users in, checks their tokens and sessions, and asks the VOS on their behalf
 * (OP-01a), or has the link mailed (OP-01b). Of what it hands on it keeps nothing: what an app asked lives as
 * long as its request, and the same request again finds the VOS's answer again. It keeps its keys, who is
 * signed in, how far a mailing has come, and who asked for what. */
#ifndef backend_tbe_tbe_h
#define backend_tbe_tbe_h

#include "lib/env/env.h"

/* Store: the private key that access tokens are signed with, made at the first start. */
#define TBE_TOKEN_KEY "token/key"
/* The key of what the pages' forms carry; and, followed by the SHA-256 of its id in hex, each session of
 * portal and hotline: form 1 | port | begun, seen 8 bytes each, ms since 1970 | user's name. */
#define TBE_FORM_KEY "form/key"
#define TBE_SESSION  "session/"
/* By user and vehicle: the last mailing; by user: where mail goes, when it was changed; by number: who asked
 * for what, the last TBE_AUDIT_MAX (tbe_records.proto). */
#define TBE_MAILING_PREFIX "mailing/"
#define TBE_ADDRESS_PREFIX "address/"
#define TBE_AUDIT_PREFIX   "audit/"
#define TBE_AUDIT_MAX      256

#define TBE_MAIL_FROM "no-reply@tbe.example"

#define TBE_ISSUER            "tbe"
#define TBE_AUDIENCE_APP      "tbe-app"
#define TBE_AUDIENCE_OPERATOR "tbe-operator"
#define TBE_SCOPE_PAIRING     "pairing" /* what a token may be used for */
#define TBE_SCOPE_RENEWAL     "renewal"

extern const struct component_class tbe_class;

#endif
