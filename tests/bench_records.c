/* What it costs to keep a phone in a store: all records of a phone with eight keys saved, and loaded into
 * another. One core. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tests/figures.h"
#include "tests/keyring.h"

#define ROUNDS   9 /* medians of so many */
#define RUNS     200
#define LIMIT_US 300.0

static double cpu_us(void)
{
    return cpu_s() * 1e6;
}

/* What loading cannot do without: a key object from bytes, for Device.Enc, the instance CA, and device and
 * vehicle of each key. */
#define FLOOR_KEYS (2 + 2 * APPLET_KEYS)

static double floor_us(struct rig *r)
{
    double start = cpu_us();
    for (int i = 0; i < RUNS * FLOOR_KEYS; i++) {
        struct p256_key *k;
        figure_must(p256_from_public(r->crypto, r->key.device_pk, &k) == ERR_OK, "key");
        p256_free(k);
    }
    return (cpu_us() - start) / RUNS;
}

struct times {
    double save, load, ratio, floor;
};

static struct times measure(struct rig *r, struct keyring *k)
{
    static struct dk_device device;
    static struct applet applet;
    struct times t = {.floor = floor_us(r)};
    double start = cpu_us();
    for (int i = 0; i < RUNS; i++)
        figure_must(keyring_save(&r->device, k) == ERR_OK, "saving");
    t.save = (cpu_us() - start) / RUNS;
    for (int i = 0; i < RUNS; i++) {
        start = cpu_us();
        figure_must(keyring_load(&device, &applet, r->crypto, k) == ERR_OK, "loading");
        t.load += (cpu_us() - start) / RUNS;
        dk_device_close(&device);
        applet_close(&applet);
    }
    t.ratio = t.floor / (t.save + t.load);
    return t;
}

int main(void)
{
    static struct keyring k;
    struct rig *r = rig_ready(test_crypto());
    double save[ROUNDS], load[ROUNDS], both[ROUNDS], ratio[ROUNDS], floor[ROUNDS];
    bool fast;
    figure_must(rig_pair(r) == ERR_OK && rig_unlock(r, false, true, &fast) == ERR_OK, "pairing");
    rig_walk_away(r);
    keyring_make_keys(r, APPLET_KEYS);
    for (int i = 0; i < ROUNDS; i++) {
        struct times t = measure(r, &k);
        save[i] = t.save;
        load[i] = t.load;
        both[i] = t.save + t.load;
        ratio[i] = t.ratio;
        floor[i] = 1e6 / t.floor;
    }
    double us = figure_median(both, ROUNDS);
    fprintf(stderr, "saving %.1f us, loading %.1f us; a key %zu bytes, the framework %zu\n",
            figure_median(save, ROUNDS), figure_median(load, ROUNDS), k.keys[0].len, k.framework.len);
    printf("{\"name\":\"phone_records_8_keys\",\"value\":%.6g,\"unit\":\"1/s\",\"floor\":%.6g,"
           "\"floor_is\":\"%d keys from bytes\",\"ratio\":%.3g,\"goal\":%.3g}\n",
           1e6 / us, figure_median(floor, ROUNDS), FLOOR_KEYS, figure_median(ratio, ROUNDS), 0.2);
    printf(
        "{\"name\":\"phone_records_8_keys_us\",\"value\":%.4g,\"unit\":\"us, saved and loaded\",\"floor\":%g,"
        "\"floor_is\":\"the limit, 0.3 ms\",\"ratio\":%.3g,\"goal\":1}\n",
        us, LIMIT_US, us / LIMIT_US);
    rig_free(r);
    return 0;
}
