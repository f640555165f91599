/* SPDX-License-Identifier: Apache-2.0
 * The operations between the planes: one table. PROTOCOL.md says the same in
 * words; a test holds the two together. */
#ifndef PROTO_OPS_H
#define PROTO_OPS_H

enum { PROTO_VERSION = 1, PROTO_VERSION_MIN = 1 };

/* The whole frame, the nng header included. Dispatch carries a prompt, events
 * carry batches; nothing needs more. */
enum { PROTO_FRAME_MAX = 4 * 1024 * 1024 };

/* id, wire name, request message, reply message, does it change something? */
#define PROTO_OPS(X)                                                           \
    X(OP_HELLO, "hello", hello_request, hello_reply, 0)                        \
    X(OP_DISPATCH, "dispatch", dispatch_request, dispatch_reply, 1)            \
    X(OP_EVENTS, "events", events_request, events_reply, 1)                    \
    X(OP_RESPOND, "respond", respond_request, ack_reply, 1)                    \
    X(OP_STEER, "steer", steer_request, ack_reply, 1)                          \
    X(OP_ABORT, "abort", abort_request, ack_reply, 1)                          \
    X(OP_STATUS, "status", status_request, status_reply, 0)                    \
    X(OP_DRAIN, "drain", drain_request, ack_reply, 1)                          \
    X(OP_WORKSPACES, "workspaces", workspaces_request, workspaces_reply, 0)    \
    X(OP_REMOVE_WORKSPACE, "remove_workspace", remove_workspace_request,       \
        ack_reply, 1)

enum proto_op {

#define X(id, name, request, reply, changes) id,
    PROTO_OPS(X)
#undef X
        PROTO_OP_COUNT
};

const char *proto_op_name(enum proto_op op);

#endif
