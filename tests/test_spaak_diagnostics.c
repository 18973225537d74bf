/* What a tester meets at the SpaaK Module: sessions, data, levels, trouble codes, the readers' test, reset.
 * The plant's routines are in test_spaak_plant.c. */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "ecu/spaak/spaak.h"
#include "tests/check.h"
#include "tests/module_bench.h"

#define ZEROS_16 "00000000000000000000000000000000"
#define ZEROS_32 ZEROS_16 ZEROS_16
#define VIN_HEX  "31535041414B3030303030303030303031"

static const struct {
    const char *name;
    bool finished;
    const char *steps;
} rows[] = {
    /* sessions and services */
    {"default", false,
     "1001 > 5001003201F4; 22F186 > 62F18601; 3E00 > 7E00; 3E80 > -; 10 > 7F1013; 100300 > 7F1013"},
    {"extended", false,
     "1003 > 5003003201F4; 22F186 > 62F18603; 1083 > -; 1002 > 7F1012; 1001 > 5001*; 22F186 > 62F18601"},
    {"plant", false, "1060 > 5060003201F4; 22F186 > 62F18660; wait 5100; 22F186 > 62F18601"},
    {"no plant once finished", true,
     "1060 > 7F1022; 1003 > 5003*; 1060 > 7F1022; 22F186 > 62F18603; 200200 > 7F2011; 220200 > 62020003"},
    {"services by session", false,
     "2701 > 7F277F; 280301 > 7F287F; 2E02300078 > 7F2E7F; 31010310 > 7F317F; 8502 > 7F857F; 2908 > 7F2911; "
     "BA > 7FBA11"},
    {"to all", false,
     "all 3E00 > 7E00; all 3E80 > -; all 221234 > -; all 1002 > -; all 1003 > 5003003201F4; all 10 > 7F1013"},
    {"levels by session", false,
     "1003 > 5003*; 2761 > 7F277E; 2705 > 7F2712; 2700 > 7F2712; 1060 > 5060*; 2701 > 7F277E; 2761 > 6761*"},
    {"level 01", false,
     "1003 > 5003*; level 01; 2701 > 6701" ZEROS_16 "; 2702 > 7F2713; 1003 > 5003*; 2E02300078 > 7F2E33"},
    {"level 61", false, "1060 > 5060*; 31010301 > 7F3133; level 61; 2761 > 6761" ZEROS_16},
    {"wrong keys", false,
     "1003 > 5003*; wrong 01; wrong 01; wrong 01; 2701 > 7F2737; 1060 > 5060*; level 61"},
    {"wrong keys survive a power cut", false,
     "1060 > 5060*; wrong 61; cut; 1060 > 5060*; 2761 > 7F2737; 1003 > 5003*; level 01"},
    {"communication", false,
     "1003 > 5003*; 280301 > 6803; 280001 > 6800; 280101 > 7F2812; 2803 > 7F2813; 28030F > 7F2831"},
    {"plant: 28 and 85", false,
     "1060 > 5060*; 280303 > 6803; 280003 > 6800; 8502 > C502; 8501 > C501; 8503 > 7F8512"},
    /* data */
    {"numbers", false,
     "22F187 > 62F18734373131303030303031; 22F18C > 62F18C535041414B3030303030303031; 22F190 > 62F190" VIN_HEX
     "; 22F191 > 62F19148573031; 22F195 > 62F195535730303031"},
    {"nothing yet", false,
     "22020002010215 > 620200010201000215" ZEROS_32 "; 220210 > 620210" ZEROS_32 "; 220211 > 620211" ZEROS_32
     "; 220212 > 620212" ZEROS_32 "; 220213 > 620213" ZEROS_32 "; 220214 > 620214" ZEROS_32
     "; 220217 > 620217" ZEROS_32 "; 220216 > 620216" ZEROS_32 ZEROS_32
     "00; 220219 > 6202190000; 22021A > 62021A0000; 220230 > 620230012C"},
    {"finished", true,
     "22020002012200 > 6202000302017F; 220200 > 62020003; 220201 > 6202017F; 220216 > "
     "62021604*"},
    {"drmUUID by session", true, "220218 > 7F2231; 1003 > 5003*; 220218 > 620218" ZEROS_16},
    {"drmUUID in the plant", false, "1060 > 5060*; 220218 > 620218" ZEROS_16},
    {"no such data", false,
     "221234 > 7F2231; 220215 > 620215" ZEROS_32 "; 220220 > 7F2231; 22F1861234 > 62F18601"},
    {"too long, too many", false,
     "2202210221 > 7F2214; 22F186F186F186F186F186F186F186F186F186 > 7F2213; 22F1 > 7F2213"},
    {"no secret has a number", true,
     "1003 > 5003*; level 01; 220301 > 7F2231; 2202FF > 7F2231; 22021B > 7F2231"},
    /* writing */
    {"VIN in 03", false,
     "1003 > 5003*; 2EF19031535041414B3030303030303030303032 > 7F2E33; level 01; "
     "2EF19031535041414B3030303030303030303032 > 6EF190; "
     "22F190 > 62F19031535041414B3030303030303030303032; cut; 22F190 > "
     "62F19031535041414B3030303030303030303032"},
    {"VIN in 60", false,
     "1060 > 5060*; level 61; 2EF19031535041414B3030303030303030303033 > 6EF190; 22F190 > "
     "62F19031535041414B3030303030303030303033"},
    {"VIN of wrong characters", false,
     "1060 > 5060*; level 61; 2EF19049535041414B3030303030303030303032 > 7F2E31; "
     "2EF19031535041414B303030303030303030304F > 7F2E31; "
     "2EF19031535041414B3030303030303030303051 > 7F2E31; 2EF19031535041416B3030303030303030303032 > 7F2E31; "
     "2EF19031535041414B3030303030303030303000 > 7F2E31; 2EF19031535041414B303030303030303030 > 7F2E13; "
     "22F190 > 62F190" VIN_HEX},
    {"pairing time", false,
     "1003 > 5003*; 2E02300078 > 7F2E33; level 01; 2E0230000A > 6E0230; 2E0230 > 7F2E13; 2E02300009 > "
     "7F2E31; 2E02300259 > 7F2E31; "
     "2E02300258 > 6E0230; 220230 > 6202300258; cut; 220230 > 6202300258"},
    {"pairing time not in the plant", false, "1060 > 5060*; level 61; 2E02300078 > 7F2E31"},
    {"the rest is not written", false,
     "1003 > 5003*; level 01; 2E020003 > 7F2E31; 2EF18C31 > 7F2E31; 2E12340000 > 7F2E31"},
    /* trouble codes */
    {"codes of an open module", false,
     "190209 > 5902399A0051299A0151299A0251299A035529; 190109 > 590139010004; "
     "190A > 590A399A0051299A0151299A0156009A0251299A0256009A035529DA108710DA118710C1988710; 1903 > 7F1912; "
     "1902 > 7F1913"},
    {"codes of a finished one", true, "190209 > 5902399A0251299A035529"},
    {"who is silent", true,
     "wait 1900; 190201 > 5902399A0251299A035529; wait 200; 190201 > "
     "5902399A0251299A035529DA108729DA118729C1988729; "
     "pad; 22021A > 62021A0100; 190201 > 5902399A0251299A035529DA118729C1988729; door; 22021A > 62021A0101; "
     "tbm 0; "
     "190201 > 5902399A0251299A035529; wait 2100; 190201 > 5902399A0251299A035529DA108729DA118729C1988729"},
    {"silence while 28 makes it deaf", true,
     "tbm 0; pad; door; 1003 > 5003*; 280301 > 6803; wait 2500; pad; wait 2000; 190201 > "
     "5902399A0251299A035529"},
    {"no readers' test while 28 makes it deaf", true,
     "1003 > 5003*; level 01; 280301 > 6803; 31010310 > 7F3122; 280001 > 6800; 31010310 > 7F3178*"},
    {"clearing", false,
     "14FFFFFF > 54; 190208 > 590239; 14123456 > 7F1431; 1003 > 5003*; 190208 > "
     "5902399A0051299A0151299A0251299A035529"},
    {"one is cleared", false, "149A0051 > 54; 190209 > 5902399A0151299A0251299A035529"},
    {"85: what changes meanwhile is noted after it", true,
     "1003 > 5003*; 8502 > C502; wait 2500; 190201 > 5902399A0251299A035529; 8501 > C501; wait 10; "
     "190201 > 5902399A0251299A035529DA108729DA118729C1988729"},
    {"the memory", true, "220221 > 6202219A0251299A03552900000000*"},
    {"an empty memory", true, "14FFFFFF > 54; 220221 > 620221000000*"},
    /* the readers' test */
    {"readers' test, protected", true,
     "1003 > 5003*; 31010310 > 7F3133; level 01; 31030310 > 7F3124; 31020310 > 7F3124; "
     "3101031000 > 7F3113; 31040310 > 7F3112"},
    {"readers' test, both lost", true,
     "1003 > 5003*; level 01; 31010310 > 7F3178,7F3178,7F3178,7101031003; 31030310 > 7103031003; 31020310 > "
     "7F3124; cut; "
     "1003 > 5003*; level 01; 31030310 > 7F3124"},
    {"readers' test, lost before it", true,
     "wait 2500; 1003 > 5003*; level 01; 31010310 > 7F3178,7F3178,7F3178,7101031003"},
    {"readers' test, both there", true,
     "1003 > 5003*; level 01; pad; door; B 31010310; wait 1500 > 7F3178; pad; door; wait 1500; pad; door; "
     "wait 1500; pad; door; wait 1500 > 7F3178; pad; door; wait 1500; pad; door; wait 1500; pad; door; "
     "wait 1500 > 7F3178; pad; door; wait 1000 > 7101031000; 31030310 > 7103031000; 22021A > 62021A0101"},
    {"readers' test, the pad silent for a while", true,
     "1003 > 5003*; level 01; pad; door; B 31010310; wait 1500 > 7F3178; door; wait 1500; pad; door; "
     "wait 1500; pad; door; wait 1500 > 7F3178; pad; door; wait 1500; pad; door; wait 1500; pad; door; "
     "wait 1500 > 7F3178; pad; door; wait 1000 > 7101031001; 22021A > 62021A0101"},
    {"readers' test, no door", true,
     "1003 > 5003*; level 01; pad; B 31010310; wait 1500 > 7F3178; pad; wait 1500; pad; wait 1500; pad; "
     "wait 1500 > 7F3178; pad; wait 1500; pad; wait 1500; pad; wait 1500 > 7F3178; pad; wait 1000 > "
     "7101031002"},
    {"readers' test, busy", true,
     "1003 > 5003*; level 01; B 31010310; wait 100 > 7F3178; 31020310 > 7F3121; 3E80 > -; 1101 > 7F1121; "
     "wait 11000 > 7F3178,7F3178,7101031003"},
    {"not in the plant's session", false, "1060 > 5060*; level 61; 31010310 > 7F3131"},
    {"plant routines not in 03", false,
     "1003 > 5003*; level 01; 31010301 > 7F3131; 310103054C4F434B > 7F3131; 31019999 > 7F3131"},
    /* reset */
    {"reset", true,
     "1003 > 5003*; level 01; 1101 > 5101; wait 100; 3E00 > -; wait 250; 3E00 > 7E00; 22F186 > 62F18601; "
     "1102 > 7F1112"},
    {"soft reset of an open one", false,
     "1060 > 5060*; 1103 > 5103; wait 350; 22F186 > 62F18601; 220200 > 62020001"},
};

Test(spaak_diagnostics, rows)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int classic = 0; classic < 2; classic++) {
            struct module_bench *m = module_open(rows[i].finished);
            tester_open(&m->tester, classic);
            cr_expect(module_play(m, rows[i].steps), "%s: %s", rows[i].name, m->why);
            module_close(m);
        }
}
