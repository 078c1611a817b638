#!/usr/bin/env bash
set -euo pipefail
export GIT_CONFIG_GLOBAL=$PWD/gitconfig
git config --global user.name someone
git config --global user.email someone@example.org
git config --global init.defaultBranch main
git config --global safe.directory '*'
mkdir repositories
git init -q --bare repositories/work.git
touch repositories/work.git/git-daemon-export-ok
git clone -q "file://$PWD/repositories/work.git" first 2>/dev/null
cp "$CHECKOUT"/tests/captures/*.jsonl first/
for number in 1 2 3 4 5; do
    echo "{\"jsonrpc\":\"2.0\",\"id\":$number,\"method\":\"tools/list\"}" >>first/notes.jsonl
    git -C first add -A
    git -C first commit -q -m "the note about initialize, $number"
done
git -C first push -q origin main
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
git daemon --reuseaddr --listen=127.0.0.1 --port="$port" --base-path="$PWD/repositories" --export-all &
daemon=$!
for _ in $(seq 200); do git ls-remote "git://127.0.0.1:$port/work.git" >refs 2>/dev/null && break; sleep 0.05; done
git clone -q "git://127.0.0.1:$port/work.git" second
echo more >>first/notes.jsonl
git -C first commit -qam more
git -C first push -q
git -C second pull -q
kill "$daemon"
git -C second log -p --stat | grep -c jsonrpc >count
git -C second gc -q
echo "git: $(git -C second rev-list --count HEAD) commits, $(cat count) lines of the log quote JSON-RPC"
[ "$(git -C second rev-list --count HEAD)" -eq 6 ]
