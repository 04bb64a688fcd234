// SPDX-License-Identifier: GPL-2.0
/*
 * group21: what is written to /proc/group21 goes to the members of group 21 of
 * NETLINK_USERSOCK. Nobody in the kernel has a socket of that protocol, so a
 * module can.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>
#include <net/netlink.h>
#include <net/net_namespace.h>

#define GROUP 21

static struct sock *sock;

/* tell sends a text with its NUL. */
static int tell(const char *text, int size)
{
	struct sk_buff *skb = nlmsg_new(size, GFP_KERNEL);
	struct nlmsghdr *nlh;

	if (!skb)
		return -ENOMEM;
	nlh = nlmsg_put(skb, 0, 0, NLMSG_MIN_TYPE, size, 0);
	memcpy(nlmsg_data(nlh), text, size);
	return nlmsg_multicast(sock, skb, 0, GROUP, GFP_KERNEL);
}

/* Writing fails with ESRCH if nobody listens. "burst N" sends "0" to "N-1". */
static ssize_t write(struct file *file, const char __user *from, size_t count, loff_t *at)
{
	char text[256];
	int i, n, err = 0;

	if (count >= sizeof(text))
		return -EMSGSIZE;
	if (copy_from_user(text, from, count))
		return -EFAULT;
	text[count] = 0;
	if (sscanf(text, "burst %d", &n) != 1)
		err = tell(text, count + 1);
	else
		for (i = 0; i < n && err != -ENOMEM; i++)
			err = tell(text, 1 + snprintf(text, sizeof(text), "%d", i));
	return err && err != -ENOBUFS ? err : count;
}

static const struct proc_ops ops = { .proc_write = write };

static int __init group21_init(void)
{
	sock = netlink_kernel_create(&init_net, NETLINK_USERSOCK, NULL);
	if (!sock)
		return -EADDRINUSE;
	if (!proc_create("group21", 0200, NULL, &ops)) {
		netlink_kernel_release(sock);
		return -ENOMEM;
	}
	return 0;
}

static void __exit group21_exit(void)
{
	remove_proc_entry("group21", NULL);
	netlink_kernel_release(sock);
}

module_init(group21_init);
module_exit(group21_exit);
MODULE_DESCRIPTION("Multicasts what is written to /proc/group21");
MODULE_LICENSE("GPL");
