#!/bin/bash
# Starts Debian's PostgreSQL, NATS and HAProxy and three nodes of Waxwing on this machine, and runs until it is interrupted.
#
#   apt install postgresql nats-server haproxy openssl curl
#   cargo build --release
#   packaging/three-nodes.sh [FOLDER]        # ./three-nodes unless another is named; WAXWING names another program
#
# Clients reach the three at 127.0.0.1:5222 and 5223, and the web client at https://127.0.0.1:5281/. Each process can be killed: it
# is started again. FOLDER/NAME.pid has its id and FOLDER/NAME.log what it says; the names are postgres, nats, haproxy, node1 to node3.
set -euo pipefail

packaging=$(cd "$(dirname "$0")" && pwd)
waxwing=${WAXWING:-$packaging/../target/release/waxwing}
mkdir -p "${1:-three-nodes}"
folder=$(cd "${1:-three-nodes}" && pwd)

postgres=$(find /usr/lib/postgresql -path '*/bin/postgres' 2>/dev/null | sort -V | tail -n 1)
for program in "${postgres:-postgres}" nats-server haproxy openssl curl "$waxwing"; do
    command -v "$program" >/dev/null || { echo "$program is missing" >&2; exit 1; }
done

# Runs a program, and again when it ends, until all is to stop. In a session of its own, so that Ctrl+C reaches this script alone.
keep() {
    local name=$1
    shift
    (
        trap '' INT TERM
        until [ -e "$folder/stopping" ]; do
            # What is ignored here would be ignored by the program too.
            setsid env --default-signal=INT,TERM "$@" >>"$folder/$name.log" 2>&1 &
            echo $! >"$folder/$name.pid"
            wait $! || true
            rm -f "$folder/$name.pid"
            [ -e "$folder/stopping" ] || sleep 0.5
        done
    ) &
}

# Ends a program that is kept, and waits for it.
finish() {
    local pid
    for name in "$@"; do
        pid=$(cat "$folder/$name.pid" 2>/dev/null) && kill -s "${signal:-TERM}" "$pid" 2>/dev/null
    done
    for name in "$@"; do
        while [ -e "$folder/$name.pid" ]; do sleep 0.1; done
    done
}

stop() {
    trap - EXIT
    trap "" INT TERM
    touch "$folder/stopping"
    finish haproxy node1 node2 node3
    # "Fast": sessions are ended, nothing is lost.
    signal=INT finish postgres
    finish nats
    rm -f "$folder/stopping"
}

# Waits until a command succeeds.
until_it_works() {
    local tries=0
    until "${@:2}" >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || { echo "$1 does not start; see $folder/$1.log" >&2; exit 1; }
        sleep 0.1
    done
}

rm -f "$folder/stopping" "$folder"/*.pid
trap stop EXIT
trap 'exit 0' INT TERM

# PostgreSQL refuses to run as root.
as=()
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid postgres --regid postgres --init-groups)
    chmod a+x "$folder"
fi
data=$folder/postgres
if [ ! -e "$data/PG_VERSION" ]; then
    install -d -m 700 ${as:+-o postgres -g postgres} "$data"
    (umask 077 && head -c 24 /dev/urandom | base64 | tr -d '+/=\n' >"$folder/password")
    [ ${#as[@]} = 0 ] || chown postgres "$folder/password"
    "${as[@]}" "$(dirname "$postgres")/initdb" --pgdata "$data" --username waxwing --pwfile "$folder/password" \
        --auth scram-sha-256 --encoding UTF8 --locale C >"$folder/postgres.log"
fi
keep postgres "${as[@]}" "$postgres" -D "$data" -c listen_addresses=127.0.0.1 -c port=5433 \
    -c unix_socket_directories= -c max_connections=200
password=$(cat "$folder/password")
export PGPASSWORD=$password
until_it_works postgres "$(dirname "$postgres")/psql" --host 127.0.0.1 --port 5433 --username waxwing postgres --command 'SELECT 1'
psql() { "$(dirname "$postgres")/psql" --host 127.0.0.1 --port 5433 --username waxwing postgres --tuples-only --no-align "$@"; }
[ -n "$(psql --command "SELECT 1 FROM pg_database WHERE datname = 'waxwing'")" ] || psql --quiet --command 'CREATE DATABASE waxwing'

keep nats nats-server --addr 127.0.0.1 --port 4223 --user waxwing --pass "$password"

[ -e "$folder/tls.key" ] || openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 365 -subj /CN=localhost \
    -addext subjectAltName=DNS:localhost -keyout "$folder/tls.key" -out "$folder/tls.crt" 2>/dev/null

start_node() {
    local name=node$1 address=127.0.0.1$1
    mkdir -p "$folder/$name" "$folder/files"
    (umask 077 && cat >"$folder/$name/waxwing.toml") <<TOML
data_dir = "$folder/$name/data"

[[domain]]
name = "localhost"
certificate = "$folder/tls.crt"
key = "$folder/tls.key"

[listen]
xmpp = ["$address:5222"]
xmpp_tls = ["$address:5223"]
http = ["$address:5280"]
https = ["$address:5281"]

[listen.proxy_from]
xmpp = ["127.0.0.1"]
xmpp_tls = ["127.0.0.1"]
https = ["127.0.0.1"]

[files]
folder = "$folder/files"
url = "https://localhost:5281/files/"

[federation]
enabled = false

[store]
url = "postgres://waxwing:$password@127.0.0.1:5433/waxwing"

[cluster]
urls = ["nats://waxwing:$password@127.0.0.1:4223"]

[shutdown]
announce_ms = 3_000
spread_ms = 5_000
TOML
    keep "$name" "$waxwing" --config "$folder/$name/waxwing.toml" serve --cluster
    until_it_works "$name" curl --silent --fail "http://$address:5280/health/ready"
}
for number in 1 2 3; do start_node "$number"; done

sed -e 's/maxconn 100000/maxconn 5000/; s/bind :443/bind 127.0.0.1:5281/; s/bind :/bind 127.0.0.1:/; s/ 10\.0\.0\.1/ 127.0.0.1/' \
    "$packaging/haproxy.cfg" | sed '/^listen xmpps\?_server/,/^$/d' >"$folder/haproxy.cfg"
keep haproxy haproxy -db -f "$folder/haproxy.cfg"
until_it_works haproxy curl --silent --insecure --fail https://127.0.0.1:5281/api/about

cat <<TEXT
Three nodes are ready: XMPP at 127.0.0.1:5222 and 5223, the web client at https://127.0.0.1:5281/
$(grep --no-filename --max-count 4 -i 'password' "$folder/node1.log" || true)
People are added by one of them:

  $waxwing --config $folder/node1/waxwing.toml user add alice@localhost

Kill any process (kill -9 \$(cat $folder/node2.pid)); Ctrl+C stops all.
TEXT
while :; do sleep 3600 & wait $! || true; done
