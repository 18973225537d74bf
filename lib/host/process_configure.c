#include "lib/host/process_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bool configure_number(struct process *p, const char *key, const char *value)
{
    const struct {
        const char *key;
        int *number;
    } numbers[] = {{"control", &p->control}, {"tap", &p->tap},          {"tap_depth", &p->tap_depth},
                   {"board", &p->board_fd},  {"tokens", &p->tokens_fd}, {"memo", &p->memo_fd}};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(key, numbers[i].key) == 0) {
            *numbers[i].number = atoi(value);
            return true;
        }
    if (strcmp(key, "start_ns") == 0)
        p->start_ns = strtoull(value, NULL, 10);
    else if (strcmp(key, "sequence") == 0)
        p->sequence = (unsigned)strtoul(value, NULL, 10);
    else if (strcmp(key, "slot") == 0)
        p->slot_number = (unsigned)strtoul(value, NULL, 10);
    else
        return false;
    return true;
}

static bool configure_setting(struct process *p, const struct component_class *class, char *line)
{
    char *value = strchr(line, '=');
    for (size_t i = 0; value && i < component_settings(class); i++)
        if (strncmp(class->settings[i].name, line, (size_t)(value - line)) == 0 &&
            !class->settings[i].name[value - line]) {
            p->settings[i] = strtoull(value + 1, NULL, 10);
            return true;
        }
    return false;
}

/* As long as it must be, and nobody else's to read. */
static bool read_store_key(const char *path, struct store_key *out)
{
    struct stat about;
    FILE *f = fopen(path, "re");
    out->given = f && fstat(fileno(f), &about) == 0 && S_ISREG(about.st_mode) && !(about.st_mode & 077) &&
                 about.st_size == ENV_STORE_KEY && setvbuf(f, NULL, _IONBF, 0) == 0 &&
                 fread(out->bytes, ENV_STORE_KEY, 1, f) == 1;
    if (f)
        fclose(f);
    if (!out->given)
        fprintf(stderr, "%s is no store key: a file of %d bytes that its owner alone may read\n", path,
                ENV_STORE_KEY);
    return out->given;
}

static bool configure_text(struct process *p, const struct component_class *class, const char *key,
                           char *value)
{
    unsigned port;
    if (strcmp(key, "name") == 0)
        text_copy(p->name, sizeof p->name, value);
    else if (strcmp(key, "serial") == 0)
        text_copy(p->serial, sizeof p->serial, value);
    else if (strcmp(key, "store") == 0)
        text_copy(p->store_path, sizeof p->store_path, value);
    else if (strcmp(key, "store_key") == 0)
        return read_store_key(value, &p->store_key);
    else if (strcmp(key, "former_store_key") == 0)
        return read_store_key(value, &p->former_store_key);
    else if (strncmp(key, "link.", 5) == 0 && component_port(class, key + 5, &port))
        text_copy(p->endpoints[port], sizeof p->endpoints[port], value);
    else if (strcmp(key, "cut") == 0 && component_port(class, value, &port))
        p->cut[port] = true;
    else if (strcmp(key, "radio") == 0 && p->radio_count < PROCESS_RADIOS)
        text_copy(p->radios[p->radio_count++], sizeof p->radios[0], value);
    else if (strcmp(key, "fault") == 0 && p->plan.count < FAULT_MAX)
        return fault_parse(value, &p->plan.faults[p->plan.count++]) == ERR_OK;
    else if (strcmp(key, "barrier") == 0 && p->barrier_count < PROCESS_BARRIERS)
        text_copy(p->barriers[p->barrier_count++], sizeof p->barriers[0], value);
    else
        return strcmp(key, "set") == 0 && configure_setting(p, class, value);
    return true;
}

static bool configure_line(struct process *p, const struct component_class *class, char *line)
{
    char *value = strchr(line, '=');
    if (!value)
        return false;
    *value++ = '\0';
    return configure_number(p, line, value) || configure_text(p, class, line, value);
}

bool process_configure(struct process *p, const struct component_class *class, const char *path)
{
    char line[PROCESS_ENDPOINT_MAX + 64];
    FILE *f = fopen(path, "re");
    for (size_t i = 0; i < component_settings(class); i++)
        p->settings[i] = class->settings[i].fallback;
    bool ok = f != NULL;
    while (ok && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        ok = configure_line(p, class, line);
        if (!ok)
            fprintf(stderr, "%s: cannot use the line \"%s\" of %s\n", class->name, line, path);
    }
    if (f)
        fclose(f);
    else
        fprintf(stderr, "%s: cannot read %s: %s\n", class->name, path, strerror(errno));
    return ok;
}
