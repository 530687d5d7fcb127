"""Starts poezio. As root, as tests run in a container, poezio would say no more than that it does not run as root."""

import os

from poezio.poezio import main

os.geteuid = lambda: os.getuid() or 65534
main()
