/* SPDX-License-Identifier: Apache-2.0
 * The dashboard's three files, which are part of the program. */
#include "control/http/handlers.h"

#include "control/web/assets.h"

#include <string.h>

static int
reply_asset(struct http_call *call, enum web_asset asset, const char *type)
{
    size_t len = 0;
    const char *data = web_asset_data(asset, &len);

    call->reply.content_type = type;
    call->reply.is_page = true;
    buf_append(&call->reply.body, data, len);
    return 0;
}

int
api_web_page(struct http_app *app, struct http_call *call, struct err *err)
{
    (void)app;
    (void)err;
    return reply_asset(call, WEB_INDEX_HTML, "text/html; charset=utf-8");
}

int
api_web_script(struct http_app *app, struct http_call *call, struct err *err)
{
    (void)app;
    (void)err;
    return reply_asset(call, WEB_APP_JS, "text/javascript; charset=utf-8");
}

int
api_web_style(struct http_app *app, struct http_call *call, struct err *err)
{
    (void)app;
    (void)err;
    return reply_asset(call, WEB_APP_CSS, "text/css; charset=utf-8");
}
