// SPDX-License-Identifier: GPL-2.0-or-later
#include "core/stamp.h"

#define SHARE_SHIFT 16
/* So that no product overflows; a gap of 39 hours need not be shared out exactly. */
#define GAP_NS_MAX ((1ull << (63 - SHARE_SHIFT)) - 1)

void hpcap_stamp_begin(struct hpcap_stamper *stamper, __u64 now_ns, __u64 total)
{
	__u64 gap = now_ns > stamper->last_ns ? now_ns - stamper->last_ns : 0;

	stamper->weight = 0;
	if (!stamper->last_ns || gap > GAP_NS_MAX)
		gap = 0;
	stamper->begin_ns = now_ns - gap;
	stamper->end_ns = now_ns;
	stamper->share = core_div64(gap << SHARE_SHIFT, total);
}
