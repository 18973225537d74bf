/* What the SpaaK Module's files of owner pairing (OP-02 to OP-05) and of unlocking share.
 *
 *   cabin.c      head unit and body controller: what a person wants, what is shown, doors and engine
 *   user.c       has the user a key of the car: the body controller proves it
 *   pairing.c    phase 1, and who is looked for
 *   pairing_phases.c  what comes of a session, until the key is tracked
 *   pairing_air.c  the same over Bluetooth LE
 *   card.c       a card key in the place of the key fob
 *   nearness.c   whether a phone over Bluetooth is near enough
 *   unlock.c     what else brings a phone to a reader: doors, start, what a key still waits for
 *   presence.c   a phone that has unlocked must leave before it unlocks again
 *   session.c    one session of lib/ccc/vehicle, driven: its steps, its commits
 *   readers.c    the two NFC readers: who is asked for, what travels to a card
 *   keys.c       records of keys, slot identifiers, tokens
 *   manage.c     servers suspend, resume and end keys, and hear what became of them (manage.h) */
#ifndef ecu_spaak_pairing_h
#define ecu_spaak_pairing_h

#include "ecu/spaak/spaak_internal.h"
#include "lib/msg/manage.h"

/* ---- keys.c ---- */

/* Each is one transaction or none, unless it says that it puts. */

/* Records, and claims whose key the vehicle has. What cannot be read is traced, and opens nothing. */
void keys_load(struct spaak *s);
void keys_close(struct spaak *s);
/* The same in the middle of a life: they were deleted. */
void keys_retire(struct spaak *s);
/* Puts. */
enum err keys_put(struct spaak *s, const struct vehicle_key *k);
/* Puts: the last signed statement about it, deleted with its record; nothing when it is empty. */
void keys_put_statement(struct spaak *s, const struct vehicle_key *k, struct span statement);
/* Puts: none is left, with the identity that they belong to. How many of them end by that. */
size_t keys_put_none(struct spaak *s);
/* STORE_KEY: a pending one, in the place of any other that is pending; its slot is given out. A full list
 * gives up the key that was paired first of those that are terminated. ERR_NO_SPACE: there is none. */
enum err keys_store_new(struct spaak *s, const struct vehicle_key *k);
enum err keys_store(struct spaak *s, const struct vehicle_key *k);
enum err keys_delete(struct spaak *s, struct vehicle_key *k);
/* NULL. */
struct vehicle_key *keys_find(struct spaak *s, const uint8_t key_id[ENDPOINT_KEY_ID]);
bool keys_have_room(const struct spaak *s);
/* The first of them; NULL. */
struct vehicle_key *keys_in_state(struct spaak *s, enum vehicle_key_state state);
/* The owner's, active or suspended; NULL. */
struct vehicle_key *keys_owner(struct spaak *s);
void keys_claim(struct spaak *s);

/* Identifiers that were never given out, the same until slots_put_used. */
void slots_offer(struct spaak *s, struct slot_id *out, size_t n);
void slots_put_used(struct spaak *s, size_t n);
/* A token follows from its slot and a secret of the vehicle's. */
enum err tokens_make(struct spaak *s, const struct slot_id slots[MAILBOX_SLOTS],
                     uint8_t out[MAILBOX_SLOTS * SPAAK_TOKEN]);

/* ---- readers.c ---- */

/* Also when the module goes down. */
void readers_fini(struct spaak *s);
void readers_on_frame(struct spaak *s, const struct bus_frame *f);
/* ISO-TP, or an answer that did not come. */
void readers_on_timer(struct spaak *s, enum spaak_place place);
/* Its cyclic message. A reader that does not poll as it was told, and one that has a phone of which no word
 * has come, are told again. */
void readers_on_status(struct spaak *s, enum spaak_place place, uint8_t flags);
void readers_on_late(struct spaak *s, enum spaak_place place);
/* Field on, and SELECT to whoever comes; gap_ms: after the field was off for so long, if not 0. Replaces what
 * is under way. */
void readers_poll(struct spaak *s, enum spaak_place place, struct span select, unsigned gap_ms);
void readers_send(struct spaak *s, enum spaak_place place, struct span command);
/* The last command once more: a reader that has heard it says its answer again, if it has one. */
void readers_send_again(struct spaak *s, enum spaak_place place, struct span command);
void readers_off(struct spaak *s, enum spaak_place place);

/* ---- presence.c ---- */

/* The phone that is selected there has unlocked. */
void presence_begin(struct spaak *s, enum spaak_place place);
/* It must leave first. Not when the command that it has caused moved nothing for a second. */
bool presence_holds(struct spaak *s, enum spaak_place place);
/* The doors are unlocked. */
void presence_on_unlocked(struct spaak *s);
/* Somebody would be asked for there, but for it. */
void presence_look(struct spaak *s, enum spaak_place place);
/* The field goes off for another reason. */
void presence_on_off(struct spaak *s, enum spaak_place place);
/* From a reader that has no session. */
void presence_on_selected(struct spaak *s, enum spaak_place place);
void presence_on_lost(struct spaak *s, enum spaak_place place, enum reader_loss loss);
void presence_on_status(struct spaak *s, enum spaak_place place, uint8_t flags);
/* A status whose counter somebody else has used: enough for a phone that is said to leave, to have stayed. */
void presence_on_disputed(struct spaak *s, enum spaak_place place, uint8_t flags);

/* ---- session.c, session_begin.c ---- */

/* Of [K]. ERR_NOT_FOUND without. */
enum err vehicle_identity_id(struct spaak *s, uint8_t out[TRANSACTION_VEHICLE_ID]);

/* Begins a session at that reader, which must have none, and asks for the phone. of_pairing: its end is told
 * to pairing.c, else to unlock.c. On an error nothing has begun. */
enum err session_begin_pairing(struct spaak *s, enum spaak_place place, unsigned gap_ms);
enum err session_begin_finish(struct spaak *s, enum spaak_place place, enum vehicle_phase phase,
                              struct vehicle_key *k, unsigned gap_ms, bool of_pairing);
enum err session_begin_transaction(struct spaak *s, enum spaak_place place, uint8_t purpose);
/* From the reader: the answer to SELECT or to a command; the phone is gone. */
void session_on_answer(struct spaak *s, enum spaak_place place, struct span response);
void session_on_lost(struct spaak *s, enum spaak_place place, enum err reason);
/* Its field is on again, and no phone has come for a while: the user hears so, an abort that waited ends. */
void session_on_absent(struct spaak *s, enum spaak_place place);
/* No answer has come yet. */
void session_repeat(struct spaak *s, enum spaak_place place);
/* A phone has answered, and the session is not over. */
bool session_is_heard(const struct spaak *s, enum spaak_place place);
bool session_is_of_pairing(const struct spaak *s, enum spaak_place place);
/* Ends it; nobody is told. True: a phone is in the middle of phase 2, and hears the abort when it has
 * answered; until then the session stays, and then turns the reader off. False: nothing is left of it. */
bool session_abort(struct spaak *s, enum spaak_place place, enum err reason);
/* Frees it, and what it knew. */
void session_drop(struct spaak *s, enum spaak_place place);

/* ---- pairing.c, pairing_phases.c ---- */

/* After a start: goes on. */
void pairing_init(struct spaak *s);
/* OP-02/3 */
void pairing_start(struct spaak *s);
/* OP-02/4: the user may, or why not: ERR_IGNITION_OFF, ERR_FOB_AWAY, ERR_BCM_SILENT. */
void pairing_on_user(struct spaak *s, enum err e);
void pairing_cancel(struct spaak *s);
void pairing_on_verifiers(struct spaak *s);
void pairing_on_timer(struct spaak *s, unsigned timer);
/* The identity that all keys belong to was retired: what is under way ends. */
void pairing_retired(struct spaak *s);
/* A session of the pairing is over. */
void pairing_on_session(struct spaak *s, const struct session_end *end);
/* Pad and timers are the pairing's: phases 1 to 3. */
bool pairing_is_on(const struct spaak *s);
/* Phase 4 leaves the pad to what a person has asked for, and takes it up again when that is over. One that is
 * in the middle of a transaction yields at its end. */
void pairing_yield(struct spaak *s);
/* Phase 4 ends with its key. */
void pairing_on_key_ended(struct spaak *s);

/* Between pairing.c and card.c: the user has a key of the vehicle, a card or a fob, and the pairing begins;
 * or the wait is over, and why. */
void pairing_admit(struct spaak *s, bool by_card);
void pairing_refuse(struct spaak *s, enum err reason);

/* Nobody has a fob: the pad looks for a card key. ERR_OK, and then pairing_admit, pairing_refuse, or the end
 * of the wait. */
enum err pairing_wait_for_card(struct spaak *s);

/* ---- pairing_air.c ---- */

/* OP-03/1 over Bluetooth: a phone on that link asks for owner pairing. ERR_BUSY: not open, or a phone on the
 * pad or on another link has come first. */
enum err pairing_on_asked(struct spaak *s, enum spaak_place place);
/* The approach of that key is READY there: a key that waits for phase 3 is tried. */
void pairing_on_ready(struct spaak *s, enum spaak_place place, const uint8_t key_id[ENDPOINT_KEY_ID]);
/* The link is gone, and what was under way there has ended: the pad again. */
void pairing_on_link_lost(struct spaak *s, enum spaak_place place);
/* To the head unit, in the words of the place where the pairing is. */
void pairing_notify(struct spaak *s, enum cabin_notice what);

/* ---- nearness.c ---- */

/* Is the phone of a link near enough for that? False: its signal is asked for, and unlock_look comes when it
 * is known; or it is too weak (DK_TOO_FAR, traced once), and it is asked for again after a second. */
bool nearness_admits(struct spaak *s, unsigned link, enum cabin_order order);
/* As last heard, when a transaction has proved who it is: ERR_DK_TOO_FAR. */
enum err nearness_check(const struct spaak *s, unsigned link, enum cabin_order order);
void nearness_on_signal(struct spaak *s, unsigned link, int8_t dbm);

/* ---- deletion.c ---- */

/* The user wishes to delete that key: ERR_NOT_FOUND, ERR_LIST_CHANGED, ERR_BUSY, or the body controller is
 * asked. */
void deletion_begin(struct spaak *s, const struct cabin_request *r);
/* As pairing_on_user. */
void deletion_on_user(struct spaak *s, enum err e);
/* The user has a key of the vehicle. */
void deletion_admit(struct spaak *s);

/* ---- card.c ---- */

/* PAIRING_WAITS_CARD was entered, and the pad is free. */
void card_begin(struct spaak *s);
/* BCM_Status has changed, or stays away: a fob may be there, the ignition off. The BCM is asked; its answer.
 */
void card_on_cabin(struct spaak *s);
void card_on_user(struct spaak *s, enum err e);
void card_on_session(struct spaak *s, const struct session_end *end);

/* ---- pass_report.c ---- */

void pass_report_init(struct spaak *s);
/* Puts: the VOS does not know of this key. */
void pass_report_put(struct spaak *s, const struct vehicle_key *k);
void pass_report_begin(struct spaak *s);
void pass_report_on_tbm_ready(struct spaak *s);
enum err pass_report_on_ack(struct spaak *s, const struct spaak_message *m);

/* ---- cabin.c ---- */

void cabin_init(struct spaak *s);
/* The module is finished: it speaks. */
void cabin_begin(struct spaak *s);
void cabin_on_frame(struct spaak *s, const struct bus_frame *f);
/* SpaaK_Status, the list of keys, the BCM's silence. */
void cabin_on_timer(struct spaak *s, unsigned timer);
void cabin_notify(struct spaak *s, enum cabin_notice what, enum err reason);
void cabin_send_keys(struct spaak *s);
/* SpaaK_Status now, and then again in its cycle: whoever waits for us hears by it when we have forgotten. */
void cabin_tell_status(struct spaak *s);
/* To the BCM, if it is heard. */
void cabin_command(struct spaak *s, enum cabin_order order, const uint8_t transaction[CABIN_TRANSACTION]);

/* ---- user.c ---- */

/* May the user pair, or delete a key: ignition on, key fob in the car? pairing_on_user has the answer. */
void user_ask(struct spaak *s);
/* Nobody wants to know any more. */
void user_forget(struct spaak *s);
void user_on_frame(struct spaak *s, const struct bus_frame *f);
void user_on_timer(struct spaak *s);

/* ---- unlock.c ---- */

/* For traces: "pad", "door", "Bluetooth". */
const char *spaak_place_name(enum spaak_place place);
/* Looks who must be asked for where: doors locked, start pressed, a key that waits. */
void unlock_look(struct spaak *s);
/* The time for another look has come. */
void unlock_on_timer(struct spaak *s);
/* The vehicle ends a key, of its own or by the server's word: nothing opens from now on, and the phone hears
 * it at its next contact. Commits what was put before, too. */
enum err unlock_terminate(struct spaak *s, struct vehicle_key *k, enum key_cause cause);
void unlock_on_session(struct spaak *s, enum spaak_place place, const struct session_end *end);
/* What a session has learnt beside its purpose: the device has ended its key. */
void unlock_on_learnt(struct spaak *s, const struct session_end *end);
/* A transaction has proved who is there, whose first answer came then: doors or engine. ERR_DK_TIMEOUT: it
 * took too long, and nothing moves. */
enum err unlock_authenticated(struct spaak *s, enum spaak_place place, const struct vehicle_transaction *t,
                              uint64_t selected_us);

#endif
