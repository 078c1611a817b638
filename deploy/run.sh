#!/usr/bin/env bash
# make run: sets up, builds, starts the collector (with its ClickHouse) and an enrolled sensor on this host, and stays.
# All state is in .gnomon under the checkout. Ctrl-C or SIGTERM stops both programs; so does the death of either.
#
# GNOMON_CLICKHOUSE_URL, GNOMON_CLICKHOUSE_USER, GNOMON_CLICKHOUSE_PASSWORD_FILE: a ClickHouse server to use instead
# of the embedded one; read while .gnomon/collector.toml does not exist yet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
ROOT=$PWD
STATE=$ROOT/.gnomon
BIN=${CARGO_TARGET_DIR:-$ROOT/target}/release
export PATH="$ROOT/.tools/bin:$PATH"
export GNOMON_CHDB="${GNOMON_CHDB:-$ROOT/.tools/clickhouse/libchdb.so}"
source deploy/group.sh

say() { printf 'gnomon: %s\n' "$*"; }
fail() {
    printf 'gnomon: %s\n' "$1" >&2
    shift
    for line in "$@"; do printf '        %s\n' "$line" >&2; done
    exit 1
}

# What we write into: the folder itself, or the nearest one above it that exists.
for folder in "$STATE" "$ROOT/.tools" "${CARGO_TARGET_DIR:-$ROOT/target}"; do
    until [ -e "$folder" ]; do folder=$(dirname "$folder"); done
    [ -w "$folder" ] && [ -x "$folder" ] || fail "$(id -un 2>/dev/null || id -u) may not write $folder (it is of $(stat -c %U "$folder"))" \
        "State, tools and builds are kept in the checkout: run this as its owner, or in a checkout of your own."
done

umask 077
mkdir -p "$STATE/run" "$STATE/log"

command -v flock >/dev/null && command -v setpriv >/dev/null || fail "util-linux (flock, setpriv) is missing" "Install it and run this again."
exec 8>>"$STATE/run/lock"
flock -n 8 || fail "another make run is working in this checkout (process $(cat "$STATE/run/pid" 2>/dev/null || echo unknown))" \
    "Stop that one first (Ctrl-C there), or use another checkout: state is kept per checkout, in .gnomon/."
echo $$ >"$STATE/run/pid"

# sudo is asked for once; the ticket is kept fresh while the first build runs.
AS_ROOT=()
KEEP_SUDO=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "the sensor needs root to load BPF programs, and there is no sudo" "Run make run as root, or install sudo."
    sudo -n true 2>/dev/null || { say "sudo is needed for the sensor (and for packages that are missing)"; sudo -v; }
    AS_ROOT=(sudo)
    (while sleep 50 && kill -0 $$ 2>/dev/null; do sudo -n -v 2>/dev/null || exit 0; done) 8>&- &
    KEEP_SUDO=$!
fi

finish() {
    local status=$?
    trap - EXIT INT TERM HUP
    set +e
    # Set-up ends what it started by itself.
    [ -n "$WORKER" ] && kill "$WORKER" 2>/dev/null && wait "$WORKER" 2>/dev/null
    [ -n "$GROUP" ] && end_group "$GROUP"
    [ -n "$KEEP_SUDO" ] && kill "$KEEP_SUDO" 2>/dev/null
    # The sensor goes first: what it still has reaches the collector.
    stop_guard 5 "${SENSOR_GUARD:-}"
    stop_guard 6 "${COLLECTOR_GUARD:-}"
    rm -f "$STATE/run/pid"
    exit "$status"
}
# Long commands run beside us, for bash runs a trap only while it waits.
# work COMMAND…: one that may ask for a password, and ends what it started when it is told to.
WORKER=
work() {
    local status=0
    "$@" 8>&- &
    WORKER=$!
    wait "$WORKER" || status=$?
    WORKER=
    return "$status"
}
# work_in_group COMMAND…: one that leaves behind what it started.
GROUP=
work_in_group() {
    local status=0
    in_group "$@" 8>&-
    GROUP=$!
    wait "$GROUP" || status=$?
    GROUP=
    return "$status"
}
stop_guard() {
    case $1 in
        5) exec 5>&- ;;
        6) exec 6>&- ;;
    esac
    [ -n "$2" ] && wait "$2" 2>/dev/null
    return 0
}
trap finish EXIT
trap 'say "stopping"; exit 0' INT TERM HUP

work deploy/setup.sh run

if [ -x "$BIN/gnomon-sensor" ] && [ -x "$BIN/gnomon-collector" ]; then
    say "building (release)"
else
    say "building (release), the first time: 10 to 20 minutes on two cores"
fi
work_in_group cargo build --release --bins -p gnomon-sensor -p gnomon-collector -p gnomon

# What an earlier run left behind (kill -9 of everything) ends by itself; its guards hold this lock until it has.
exec 7>>"$STATE/run/guards"
flock -w 30 7 || fail "programs of an earlier run are still running" "See: fuser -v $STATE/run/guards"
exec 7>&-

# The collector's settings are written once and are yours to edit after that.
write_settings() {
    mkdir -p "$STATE/sensor"
    [ ! -f "$STATE/collector.toml" ] || return 0
    {
        echo "# Written by make run, once; yours to edit. Every setting: deploy/collector.toml."
        echo "state_dir = \"$STATE/collector\""
        if [ -n "${GNOMON_CLICKHOUSE_URL:-}" ]; then
            printf '\n[clickhouse]\nurl = "%s"\n' "$GNOMON_CLICKHOUSE_URL"
            [ -z "${GNOMON_CLICKHOUSE_USER:-}" ] || printf 'user = "%s"\n' "$GNOMON_CLICKHOUSE_USER"
            [ -z "${GNOMON_CLICKHOUSE_PASSWORD_FILE:-}" ] || printf 'password_file = "%s"\n' "$GNOMON_CLICKHOUSE_PASSWORD_FILE"
        fi
    } >"$STATE/collector.toml"
}

# start_guard FD NAME root|user COMMAND…: starts COMMAND so that it ends when FD closes.
start_guard() {
    local fd=$1 name=$2 root=$3 pipe=$STATE/run/$2.pipe
    shift 3
    # One older log is kept.
    [ ! -f "$STATE/log/$name.log" ] || mv -f "$STATE/log/$name.log" "$STATE/log/$name.log.1"
    # Made here, so that we may read what root writes into it.
    : >"$STATE/log/$name.log"
    rm -f "$pipe"
    mkfifo "$pipe"
    # Open for both, so that opening does not wait for the guard.
    eval "exec $fd<>\"\$pipe\""
    # Its own session: Ctrl-C on the terminal reaches us alone, and we stop things in order.
    # sudo stays in ours, for its ticket belongs to the terminal.
    local prefix=(setsid)
    [ "$root" = root ] && [ ${#AS_ROOT[@]} -gt 0 ] && prefix=("${AS_ROOT[@]}" setsid --wait)
    "${prefix[@]}" "$ROOT/deploy/guard.sh" "$name" "$STATE/run/guards" "$pipe" "$STATE/log/$name.log" "$@" \
        5>&- 6>&- 8>&- &
    STARTED=$!
}

# wait_for NAME GUARD SECONDS COMMAND…: until COMMAND succeeds, or the program is gone, or time is up.
wait_for() {
    local name=$1 guard=$2 deadline=$((SECONDS + $3))
    shift 3
    until "$@"; do
        if ! kill -0 "$guard" 2>/dev/null; then
            local status=0
            wait "$guard" || status=$?
            died "$name" "$status"
        fi
        [ $SECONDS -lt $deadline ] || fail "$name is not ready after a minute; the end of its log:" "$(log_end "$name")"
        sleep 0.05
    done
}
log_end() { tail -n 15 "$STATE/log/$1.log" 2>/dev/null; }
died() {
    printf 'gnomon: the %s stopped by itself (%s); the end of .gnomon/log/%s.log:\n' "$1" "$(meaning "$2")" "$1" >&2
    log_end "$1" >&2
    exit 1
}
meaning() {
    if [ "$1" -gt 128 ]; then printf 'signal %s' "$(kill -l "$1")"; else printf 'status %s' "$1"; fi
}
says_ready() { grep -q "^gnomon-$1: ready" "$STATE/log/$1.log" 2>/dev/null; }
endpoint() { sed -n "s/.*\"$1\" *: *\"\([^\"]*\)\".*/\1/p" "$STATE/collector/endpoint.json"; }

write_settings
rm -f "$STATE/collector/endpoint.json"

start_guard 6 collector user "$BIN/gnomon-collector" serve --config "$STATE/collector.toml"
COLLECTOR_GUARD=$STARTED
wait_for collector "$COLLECTOR_GUARD" 60 says_ready collector

"$BIN/gnomon-collector" certify --config "$STATE/collector.toml" --host "$(uname -n)" --out "$STATE/sensor" --replace >"$STATE/log/certify.log" 2>&1 ||
    fail "the collector could not certify this host's sensor:" "$(cat "$STATE/log/certify.log")"

# The collector takes any free port, so this file is written at each start.
cat >"$STATE/sensor.toml" <<END
# Written by make run at each start. Every setting: deploy/sensor.toml.
state_dir = "$STATE/sensor/state"

[collector]
server = "$(endpoint ingest)"
ca = "$STATE/sensor/ca.pem"
certificate = "$STATE/sensor/sensor.pem"
key = "$STATE/sensor/sensor.key"
END

start_guard 5 sensor root "$BIN/gnomon-sensor" run --config "$STATE/sensor.toml"
SENSOR_GUARD=$STARTED
wait_for sensor "$SENSOR_GUARD" 60 says_ready sensor

# The page wants a link that works once. Without one it says how to get it, so that is no reason to stop.
gnomon=${BIN#"$ROOT"/}/gnomon
link=$("$BIN/gnomon" page --api "$(endpoint api)" --token-file "$STATE/collector/api-token" 2>>"$STATE/log/collector.log") ||
    link="run: $gnomon page"
printf 'gnomon: ready %s (state in .gnomon/, logs in .gnomon/log/; try: %s sessions; Ctrl-C stops all)\n' "$(endpoint api)/" "$gnomon"
printf 'gnomon: the page, by a link that works once, within 10 minutes (a new one: %s page):\n%s\n' "$gnomon" "$link"

status=0
wait -n -p gone "$COLLECTOR_GUARD" "$SENSOR_GUARD" || status=$?
case ${gone:-} in
    "$COLLECTOR_GUARD") died collector "$status" ;;
    "$SENSOR_GUARD") died sensor "$status" ;;
esac
