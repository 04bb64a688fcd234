// SPDX-License-Identifier: MIT

// What a device is, by what it hangs on: the ID_ properties that udev
// makes and that the kernel's own messages lack.

package uevent

import (
	"slices"
	"strings"

	"reflexd/sources"
)

// The longest values, as udev cuts them: of vendor and model, and of serial
// numbers.
const (
	nameLimit   = 63
	serialLimit = 255
)

// idFields are the names of what Identify returns.
var idFields = []string{
	"ID_BUS", "ID_VENDOR_ID", "ID_MODEL_ID", "ID_VENDOR", "ID_MODEL",
	"ID_SERIAL", "ID_SERIAL_SHORT", "ID_USB_INTERFACE_NUM", "ID_PATH",
}

// Identify returns the ID_ fields of the device with the DEVPATH devpath, read
// from sysfs, which is at sys, in udev's notation: ID_BUS, ID_VENDOR_ID,
// ID_MODEL_ID, ID_VENDOR, ID_MODEL, ID_SERIAL, ID_SERIAL_SHORT,
// ID_USB_INTERFACE_NUM and ID_PATH, as far as the device has them. Texts of the
// device's maker are cleaned, so that they hold neither spaces nor slashes nor
// control characters. It keeps nothing and may be called on any goroutine; it
// may block for as long as a device that is asked for its strings does not
// answer. Of a device that is gone it returns nothing.
//
// One difference to udev: a block device that udev gives no bus has here that
// of its controller, mmc, nvme or pci.
func Identify(sys, devpath string) []sources.Field {
	fields, _ := IdentifyWell(sys, devpath)
	return fields
}

// IdentifyWell is Identify for who must not take what cannot be read just now for what is not there. The error says why
// the kernel had not the means to tell something.
func IdentifyWell(sys, devpath string) (fields []sources.Field, doubt error) {
	line := lineage(sys, devpath, &doubt)
	id := identifyBy(line)
	id.path = pathOf(line)
	return id.fields(), doubt
}

// ids is what is found out about a device; "" for what is not known.
type ids struct {
	bus, vendorID, modelID, vendor, model string
	serial, usbInterface, path            string
	long                                  string // the serial number in a form that no other maker uses
}

func (id *ids) fields() []sources.Field {
	var all []sources.Field
	for i, v := range [...]string{
		id.bus, id.vendorID, id.modelID, id.vendor, id.model, id.long, id.serial, id.usbInterface, id.path,
	} {
		if v != "" {
			all = append(all, sources.Field{Name: idFields[i], Value: sources.Text(v)})
		}
	}
	return all
}

// identifyBy looks for the bus that says most: USB if there is any, else the
// nearest one.
func identifyBy(line []ancestor) ids {
	scsi := find(line, func(a *ancestor) bool { return a.is("scsi", "scsi_device") })
	if usb := find(line, func(a *ancestor) bool { return a.is("usb", "usb_device") }); usb != nil {
		return usbIdentity(usb, find(line, func(a *ancestor) bool { return a.is("usb", "usb_interface") }), scsi)
	}
	if scsi != nil {
		return scsiIdentity(scsi)
	}
	for i := range line {
		a := &line[i]
		switch a.subsystem {
		case "mmc":
			serial := clean(a.attribute("serial"), serialLimit)
			return ids{bus: "mmc", model: clean(a.attribute("name"), nameLimit), serial: serial, long: serial}
		case "nvme":
			model, serial := clean(a.attribute("model"), nameLimit), clean(a.attribute("serial"), serialLimit)
			return ids{bus: "nvme", model: model, serial: serial, long: joined(model, serial)}
		case "pci":
			return ids{bus: "pci", vendorID: clean(a.attribute("vendor"), nameLimit), modelID: clean(a.attribute("device"), nameLimit)}
		}
	}
	return ids{}
}

func find(line []ancestor, is func(*ancestor) bool) *ancestor {
	for i := range line {
		if is(&line[i]) {
			return &line[i]
		}
	}
	return nil
}

// usbIdentity says what a USB device, or what hangs on an interface of it,
// says of itself. What speaks SCSI has its name from there, as the drive in an
// enclosure or the slot of a card reader has one of its own.
func usbIdentity(usb, face, scsi *ancestor) ids {
	id := ids{
		bus:      "usb",
		vendorID: clean(usb.attribute("idVendor"), nameLimit),
		modelID:  clean(usb.attribute("idProduct"), nameLimit),
	}
	instance := "" // of one among several units with the same serial number
	if face != nil {
		id.usbInterface = clean(face.attribute("bInterfaceNumber"), nameLimit)
		if scsi != nil && speaksSCSI(face) {
			named := scsiIdentity(scsi)
			id.vendor, id.model, instance = named.vendor, named.model, unit(scsi.name)
		}
	}
	id.vendor = firstOf(id.vendor, clean(usb.attribute("manufacturer"), nameLimit), id.vendorID)
	id.model = firstOf(id.model, clean(usb.attribute("product"), nameLimit), id.modelID)
	id.serial = usbSerial(usb.attribute("serial"))
	id.long = joined(id.vendor, id.model, id.serial)
	if instance != "" {
		id.long += "-" + instance
	}
	return id
}

// speaksSCSI reports whether an interface is mass storage by SCSI or ATAPI.
func speaksSCSI(face *ancestor) bool {
	class, sub := face.attribute("bInterfaceClass"), face.attribute("bInterfaceSubClass")
	return class == "08" && (sub == "06" || sub == "02")
}

// usbSerial returns a serial number, or nothing if it is one with bytes that
// the standard for mass storage does not allow in one.
func usbSerial(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r > 0x7f || r == ',' }) {
		return ""
	}
	return clean(s, serialLimit)
}

// unit returns target:unit of a SCSI address host:channel:target:unit.
func unit(address string) string {
	parts := strings.Split(address, ":")
	if len(parts) != 4 {
		return ""
	}
	return clean(parts[2]+":"+parts[3], nameLimit)
}

func scsiIdentity(scsi *ancestor) ids {
	id := ids{bus: "scsi", vendor: clean(scsi.attribute("vendor"), nameLimit), model: clean(scsi.attribute("model"), nameLimit)}
	if id.vendor == "ATA" { // the kernel's word for all disks on ATA; the model begins with the maker's name
		id.bus, id.vendor = "ata", ""
	}
	return id
}

// joined puts an underscore between those of the texts that are not empty.
func joined(texts ...string) string {
	return strings.Join(slices.DeleteFunc(texts, func(s string) bool { return s == "" }), "_")
}

func firstOf(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}
