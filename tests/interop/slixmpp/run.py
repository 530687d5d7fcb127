"""Runs slixmpp's own integration tests, from its source package, against a server at a given address.

usage: run.py SOURCE ADDRESS CERTIFICATE

SOURCE is the unpacked source package. The tests connect to the ports 5222 and 5223 of the domain in CI_ACCOUNT1; that
name is made to resolve to ADDRESS, and the server's CERTIFICATE (PEM) is trusted, so that it is checked as usual.
"""

import logging
import os
import socket
import sys
import unittest
from importlib import import_module
from pathlib import Path

# Components come with later features of the server; rooms and uploads have scripts of their own.
LATER = {"component", "httpupload", "moderate", "muc", "selfping", "sos"}


def main() -> int:
    source, address, certificate = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    sys.path.insert(0, str(source))
    os.chdir(source)
    os.environ["SSL_CERT_FILE"] = certificate
    domain = os.environ["CI_ACCOUNT1"].split("@")[1]

    resolve = socket.getaddrinfo

    def getaddrinfo(host, *args, **kwargs):
        return resolve(address if host == domain else host, *args, **kwargs)

    socket.getaddrinfo = getaddrinfo

    from slixmpp.xmlstream.xmlstream import XMLStream

    async def no_records(self, domain, port=None):
        return []

    XMLStream.get_dns_records = no_records
    if "--debug" in sys.argv:
        logging.basicConfig(level=logging.DEBUG)
    else:
        logging.disable(logging.CRITICAL)

    wanted = [argument for argument in sys.argv[4:] if not argument.startswith("--")]
    names = sorted(path.stem for path in Path("itests").glob("test_*.py"))
    names = [name for name in names if name.removeprefix("test_") not in LATER]
    names = [name for name in names if not wanted or name.removeprefix("test_") in wanted]
    suites = [import_module(f"itests.{name}").suite for name in names]
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=2).run(unittest.TestSuite(suites))
    print(f"slixmpp: {result.testsRun} tests of {len(suites)} files, {len(result.failures + result.errors)} failed")
    return 0 if result.wasSuccessful() and result.testsRun > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
