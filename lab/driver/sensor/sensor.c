// SPDX-License-Identifier: GPL-2.0

/*
 * A sensor that is not there: /dev/sensor hands out records, one a read(2),
 * and announces them by poll(2) and SIGIO; the attribute `level` of its device,
 * /sys/class/misc/sensor/level, holds the last record and announces itself by
 * POLLPRI. What is written to /proc/sensor is the next record; "burst N" makes
 * the N records 1 to N. With stubborn=1 it is what drivers should not be: it
 * has no poll method, and waits in read(2) whatever O_NONBLOCK says. With eager=1
 * its poll method always reports a record.
 */

#include <linux/fs.h>
#include <linux/kfifo.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/uaccess.h>

static bool stubborn;
module_param(stubborn, bool, 0444);
static bool eager;
module_param(eager, bool, 0444);

#define RECORD 32
#define RECORDS 8192

struct record {
	char text[RECORD];
};

static DEFINE_MUTEX(lock);
static DECLARE_KFIFO_PTR(waiting, struct record);
static DECLARE_WAIT_QUEUE_HEAD(readers);
static struct fasync_struct *listeners;
static struct record last;

static ssize_t sensor_read(struct file *file, char __user *to, size_t size, loff_t *pos)
{
	struct record r;
	size_t length;

	while (mutex_lock(&lock), !kfifo_get(&waiting, &r)) {
		mutex_unlock(&lock);
		if (file->f_flags & O_NONBLOCK && !stubborn)
			return -EAGAIN;
		if (wait_event_interruptible(readers, !kfifo_is_empty(&waiting)))
			return -ERESTARTSYS;
	}
	mutex_unlock(&lock);
	length = min(size, strlen(r.text));
	if (copy_to_user(to, r.text, length))
		return -EFAULT;
	return length;
}

static __poll_t sensor_poll(struct file *file, poll_table *wait)
{
	poll_wait(file, &readers, wait);
	return kfifo_is_empty(&waiting) && !eager ? 0 : EPOLLIN | EPOLLRDNORM;
}

static int sensor_fasync(int fd, struct file *file, int on)
{
	return fasync_helper(fd, file, on, &listeners);
}

static int sensor_release(struct inode *inode, struct file *file)
{
	return sensor_fasync(-1, file, 0);
}

static struct file_operations sensor_fops = {
	.owner = THIS_MODULE,
	.read = sensor_read,
	.poll = sensor_poll,
	.fasync = sensor_fasync,
	.release = sensor_release,
	.llseek = no_llseek,
};

static ssize_t level_show(struct device *dev, struct device_attribute *attr, char *to)
{
	return sysfs_emit(to, "%s", last.text);
}
static DEVICE_ATTR_RO(level);

static struct attribute *sensor_attrs[] = { &dev_attr_level.attr, NULL };
ATTRIBUTE_GROUPS(sensor);

static struct miscdevice sensor = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sensor",
	.fops = &sensor_fops,
	.groups = sensor_groups,
	.mode = 0644,
};

/* Every record is announced by itself, as a driver's interrupt would do it. */
static int sensor_tell(const struct record *r)
{
	int kept;

	mutex_lock(&lock);
	kept = kfifo_put(&waiting, *r);
	last = *r;
	mutex_unlock(&lock);
	if (!kept)
		return -ENOSPC;
	wake_up_interruptible(&readers);
	kill_fasync(&listeners, SIGIO, POLL_IN);
	return 0;
}

static ssize_t sensor_write(struct file *file, const char __user *from, size_t size, loff_t *pos)
{
	struct record r = {};
	unsigned int i, burst;
	int err = 0;

	if (size >= RECORD)
		return -EMSGSIZE;
	if (copy_from_user(r.text, from, size))
		return -EFAULT;
	if (sscanf(r.text, "burst %u", &burst) == 1) {
		for (i = 1; i <= burst && !err; i++) {
			snprintf(r.text, RECORD, "%u\n", i);
			err = sensor_tell(&r);
		}
	} else {
		err = sensor_tell(&r);
	}
	sysfs_notify(&sensor.this_device->kobj, NULL, "level");
	return err ? err : size;
}

static const struct proc_ops sensor_proc = {
	.proc_write = sensor_write,
};

static int __init sensor_init(void)
{
	int err = kfifo_alloc(&waiting, RECORDS, GFP_KERNEL);

	if (err)
		return err;
	if (stubborn)
		sensor_fops.poll = NULL;
	err = misc_register(&sensor);
	if (err)
		goto free;
	if (proc_create("sensor", 0200, NULL, &sensor_proc))
		return 0;
	err = -ENOMEM;
	misc_deregister(&sensor);
free:
	kfifo_free(&waiting);
	return err;
}
module_init(sensor_init);

static void __exit sensor_exit(void)
{
	remove_proc_entry("sensor", NULL);
	misc_deregister(&sensor);
	kfifo_free(&waiting);
}
module_exit(sensor_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("A sensor that announces its records by SIGIO and POLLPRI");
