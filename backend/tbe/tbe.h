/* The back end's front door for apps and operators, over HTTP (docs/api.md): signs users in, checks their
 * tokens, and asks the VOS on their behalf (OP-01a). It keeps its token key and nothing of what it hands on:
 * what was asked lives as long as its request, and the same request again finds the VOS's answer again. */
#ifndef backend_tbe_tbe_h
#define backend_tbe_tbe_h

#include "lib/env/env.h"

/* Store: the private key that access tokens are signed with, made at the first start. */
#define TBE_TOKEN_KEY "token/key"

#define TBE_ISSUER            "tbe"
#define TBE_AUDIENCE_APP      "tbe-app"
#define TBE_AUDIENCE_OPERATOR "tbe-operator"
#define TBE_SCOPE_PAIRING     "pairing" /* what a token may be used for */
#define TBE_SCOPE_RENEWAL     "renewal"

extern const struct component_class tbe_class;

#endif
