#!/usr/bin/env python3
"""reset_server.py PORT: accepts one connection on 127.0.0.1, prints what it says, says nothing itself, and ends well only
when that connection is reset."""
import socket
import sys

PATIENCE = 60.0  # seconds


def main():
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
        listener.settimeout(PATIENCE)
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            try:
                while data := connection.recv(4096):
                    print(data.decode(), end="", flush=True)
            except ConnectionResetError:
                return 0
    return 1


sys.exit(main())
