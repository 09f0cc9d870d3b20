"""Programs of Python that begin warm: each run is a process of its own, forked from one that has imported everything.

Owns `Warm`. `Warm.program` writes an executable that does what the program would do, with the caller's arguments,
environment, folder and streams, and ends with its exit code; a start takes some 20 ms instead of a second. What a test
is about that happens before a program's first line (its imports, its interpreter) needs the program itself.

    python warm.py SOCKET PROGRAM MODULE...     imports the modules, and runs the program for each who connects
"""

import array
import atexit
import contextlib
import importlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

_CLIENT = """#!{python} -IS
import array, json, os, socket, sys
server = socket.socket(socket.AF_UNIX)
server.connect({socket!r})
said = json.dumps([sys.argv, os.getcwd(), dict(os.environ)]).encode("utf-8", "surrogateescape")
server.sendmsg([len(said).to_bytes(8, "big")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))])
server.sendall(said)
code = server.recv(4)
os._exit(int.from_bytes(code, "big") if code else 70)
"""


class Warm:
    """A server that runs one program, as often as it is asked to; it ends with this process.

    Args:
        program: The program's file.
        modules: What it imports beforehand.
    """

    def __init__(self, program: Path, *modules: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="warm")
        self._socket = str(Path(self._folder.name) / "socket")
        command = [sys.executable, __file__, self._socket, str(program), *modules]
        # Nothing of the caller's: encoding and warnings are those of a program that begins without an environment.
        environment = {"PATH": os.environ["PATH"], "HOME": self._folder.name}
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
        atexit.register(self.close)

    def program(self, path: Path) -> Path:
        """Write an executable that runs the program."""
        deadline = time.monotonic() + 60
        while not os.path.exists(self._socket):
            assert self._server.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not begin"
            time.sleep(0.01)
        path.write_text(_CLIENT.format(python=sys.executable, socket=self._socket))
        path.chmod(0o755)
        return path

    def close(self) -> None:
        """End the server."""
        self._server.communicate()  # The end of its input is the sign to end.
        self._folder.cleanup()


def _serve(path: str, program: str, modules: list[str]) -> None:
    sys.path[0] = str(Path(__file__).parents[1])
    for module in modules:
        importlib.import_module(module)
    sys.path.pop(0)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{path}.new")
    listener.listen(64)
    os.rename(f"{path}.new", path)
    parent = sys.stdin.fileno()
    while parent not in select.select([parent, listener], [], [])[0]:
        connection, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            _run(connection, program)
        connection.close()
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _run(connection: socket.socket, program: str) -> None:
    size, ancillary, _, _ = connection.recvmsg(8, socket.CMSG_SPACE(3 * 4))
    said = b""
    while len(said) < int.from_bytes(size, "big"):
        said += connection.recv(1 << 16)
    arguments, folder, environment = json.loads(said.decode("utf-8", "surrogateescape"))
    streams = array.array("i")
    streams.frombytes(ancillary[0][2])
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = arguments
    code = 70
    try:
        runpy.run_path(program, run_name="__main__")
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        connection.sendall(code.to_bytes(4, "big"))
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[2], sys.argv[3:])
