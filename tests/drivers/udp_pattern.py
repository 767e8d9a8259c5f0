#!/usr/bin/env python3
"""udp_pattern.py [--until-silent] ADDRESS PORT COUNT: sends COUNT datagrams of all sizes to an echo server, a few at a
time, and compares what comes back.  With --until-silent it ends well as soon as nothing comes back any more, but all that
comes has to be right; it prints "busy" when something has come back."""
import random
import socket
import sys

WINDOW = 8  # those of several clients fit into any socket's buffer, large ones one at a time
PATIENCE = 10.0  # seconds
SILENCE = 0.5


def main():
    arguments = sys.argv[1:]
    until_silent = arguments[:1] == ["--until-silent"]
    address, port, count = arguments[until_silent], int(arguments[1 + until_silent]), int(arguments[2 + until_silent])
    chance = random.Random(port)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        own.settimeout(SILENCE if until_silent else PATIENCE)
        done = 0
        while done < count:
            sent = [chance.randbytes(chance.choice((0, 1, 40, 1400)) + number) for number in range(WINDOW)]
            if done % 256 == 0:
                sent = [chance.randbytes(9000)]
            for data in sent:
                own.sendto(data, (address, port))
            for number, data in enumerate(sent):
                try:
                    back = own.recv(65536)
                except (TimeoutError, ConnectionRefusedError) as error:
                    if until_silent:
                        return 0
                    print(f"datagram {done + number} did not come back: {error}")
                    return 1
                if back != data:
                    if until_silent and back in sent:
                        return 0  # the unload has dropped those before it
                    print(f"datagram {done + number} came back as {len(back)} other bytes, not as {len(data)}")
                    return 1
            if until_silent and done == 0:
                print("busy", flush=True)
            done += WINDOW
    return 0


sys.exit(main())
