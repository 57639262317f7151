/* SPDX-License-Identifier: GPL-2.0 */
/* Which mutant runs, and which blocks have been executed. See scripts/mutants.py. */
#ifndef _LINUX_MUTANT_H
#define _LINUX_MUTANT_H

extern unsigned int mutant_chosen;
extern unsigned int mutant_reach;
void mutant_reached(unsigned int probe);

/* Return the number of the chosen mutant if it is one of this function, otherwise 0. */
static __attribute__((always_inline, unused)) inline unsigned int
mutant_of(unsigned int first, unsigned int last)
{
	unsigned int chosen = *(volatile unsigned int *)&mutant_chosen;

	return chosen - first <= last - first ? chosen : 0;
}

static __attribute__((always_inline, unused)) inline void mutant_probe(unsigned int probe)
{
	if (__builtin_expect(*(volatile unsigned int *)&mutant_reach, 0))
		mutant_reached(probe);
}

#endif
