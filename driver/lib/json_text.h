/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LIB_JSON_TEXT_H
#define LIB_JSON_TEXT_H

/* A path of PATH_MAX bytes, each of them escaped in two. */
#define JSON_TEXT_BYTES 9000

/* text as the inside of a JSON string; control characters become '?', what does not fit is cut. Returns out. */
const char *json_text(char out[JSON_TEXT_BYTES], const char *text);

#endif /* LIB_JSON_TEXT_H */
