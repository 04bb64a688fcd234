// SPDX-License-Identifier: GPL-2.0

/*
 * Values that a test sets, behind the kernel's own classes: a thermal zone of
 * the type lab-cpu, a hwmon chip called rpi_volt whose alarm is announced as
 * raspberrypi-hwmon does, a pwmchip with four channels that keep what they are
 * given, and an LED called lab:white with 255 steps. In
 * /sys/module/values/parameters/, temp is in millidegrees, alarm is 0 or 1, and
 * dark counts how often the LED was turned off. name= is that of the device that
 * all but the thermal zone belong to.
 */

#include <linux/hwmon.h>
#include <linux/leds.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/pwm.h>
#include <linux/thermal.h>

static struct platform_device *device;
static struct thermal_zone_device *zone;
static struct device *volt;
static struct pwm_state states[4];
static int temp = 45000, alarm;
static char *name = "lab-values";
module_param(name, charp, 0444);

static int get_temp(struct thermal_zone_device *tz, int *value)
{
	if (temp == -1)
		return -EIO;
	*value = temp;
	return 0;
}

static struct thermal_zone_device_ops zone_ops = { .get_temp = get_temp };
static struct thermal_zone_params zone_params = { .no_hwmon = true };

static umode_t volt_visible(const void *data, enum hwmon_sensor_types type, u32 attr, int channel)
{
	return 0444;
}

static int volt_read(struct device *dev, enum hwmon_sensor_types type, u32 attr, int channel, long *value)
{
	*value = alarm;
	return 0;
}

static const struct hwmon_channel_info *volt_info[] = { HWMON_CHANNEL_INFO(in, HWMON_I_LCRIT_ALARM), NULL };
static const struct hwmon_ops volt_ops = { .is_visible = volt_visible, .read = volt_read };
static const struct hwmon_chip_info volt_chip = { .ops = &volt_ops, .info = volt_info };

static int set_alarm(const char *text, const struct kernel_param *kp)
{
	int err = param_set_int(text, kp);

	if (!err && volt)
		hwmon_notify_event(volt, hwmon_in, hwmon_in_lcrit_alarm, 0);
	return err;
}

static const struct kernel_param_ops alarm_ops = { .set = set_alarm, .get = param_get_int };
module_param_cb(alarm, &alarm_ops, &alarm, 0644);
module_param(temp, int, 0644);

static int pwm_keep(struct pwm_chip *chip, struct pwm_device *pwm, const struct pwm_state *state)
{
	states[pwm->hwpwm] = *state;
	return 0;
}

static int pwm_kept(struct pwm_chip *chip, struct pwm_device *pwm, struct pwm_state *state)
{
	*state = states[pwm->hwpwm];
	return 0;
}

static const struct pwm_ops chip_ops = { .apply = pwm_keep, .get_state = pwm_kept, .owner = THIS_MODULE };
static struct pwm_chip chip = { .ops = &chip_ops, .npwm = 4 };

static int dark;
module_param(dark, int, 0644);

static void lamp_set(struct led_classdev *lamp, enum led_brightness brightness)
{
	if (!brightness)
		dark++;
}

static struct led_classdev lamp = { .name = "lab:white", .max_brightness = 255, .brightness_set = lamp_set };

static void drop(void)
{
	if (!IS_ERR_OR_NULL(volt))
		hwmon_device_unregister(volt);
	if (!IS_ERR_OR_NULL(zone))
		thermal_zone_device_unregister(zone);
	platform_device_unregister(device);
}

static int __init values_init(void)
{
	int err;

	device = platform_device_register_simple(name, PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	zone = thermal_zone_device_register("lab-cpu", 0, 0, NULL, &zone_ops, &zone_params, 0, 0);
	volt = hwmon_device_register_with_info(&device->dev, "rpi_volt", NULL, &volt_chip, NULL);
	chip.dev = &device->dev;
	err = IS_ERR(zone) ? PTR_ERR(zone) : IS_ERR(volt) ? PTR_ERR(volt) : pwmchip_add(&chip);
	if (err)
		goto drop;
	err = led_classdev_register(&device->dev, &lamp);
	if (!err)
		return 0;
	pwmchip_remove(&chip);
drop:
	drop();
	return err;
}

static void __exit values_exit(void)
{
	led_classdev_unregister(&lamp);
	pwmchip_remove(&chip);
	drop();
}

module_init(values_init);
module_exit(values_exit);
MODULE_DESCRIPTION("Values that a test sets");
MODULE_LICENSE("GPL");
