#!/usr/bin/env python3
"""files_server.py DIRECTORY PORT: serves the files of a directory over HTTP on 127.0.0.1.  (python3 -m http.server asks for the
host's name first, which takes seconds where no name server answers.)"""
import functools
import http.server
import socketserver
import sys

handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=sys.argv[1])
socketserver.ThreadingTCPServer.allow_reuse_address = True
socketserver.ThreadingTCPServer(("127.0.0.1", int(sys.argv[2])), handler).serve_forever()
