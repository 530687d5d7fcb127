#!/usr/bin/env bash
# A window of profanity and one of poezio in tmux: in a room together they talk, share files, and come back.
#
# usage: room.sh PYTHON ADDRESS PORT CERTIFICATE ROMEO_PASSWORD JULIET_PASSWORD
# PYTHON knows poezio; CERTIFICATE is the server's. The accounts romeo@localhost and juliet@localhost exist.
set -euo pipefail

python=$1 address=$2 port=$3 certificate=$4 romeo_password=$5 juliet_password=$6
here=$(dirname "$(realpath "$0")")
folder=$(mktemp -d)
socket=$folder/tmux
patience=300 # tenths of a second
room=garden@rooms.localhost

tm() { tmux -S "$socket" -f /dev/null "$@"; }

finish() {
  status=$?
  if [ "$status" -ne 0 ]; then
    for pane in romeo juliet; do
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
    if tm capture-pane -p -J -t "$1" | grep -qF -- "$2"; then return 0; fi
    sleep 0.1
  done
  echo "$1 never shows: $2"
  return 1
}

# Waits until a window is closed.
gone() {
  for _ in $(seq "$patience"); do
    tm has-session -t "$1" 2>/dev/null || return 0
    sleep 0.1
  done
  echo "$1 does not end"
  return 1
}

# Enter waits until the text is shown: poezio takes what comes at once for something pasted, and does not send that.
type_in() {
  tm send-keys -t "$1" -l -- "$2"
  shows "$1" "$2"
  tm send-keys -t "$1" Enter
}

# Types a command where poezio lists contacts: each letter does something there, until a slash has opened the line for commands.
from_contacts() {
  tm send-keys -t "$1" /
  shows "$1" "│/"
  type_in "$1" "$2"
}

# Opens a program in a window and a home of its own.
window() {
  user=$1 program=$2
  home=$folder/$user
  mkdir -p "$home/config/poezio" "$home/data" "$home/cache"
  tm new-session -d -s "$user" -x 170 -y 50 \
    "env HOME=$home XDG_CONFIG_HOME=$home/config XDG_DATA_HOME=$home/data XDG_CACHE_HOME=$home/cache SSL_CERT_FILE=$certificate LANG=C.UTF-8 TERM=screen-256color $program"
}

# Fetches the file that a pane shows a link to; what it holds has to be what was shared.
fetches() {
  shows "$1" "$2"
  link=$(tm capture-pane -p -J -t "$1" | grep -oE "https://localhost:[0-9]+/files/[^ │]*$2" | tail -n 1)
  curl --silent --show-error --fail --cacert "$certificate" --output "$folder/fetched" "$link"
  cmp "$folder/fetched" "$3"
}

open_profanity() {
  window romeo profanity
  shows romeo "Profanity"
  type_in romeo "/splash off"
  type_in romeo "/connect romeo@localhost server $address port $port tls trust"
  shows romeo "Enter password"
  tm send-keys -t romeo -l -- "$romeo_password"
  tm send-keys -t romeo Enter
  shows romeo "logged in successfully"
}

open_poezio() {
  window juliet "$python $here/run.py"
  shows juliet "Authentication success"
}

mkdir -p "$folder/juliet/config/poezio"
cat > "$folder/juliet/config/poezio/poezio.cfg" <<CONFIG
[Poezio]
jid = juliet@localhost/poezio
password = $juliet_password
custom_host = $address
custom_port = $port
ca_cert_path = $certificate
default_nick = Juliet
plugins_autoload = upload
CONFIG
echo "Arise, fair sun" > "$folder/romeo.txt"
echo "Thou knowest the mask of night is on my face" > "$folder/juliet.txt"

# Romeo makes the room, speaks and remembers it; Juliet reads on joining what was said before.
open_profanity
type_in romeo "/join $room nick Romeo"
shows romeo "/room accept"
type_in romeo "/room accept"
shows romeo "Room unlocked"
type_in romeo "But soft, what light through yonder window breaks?"
shows romeo "Romeo: But soft"
type_in romeo "/bookmark add"
shows romeo "Bookmark added for $room"
open_poezio
shows juliet "upload loaded"
from_contacts juliet "join $room/Juliet"
shows juliet "You (Juliet) joined the room"
shows juliet "Romeo> But soft, what light through yonder window breaks?"

# They talk.
type_in juliet "Ay me"
shows romeo "Juliet: Ay me"
type_in romeo "She speaks"
shows juliet "Romeo> She speaks"

# Each shares a file, and the other's link leads to it.
type_in romeo "/sendfile $folder/romeo.txt"
fetches juliet romeo.txt "$folder/romeo.txt"
type_in juliet "/upload $folder/juliet.txt"
fetches romeo juliet.txt "$folder/juliet.txt"

# Each leaves and begins anew, on a device that knows nothing. The bookmarks bring them back, to what was said.
type_in romeo "/quit"
gone romeo
shows juliet "Romeo has left the room"
rm -rf "$folder/romeo"
open_profanity
shows romeo "Autojoined $room"
type_in romeo "/win 2"
shows romeo "Juliet: Ay me"
type_in juliet "/quit"
gone juliet
rm -rf "$folder/juliet/data" "$folder/juliet/cache"
open_poezio
shows juliet "garden@rooms"
from_contacts juliet "win 1"
shows juliet "You (Juliet) joined the room"
shows juliet "Romeo> She speaks"
type_in juliet "Anon, good Nurse"
shows romeo "Juliet: Anon, good Nurse"
echo "ok: profanity and poezio"
