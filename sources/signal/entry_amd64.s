// SPDX-License-Identifier: MIT

// See entry.go. rt_sigprocmask(SIG_BLOCK, &entryMask, NULL, 8); close(fcntl(0, F_DUPFD, 255));
// the stack stays as it is.

#include "textflag.h"

TEXT reflexd_entry(SB), NOSPLIT|NOFRAME, $0
	XORL DI, DI
	LEAQ ·entryMask(SB), SI
	XORL DX, DX
	MOVL $8, R10
	MOVL $14, AX
	SYSCALL
	XORL DI, DI
	XORL SI, SI
	MOVL $255, DX
	MOVL $72, AX
	SYSCALL
	MOVL AX, DI
	MOVL $3, AX
	SYSCALL
	JMP  _rt0_amd64_linux(SB)
