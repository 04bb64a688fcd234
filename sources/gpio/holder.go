// SPDX-License-Identifier: MIT

// Who holds a line that is busy, and what to do instead.

package gpio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// explain turns the kernel's refusal of a line into words. A busy line's
// holder is named as far as the kernel knows it.
func (s *survey) explain(chip *openChip, offset int, err error) error {
	if err != unix.EBUSY {
		return fmt.Errorf("%w%s", refusal(err), permissionAdvice(err))
	}
	info, infoErr := s.kernel.lineInfo(chip.fd, offset)
	name := text(info.Consumer[:])
	if infoErr != nil || name == "" {
		return fmt.Errorf("%w: held by an unnamed consumer", err)
	}
	return fmt.Errorf("%w: held by %q%s", err, name, advice(s.dev, s.sys, name))
}

// advice says what to do instead of requesting a line that the consumer holds.
func advice(dev, sys, consumer string) string {
	if device, ok := gpioKeys(sys, consumer); ok {
		return fmt.Sprintf(", a key of the kernel's gpio-keys driver: use its keys from %s instead", inputNode(dev, device))
	}
	if _, err := os.Lstat(filepath.Join(sys, "class/leds", filepath.Base(consumer))); err == nil {
		return fmt.Sprintf(", a LED of the kernel: use it as `led: %s` instead", consumer)
	}
	switch consumer {
	case "sysfs":
		return ", that is /sys/class/gpio: write its number to unexport there"
	case consumerName:
		return ": is another one running?"
	}
	return ""
}

// gpioKeys returns the device in sysfs of the gpio-keys driver that has a key
// called label. The driver names the consumer after the key's label in the
// device tree, after its node where it has none, or by "gpio_keys".
func gpioKeys(sys, label string) (device string, ok bool) {
	for _, driver := range []string{"gpio-keys", "gpio-keys-polled"} {
		devices := filepath.Join(sys, "bus/platform/drivers", driver)
		entries, _ := os.ReadDir(devices) // no such driver, no such entries
		for _, e := range entries {
			device := filepath.Join(devices, e.Name())
			if label == "gpio_keys" && inputOf(device) != "" || hasKey(device, label) {
				return device, true
			}
		}
	}
	return "", false
}

// hasKey reports whether a gpio-keys device in sysfs has a key called label.
func hasKey(device, label string) bool {
	keys, _ := os.ReadDir(filepath.Join(device, "of_node"))
	for _, key := range keys {
		if key.Name() == label {
			return true
		}
		text, err := os.ReadFile(filepath.Join(device, "of_node", key.Name(), "label"))
		if err == nil && strings.TrimRight(string(text), "\x00\n") == label {
			return true
		}
	}
	return false
}

func inputNode(dev, device string) string {
	if event := inputOf(device); event != "" {
		return filepath.Join(dev, "input", event)
	}
	return "its input device"
}

// inputOf returns "event3" for the device in sysfs that has input/input5/event3
// below it.
func inputOf(device string) string {
	inputs, _ := os.ReadDir(filepath.Join(device, "input"))
	for _, in := range inputs {
		entries, _ := os.ReadDir(filepath.Join(device, "input", in.Name()))
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), "event") {
				return e.Name()
			}
		}
	}
	return ""
}
