// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: X10 is the signal, X1 leads to rt_sigreturn.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOV  X10, X12
	MOVW ·process(SB), X10
	MOVW ·thread(SB), X11
	MOV  $131, X17 // tgkill
	ECALL
	RET

DATA ·handler+0(SB)/8, $·forward(SB)
GLOBL ·handler(SB), RODATA, $8
