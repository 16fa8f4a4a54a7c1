"""Completions for bash, zsh and fish.

In: verbs with their options and places (completion_verbs.py).  Out: texts of completions/.
Never: a program that is started for a name: the shells list the engine's directory themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from completion_verbs import TABLED, Option, Verb

HEAD = "generated from the table of options (make docs)"


def _distinct(verbs: Sequence[Verb]) -> list[Option]:
    """Options whose values are known, each once."""
    found = {option.names: option for verb in verbs for option in verb.options if option.takes}
    return list(found.values())


BASH = """
# The words as they were typed: bash breaks them at "=" and ":".
_pyrootless_words()
{
    local line=${COMP_LINE:0:COMP_POINT} piece i
    for ((i = 0; i <= COMP_CWORD; i++)); do
        piece=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && piece=${line#"${line%%[![:blank:]]*}"}
        if ((i > 0)) && [[ $line == [![:blank:]]* ]]; then
            words[-1]+=$piece
        elif [[ -n $piece || ${COMP_LINE:COMP_POINT-1:1} == [[:blank:]] ]]; then
            words+=("$piece")
        fi
        line=${line#"${line%%[![:blank:]]*}"}
        line=${line#"$piece"}
    done
}

# Walks over what is complete: the verb, how many arguments it has, the option that waits.
_pyrootless_scan()
{
    local i word
    for ((i = 1; i < ${#words[@]} - 1; i++)); do
        word=${words[i]}
        if [[ -n $waiting ]]; then
            [[ $waiting == --root ]] && data=$word
            waiting=''
            continue
        fi
        case $word in
        --root=*) data=${word#*=} ;;
        -*) [[ " $valued " == *" $word "* ]] && waiting=$word ;;
        *)
            if [[ -z $verb ]]; then
                verb=$word
                _pyrootless_verb
            else
                ((++count))
                [[ $rest == program ]] && return
            fi
            ;;
        esac
    done
}

_pyrootless_images()
{
    local path name
    for path in "$data"/refs/*; do
        name=${path##*/}
        [[ -L $path && $name != host ]] || continue
        name=${name//\\%2F//}
        name=${name//\\%25/%}
        if [[ $value != docker.io* ]]; then
            name=${name#docker.io/library/}
            name=${name#docker.io/}
        fi
        found+=("$prefix$name")
    done
}

_pyrootless_containers()
{
    local path id
    for path in "$data"/names/*; do
        [[ -L $path ]] && found+=("$prefix${path##*/}")
    done
    for path in "$data"/containers/"${value:-none}"*; do
        id=${path##*/}
        [[ -d $path ]] || continue
        ((${#value} > 12)) || id=${id:0:12}
        found+=("$prefix$id")
    done
}

_pyrootless_kind()
{
    local path
    case $1 in
    bases) found+=("${prefix}host") && _pyrootless_images ;;
    images) _pyrootless_images ;;
    containers) _pyrootless_containers ;;
    all) _pyrootless_containers && _pyrootless_images ;;
    files)
        compopt -o filenames 2>/dev/null
        while IFS= read -r path; do
            found+=("$prefix$path")
        done < <(compgen -f -- "$value")
        ;;
    esac
}

_pyrootless()
{
    local data=${PYROOTLESS_ROOT:-${XDG_DATA_HOME:-$HOME/.local/share}/pyrootless}
    local words=() found=()
    local verb='' options='--root --help --version' valued='--root' subverbs='' first='' rest=''
    local waiting='' count=0 current value prefix='' kept='' mark word
    COMPREPLY=()
    _pyrootless_words
    current=${words[-1]}
    value=$current
    _pyrootless_scan
    if [[ -n $waiting ]]; then
        _pyrootless_value "$waiting"
    elif ((count > 0)) && [[ $rest == program ]]; then
        _pyrootless_kind files
    elif [[ $current == --*=* ]]; then
        prefix=${current%%=*}=
        value=${current#*=}
        _pyrootless_value "${current%%=*}"
    elif [[ $current == -* ]]; then
        read -ra found <<<"$options"
    elif [[ -z $verb ]]; then
        read -ra found <<<"$verbs"
    elif ((count == 0)); then
        read -ra found <<<"$subverbs"
        _pyrootless_kind "$first"
    else
        _pyrootless_kind "$rest"
    fi
    for mark in : =; do
        [[ $COMP_WORDBREAKS == *$mark* && $current == *$mark* ]] || continue
        word=${current%"$mark"*}$mark
        ((${#word} > ${#kept})) && kept=$word
    done
    for word in "${found[@]}"; do
        [[ $word == "$current"* ]] && COMPREPLY+=("${word#"$kept"}")
    done
    [[ ${COMPREPLY[0]-} != *container: ]] || compopt -o nospace 2>/dev/null
}
complete -F _pyrootless pyrootless
"""


def _bash_verb(verb: Verb) -> str:
    every = [name for option in verb.options for name in option.names]
    valued = [name for option in verb.options if option.value for name in option.names]
    return (
        f"    {verb.name})\n"
        f"        options='{' '.join(every)}'\n"
        f"        valued='{' '.join(valued)}'\n"
        f"        subverbs='{' '.join(verb.words)}'\n"
        f"        first={verb.first} rest={verb.rest}\n"
        "        ;;\n"
    )


def _bash_value(option: Option) -> str:
    head = f"    {'|'.join(option.names)})"
    if option.takes == ("files",):
        return f"{head} _pyrootless_kind files ;;\n"
    words = " ".join(f'"${{prefix}}{word}"' for word in option.takes)
    if "container:" not in option.takes:
        return f"{head} found=({words}) ;;\n"
    return (
        f"{head}\n        found=({words})\n"
        "        if [[ $value == container:* ]]; then\n"
        "            found=() prefix+=container: value=${value#*:}\n"
        "            _pyrootless_containers\n        fi\n        ;;\n"
    )


def bash_completion(verbs: Sequence[Verb]) -> str:
    """completions/bash/pyrootless"""
    cases = "".join(map(_bash_verb, verbs))
    values = "".join(map(_bash_value, _distinct(verbs)))
    body = BASH.replace("$verbs", " ".join(verb.name for verb in verbs))
    return (
        f"# bash completion of pyrootless; {HEAD}\n"
        f"_pyrootless_verb()\n{{\n    valued=''\n    case $verb in\n{cases}    esac\n}}\n\n"
        f"_pyrootless_value()\n{{\n    case $1 in\n{values}    esac\n}}\n{body}"
    )


ZSH = """
_pyrootless_images()
{
    local -a names=($data/refs/*(N@:t))
    names=(${${names//\\%2F//}//\\%25/%})
    [[ $PREFIX == docker.io* ]] || names=(${${names#docker.io/library/}#docker.io/})
    compadd -- ${(u)names:#host}
}

_pyrootless_bases()
{
    compadd -- host
    _pyrootless_images
}

_pyrootless_containers()
{
    local -a names=($data/names/*(N@:t)) ids=()
    [[ -n $PREFIX ]] && ids=($data/containers/$PREFIX*(N/:t))
    ((${#PREFIX} > 12)) || ids=(${ids[@][1,12]})
    compadd -- $names $ids
}

_pyrootless_all()
{
    _pyrootless_containers
    _pyrootless_images
}

_pyrootless_network()
{
    if compset -P container:; then
        _pyrootless_containers
    else
        compadd -- none host auto pasta slirp4netns
        compadd -S '' -- container:
    fi
}

_pyrootless()
{
    local data=${PYROOTLESS_ROOT:-${XDG_DATA_HOME:-$HOME/.local/share}/pyrootless} at
    local -a verbs
    at=${words[(i)--root]}
    ((at < CURRENT)) && data=${words[at + 1]}
    if ((at == 2 && CURRENT > 3)); then
        words[2,3]=()
        ((CURRENT -= 2))
    fi
    if ((CURRENT == 2)); then
        verbs=(
VERBS
        )
        _describe command verbs
        return
    fi
    shift words
    ((CURRENT--))
    case $words[1] in
CASES    esac
}
_pyrootless "$@"
"""


def quoted(text: str) -> str:
    """Text for single quotes of a shell."""
    return text.replace("'", "'\\''")


def _zsh_option(option: Option) -> str:
    text = quoted(option.help)
    for mark in "[]:":
        text = text.replace(mark, f"\\{mark}")
    long = option.names[0]
    equals = "=" if option.value and long.startswith("--") else ""
    names = f"{{{','.join((*option.names[1:], long + equals))}}}"
    if len(option.names) == 1:
        names = f"{long}{equals}"
    action = f"({' '.join(option.takes)})".replace(":", "\\:")
    if option.takes == ("files",):
        action = "_files"
    elif "container:" in option.takes:
        action = "_pyrootless_network"
    meta = quoted(option.value).replace(":", "\\:").lower()
    value = f":{meta}:{action if option.takes else ''}" if option.value else ""
    return f"            '*'{names}'[{text}]{value}' \\\n"


def _zsh_place(kind: str, words: tuple[str, ...]) -> str:
    if words:
        return f"({' '.join(words)})"
    plain = {"files": "_files", "program": "_files", "nothing": " "}
    return plain.get(kind, f"_pyrootless_{kind}")


def _zsh_verb(verb: Verb) -> str:
    rest = "'*::program:_files'"
    if verb.rest != "program":
        rest = f"'*:argument:{_zsh_place(verb.rest, ())}'"
    return (
        f"    {verb.name})\n        _arguments -S \\\n{''.join(map(_zsh_option, verb.options))}"
        f"            '1:argument:{_zsh_place(verb.first, verb.words)}' {rest}\n        ;;\n"
    )


def zsh_completion(verbs: Sequence[Verb]) -> str:
    """completions/zsh/_pyrootless"""
    named = "\n".join(f"            '{verb.name}:{quoted(verb.help)}'" for verb in verbs)
    cases = "".join(map(_zsh_verb, verbs))
    body = ZSH.replace("VERBS", named).replace("CASES", cases)
    return f"#compdef pyrootless\n# zsh completion of pyrootless; {HEAD}\n{body.lstrip()}"


FISH = """
function __pyrootless_data
    set -l words (commandline -opc)
    set -l at (contains -i -- --root $words)
    if set -q at[1]; and test $at -lt (count $words)
        echo $words[(math $at + 1)]
    else if set -q PYROOTLESS_ROOT
        echo $PYROOTLESS_ROOT
    else if set -q XDG_DATA_HOME
        echo $XDG_DATA_HOME/pyrootless
    else
        echo $HOME/.local/share/pyrootless
    end
end

function __pyrootless_images
    for path in (__pyrootless_data)/refs/*
        set -l name (string replace -r '.*/' '' -- $path)
        test $name != host; or continue
        set name (string replace -a '%2F' / -- $name | string replace -a '%25' %)
        string replace -r '^docker\\.io/(library/)?' '' -- $name
    end
end

function __pyrootless_bases
    echo host
    __pyrootless_images
end

function __pyrootless_containers
    set -l data (__pyrootless_data)
    for path in $data/names/*
        string replace -r '.*/' '' -- $path
    end
    for path in $data/containers/*
        string sub -l 12 -- (string replace -r '.*/' '' -- $path)
    end
end

function __pyrootless_all
    __pyrootless_containers
    __pyrootless_images
end

function __pyrootless_networks
    printf '%s\\n' none host auto pasta slirp4netns container:(__pyrootless_containers)
end

# Is the word at the cursor one of this verb's, and its first argument, or a later one?
# The verb "": is it the verb?
function __pyrootless_at -a verb place
    set -l words (commandline -opc)
    set -l seen
    set -l skip 0
    for word in $words[2..-1]
        if test $skip = 1
            set skip 0
        else if contains -- $word VALUED
            set skip 1
        else if not string match -q -- '-*' $word
            set -a seen $word
        end
    end
    test "$seen[1]" = $verb; or return 1
    if test $place = first
        test (count $seen) -eq 1
    else if test $place = rest
        test (count $seen) -gt 1
    end
end
"""


def _fish_quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _fish_option(verb: Verb, option: Option) -> str:
    names = "".join(
        f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}"
        for name in reversed(option.names)
    )
    takes = f" -a '{' '.join(option.takes)}'" if option.takes else ""
    if option.takes == ("files",):
        takes = " -rF"
    elif "container:" in option.takes:
        takes = " -xa '(__pyrootless_networks)'"
    elif option.value:
        takes = f" -x{takes}"
    value = takes if option.value else ""
    condition = f"-n '__pyrootless_at {verb.name} any'"
    return f"complete -c pyrootless {condition}{names}{value} -d '{_fish_quoted(option.help)}'"


def _fish_place(verb: Verb, place: str, kind: str) -> list[str]:
    head = f"complete -c pyrootless -n '__pyrootless_at {verb.name} {place}'"
    if place == "first" and verb.words:
        return [f"{head} -a '{' '.join(verb.words)}'"]
    if kind in ("files", "program"):
        return [f"{head} -F"]
    return [] if kind == "nothing" else [f"{head} -a '(__pyrootless_{kind})'"]


def fish_completion(verbs: Sequence[Verb]) -> str:
    """completions/fish/pyrootless.fish"""
    valued = {name for verb in verbs if verb.name in TABLED for option in verb.options
              if option.value for name in option.names}  # fmt: skip
    lines = [
        f"# fish completion of pyrootless; {HEAD}",
        FISH.replace("VALUED", " ".join(sorted(valued))).strip(),
        "",
        "complete -c pyrootless -f",
    ]
    for verb in verbs:
        lines.append(
            "complete -c pyrootless -n '__pyrootless_at \"\" any' "
            f"-a {verb.name} -d '{_fish_quoted(verb.help)}'"
        )
        lines += [_fish_option(verb, option) for option in verb.options]
        lines += _fish_place(verb, "first", verb.first) + _fish_place(verb, "rest", verb.rest)
    return "\n".join(lines) + "\n"
