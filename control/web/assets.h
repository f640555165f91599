/* SPDX-License-Identifier: Apache-2.0
 * The dashboard's files, embedded in the program when it is built. */
#ifndef CONTROL_WEB_ASSETS_H
#define CONTROL_WEB_ASSETS_H

#include <stddef.h>

enum web_asset { WEB_INDEX_HTML, WEB_APP_JS, WEB_APP_CSS };

const char *web_asset_data(enum web_asset asset, size_t *len);

#endif
