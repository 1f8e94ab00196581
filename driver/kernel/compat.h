/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What differs between kernels; the HPCAPVF_HAS_ macros come from probes/, by Kbuild. */
#ifndef HPCAPVF_COMPAT_H
#define HPCAPVF_COMPAT_H

#include <linux/mm.h>
#include <linux/netdevice.h>

#include "compat_probes.h"

#ifdef HPCAPVF_HAS_NET_GSO_H
#include <net/gso.h>	/* __skb_gso_segment, which was in netdevice.h */
#endif

static inline void compat_forbid_writing(struct vm_area_struct *area)
{
#ifdef HPCAPVF_HAS_VM_FLAGS_MOD
	vm_flags_mod(area, VM_DONTEXPAND, VM_MAYWRITE);
#else
	area->vm_flags = (area->vm_flags | VM_DONTEXPAND) & ~VM_MAYWRITE;
#endif
}

#endif /* HPCAPVF_COMPAT_H */
