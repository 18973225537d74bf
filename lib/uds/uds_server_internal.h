/* What the files of the server share. */
#ifndef lib_uds_uds_server_internal_h
#define lib_uds_uds_server_internal_h

#include "lib/uds/uds_server.h"

/* What a service does, checks 1 to 9 behind it. `out` follows the positive answer's first byte, and the
 * subfunction where there is one. */
typedef enum uds_nrc uds_serve(struct uds_server *s, struct span pdu, struct wr *out, uint64_t now_us);

uds_serve uds_serve_session, uds_serve_reset, uds_serve_tester_present, uds_serve_communication,
    uds_serve_dtc_setting;
uds_serve uds_serve_read, uds_serve_write, uds_serve_routine;
uds_serve uds_serve_clear, uds_serve_dtcs;
uds_serve uds_serve_security, uds_serve_authentication;

/* May this be had, by any of n rows? `elsewhere` when none is for this session; then 34, 33. */
enum uds_nrc uds_access_check(const struct uds_server *s, const struct uds_access *rows, size_t n,
                              enum uds_nrc elsewhere);
/* 72 when the ECU's store refuses. */
enum uds_nrc uds_commit(struct uds_server *s);
void uds_changed(struct uds_server *s);

/* What a change of session, or the same again, takes along (uds_session.c). */
void uds_session_enter(struct uds_server *s, uint8_t row);

/* The second half of a request that could be pending: its verdict is there, `out` holds the answer. */
enum uds_nrc uds_authentication_end(struct uds_server *s, enum uds_nrc nrc, struct wr *out);

void uds_seed_drop(struct uds_server *s);

/* ---- answers (uds_answer.c) ---- */

/* The verdict on the request is there: a final answer, or none. */
void uds_conclude(struct uds_server *s, enum uds_nrc nrc, uint64_t now_us);
void uds_say_pending(struct uds_server *s);
void uds_say_busy(struct uds_server *s, uint8_t sid);
/* Does silence follow from addressing, bit 7 and the code? */
bool uds_answer_is_silent(const struct uds_request *r, enum uds_nrc nrc);

#endif
