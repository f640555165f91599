/* SPDX-License-Identifier: Apache-2.0
 * A plain HTTP client for tests. */
#include "common/cleanup.h"
#include "tests/support/harness.h"

#include <criterion/criterion.h>
#include <curl/curl.h>

enum { BODY_MAX = 64 * 1024 * 1024 };

static size_t
collect(char *data, size_t size, size_t count, void *arg)
{
    buf_append(arg, data, size * count);
    return size * count;
}

void
http_call(
    struct answer *out, const char *method, const char *url, const char *body)
{
    CURL *curl = curl_easy_init();
    struct curl_slist *headers = NULL;
    struct err err = ERR_INIT;

    cr_assert_not_null(curl);
    *out = (struct answer){0};
    buf_init(&out->body, BODY_MAX);
    if (body != NULL)
        headers = curl_slist_append(headers, "Content-Type: application/json");
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (body != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, 20000L);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &out->body);
    if (curl_easy_perform(curl) == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &out->status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (out->body.len > 0)
        out->json = json_parse(out->body.data, out->body.len, BODY_MAX, &err);
}

void
answer_free(struct answer *answer)
{
    json_free(answer->json);
    buf_free(&answer->body);
    *answer = (struct answer){0};
}
