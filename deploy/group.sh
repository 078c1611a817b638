# Sourced by run.sh and setup.sh: a long command as a process group of its own, so that all it starts ends with it.
# A cargo that gets SIGTERM leaves its rustc running; only a terminal tells the whole group.

# in_group COMMAND…: starts it in the background, in our session but a group of its own, numbered $!. The terminal's Ctrl-C
# does not reach it: whoever starts it ends it. It cannot ask in the terminal, so it is not for sudo.
in_group() {
    set -m
    "$@" </dev/null &
    set +m
}

# end_group NUMBER: SIGTERM to all of the group, SIGKILL 10 s later; comes back when none is left.
end_group() {
    kill -TERM -- "-$1" 2>/dev/null || return 0
    wait "$1" 2>/dev/null || true
    for _ in {1..100}; do
        kill -0 -- "-$1" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$1" 2>/dev/null || true
}
