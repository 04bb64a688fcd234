// SPDX-License-Identifier: MIT

// cloneAndCall for riscv64. See calls.go; the layout of a call is there.

#include "textflag.h"

#define CALL_KERNEL \
	MOV 0(S1), A7;  \
	MOV 8(S1), A0;  \
	MOV 16(S1), A1; \
	MOV 24(S1), A2; \
	MOV 32(S1), A3; \
	MOV 40(S1), A4; \
	ECALL

// func cloneAndCall(table *call) (result uintptr)
TEXT ·cloneAndCall(SB), NOSPLIT, $0-16
	MOV  table+0(FP), S1
	CALL_KERNEL
	BEQZ A0, next
	MOV  A0, result+8(FP)
	RET

	// From here on we are the child: no stack.
next:
	ADD  $64, S1
make:
	CALL_KERNEL
	MOV  A0, 56(S1)
	BGEZ A0, next
	MOV  48(S1), A1
	BEQZ A1, next
	MOV  A1, S1
	JMP  make
