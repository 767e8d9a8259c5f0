#!/usr/bin/env python3
"""full_queue.py PORT: listens on 127.0.0.1 with a full queue, so that a connect is not answered. Says `ready`, then waits."""
import select
import socket
import sys
import time

at = ("127.0.0.1", int(sys.argv[1]))
server = socket.socket()
server.bind(at)
server.listen(0)
clients = []
while True:  # until one finds no room: Linux then drops its SYN
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(at)
    clients.append(client)
    if not select.select([], [client], [], 1)[1]:
        break
print("ready", flush=True)
while True:
    time.sleep(1)
