"""A program that uploads a file and is killed on the way.

    python -m tests.uploader URL TOKEN EMAIL HOME FILE KEY STOP

It prints how many bytes have arrived, a line each time; at STOP bytes it waits for its end, or for a line to go on at.
"""

from __future__ import annotations

import sys
from pathlib import Path

from cloister.sdk.folder import StateFolder
from cloister.sdk.key import Key
from cloister.sdk.progress import Reporter, TransferProgress
from cloister.sdk.resume import UploadRecords
from cloister.sdk.uploads import Transfers
from cloister.wire.hub import Hub
from cloister.wire.patience import Patience


def main(url: str, token: str, email: str, home: str, file: str, key: str, stop: str) -> None:
    def tell(progress: TransferProgress) -> None:
        print(progress.done, flush=True)
        if progress.done == int(stop):
            sys.stdin.readline()

    with_records = UploadRecords(StateFolder(Path(home)), url, email)
    transfers = Transfers(Hub(url, token), Patience(), Reporter(tell), with_records)
    # One part at a time, so that it is known which ones have arrived.
    transfers.upload(Path(file), Key(bytes.fromhex(key)), parallel=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
