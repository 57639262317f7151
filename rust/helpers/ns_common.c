// SPDX-License-Identifier: GPL-2.0

#include <linux/ns_common.h>
#include <linux/proc_ns.h>
#include <linux/user_namespace.h>

/* bindgen generates no accessor for ns_id, a member of an anonymous struct. */
__rust_helper u64 rust_helper_ns_common_id(const struct ns_common *ns)
{
	return ns->ns_id;
}

__rust_helper void rust_helper___ns_ref_inc(struct ns_common *ns)
{
	__ns_ref_inc(ns);
}

__rust_helper struct ns_common *
rust_helper_ns_get_unless_inactive(struct ns_common *ns)
{
	return ns_get_unless_inactive(ns);
}

#ifndef CONFIG_USER_NS
__rust_helper struct ns_common *rust_helper_ns_get_owner(struct ns_common *ns)
{
	return ns_get_owner(ns);
}
#endif /* CONFIG_USER_NS */
