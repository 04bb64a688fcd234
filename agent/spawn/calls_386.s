// SPDX-License-Identifier: MIT

// cloneAndCall for 386. See calls.go; the layout of a call is there.

#include "textflag.h"

#define CALL_KERNEL \
	MOVL 0(BP), AX;  \
	MOVL 4(BP), BX;  \
	MOVL 8(BP), CX;  \
	MOVL 12(BP), DX; \
	MOVL 16(BP), SI; \
	MOVL 20(BP), DI; \
	INT  $0x80

// func cloneAndCall(table *call) (result uintptr)
TEXT ·cloneAndCall(SB), NOSPLIT, $0-8
	MOVL table+0(FP), BP
	CALL_KERNEL
	TESTL AX, AX
	JEQ  next
	MOVL AX, result+4(FP)
	RET

	// From here on we are the child: no stack.
next:
	ADDL $32, BP
make:
	CALL_KERNEL
	MOVL AX, 28(BP)
	TESTL AX, AX
	JGE  next
	MOVL 24(BP), CX
	TESTL CX, CX
	JEQ  next
	MOVL CX, BP
	JMP  make
