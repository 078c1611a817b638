# Sourced by run.sh and setup.sh: a long command as a process group of its own, so that all it starts ends with it.
# A cargo that gets SIGTERM leaves its rustc running; only a terminal tells the whole group.

# in_group COMMAND…: starts it in the background, in our session but a group of its own, numbered $!. The terminal's Ctrl-C
# does not reach it: whoever starts it ends it. It cannot ask in the terminal, so it is not for sudo.
in_group() {
    set -m
    "$@" </dev/null &
    set +m
}

# end_group NUMBER: SIGTERM to all of the group, SIGKILL to what is left 10 s later; comes back when none is left. The leader is waited
# for last: one that ignores SIGTERM would hold up what is to end it.
end_group() {
    local signal
    for signal in TERM KILL; do
        kill "-$signal" -- "-$1" 2>/dev/null || break
        for _ in {1..100}; do
            kill -0 -- "-$1" 2>/dev/null || break 2
            sleep 0.1
        done
    done
    wait "$1" 2>/dev/null || true
}
