/* The one list of components, beside the actors the only place in sim that names one. Servers first: they are
 * up when the vehicle wakes. */
#include "lib/env/cast.h"
#include "backend/dos/dos.h"
#include "backend/gsdp/gsdp.h"
#include "backend/kts/kts.h"
#include "backend/pki/pki.h"
#include "backend/tbe/tbe.h"
#include "backend/vos/vos.h"
#include "ecu/bcm/bcm.h"
#include "ecu/hu/hu.h"
#include "ecu/spaak/spaak.h"
#include "ecu/wcp/wcp.h"
#include "sgw/sgw.h"
#include "sim/actors/browser/browser.h"
#include "sim/actors/phone/phone.h"
#include "sim/actors/rogue/rogue.h"
#include "sim/actors/skimmer/skimmer.h"
#include "sim/actors/stranger/stranger.h"
#include "sim/actors/tester/tester.h"
#include "tbm/tbm.h"

static const struct component_class *const classes[] = {
    &pki_class,    &vos_class,   &tbe_class,   &dos_class,     &kts_class,      &gsdp_class,
    &sgw_class,    &tbm_class,   &wcp_class,   &spaak_class,   &bcm_class,      &hu_class,
    &tester_class, &rogue_class, &phone_class, &browser_class, &stranger_class, &skimmer_class,
};

const struct cast cast = {classes, sizeof classes / sizeof classes[0]};
