// SPDX-License-Identifier: GPL-2.0
// A DSDT for QEMU's q35 that replaces that of the firmware: one PCI bus, whose
// devices use message-signalled interrupts, and the power-off register.
// Interpreting the table of the firmware takes half of the boot time of "debug".
//
// The OEM revision must be higher than that of the table that this one replaces.
DefinitionBlock ("", "DSDT", 1, "BOCHS ", "BXPC    ", 0x2)
{
	Device (\_SB.PCI0)
	{
		Name (_HID, EisaId ("PNP0A08"))
		Name (_CID, EisaId ("PNP0A03"))
		Name (_CRS, ResourceTemplate ()
		{
			WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
				0, 0, 0xff, 0, 0x100)
			WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
				0, 0xd00, 0xffff, 0, 0xf300)
			DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable,
				ReadWrite, 0, 0xc0000000, 0xfebfffff, 0, 0x3ec00000)
		})
	}
	Name (\_S5, Package () { 0, 0, 0, 0 })
}
