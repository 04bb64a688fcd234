// SPDX-License-Identifier: MIT

// See stray.go. The kernel's ABI: the signal is on the stack, above the
// restorer's address.

#include "textflag.h"

// func forward()
TEXT ·forward(SB), NOSPLIT|NOFRAME, $0-0
	MOVL 4(SP), DX
	MOVL ·process(SB), BX
	MOVL ·thread(SB), CX
	MOVL $270, AX // tgkill
	INT  $0x80
	RET

DATA ·handler+0(SB)/4, $·forward(SB)
GLOBL ·handler(SB), RODATA, $4
