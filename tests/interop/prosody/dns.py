"""A resolver that knows the servers of two domains, each by an SRV record and an address.

Usage: dns.py ADDRESS PORT DOMAIN=IP...
"""

import socket
import struct
import sys


def labels(name):
    return b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"


A, SRV = 1, 33
records = {}
for pair in sys.argv[3:]:
    domain, address = pair.split("=")
    host = f"xmpp.{domain}"
    records[labels(host), A] = socket.inet_aton(address)
    records[labels(f"_xmpp-server._tcp.{domain}"), SRV] = struct.pack("!HHH", 0, 0, 5269) + labels(host)

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
while True:
    query, peer = server.recvfrom(4096)
    end = query.index(b"\0", 12) + 1
    name, kind = query[12:end].lower(), struct.unpack("!H", query[end:end + 2])[0]
    data = records.get((name, kind))
    known = any(known == name for known, _ in records)
    answer = query[:2] + struct.pack("!HHHHH", 0x8580 if known else 0x8583, 1, int(data is not None), 0, 0)
    answer += query[12:end + 4]
    if data is not None:
        answer += b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data
    server.sendto(answer, peer)
