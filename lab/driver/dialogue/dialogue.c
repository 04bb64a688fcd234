// SPDX-License-Identifier: GPL-2.0
/*
 * dialogue: protocol 25. A message is answered to the port that it came from,
 * `answers` times, `pause` milliseconds apart, by delayed work. Messages of
 * type SLOW are not taken before `nap` milliseconds have passed, and those of
 * type REFUSED are refused.
 */
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <net/netlink.h>
#include <net/net_namespace.h>

#define PROTOCOL 25

enum { HELLO = NLMSG_MIN_TYPE, SLOW, REFUSED };

static int answers = 10, pause = 3000, nap = 3000;
module_param(answers, int, 0600);
module_param(pause, int, 0600);
module_param(nap, int, 0600);

static struct sock *sock;
static LIST_HEAD(talks); /* all there were */
static DEFINE_MUTEX(lock); /* of talks: several may send at once */

struct talk {
	struct list_head list;
	struct delayed_work work;
	u32 port, seq;
	int said;
	char text[64];
};

static void answer(struct work_struct *work)
{
	struct talk *t = container_of(to_delayed_work(work), struct talk, work);
	struct sk_buff *skb = nlmsg_new(sizeof(t->text) + 16, GFP_KERNEL);
	struct nlmsghdr *nlh;
	char text[sizeof(t->text) + 16];
	int size;

	if (skb) {
		size = 1 + snprintf(text, sizeof(text), "%s %d", t->text, ++t->said);
		nlh = nlmsg_put(skb, 0, t->seq, HELLO, size, 0);
		memcpy(nlmsg_data(nlh), text, size);
	}
	if (skb && nlmsg_unicast(sock, skb, t->port) >= 0 && t->said < answers)
		schedule_delayed_work(&t->work, msecs_to_jiffies(pause));
}

/* take is called inside of the sender's sendmsg(2). */
static int take(struct sk_buff *skb, struct nlmsghdr *nlh, struct netlink_ext_ack *ack)
{
	struct talk *t;

	switch (nlh->nlmsg_type) {
	case SLOW:
		msleep(nap);
		break;
	case REFUSED:
		NL_SET_ERR_MSG(ack, "not today");
		return -EBUSY;
	}
	t = kzalloc(sizeof(*t), GFP_KERNEL);
	if (!t)
		return -ENOMEM;
	INIT_DELAYED_WORK(&t->work, answer);
	t->port = NETLINK_CB(skb).portid;
	t->seq = nlh->nlmsg_seq;
	/* No trust in a NUL: the sender may have left it out. */
	memcpy(t->text, nlmsg_data(nlh), min_t(int, nlmsg_len(nlh), sizeof(t->text) - 1));
	mutex_lock(&lock);
	list_add(&t->list, &talks);
	mutex_unlock(&lock);
	schedule_delayed_work(&t->work, 0);
	return 0;
}

static void input(struct sk_buff *skb)
{
	netlink_rcv_skb(skb, take);
}

static int __init dialogue_init(void)
{
	struct netlink_kernel_cfg cfg = { .input = input, .groups = 40, .flags = NL_CFG_F_NONROOT_RECV };

	sock = netlink_kernel_create(&init_net, PROTOCOL, &cfg);
	return sock ? 0 : -EADDRINUSE;
}

/* Nobody has a socket any more: an open one would keep us from going. */
static void __exit dialogue_exit(void)
{
	struct talk *t, *next;

	list_for_each_entry_safe(t, next, &talks, list) {
		cancel_delayed_work_sync(&t->work);
		kfree(t);
	}
	netlink_kernel_release(sock);
}

module_init(dialogue_init);
module_exit(dialogue_exit);
MODULE_DESCRIPTION("Answers on netlink protocol 25");
MODULE_LICENSE("GPL");
