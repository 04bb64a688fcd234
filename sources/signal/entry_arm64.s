// SPDX-License-Identifier: MIT

// See entry.go. rt_sigprocmask(SIG_BLOCK, &entryMask, NULL, 8); close(fcntl(0, F_DUPFD, 255));
// the stack stays as it is.

#include "textflag.h"

TEXT reflexd_entry(SB), NOSPLIT|NOFRAME, $0
	MOVD $0, R0
	MOVD $·entryMask(SB), R1
	MOVD $0, R2
	MOVD $8, R3
	MOVD $135, R8
	SVC
	MOVD $0, R0
	MOVD $0, R1
	MOVD $255, R2
	MOVD $25, R8
	SVC
	MOVD $57, R8
	SVC
	JMP  _rt0_arm64_linux(SB)
