/* SPDX-License-Identifier: Apache-2.0
 * Bounds of the fields on the wire, for those who fill them. All in bytes
 * unless a name says otherwise; PROTOCOL.md gives each field's own. */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#include "proto/ops.h"

enum {
    PROTO_ID_MAX = 64,
    PROTO_ISSUE_ID_MAX = 256,
    PROTO_IDENTIFIER_MAX = 256,
    PROTO_TITLE_MAX = 1024,
    PROTO_KEY_MAX = 128, /* of a workspace */
    PROTO_LABEL_MAX = 128,
    PROTO_HOST_MAX = 256,
    PROTO_PATH_MAX = 4096,
    PROTO_URL_MAX = 2048,
    PROTO_TEXT_MAX = 4096, /* a reason, in words */
    PROTO_PROMPT_MAX = 1024 * 1024,
    PROTO_HOOK_MAX = 64 * 1024,
    PROTO_COMMIT_MESSAGE_MAX = 64 * 1024,
    PROTO_SANDBOX_POLICY_MAX = 16 * 1024,
    PROTO_SECRET_MAX = 4096,
    PROTO_STEER_MAX = 256 * 1024,
    PROTO_RESPONSE_MAX = 256 * 1024,
    PROTO_EVENT_DATA_MAX = 1024 * 1024,
    PROTO_EVENTS_MAX_COUNT = 512, /* in one reply */
    PROTO_STATUS_MAX_COUNT = 1000,
    PROTO_WORKSPACES_MAX_COUNT = 1000,
    PROTO_WAIT_MAX_MS = 60 * 1000,
    PROTO_DAY_MS = 24 * 60 * 60 * 1000
};

/* A reply to `events` takes no further event once their data is this large.
 * With one more of PROTO_EVENT_DATA_MAX, the frame still fits PROTO_FRAME_MAX
 * and JSON_NODES_MAX whatever the data is, so that no event can be stuck. */
enum { PROTO_EVENTS_BYTES = 1024 * 1024 };

/* The largest frame that is sent: nng counts its header into the receiver's
 * limit, and drops a connection that passes it. */
enum { PROTO_PAYLOAD_MAX = PROTO_FRAME_MAX - 64 };

#endif
