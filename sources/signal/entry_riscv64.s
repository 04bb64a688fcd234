// SPDX-License-Identifier: MIT

// See entry.go. rt_sigprocmask(SIG_BLOCK, &entryMask, NULL, 8); close(fcntl(0, F_DUPFD, 255));
// the stack stays as it is.

#include "textflag.h"

TEXT reflexd_entry(SB), NOSPLIT|NOFRAME, $0
	MOV  $0, A0
	MOV  $·entryMask(SB), A1
	MOV  $0, A2
	MOV  $8, A3
	MOV  $135, A7
	ECALL
	MOV  $0, A0
	MOV  $0, A1
	MOV  $255, A2
	MOV  $25, A7
	ECALL
	MOV  $57, A7
	ECALL
	JMP  _rt0_riscv64_linux(SB)
