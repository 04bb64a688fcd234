// SPDX-License-Identifier: GPL-2.0

/*
 * A 1-wire bus with two DS18B20, as their data sheet describes them, bit by bit;
 * w1_therm reads them. Of each, in /sys/module/thermometers/parameters/:
 * sixteenths is the temperature in sixteenths of a degree; present=0 pulls it off
 * the bus; noise=1 flips a bit of each scratchpad that is read from it.
 */

#include <linux/module.h>
#include <linux/w1.h>

#define DEVICES 2
#define SCRATCHPAD 9

static int sixteenths[DEVICES] = { 344, 400 };
static int present[DEVICES] = { 1, 1 };
static int noise[DEVICES];
module_param_array(sixteenths, int, NULL, 0644);
module_param_array(present, int, NULL, 0644);
module_param_array(noise, int, NULL, 0644);

enum phase {
	ASLEEP,		/* until the bus is reset */
	ROM_COMMAND, SEARCH, MATCH, COMMAND, WRITE_SCRATCHPAD,
	SEND,		/* what it was asked for, and ones after that */
};

static struct thermometer {
	u8 rom[8];
	enum phase phase;
	int bit;	/* of the phase */
	int part;	/* of a bit of a search: itself, its complement, the choice */
	u8 command;
	u8 memory[SCRATCHPAD];
	u8 sending[SCRATCHPAD];
	int length;	/* in bits */
} all[DEVICES];

static int bit_of(const u8 *bytes, int bit)
{
	return bytes[bit / 8] >> bit % 8 & 1;
}

static void enter(struct thermometer *t, enum phase phase)
{
	t->phase = phase;
	t->bit = t->part = t->command = 0;
}

/* send has the next bits read from t be those of bytes. */
static void send(struct thermometer *t, const u8 *bytes, int length)
{
	memcpy(t->sending, bytes, length);
	t->length = 8 * length;
	enter(t, SEND);
}

static void rom_command(struct thermometer *t)
{
	switch (t->command) {
	case W1_SEARCH:
		return enter(t, SEARCH);
	case W1_MATCH_ROM:
		return enter(t, MATCH);
	case W1_SKIP_ROM:
		return enter(t, COMMAND);
	case W1_READ_ROM:
		return send(t, t->rom, sizeof(t->rom));
	}
	enter(t, ASLEEP);
}

static void command(struct thermometer *t)
{
	int i = t - all;

	switch (t->command) {
	case W1_CONVERT_TEMP:
		t->memory[0] = sixteenths[i];
		t->memory[1] = sixteenths[i] >> 8;
		return send(t, NULL, 0);
	case W1_READ_SCRATCHPAD:
		t->memory[8] = w1_calc_crc8(t->memory, 8);
		send(t, t->memory, SCRATCHPAD);
		t->sending[0] ^= noise[i];
		return;
	case W1_WRITE_SCRATCHPAD:
		return enter(t, WRITE_SCRATCHPAD);
	default: /* copy, recall, power supply: done, and not parasitic */
		return send(t, NULL, 0);
	}
}

/* drives returns what t makes of the bus during a bit: 0 pulls it down. */
static int drives(const struct thermometer *t)
{
	switch (t->phase) {
	case SEARCH:
		return t->part == 2 || bit_of(t->rom, t->bit) != t->part;
	case SEND:
		return t->bit >= t->length || bit_of(t->sending, t->bit);
	default:
		return 1;
	}
}

/* sees has t see a bit that the master writes. */
static void sees(struct thermometer *t, int bit)
{
	switch (t->phase) {
	case ROM_COMMAND:
	case COMMAND:
		t->command |= bit << t->bit;
		if (++t->bit == 8)
			t->phase == COMMAND ? command(t) : rom_command(t);
		break;
	case SEARCH:
		if (t->part < 2) {
			t->part++;
			break;
		}
		t->part = 0;
		if (bit_of(t->rom, t->bit) != bit || ++t->bit == 64)
			enter(t, ASLEEP);
		break;
	case MATCH:
		if (bit_of(t->rom, t->bit) != bit)
			enter(t, ASLEEP);
		else if (++t->bit == 64)
			enter(t, COMMAND);
		break;
	case WRITE_SCRATCHPAD:
		t->memory[2 + t->bit / 8] &= ~(1 << t->bit % 8);
		t->memory[2 + t->bit / 8] |= bit << t->bit % 8;
		if (++t->bit == 24)
			enter(t, ASLEEP);
		break;
	case SEND:
		t->bit = min(t->bit + 1, t->length);
		break;
	case ASLEEP:
		break;
	}
}

static u8 touch_bit(void *data, u8 bit)
{
	int i, level = bit;

	for (i = 0; i < DEVICES; i++)
		if (present[i])
			level &= drives(&all[i]);
	for (i = 0; i < DEVICES; i++)
		if (present[i])
			sees(&all[i], bit);
	return level;
}

static u8 reset_bus(void *data)
{
	int i, none = 1;

	for (i = 0; i < DEVICES; i++) {
		enter(&all[i], ROM_COMMAND);
		if (present[i])
			none = 0;
	}
	return none;
}

static struct w1_bus_master master = { .touch_bit = touch_bit, .reset_bus = reset_bus };

static int __init thermometers_init(void)
{
	/* 85 °C after power on, alarms, 12 bits, and what is reserved. */
	static const u8 fresh[] = { 0x50, 0x05, 0x4b, 0x46, 0x7f, 0xff, 0x0c, 0x10 };
	int i;

	for (i = 0; i < DEVICES; i++) {
		u8 rom[] = { 0x28, 0x11 * (i + 1), 0x22, 0x33, 0x44, 0x55, 0x66 };

		memcpy(all[i].rom, rom, sizeof(rom));
		all[i].rom[7] = w1_calc_crc8(rom, sizeof(rom));
		memcpy(all[i].memory, fresh, sizeof(fresh));
	}
	return w1_add_master_device(&master);
}

static void __exit thermometers_exit(void)
{
	w1_remove_master_device(&master);
}

module_init(thermometers_init);
module_exit(thermometers_exit);
MODULE_DESCRIPTION("A 1-wire bus with two DS18B20 whose values a test sets");
MODULE_LICENSE("GPL");
