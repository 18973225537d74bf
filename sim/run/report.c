#include <stdio.h>

#include "sim/run/records.h"

static void xml_text(FILE *f, const char *text)
{
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", f);
            break;
        case '>':
            fputs("&gt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        default:
            fputc((unsigned char)*text < 0x20 ? ' ' : *text, f);
        }
    }
}

bool report_write_junit(FILE *f, const struct report_row *rows, size_t n)
{
    size_t counts[4] = {0};
    double seconds = 0;
    for (size_t i = 0; i < n; i++) {
        counts[rows[i].verdict]++;
        seconds += rows[i].seconds;
    }
    fprintf(f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n <testsuite name=\"spaaksim\" "
            "tests=\"%zu\" "
            "failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\" time=\"%.3f\">\n",
            n, counts[VERDICT_FAIL], counts[VERDICT_BLOCKED], counts[VERDICT_SKIPPED], seconds);
    for (size_t i = 0; i < n; i++) {
        static const char *const tags[] = {NULL, "failure", "error", "skipped"};
        const char *tag = tags[rows[i].verdict];
        fputs("  <testcase classname=\"", f);
        xml_text(f, rows[i].world);
        fputs("\" name=\"", f);
        xml_text(f, rows[i].label);
        fprintf(f, "\" time=\"%.3f\"", rows[i].seconds);
        if (tag) {
            fprintf(f, "><%s message=\"", tag);
            xml_text(f, rows[i].detail);
            fputs("\"/></testcase>\n", f);
        } else {
            fputs("/>\n", f);
        }
    }
    fputs(" </testsuite>\n</testsuites>\n", f);
    bool whole = !ferror(f);
    return fclose(f) == 0 && whole;
}
