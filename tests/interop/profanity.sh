#!/usr/bin/env bash
# Conversations of profanity windows in tmux, with each other and with go-sendxmpp.
#
# usage: profanity.sh ADDRESS PORT ROMEO_PASSWORD JULIET_PASSWORD
# The accounts romeo@localhost and juliet@localhost exist and know nothing of each other.
set -euo pipefail

address=$1 port=$2 romeo_password=$3 juliet_password=$4
folder=$(mktemp -d)
socket=$folder/tmux
patience=300 # tenths of a second

tm() { tmux -S "$socket" -f /dev/null "$@"; }

finish() {
  status=$?
  if [ "$status" -ne 0 ]; then
    for pane in romeo juliet listener; do
      if tm has-session -t "$pane" 2>/dev/null; then
        echo "---- $pane ----"
        tm capture-pane -p -J -t "$pane" || true
      fi
    done
  fi
  tm kill-server 2>/dev/null || true
  rm -rf "$folder"
  exit "$status"
}
trap finish EXIT

# Waits until a pane shows a text.
shows() {
  for _ in $(seq "$patience"); do
    if tm capture-pane -p -J -S -200 -t "$1" | grep -qF -- "$2"; then return 0; fi
    sleep 0.1
  done
  echo "$1 never shows: $2"
  return 1
}

type_in() { tm send-keys -t "$1" -l -- "$2"; tm send-keys -t "$1" Enter; }

# Opens profanity for a user and signs in.
open() {
  user=$1 password=$2
  home=$folder/$user
  mkdir -p "$home/config" "$home/data" "$home/cache"
  tm new-session -d -s "$user" -x 160 -y 50 \
    "env HOME=$home XDG_CONFIG_HOME=$home/config XDG_DATA_HOME=$home/data XDG_CACHE_HOME=$home/cache LANG=C.UTF-8 TERM=screen profanity"
  shows "$user" "Profanity"
  type_in "$user" "/splash off"
  type_in "$user" "/connect $user@localhost server $address port $port tls trust"
  shows "$user" "Enter password"
  type_in "$user" "$password"
  shows "$user" "logged in successfully"
}

open romeo "$romeo_password"
open juliet "$juliet_password"

# They subscribe to each other.
type_in romeo "/sub request juliet@localhost"
shows juliet "Received authorization request"
type_in juliet "/sub allow romeo@localhost"
type_in juliet "/sub request romeo@localhost"
shows romeo "Received authorization request"
type_in romeo "/sub allow juliet@localhost"
shows romeo "juliet@localhost"

# A conversation.
type_in romeo "/msg juliet@localhost But soft, what light through yonder window breaks?"
shows juliet "romeo"
type_in juliet "/msg romeo@localhost Ay me"
shows romeo "Ay me"
type_in juliet "/win 1"
type_in juliet "/msg romeo@localhost"
shows juliet "what light through yonder window breaks"
type_in romeo "It is the east, and Juliet is the sun"
shows juliet "Juliet is the sun"

# What is said while one is away is there when she comes back.
type_in juliet "/quit"
for _ in $(seq "$patience"); do
  tm has-session -t juliet 2>/dev/null || break
  sleep 0.1
done
type_in romeo "Arise, fair sun, and kill the envious moon"
open juliet "$juliet_password"
type_in juliet "/msg romeo@localhost"
shows juliet "kill the envious moon"
echo "ok: profanity and profanity"

# go-sendxmpp sends to a profanity window, and hears what profanity says.
send="go-sendxmpp -n -j $address:$port"
echo "Wherefore art thou, from the shell" | $send -u romeo@localhost -p "$romeo_password" juliet@localhost
shows juliet "from the shell"
type_in romeo "/quit"
for _ in $(seq "$patience"); do
  tm has-session -t romeo 2>/dev/null || break
  sleep 0.1
done
tm new-session -d -s listener -x 160 -y 50 "$send -l -u romeo@localhost -p $romeo_password; sleep 60"
type_in juliet "/win 1"
type_in juliet "/msg romeo@localhost"
for _ in $(seq 50); do
  type_in juliet "O gentle Romeo, to the shell"
  if tm capture-pane -p -J -t listener | grep -qF "O gentle Romeo, to the shell"; then break; fi
  sleep 0.2
done
shows listener "O gentle Romeo, to the shell"
echo "ok: profanity and go-sendxmpp"
