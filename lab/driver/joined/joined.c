// SPDX-License-Identifier: GPL-2.0

/*
 * A GPIO chip with the label "joined" whose lines JOINED0 and JOINED1 are joined
 * by a wire, as are JOINED2 and JOINED3: what one drives, the other reads, with
 * interrupts and bias. A line that nothing drives or pulls is low. JOINED4 is
 * joined to nothing.
 *
 * The lines have their names from a property of the device: a kernel of 6.1 that
 * is given them in gpio_chip.names looks for each among all chips there are, and
 * falls over one that has gone while a program still has it open.
 */

#include <linux/bitops.h>
#include <linux/gpio/driver.h>
#include <linux/irq_work.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/property.h>

#define LINES 5

static const char *const names[LINES] = { "JOINED0", "JOINED1", "JOINED2", "JOINED3", "JOINED4" };

static struct platform_device *device;
static DEFINE_RAW_SPINLOCK(lock);
static unsigned long driven, high, pulled_up, levels; /* a bit a line */
static unsigned int types[LINES];
static unsigned long pending, unmasked;
static struct gpio_chip chip;
static struct irq_work interrupt;

static unsigned int partner(unsigned int line)
{
	return line < LINES - 1 ? line ^ 1 : line;
}

static bool level(unsigned int line)
{
	unsigned int other = partner(line);

	if (driven & BIT(line))
		return high & BIT(line);
	if (driven & BIT(other))
		return high & BIT(other);
	return pulled_up & (BIT(line) | BIT(other));
}

/* settle finds what changed at both ends of a wire; the lock is held. */
static void settle(unsigned int line)
{
	unsigned int ends[] = { line, partner(line) }, i;

	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		unsigned long bit = BIT(ends[i]);
		bool now = level(ends[i]);

		if (now == !!(levels & bit))
			continue;
		levels ^= bit;
		if ((unmasked & bit) && (types[ends[i]] & (now ? IRQ_TYPE_EDGE_RISING : IRQ_TYPE_EDGE_FALLING))) {
			pending |= bit;
			irq_work_queue(&interrupt);
		}
	}
}

static void interrupted(struct irq_work *work)
{
	unsigned long flags, due;
	unsigned int line;

	raw_spin_lock_irqsave(&lock, flags);
	due = pending;
	pending = 0;
	raw_spin_unlock_irqrestore(&lock, flags);
	for_each_set_bit(line, &due, LINES)
		generic_handle_domain_irq(chip.irq.domain, line);
}

static void change(unsigned long *bits, unsigned int line, bool on)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	__assign_bit(line, bits, on);
	settle(line);
	raw_spin_unlock_irqrestore(&lock, flags);
}

static int direction(struct gpio_chip *c, unsigned int line)
{
	return driven & BIT(line) ? GPIO_LINE_DIRECTION_OUT : GPIO_LINE_DIRECTION_IN;
}

static int get(struct gpio_chip *c, unsigned int line)
{
	return !!(READ_ONCE(levels) & BIT(line));
}

static void set(struct gpio_chip *c, unsigned int line, int value)
{
	change(&high, line, value);
}

static int input(struct gpio_chip *c, unsigned int line)
{
	change(&driven, line, false);
	return 0;
}

static int output(struct gpio_chip *c, unsigned int line, int value)
{
	change(&high, line, value);
	change(&driven, line, true);
	return 0;
}

static int config(struct gpio_chip *c, unsigned int line, unsigned long setting)
{
	switch (pinconf_to_config_param(setting)) {
	case PIN_CONFIG_BIAS_PULL_UP:
		change(&pulled_up, line, true);
		return 0;
	case PIN_CONFIG_BIAS_PULL_DOWN:
	case PIN_CONFIG_BIAS_DISABLE:
		change(&pulled_up, line, false);
		return 0;
	default:
		return -ENOTSUPP;
	}
}

static void enable(struct irq_data *d, bool on)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock, flags);
	__assign_bit(irqd_to_hwirq(d), &unmasked, on);
	raw_spin_unlock_irqrestore(&lock, flags);
}

static void mask(struct irq_data *d)
{
	enable(d, false);
	gpiochip_disable_irq(&chip, irqd_to_hwirq(d));
}

static void unmask(struct irq_data *d)
{
	gpiochip_enable_irq(&chip, irqd_to_hwirq(d));
	enable(d, true);
}

static int set_type(struct irq_data *d, unsigned int type)
{
	types[irqd_to_hwirq(d)] = type;
	return 0;
}

static const struct irq_chip irqs = {
	.name = "joined",
	.irq_mask = mask,
	.irq_unmask = unmask,
	.irq_set_type = set_type,
	.flags = IRQCHIP_IMMUTABLE,
	GPIOCHIP_IRQ_RESOURCE_HELPERS,
};

static struct gpio_chip chip = {
	.label = "joined",
	.owner = THIS_MODULE,
	.base = -1,
	.ngpio = LINES,
	.get_direction = direction,
	.direction_input = input,
	.direction_output = output,
	.get = get,
	.set = set,
	.set_config = config,
};

static const struct property_entry properties[] = {
	PROPERTY_ENTRY_STRING_ARRAY("gpio-line-names", names),
	{ }
};

static const struct platform_device_info info = {
	.name = "joined",
	.id = PLATFORM_DEVID_NONE,
	.properties = properties,
};

static int __init joined_init(void)
{
	int err;

	device = platform_device_register_full(&info);
	if (IS_ERR(device))
		return PTR_ERR(device);
	init_irq_work(&interrupt, interrupted);
	chip.parent = &device->dev;
	gpio_irq_chip_set_chip(&chip.irq, &irqs);
	chip.irq.handler = handle_simple_irq;
	chip.irq.default_type = IRQ_TYPE_NONE;
	err = gpiochip_add_data(&chip, NULL);
	if (err)
		platform_device_unregister(device);
	return err;
}

static void __exit joined_exit(void)
{
	gpiochip_remove(&chip);
	irq_work_sync(&interrupt);
	platform_device_unregister(device);
}

module_init(joined_init);
module_exit(joined_exit);
MODULE_DESCRIPTION("GPIO lines that are joined by wires, for tests");
MODULE_LICENSE("GPL");
