// SPDX-License-Identifier: GPL-2.0
/*
 * family: the family lab_family of generic netlink. What is written to the
 * module's parameter `tell` goes to its group news, as the string attribute 1
 * with the number of the telling as attribute 2; the command 1 echoes its
 * attribute 1 to the group.
 */
#include <linux/module.h>
#include <net/genetlink.h>

enum { TEXT = 1, COUNT };
enum { SAY = 1 };

static struct genl_family family;
static u32 count;

static int tell(const char *text)
{
	struct sk_buff *skb = genlmsg_new(NLMSG_GOODSIZE, GFP_KERNEL);
	void *header;

	if (!skb)
		return -ENOMEM;
	header = genlmsg_put(skb, 0, 0, &family, 0, SAY);
	if (!header || nla_put_string(skb, TEXT, text) || nla_put_u32(skb, COUNT, ++count)) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, header);
	return genlmsg_multicast(&family, skb, 0, 0, GFP_KERNEL);
}

static int say(struct sk_buff *skb, struct genl_info *info)
{
	if (!info->attrs[TEXT]) {
		GENL_SET_ERR_MSG(info, "nothing to say");
		return -EINVAL;
	}
	return tell(nla_data(info->attrs[TEXT]));
}

static const struct nla_policy policy[COUNT + 1] = {
	[TEXT] = { .type = NLA_NUL_STRING, .len = 255 },
};

static const struct genl_small_ops ops[] = { { .cmd = SAY, .doit = say } };

static const struct genl_multicast_group groups[] = { { .name = "news" } };

static struct genl_family family = {
	.name = "lab_family",
	.version = 1,
	.maxattr = COUNT,
	.policy = policy,
	.small_ops = ops,
	.n_small_ops = ARRAY_SIZE(ops),
	.resv_start_op = SAY + 1,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
	.module = THIS_MODULE,
};

static int set_tell(const char *text, const struct kernel_param *param)
{
	return tell(text);
}

static const struct kernel_param_ops tell_ops = { .set = set_tell };
module_param_cb(tell, &tell_ops, NULL, 0200);

static int __init family_init(void)
{
	return genl_register_family(&family);
}

static void __exit family_exit(void)
{
	genl_unregister_family(&family);
}

module_init(family_init);
module_exit(family_exit);
MODULE_DESCRIPTION("A family of generic netlink to try things with");
MODULE_LICENSE("GPL");
