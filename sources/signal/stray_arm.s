// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: R0 is the signal, R1 its siginfo, LR leads to
// rt_sigreturn.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOVW R0, R2
	MOVW ·process(SB), R0
	MOVW ·thread(SB), R1
	MOVW $268, R7 // tgkill
	SWI  $0
	MOVW R14, R15

// func forwardFault()
TEXT ·forwardFault(SB), NOSPLIT|NOFRAME, $0-0
	MOVW 8(R1), R3 // si_code
	CMP  $0, R3
	BGT  real
	MOVW R0, 4(R1) // si_errno
	MOVW $-1, R3
	MOVW R3, 8(R1) // SI_QUEUE
	MOVW R1, R3
	MOVW $34, R2
	MOVW ·process(SB), R0
	MOVW ·thread(SB), R1
	MOVW $363, R7 // rt_tgsigqueueinfo
	SWI  $0
	MOVW R14, R15
real:
	MOVW ·runtimes(SB), R3
	MOVW R3, R15

DATA ·handler+0(SB)/4, $·forward(SB)
GLOBL ·handler(SB), RODATA, $4

DATA ·faultHandler+0(SB)/4, $·forwardFault(SB)
GLOBL ·faultHandler(SB), RODATA, $4
