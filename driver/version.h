/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAPVF_RELEASE_H
#define HPCAPVF_RELEASE_H

#define HPCAPVF_RELEASE "0.1.0"

#endif /* HPCAPVF_RELEASE_H */
