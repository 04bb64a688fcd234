// SPDX-License-Identifier: GPL-2.0

/*
 * Signals with data: /proc/sensor_owner is told the PID of the process to
 * call. What is written to /proc/sensor_call then goes to it:
 *
 *	SIGNAL VALUE	to its main thread, with the value, as sigqueue(3) does
 *	SIGNAL		to the process as a whole; the kernel's own code and no value
 */

#include <linux/module.h>
#include <linux/pid.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

static struct pid *owner;

static int text_from_user(char *to, size_t room, const char __user *from, size_t size)
{
	if (size >= room)
		return -EMSGSIZE;
	if (copy_from_user(to, from, size))
		return -EFAULT;
	to[size] = 0;
	return 0;
}

static ssize_t owner_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	char text[16];
	int number, err = text_from_user(text, sizeof(text), from, size);

	if (!err)
		err = kstrtoint(strim(text), 10, &number);
	if (err)
		return err;
	put_pid(owner);
	owner = find_get_pid(number);
	return owner ? size : -ESRCH;
}

static int call_thread(int sig, int value)
{
	struct kernel_siginfo info;
	struct task_struct *task = get_pid_task(owner, PIDTYPE_PID);
	int err;

	if (!task)
		return -ESRCH;
	clear_siginfo(&info);
	info.si_signo = sig;
	info.si_code = SI_QUEUE;
	info.si_int = value;
	err = send_sig_info(sig, &info, task);
	put_task_struct(task);
	return err;
}

static ssize_t call_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	char text[32];
	int sig, value, err = text_from_user(text, sizeof(text), from, size);

	if (err)
		return err;
	switch (sscanf(text, "%d %d", &sig, &value)) {
	case 2:
		err = call_thread(sig, value);
		break;
	case 1:
		err = kill_pid(owner, sig, 1);
		break;
	default:
		err = -EINVAL;
	}
	return err ? err : size;
}

static const struct proc_ops owner_ops = { .proc_write = owner_write };
static const struct proc_ops call_ops = { .proc_write = call_write };

static int __init caller_init(void)
{
	if (!proc_create("sensor_owner", 0200, NULL, &owner_ops))
		return -ENOMEM;
	if (proc_create("sensor_call", 0200, NULL, &call_ops))
		return 0;
	remove_proc_entry("sensor_owner", NULL);
	return -ENOMEM;
}
module_init(caller_init);

static void __exit caller_exit(void)
{
	remove_proc_entry("sensor_call", NULL);
	remove_proc_entry("sensor_owner", NULL);
	put_pid(owner);
}
module_exit(caller_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Sends signals with data to a process that it was told");
