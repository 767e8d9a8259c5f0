#!/usr/bin/env python3
"""dns_server.py ADDRESS PORT FILE [LOSE]: a DNS server for drivers/dns-query. It writes a line to FILE when it listens.

The first LOSE queries get no answer. Before each answer to other names comes what is none: another id, another
question, half a header. Names: two.test has two addresses behind an alias, broken.test promises more records than
there are, silent.test is never answered, the rest does not exist.
"""
import socket
import struct
import sys

address, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
lose = int(sys.argv[4]) if len(sys.argv) > 4 else 0


def name(data, at):
    labels = []
    while data[at]:
        labels.append(data[at + 1 : at + 1 + data[at]].decode())
        at += 1 + data[at]
    return ".".join(labels), at + 1


def record(kind, data):
    return b"\xc0\x0c" + struct.pack(">HHIH", kind, 1, 60, len(data)) + data  # of the name in the question


def answer(query):
    asked, end = name(query, 12)
    assert query[end:] == b"\0\1\0\1" and query[2:12] == b"\1\0\0\1" + 6 * b"\0", query
    records, code = [], 0
    if asked == "two.test":
        records = [record(5, b"\3one\4test\0"), record(1, bytes((10, 1, 2, 3))), record(1, bytes((10, 1, 2, 255)))]
    elif asked != "broken.test":
        code = 3
    count = 2 if asked == "broken.test" else len(records)
    head = query[:2] + struct.pack(">HHHHH", 0x8180 | code, 1, count, 0, 0)
    return asked, head + query[12:] + b"".join(records)


s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.bind((address, port))
with open(path, "w") as f:
    f.write("ready\n")
while True:
    query, sender = s.recvfrom(2048)
    asked, message = answer(query)
    with open(path, "a") as f:
        f.write("asked for %s\n" % asked)
    if lose > 0 or asked == "silent.test":
        lose -= 1
        continue
    s.sendto(bytes((query[0] ^ 1,)) + message[1:], sender)
    s.sendto(message[:12] + b"\1x" + message[14:], sender)
    s.sendto(message[:6], sender)
    s.sendto(b"", sender)
    s.sendto(message, sender)
