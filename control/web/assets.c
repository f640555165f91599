/* SPDX-License-Identifier: Apache-2.0
 * The dashboard's files. The assembler reads them (paths are relative to the
 * project's root, where make runs; the Makefile names the dependency). */
#include "control/web/assets.h"

__asm__(".pushsection .rodata\n"
        "web_index_html: .incbin \"control/web/index.html\"\n"
        "web_app_js: .incbin \"control/web/app.js\"\n"
        "web_app_css: .incbin \"control/web/app.css\"\n"
        "web_end:\n"
        ".global web_index_html, web_app_js, web_app_css, web_end\n"
        ".popsection\n");

#define HIDDEN __attribute__((visibility("hidden")))
extern const char web_index_html[] HIDDEN;
extern const char web_app_js[] HIDDEN;
extern const char web_app_css[] HIDDEN;
extern const char web_end[] HIDDEN;

const char *
web_asset_data(enum web_asset asset, size_t *len)
{
    static const char *const starts[] = {
        web_index_html, web_app_js, web_app_css, web_end};

    *len = (size_t)(starts[asset + 1] - starts[asset]);
    return starts[asset];
}
