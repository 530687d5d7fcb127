-- Prosody as Debian configures it, with epoll, its limits off, and open for measuring.
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
log = { warn = "{folder}/prosody.log" }
network_backend = "epoll"
network_settings = { tcp_backlog = 65535 }
modules_enabled = {
	"disco"; "roster"; "saslauth"; "tls"; "blocklist"; "bookmarks"; "carbons"; "pep"; "private"; "smacks"; "vcard4";
	"vcard_legacy"; "csi_simple"; "ping"; "time"; "uptime"; "version"; "register_ibr"; "websocket"; {archive}
}
modules_disabled = { "s2s"; "limits" }
interfaces = { "127.0.0.1" }
c2s_ports = { {tcp} }
c2s_direct_tls_ports = { {tls} }
http_interfaces = { "127.0.0.1" }
http_ports = { {http} }
https_ports = {}
http_default_host = "localhost"
consider_websocket_secure = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
allow_registration = true
c2s_timeout = 86400
authentication = "internal_hashed"
password_hash = "SHA-256"
default_iteration_count = 4096
storage = { archive = "sql" }
sql = { driver = "SQLite3", database = "{folder}/data/archive.sqlite" }
default_archive_policy = true
archive_expires_after = "never"
ssl = { certificate = "{certificate}", key = "{key}" }
http_file_share_size_limit = 100 * 1024 * 1024
http_file_share_daily_quota = 1024 * 1024 * 1024 * 1024
VirtualHost "localhost"
Component "upload.localhost" "http_file_share"
	http_host = "localhost"
Component "rooms.localhost" "muc"
	modules_enabled = { {room_archive} }
