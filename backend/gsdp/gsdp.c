#include "backend/gsdp/gsdp.h"

#include <stdio.h>

#include "lib/msg/responder.h"

enum { PORT_BROKER };

struct gsdp {
    struct env *env;
    struct responder responder;
};

static const struct port_spec ports[] = {
    [PORT_BROKER] = {.name = "gsdp", .medium = "gsdp", .name_of = msg_peek_name},
};

static const struct topic_rule topics[] = {
    {"spaak/+/up/gsdp", TOPIC_READ}, {"spaak/+/down/gsdp", TOPIC_WRITE}, {.filter = NULL}};

static const struct plant_item plant[] = {
    {RESPONDER_KEY, PLANT_KEY, "gsdp-signer"},
    {RESPONDER_CERTIFICATE, PLANT_CERTIFICATE, "gsdp-signer"},
    {RESPONDER_ECU_ANCHOR, PLANT_CERTIFICATE, "ecu-ca"},
    {.key = NULL},
};

static const char *const keys[] = {GSDP_DRM_UUID_PREFIX "{serial}", NULL};
static const char *const secrets[] = {RESPONDER_KEY, NULL};

/* The same ECU always gets the same drmUUID. RFC 9562, version 4. */
static enum err drm_uuid_of(struct gsdp *g, const char *serial, uint8_t uuid[MSG_UUID])
{
    char key[ENV_KEY_MAX];
    size_t len;
    snprintf(key, sizeof key, GSDP_DRM_UUID_PREFIX "%s", serial);
    if (env_store_get(g->env, key, uuid, MSG_UUID, &len) == ERR_OK && len == MSG_UUID)
        return ERR_OK;
    env_random(g->env, uuid, MSG_UUID);
    uuid[6] = (uint8_t)((uuid[6] & 0x0F) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3F) | 0x80);
    env_store_put(g->env, key, span_of(uuid, MSG_UUID));
    return env_store_commit(g->env);
}

static enum err answer(struct gsdp *g, const struct msg_header *request)
{
    uint8_t uuid[MSG_UUID], body[MSG_UUID + 8];
    Spaak__V1__ServiceProvisioningResponse m = SPAAK__V1__SERVICE_PROVISIONING_RESPONSE__INIT;
    enum err e = drm_uuid_of(g, request->ecu_serial, uuid);
    if (e)
        return e;
    m.drm_uuid = (ProtobufCBinaryData){MSG_UUID, uuid};
    struct response r = {
        .use_case = SPAAK__V1__USE_CASE__USE_CASE_SP_02,
        .type = SPAAK__V1__MESSAGE_TYPE__SERVICE_PROVISIONING_RESPONSE,
        .ecu_serial = request->ecu_serial,
        .request = request,
        .body = span_of(body, spaak__v1__service_provisioning_response__pack(&m, body)),
        .step = "SP-02/3",
    };
    return responder_send(&g->responder, &r);
}

static void gsdp_on_bytes(void *self, unsigned port, const char *topic, struct span bytes)
{
    struct gsdp *g = self;
    struct msg_opened m;
    (void)port;
    enum err e = responder_open(&g->responder, topic, bytes, &m);
    if (!e && m.header.type != SPAAK__V1__MESSAGE_TYPE__SERVICE_PROVISIONING_REQUEST)
        e = ERR_MSG_UNEXPECTED;
    if (!e) {
        responder_trace_accept(&g->responder, &m, bytes, "SP-02/2");
        e = answer(g, &m.header);
    }
    if (e)
        env_trace_reason(g->env, TRACE_REJECT, NULL, msg_type_name(m.header.type), e, (uint32_t)bytes.len,
                         NULL);
}

static enum err gsdp_init(void *self, struct env *env, const struct component_args *args)
{
    struct gsdp *g = self;
    (void)args;
    g->env = env;
    return responder_init(&g->responder, env, PORT_BROKER, "gsdp", "spaak");
}

static void gsdp_fini(void *self)
{
    struct gsdp *g = self;
    responder_fini(&g->responder);
}

const struct component_class gsdp_class = {
    .name = "gsdp",
    .place = PLACE_BACK_END,
    .stores = true,
    .keys = keys,
    .size = sizeof(struct gsdp),
    .ports = ports,
    .port_count = sizeof ports / sizeof ports[0],
    .topics = topics,
    .plant = plant,
    .secrets = secrets,
    .init = gsdp_init,
    .fini = gsdp_fini,
    .on_bytes = gsdp_on_bytes,
};
