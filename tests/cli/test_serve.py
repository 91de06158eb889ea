"""`ctf serve` says in one line why it cannot listen."""

from __future__ import annotations

import socket

import pytest

from coarse_to_fine.cli.serve import listening
from coarse_to_fine.errors import UserError


def test_a_taken_port_is_said_in_one_line():
    with listening("127.0.0.1", 0) as own, pytest.raises(UserError, match="choose another --host or --port"):
        listening("127.0.0.1", own.getsockname()[1])


def test_an_unknown_address_is_said_in_one_line():
    with pytest.raises(UserError, match=r"cannot listen on 203\.0\.113\.7, port 0"):
        listening("203.0.113.7", 0)


def test_connections_are_taken():
    with listening("localhost", 0) as own, socket.create_connection(("127.0.0.1", own.getsockname()[1]), 5) as client:
        assert client.getpeername()[1] == own.getsockname()[1]
