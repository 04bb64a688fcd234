// SPDX-License-Identifier: MIT

// Drivers: how mount(2) calls them, and what they would let a drive decide.

package fstype

import "golang.org/x/sys/unix"

// A Driver is a filesystem driver of the kernel.
type Driver struct {
	Name string // as mount(2) takes it
	// Guards are in the order of Since.
	Guards []Guard
}

// A Guard is an option that takes a decision from the drive: without it, the
// superblock says what the kernel does, or the driver's default does more than
// a drive from outside is worth.
type Guard struct {
	Option string
	// Since is the Linux that brought the option: empty where 5.10, the
	// oldest that counts, has it. No other is ever left out.
	Since  string
	Drive  string // what the drive, or the default, may decide otherwise
	Source string // where the kernel's source, or its documentation, says so
}

// The drivers. Of those without guards, none reads from the drive what it
// does upon an error, and none has a default that stops the kernel.
var (
	btrfs = Driver{"btrfs", []Guard{
		{"skip_balance", "", "an interrupted balance continues, which can mean hours of writing", "fs/btrfs/volumes.c: btrfs_recover_balance"},
	}}
	exfat = Driver{"exfat", []Guard{
		{"errors=remount-ro", "", "nothing; it is the driver's default", "fs/exfat/super.c: exfat_init_fs_context"},
	}}
	ext2 = Driver{"ext2", []Guard{
		{"errors=remount-ro", "", "`s_errors`: the kernel panics on an error", "fs/ext2/super.c: ext2_fill_super"},
	}}
	ext3 = Driver{"ext3", ext4.Guards} // ext4's by another name
	ext4 = Driver{"ext4", []Guard{
		{"errors=remount-ro", "", "`s_errors`, `s_mount_opts`: the kernel panics on an error", "Documentation/admin-guide/ext4.rst; fs/ext4/super.c: ext4_handle_error"},
		{"nowarn_on_error", "", "`s_mount_opts`: an error is a kernel warning, and with kernel.panic_on_warn a panic", "fs/ext4/super.c: ext4_handle_error"},
		{"block_validity", "", "`s_mount_opts`: a file's blocks may be those of the filesystem's own tables", "Documentation/admin-guide/ext4.rst"},
	}}
	f2fs = Driver{"f2fs", []Guard{
		{"errors=remount-ro", "6.5", "nothing; by default the driver continues after an error", "Documentation/filesystems/f2fs.rst"},
	}}
	iso9660  = Driver{Name: "iso9660"}
	ntfs     = Driver{Name: "ntfs"}
	ntfs3    = Driver{Name: "ntfs3"}
	squashfs = Driver{Name: "squashfs"}
	udf      = Driver{Name: "udf"}
	vfat     = Driver{"vfat", []Guard{
		{"errors=remount-ro", "", "nothing; it is the driver's default", "Documentation/filesystems/vfat.rst"},
	}}
	xfs = Driver{Name: "xfs"}
)

// Try calls mount with the guards under the options. An old driver refuses an
// option that it does not know with EINVAL, by which it refuses a damaged
// filesystem too: guards that are younger than Linux 5.10 are then left out,
// the youngest first. Try returns those without which mount succeeded.
func (d *Driver) Try(o Options, mount func(Options) error) (left []Guard, err error) {
	for n := len(d.Guards); ; n-- {
		if err = mount(o.Under(options(d.Guards[:n])...)); err == nil {
			return d.Guards[n:], nil
		}
		if err != unix.EINVAL || n == 0 || d.Guards[n-1].Since == "" {
			return nil, err
		}
	}
}

func options(guards []Guard) []string {
	all := make([]string, len(guards))
	for i := range guards {
		all[i] = guards[i].Option
	}
	return all
}
