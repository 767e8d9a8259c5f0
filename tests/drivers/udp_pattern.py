#!/usr/bin/env python3
"""udp_pattern.py [--until-silent | --cut] ADDRESS PORT COUNT: sends COUNT datagrams of all sizes to an echo server, a few at a
time, and compares what comes back.  With --until-silent it ends well as soon as nothing comes back any more, but all that
comes has to be right; it prints "busy" when something has come back.  With --cut the kernel cuts what is sent into the
datagrams (UDP_SEGMENT), and puts together what comes back (UDP_GRO) to every other socket."""
import random
import socket
import struct
import sys

WINDOW = 8  # those of several clients fit into any socket's buffer, large ones one at a time
PATIENCE = 10.0  # seconds
SILENCE = 0.5
UDP_SEGMENT, UDP_GRO = 103, 104  # linux/udp.h


def datagrams(own):
    """What one receive brings: a datagram, or several that the kernel has put together."""
    data, control, _, _ = own.recvmsg(65536, socket.CMSG_SPACE(4))
    size = next((struct.unpack("=i", value)[0] for level, kind, value in control
                 if (level, kind) == (socket.IPPROTO_UDP, UDP_GRO)), 0)
    return [data[at:at + size] for at in range(0, len(data), size)] if size else [data]


def cut(address, port, count):
    """Datagrams of one length and a shorter one behind them, as one: they come back one by one, in order."""
    chance = random.Random(port)
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    done = 0
    for turn in range(1000000):
        if done >= count:
            return 0
        with socket.socket(family, socket.SOCK_DGRAM) as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
            own.setsockopt(socket.IPPROTO_UDP, UDP_GRO, turn % 2)
            own.settimeout(PATIENCE)
            own.connect((address, port))
            for size, pieces in ((1, 20), (64, 60), (1200, 40), (9000, 6), (700, 1)):
                data = chance.randbytes(size * pieces + (size // 3 if turn % 3 else 0))
                sent = [data[at:at + size] for at in range(0, len(data), size)]
                own.sendmsg([data], [(socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size))])
                back = []
                try:
                    while len(back) < len(sent):
                        back += datagrams(own)
                except (TimeoutError, ConnectionRefusedError) as error:
                    print(f"{len(sent)} datagrams of {size} bytes: {len(back)} came back: {error}")
                    return 1
                if back != sent:
                    print(f"{len(sent)} datagrams of {size} bytes: {[len(data) for data in back]} bytes came back")
                    return 1
                done += len(sent)
    return 1


def main():
    arguments = sys.argv[1:]
    if arguments[0] == "--cut":
        return cut(arguments[1], int(arguments[2]), int(arguments[3]))
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
