// SPDX-License-Identifier: GPL-2.0

/*
 * An Industrial I/O device called lab-adc whose values a test sets:
 * in_voltage0_raw, which has an offset and a scale, and in_illuminance_input,
 * which needs none. /sys/module/adc/parameters/raw, lux and scale are numbers;
 * scale is in billionths of a millivolt. A raw value of -1 fails with EIO.
 */

#include <linux/iio/iio.h>
#include <linux/module.h>
#include <linux/platform_device.h>

static int raw = 73, lux = 120, scale = 805664062;
module_param(raw, int, 0644);
module_param(lux, int, 0644);
module_param(scale, int, 0644);

static struct platform_device *device;
static struct iio_dev *adc;

static int adc_read(struct iio_dev *dev, const struct iio_chan_spec *channel, int *val, int *val2, long mask)
{
	switch (mask) {
	case IIO_CHAN_INFO_PROCESSED:
		*val = lux;
		return IIO_VAL_INT;
	case IIO_CHAN_INFO_RAW:
		*val = raw;
		return raw == -1 ? -EIO : IIO_VAL_INT;
	case IIO_CHAN_INFO_OFFSET:
		*val = -8;
		return IIO_VAL_INT;
	case IIO_CHAN_INFO_SCALE:
		*val = 0;
		*val2 = scale;
		return IIO_VAL_INT_PLUS_NANO;
	}
	return -EINVAL;
}

static const struct iio_info adc_info = { .read_raw = adc_read };

static const struct iio_chan_spec channels[] = {
	{
		.type = IIO_VOLTAGE, .indexed = 1, .channel = 0,
		.info_mask_separate = BIT(IIO_CHAN_INFO_RAW) | BIT(IIO_CHAN_INFO_OFFSET),
		.info_mask_shared_by_type = BIT(IIO_CHAN_INFO_SCALE),
	},
	{ .type = IIO_LIGHT, .info_mask_separate = BIT(IIO_CHAN_INFO_PROCESSED) },
};

static int __init adc_init(void)
{
	int err = -ENOMEM;

	device = platform_device_register_simple("lab-adc", -1, NULL, 0);
	if (IS_ERR(device))
		return PTR_ERR(device);
	adc = iio_device_alloc(&device->dev, 0);
	if (!adc)
		goto unregister;
	adc->name = "lab-adc";
	adc->info = &adc_info;
	adc->modes = INDIO_DIRECT_MODE;
	adc->channels = channels;
	adc->num_channels = ARRAY_SIZE(channels);
	err = iio_device_register(adc);
	if (!err)
		return 0;
	iio_device_free(adc);
unregister:
	platform_device_unregister(device);
	return err;
}

static void __exit adc_exit(void)
{
	iio_device_unregister(adc);
	iio_device_free(adc);
	platform_device_unregister(device);
}

module_init(adc_init);
module_exit(adc_exit);
MODULE_DESCRIPTION("An Industrial I/O device whose values a test sets");
MODULE_LICENSE("GPL");
