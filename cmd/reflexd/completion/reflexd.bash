# SPDX-License-Identifier: MIT
# bash completion for reflexd                              -*- shell-script -*-
# What can follow is the program's own answer.

_reflexd()
{
    local IFS=$'\n' line
    COMPREPLY=()
    for line in $("$1" completion bash "${COMP_LINE:0:COMP_POINT}" 2>/dev/null); do
        if [[ $line == :files ]]; then
            compopt -o filenames 2>/dev/null
            COMPREPLY+=($(compgen -f -- "$2"))
        else
            COMPREPLY+=("$line")
        fi
    done
}
complete -F _reflexd reflexd
