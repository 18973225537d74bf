/* A person with a web browser, at the customers' portal or at the hotline's desk (OP-01b). A small strict
 * user agent: it keeps cookies by the rules of "__Host-", follows 303, says Origin and Sec-Fetch-Site as
 * browsers do, runs nothing, and repeats nothing by itself. A page that is not of our form is not shown. */
#ifndef sim_actors_browser_browser_h
#define sim_actors_browser_browser_h

#include "lib/env/env.h"

/* Store: a cookie for each host ("name=value"), as long as its session lasts; what the person has entered
 * and the token of the last form, so that the judge looks for them. */
#define BROWSER_JAR           "jar/"
#define BROWSER_JAR_PORTAL    BROWSER_JAR "portal"
#define BROWSER_JAR_HOTLINE   BROWSER_JAR "hotline"
#define BROWSER_FORM_TOKEN    "form/csrf"
#define BROWSER_PERSON_SECRET "person/secret"
#define BROWSER_PERSON_CODE   "person/code" /* as the customer says it */

extern const struct component_class browser_class;

#endif
