/* SPDX-License-Identifier: Apache-2.0
 * The JSON rows that several answers share. */
#ifndef CONTROL_HTTP_VIEW_H
#define CONTROL_HTTP_VIEW_H

#include "common/json.h"
#include "control/pool/pool.h"
#include "control/store/store.h"

#include <stddef.h>
#include <stdint.h>

/* RFC 3339; null for a time that is not known (<= 0). */
void view_time(struct jw *w, const char *key, int64_t wall_ms);

/* A row of the board: who, where it stands, what it used. status says what
 * we do with it; the attempt's facts are there when it has one. */
void view_attempt_row(const struct attempt *attempt, struct jw *w);
void view_issue_row(
    const struct issue *issue, const char *status, struct jw *w);
void view_retry_row(const struct retry *retry, struct jw *w);

/* An event without its data, and with one line that says what it is about. */
void view_event_row(const struct event *event, struct jw *w);

void view_comments(
    const struct comment_list *comments, struct jw *w, const char *key);

/* All hosts, as an array. */
struct hosts {
    struct host_info *items;
    size_t len;
    size_t connected;
};

int view_hosts_load(struct pool *pool, struct hosts *out, struct err *err);
void view_hosts_release(struct hosts *hosts);
void view_hosts(const struct hosts *hosts, struct jw *w, const char *key);

#endif
