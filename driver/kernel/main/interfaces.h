/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HPCAPVF_INTERFACES_H
#define HPCAPVF_INTERFACES_H

/* Captures what the parameter `interfaces` names; -errno with the reason in the log, then nothing is captured. */
int interfaces_start(void);
void interfaces_stop(void);

#endif /* HPCAPVF_INTERFACES_H */
