/* SPDX-License-Identifier: Apache-2.0
 * A reply body that many requests share. One reader renders, with the others
 * waiting for it: under load the work is done once, not once per request. */
#include "control/http/snapshot.h"

#include "common/clock.h"
#include "control/http/call.h"
#include "control/tracker/digest.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COST_FACTOR = 10, HOLD_MAX_MS = 100, ETAG_BYTES = 16 };

struct shared_body {
    atomic_int references;
    char *data;
    size_t len;
    char etag[HTTP_ETAG_SIZE];
};

struct snapshot {
    struct snapshot_source source;
    pthread_mutex_t mutex;
    struct shared_body *current; /* NULL: never rendered */
    int64_t version;
    int64_t rendered_at_ms; /* monotonic */
    int64_t hold_ms;
};

const char *
shared_body_data(const struct shared_body *body, size_t *len)
{
    *len = body->len;
    return body->data;
}

const char *
shared_body_etag(const struct shared_body *body)
{
    return body->etag;
}

void
shared_body_release(struct shared_body *body)
{
    if (body == NULL || atomic_fetch_sub(&body->references, 1) != 1)
        return;
    free(body->data);
    free(body);
}

static int
make_etag(
    const char *data, size_t len, char out[HTTP_ETAG_SIZE], struct err *err)
{
    unsigned char digest[DIGEST_SIZE];

    if (!digest_sha256(data, len, digest))
        return err_set(err, ERR_INTERNAL, "cannot hash a reply");
    out[0] = '"';
    for (size_t i = 0; i < ETAG_BYTES; i++)
        (void)snprintf(out + 1 + 2 * i, 3, "%02x", digest[i]);
    (void)snprintf(out + 1 + 2 * (size_t)ETAG_BYTES, 2, "\"");
    return 0;
}

/* NULL: err says why. */
static struct shared_body *
render(struct snapshot *snapshot, struct err *err)
{
    struct shared_body *body = calloc(1, sizeof(*body));
    struct buf text;

    if (body == NULL) {
        (void)err_no_memory(err);
        return NULL;
    }
    buf_init(&text, HTTP_REPLY_MAX);
    int skip = snapshot->source.render(snapshot->source.arg, &text, err);

    if (skip < 0 || buf_check(&text, err) != 0 ||
        make_etag(text.data + skip, text.len - (size_t)skip, body->etag, err) !=
            0) {
        buf_free(&text);
        free(body);
        return NULL;
    }
    body->len = text.len;
    body->data = buf_steal(&text);
    atomic_init(&body->references, 1);
    return body;
}

/* With the mutex held. */
static int
refresh(struct snapshot *snapshot, struct err *err)
{
    int64_t now = clock_mono_ms();
    int64_t age = now - snapshot->rendered_at_ms;

    if (snapshot->current != NULL && age < snapshot->hold_ms)
        return 0;
    int64_t version = snapshot->source.version(snapshot->source.arg);

    if (snapshot->current != NULL && version == snapshot->version &&
        age < snapshot->source.max_age_ms)
        return 0;
    struct shared_body *fresh = render(snapshot, err);

    if (fresh == NULL)
        return -1;
    int64_t done = clock_mono_ms();

    snapshot->hold_ms = (done - now) * COST_FACTOR;
    if (snapshot->hold_ms > HOLD_MAX_MS)
        snapshot->hold_ms = HOLD_MAX_MS;
    snapshot->rendered_at_ms = done;
    snapshot->version = version;
    if (snapshot->current != NULL &&
        strcmp(snapshot->current->etag, fresh->etag) == 0) {
        shared_body_release(fresh);
        return 0;
    }
    shared_body_release(snapshot->current);
    snapshot->current = fresh;
    return 0;
}

int
snapshot_get(
    struct snapshot *snapshot, struct shared_body **out, struct err *err)
{
    *out = NULL;
    (void)pthread_mutex_lock(&snapshot->mutex);
    int rc = refresh(snapshot, err);

    if (rc == 0) {
        *out = snapshot->current;
        atomic_fetch_add(&snapshot->current->references, 1);
    }
    (void)pthread_mutex_unlock(&snapshot->mutex);
    return rc;
}

int
snapshot_new(struct snapshot **out, const struct snapshot_source *source,
    struct err *err)
{
    struct snapshot *snapshot = calloc(1, sizeof(*snapshot));

    *out = NULL;
    if (snapshot == NULL)
        return err_no_memory(err);
    snapshot->source = *source;
    (void)pthread_mutex_init(&snapshot->mutex, NULL);
    *out = snapshot;
    return 0;
}

void
snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    shared_body_release(snapshot->current);
    (void)pthread_mutex_destroy(&snapshot->mutex);
    free(snapshot);
}
