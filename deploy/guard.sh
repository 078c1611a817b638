#!/usr/bin/env bash
# guard.sh NAME LOCK PIPE LOG COMMAND…: runs COMMAND for deploy/run.sh and never outlives it.
#
# PIPE is a named pipe that run.sh alone holds open for writing. When it closes, because run.sh stops us or was itself
# killed, COMMAND gets SIGTERM, and SIGKILL 15 s later. Should this guard be killed, the kernel sends the SIGTERM.
# LOCK is held, shared, for as long as COMMAND may run: the next `make run` waits for it.
# Run by sudo where COMMAND needs root; signals do not cross that border from below, a closed pipe does.
set -uo pipefail
name=$1 lock=$2 pipe=$3 log=$4
shift 4
exec 7>>"$lock"
flock -s 7
trap '' INT HUP
exec 3<"$pipe"
setpriv --pdeathsig TERM "$@" </dev/null 3<&- 7>&- >>"$log" 2>&1 &
child=$!

# `read` comes back when the pipe closes; run.sh never writes to it.
(
    read -r _ <&3
    kill -TERM "$child" 2>/dev/null
    for _ in {1..150}; do
        kill -0 "$child" 2>/dev/null || exit 0
        sleep 0.1
    done
    echo "guard: $name did not stop within 15 s: killed" >>"$log"
    kill -KILL "$child" 2>/dev/null
) 7>&- &
watcher=$!
trap 'kill -TERM "$child" 2>/dev/null' TERM

status=0
while true; do
    wait "$child" 2>/dev/null
    status=$?
    # `wait` also returns when the trap ran; only a child that is gone ends the loop.
    kill -0 "$child" 2>/dev/null || break
done
kill "$watcher" 2>/dev/null
wait "$watcher" 2>/dev/null
exit "$status"
