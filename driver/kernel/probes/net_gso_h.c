// SPDX-License-Identifier: GPL-2.0-or-later
/* Is what takes large frames apart declared in a header of its own? */
#include <net/gso.h>

int probe_net_gso_h(void);
int probe_net_gso_h(void)
{
	return 0;
}
