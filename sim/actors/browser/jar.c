/* One cookie for each host, kept by the rules of "__Host-" (RFC 6265bis 4.1.3.2): Secure, Path=/, no Domain.
 * Ours are HttpOnly and SameSite=Strict besides. */
#include <stdio.h>
#include <string.h>

#include "sim/actors/browser/browser_parts.h"

#define PREFIX "__Host-"

static const char *jar_of(const struct browser *b)
{
    return b->port == BROWSER_PORT_HOTLINE ? BROWSER_JAR_HOTLINE : BROWSER_JAR_PORTAL;
}

void browser_cookie_get(struct browser *b, char *out, size_t cap)
{
    size_t len = 0;
    memset(out, 0, cap);
    if (env_store_get(b->env, jar_of(b), out, cap - 1, &len))
        *out = '\0';
}

/* The next part of a line, without the blank before it. */
static struct span next_part(struct span *line)
{
    const uint8_t *semicolon = line->len ? memchr(line->p, ';', line->len) : NULL;
    size_t len = semicolon ? (size_t)(semicolon - line->p) : line->len;
    struct span part = span_of(line->p, len);
    size_t passed = semicolon ? len + 1 : len;
    *line = span_of(line->p + passed, line->len - passed);
    while (line->len && *line->p == ' ')
        *line = span_of(line->p + 1, line->len - 1);
    return part;
}

struct rules {
    bool secure, path, http_only, strict, ends;
};

static enum err read_rules(struct span line, struct rules *out)
{
    const struct {
        const char *text;
        bool *met;
    } rows[] = {{"Secure", &out->secure},
                {"Path=/", &out->path},
                {"HttpOnly", &out->http_only},
                {"SameSite=Strict", &out->strict},
                {"Max-Age=0", &out->ends}};
    while (line.len) {
        struct span part = next_part(&line);
        size_t i = 0;
        while (i < sizeof rows / sizeof rows[0] && !span_is(part, rows[i].text))
            i++;
        if (i == sizeof rows / sizeof rows[0] || *rows[i].met)
            return ERR_BAD_SYNTAX;
        *rows[i].met = true;
    }
    return out->secure && out->path && out->http_only && out->strict ? ERR_OK : ERR_BAD_SYNTAX;
}

/* "name=value" of which both are there, and nothing that would end it early. */
static bool is_pair(struct span pair)
{
    const uint8_t *equals = pair.len ? memchr(pair.p, '=', pair.len) : NULL;
    if (pair.len < sizeof PREFIX || memcmp(pair.p, PREFIX, sizeof PREFIX - 1) != 0 || !equals)
        return false;
    for (size_t i = 0; i < pair.len; i++)
        if (pair.p[i] <= ' ' || pair.p[i] > '~' || strchr("\",\\;", pair.p[i]))
            return false;
    return equals > pair.p + sizeof PREFIX - 1;
}

enum err browser_cookie_keep(struct browser *b, struct span line)
{
    struct rules rules = {.secure = false};
    struct span pair = next_part(&line);
    enum err e = is_pair(pair) ? read_rules(line, &rules) : ERR_BAD_SYNTAX;
    if (e)
        return e;
    bool empty = pair.p[pair.len - 1] == '=';
    return rules.ends || empty ? env_store_delete(b->env, jar_of(b)) : env_store_put(b->env, jar_of(b), pair);
}

enum err browser_cookies_forget(struct browser *b)
{
    enum err e = env_store_delete(b->env, BROWSER_JAR_PORTAL);
    if (!e)
        e = env_store_delete(b->env, BROWSER_JAR_HOTLINE);
    if (!e)
        e = env_store_delete(b->env, BROWSER_FORM_TOKEN);
    return e ? e : env_store_commit(b->env);
}
