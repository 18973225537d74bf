/* The tester at the end of the line. On each of up to three benches it lives RP-01 and RP-02 with a SpaaK
 * Module: through the SGW's gate it installs the five trust anchors and locks them, has the module make its
 * key pair and CSR, has the PKI certify whole batches, and installs what came back. docs/uds.md has what
 * goes over the bus, docs/scenarios.md the calls.
 *
 * A job is in the store before its first frame, and goes on in the next life. No answer, or a session that
 * was lost, begins it anew from its first request, a bounded number of times: every step may be repeated. */
#ifndef sim_actors_tester_tester_h
#define sim_actors_tester_tester_h

#include "lib/env/env.h"

/* Store: from the plant. */
#define TESTER_EOL_KEY         "tester-eol/key"
#define TESTER_EOL_CERTIFICATE "tester-eol/certificate"
#define TESTER_SHOP_KEY        "tester-workshop/key"
#define TESTER_SHOP_CERT       "tester-workshop/certificate"
#define TESTER_SECRET          "uds/secret" /* M */
#define TESTER_ANCHOR_PREFIX   "anchor/"    /* J, J1, J_PhysicalKey, Z1, ZZ2 */
#define TESTER_ECU_CA          "ecu-ca/certificate"
/* Its own: the job on each bench; the batch under way and its modules; how it ended for each serial, a
 * reason of 2 bytes for every module that had it. */
#define TESTER_JOB_PREFIX    "job/"
#define TESTER_BATCH         "batch"
#define TESTER_MODULE_PREFIX "module/"
#define TESTER_REPORT_PREFIX "report/"

#define TESTER_BENCHES  3
#define TESTER_MADE_MAX 1000 /* modules of a batch that stand on no bench */

extern const struct component_class tester_class;

#endif
