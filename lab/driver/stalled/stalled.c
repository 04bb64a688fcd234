// SPDX-License-Identifier: GPL-2.0

/*
 * A serial line, /dev/ttyLAB0, whose far end takes what is written after= ms
 * later, or never if that is -1, as with flow control and a device that is off:
 * the kernel then keeps up to 4096 bytes, and waits 30 s when the line is closed.
 * sent counts the bytes that have got through, waiting those that have not, and
 * closed how often the line was closed. chip= of them wait in the adapter's own
 * chip, where the kernel cannot drop them.
 */

#include <linux/module.h>
#include <linux/tty.h>
#include <linux/tty_driver.h>
#include <linux/tty_port.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#define ROOM 4096

static struct tty_driver *driver;
static struct tty_port port;
static const struct tty_port_operations port_ops = {};
static int after = -1;
static unsigned int waiting, sent, closed;
module_param(waiting, uint, 0444);
module_param(sent, uint, 0444);
module_param(closed, uint, 0444);
static unsigned int chip;
module_param(chip, uint, 0644);
static DECLARE_WAIT_QUEUE_HEAD(empty);

static void arrive(struct work_struct *work)
{
	sent += waiting;
	waiting = 0;
	wake_up(&empty);
	tty_port_tty_wakeup(&port);
}

static DECLARE_DELAYED_WORK(arrival, arrive);

static int line_open(struct tty_struct *tty, struct file *file)
{
	return tty_port_open(&port, tty, file);
}

static void line_close(struct tty_struct *tty, struct file *file)
{
	tty_port_close(&port, tty, file);
	closed++;
}

static void line_hangup(struct tty_struct *tty)
{
	tty_port_hangup(&port);
}

static int line_write(struct tty_struct *tty, const unsigned char *bytes, int count)
{
	count = min_t(int, count, ROOM - waiting);
	waiting += count;
	if (after >= 0)
		schedule_delayed_work(&arrival, msecs_to_jiffies(after));
	return count;
}

static unsigned int line_room(struct tty_struct *tty)
{
	return ROOM - waiting;
}

static unsigned int line_waiting(struct tty_struct *tty)
{
	return waiting - min(waiting, chip);
}

static void line_flush(struct tty_struct *tty)
{
	waiting = min(waiting, chip);
	tty_wakeup(tty);
}

static void line_wait(struct tty_struct *tty, int timeout)
{
	wait_event_interruptible_timeout(empty, !waiting, timeout);
}

static int line_ioctl(struct tty_struct *tty, unsigned int request, unsigned long to)
{
	if (request != TIOCSERGETLSR)
		return -ENOIOCTLCMD;
	return put_user(waiting ? 0 : TIOCSER_TEMT, (unsigned int __user *)to);
}

static void line_set(struct tty_struct *tty, const struct ktermios *old)
{
}

static const struct tty_operations ops = {
	.open = line_open,
	.close = line_close,
	.hangup = line_hangup,
	.write = line_write,
	.write_room = line_room,
	.chars_in_buffer = line_waiting,
	.flush_buffer = line_flush,
	.wait_until_sent = line_wait,
	.ioctl = line_ioctl,
	.set_termios = line_set,
};

static int set_after(const char *text, const struct kernel_param *kp)
{
	int err = param_set_int(text, kp);

	if (!err && driver && waiting && after >= 0)
		schedule_delayed_work(&arrival, msecs_to_jiffies(after));
	return err;
}

static const struct kernel_param_ops after_ops = { .set = set_after, .get = param_get_int };
module_param_cb(after, &after_ops, &after, 0644);

static int __init begin(void)
{
	struct tty_driver *made = tty_alloc_driver(1, TTY_DRIVER_REAL_RAW | TTY_DRIVER_DYNAMIC_DEV);
	int err;

	if (IS_ERR(made))
		return PTR_ERR(made);
	made->driver_name = "stalled";
	made->name = "ttyLAB";
	made->type = TTY_DRIVER_TYPE_SERIAL;
	made->subtype = SERIAL_TYPE_NORMAL;
	made->init_termios = tty_std_termios;
	tty_set_operations(made, &ops);
	tty_port_init(&port);
	port.ops = &port_ops;
	err = tty_register_driver(made);
	if (!err) {
		driver = made;
		err = PTR_ERR_OR_ZERO(tty_port_register_device(&port, driver, 0, NULL));
		if (!err)
			return 0;
		tty_unregister_driver(driver);
	}
	tty_driver_kref_put(made);
	tty_port_destroy(&port);
	return err;
}

static void __exit end(void)
{
	cancel_delayed_work_sync(&arrival);
	tty_unregister_device(driver, 0);
	tty_unregister_driver(driver);
	tty_driver_kref_put(driver);
	tty_port_destroy(&port);
}

module_init(begin);
module_exit(end);
MODULE_DESCRIPTION("a serial line whose far end takes nothing");
MODULE_LICENSE("GPL");
