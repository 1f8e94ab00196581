// SPDX-License-Identifier: GPL-2.0-or-later
/* Are a mapping's flags changed by functions, or written directly? */
#include <linux/mm.h>

void probe_vm_flags_mod(struct vm_area_struct *area);
void probe_vm_flags_mod(struct vm_area_struct *area)
{
	vm_flags_mod(area, VM_DONTEXPAND, VM_MAYWRITE);
}
