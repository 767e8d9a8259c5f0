#!/usr/bin/env python3
"""knocks.py PORT COUNT: clients of drivers/firewall, which lets two in at a time.  Two are let in, the third is turned away, and
lets the next in when one leaves; then COUNT clients knock, of whom some give up before anything is decided, and at the end the
slots are free again."""
import socket
import struct
import sys

WELCOME = b"you are in\n"
PATIENCE = 10.0  # seconds


def knock(port):
    client = socket.create_connection(("127.0.0.1", port), PATIENCE)
    client.settimeout(PATIENCE)
    return client


def is_let_in(client):
    """True: welcomed.  False: turned away."""
    try:
        return client.recv(len(WELCOME), socket.MSG_WAITALL) == WELCOME
    except ConnectionResetError:
        return False


def comes_in(port):
    """A client that is let in before its patience ends: those before it may be on their way out."""
    for _ in range(1000):
        try:
            client = knock(port)
            if is_let_in(client):
                return client
            client.close()
        except ConnectionError:
            pass
    sys.exit("nobody is let in any more")


def give_up(client, number):
    if number % 3 == 0:  # with a reset
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    first, second = comes_in(port), comes_in(port)
    try:
        third = knock(port)
        if is_let_in(third):
            sys.exit("a third client was let in")
        third.close()
    except ConnectionResetError:
        pass  # before connect() had returned
    first.close()
    comes_in(port).close()
    second.close()
    let_in = 0
    for number in range(count):
        try:
            client = knock(port)
            if number % 2:
                let_in += is_let_in(client)
            give_up(client, number)
        except ConnectionError:
            pass
    print(f"{let_in} were let in")
    first, second = comes_in(port), comes_in(port)
    first.close()
    second.close()


main()
