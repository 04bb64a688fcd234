// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: R0 is the signal, LR leads to rt_sigreturn.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOVW R0, R2
	MOVW ·process(SB), R0
	MOVW ·thread(SB), R1
	MOVW $268, R7 // tgkill
	SWI  $0
	MOVW R14, R15

DATA ·handler+0(SB)/4, $·forward(SB)
GLOBL ·handler(SB), RODATA, $4
