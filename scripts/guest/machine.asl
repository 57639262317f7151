// SPDX-License-Identifier: GPL-2.0
// What the guest is told of its machine, a QEMU q35, instead of what the firmware
// says: one PCI bus, whose devices use message-signalled interrupts, and how to
// power off. To interpret the firmware's is half of the boot of "debug".
//
// It has to look like a newer version of the table that it takes the place of.
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
