"""Signs in with SCRAM-SHA-256-PLUS and the channel binding tls-exporter, by another TLS library (OpenSSL) than the
server's, under TLS 1.2 and 1.3 (RFC 9266, RFC 5802). Arguments: host, port, user, password. A wrong binding must fail."""

import base64
import hashlib
import hmac
import os
import re
import socket
import sys

from OpenSSL import SSL

HEADER = (
    "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


def until(connection, pattern):
    """Reads until the pattern is there."""
    text = ""
    while True:
        found = re.search(pattern, text, re.S)
        if found:
            return found
        piece = connection.recv(4096)
        if not piece:
            raise SystemExit(f"the server closed the stream: {text}")
        text += piece.decode()


def encoded(data):
    return base64.b64encode(data).decode()


def sign_in(host, port, user, password, version, spoil):
    """Returns the name of the server's last element and the name of the TLS version."""
    plain = socket.create_connection((host, port), timeout=30)
    plain.sendall(HEADER.encode())
    until(plain, "</stream:features>")
    plain.sendall(b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
    until(plain, "<proceed")
    plain.setblocking(True)
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(version)
    context.set_max_proto_version(version)
    tls = SSL.Connection(context, plain)
    tls.set_tlsext_host_name(b"localhost")
    tls.set_connect_state()
    tls.do_handshake()
    # RFC 9266 section 2: the context is there, and empty.
    binding = tls.export_keying_material(b"EXPORTER-Channel-Binding", 32, b"")
    if spoil:
        binding = bytes(32)
    tls.sendall(HEADER.encode())
    features = until(tls, ".*</stream:features>").group(0)
    assert "tls-exporter" in features and "SCRAM-SHA-256-PLUS" in features, features
    gs2, nonce = b"p=tls-exporter,,", encoded(os.urandom(18))
    bare = f"n={user},r={nonce}"
    first = encoded(gs2 + bare.encode())
    tls.sendall(f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256-PLUS'>{first}</auth>".encode())
    challenge = base64.b64decode(until(tls, "<challenge[^>]*>([^<]*)</challenge>").group(1)).decode()
    server_nonce, salt, rounds = re.match("r=([^,]*),s=([^,]*),i=([0-9]+)", challenge).groups()
    assert server_nonce.startswith(nonce)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(salt), int(rounds))

    def mac(key, text):
        return hmac.new(key, text, "sha256").digest()

    without_proof = f"c={encoded(gs2 + binding)},r={server_nonce}"
    signed = f"{bare},{challenge},{without_proof}".encode()
    client_key = mac(salted, b"Client Key")
    signature = mac(hashlib.sha256(client_key).digest(), signed)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    answer = encoded(f"{without_proof},p={encoded(proof)}".encode())
    tls.sendall(f"<response xmlns='{SASL}'>{answer}</response>".encode())
    outcome = until(tls, "<(success|failure)[^>]*>([^<]*)<")
    if outcome.group(1) == "success":
        expected = mac(mac(salted, b"Server Key"), signed)
        assert base64.b64decode(outcome.group(2)).decode().startswith(f"v={encoded(expected)}"), "the server's proof"
    return outcome.group(1), tls.get_protocol_version_name()


def main():
    host, port, user, password = sys.argv[1:]
    for version, name in [(SSL.TLS1_2_VERSION, "TLSv1.2"), (SSL.TLS1_3_VERSION, "TLSv1.3")]:
        for spoil, expected in [(False, "success"), (True, "failure")]:
            outcome, spoken = sign_in(host, int(port), user, password, version, spoil)
            print(spoken, "wrong binding" if spoil else "right binding", outcome)
            assert (outcome, spoken) == (expected, name), (outcome, spoken, spoil)


main()
