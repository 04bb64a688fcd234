# SPDX-License-Identifier: MIT
# fish completion for reflexd: what can follow is the program's own answer.

function __reflexd_answers
    set -l words (commandline -opc) (commandline -ct)
    for answer in (command $words[1] completion fish (string join \n -- $words | string collect) 2>/dev/null)
        if test "$answer" = :files
            __fish_complete_path (commandline -ct)
        else
            echo $answer
        end
    end
end

complete -c reflexd -f -a '(__reflexd_answers)'
