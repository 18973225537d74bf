/* junit.xml, as tests/junit.xsd describes it: what Jenkins, GitLab and Ant's own schema have in common. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sim/run/records.h"

/* XML 1.0, 2.2: what may stand in a document at all, escaped or not. */
static bool xml_has(uint32_t code)
{
    return code >= 0x20 ? code != 0xFFFE && code != 0xFFFF : code == '\t' || code == '\n' || code == '\r';
}

/* The inside of an attribute. Blanks other than the space are references, or a reader would make them spaces.
 */
static void xml_text(FILE *f, const char *text)
{
    for (size_t left = strlen(text), n; left; text += n, left -= n) {
        uint32_t code;
        n = utf8_character(text, left, &code);
        if (n == 0 || !xml_has(code)) {
            n = n ? n : 1;
            fputs("&#xFFFD;", f);
        } else if (code < 0x20 || strchr("<>&\"'", (int)code)) {
            fprintf(f, "&#%u;", (unsigned)code);
        } else {
            fwrite(text, 1, n, f);
        }
    }
}

static void xml_attribute(FILE *f, const char *name, const char *value)
{
    fprintf(f, " %s=\"", name);
    xml_text(f, value);
    fputc('"', f);
}

/* When and where, in UTC and without a zone: Ant's schema knows none. */
static void write_place(FILE *f, int64_t began_s)
{
    char host[HOST_NAME_MAX + 1] = "", when[40];
    time_t t = (time_t)began_s;
    struct tm utc;
    gethostname(host, sizeof host - 1);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", gmtime_r(&t, &utc));
    xml_attribute(f, "timestamp", when);
    xml_attribute(f, "hostname", host[0] ? host : "localhost");
}

static void write_case(FILE *f, const struct report_row *row)
{
    static const char *const tags[] = {NULL, "failure", "error", "skipped"};
    const char *tag = tags[row->verdict];
    fputs("  <testcase", f);
    xml_attribute(f, "classname", row->world);
    xml_attribute(f, "name", row->label);
    fprintf(f, " time=\"%.4f\"", row->seconds);
    if (!tag) {
        fputs("/>\n", f);
        return;
    }
    fprintf(f, "><%s", tag);
    xml_attribute(f, "message", row->detail);
    if (row->verdict != VERDICT_SKIPPED)
        xml_attribute(f, "type", verdict_name(row->verdict));
    fputs("/></testcase>\n", f);
}

struct totals {
    size_t count[4];
    double seconds;
    int64_t began_s;
};

static struct totals add_up(const struct report_row *rows, size_t n)
{
    struct totals t = {.began_s = n ? rows[0].began_s : (int64_t)time(NULL)};
    for (size_t i = 0; i < n; i++) {
        t.count[rows[i].verdict]++;
        t.seconds += rows[i].seconds;
        t.began_s = rows[i].began_s < t.began_s ? rows[i].began_s : t.began_s;
    }
    return t;
}

bool report_write_junit(FILE *f, const struct report_row *rows, size_t n)
{
    struct totals t = add_up(rows, n);
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n <testsuite name=\"spaaksim\"", f);
    fprintf(f, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.4f\"", n,
            t.count[VERDICT_FAIL], t.count[VERDICT_BLOCKED], t.count[VERDICT_SKIPPED], t.seconds);
    write_place(f, t.began_s);
    fputs(">\n", f);
    if (n == 1 && rows[0].virtual_s > 0)
        fprintf(f, "  <properties><property name=\"virtual_time_s\" value=\"%.6f\"/></properties>\n",
                rows[0].virtual_s);
    for (size_t i = 0; i < n; i++)
        write_case(f, &rows[i]);
    fputs(" </testsuite>\n</testsuites>\n", f);
    bool written = !ferror(f);
    return fclose(f) == 0 && written;
}
